"""Text as input: vocabularies, encoding and words."""
