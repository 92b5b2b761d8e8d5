"""Model inputs, and the axes that result from them."""
