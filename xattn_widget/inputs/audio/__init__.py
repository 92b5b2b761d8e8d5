"""Sound as the source of a model: what its encoder reads, and when each position of the encoder is heard."""
