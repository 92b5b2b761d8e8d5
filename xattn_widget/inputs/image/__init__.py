"""Images as sources: reading them, and where the positions of each family's encoder lie in them."""
