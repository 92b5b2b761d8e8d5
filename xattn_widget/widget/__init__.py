"""The panel in a notebook, on a live model."""
