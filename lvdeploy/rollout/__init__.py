"""From one version to another: intent, plan, engine, journal and lease."""
