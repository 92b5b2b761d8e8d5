"""Sound as input: recordings."""
