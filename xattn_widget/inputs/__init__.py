"""What goes into a model, and the axes that result."""
