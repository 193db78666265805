"""The commands: where the parts are put together, and the only place that prints and exits."""
