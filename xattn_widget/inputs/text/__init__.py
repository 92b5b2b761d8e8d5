"""Text as an input: vocabularies, encoding and words."""
