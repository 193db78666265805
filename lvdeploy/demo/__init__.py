"""A LiveView application with state worth losing: what ``lvdeploy demo`` deploys."""
