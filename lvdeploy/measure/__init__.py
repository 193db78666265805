"""What observations add up to, and whether that is good enough."""
