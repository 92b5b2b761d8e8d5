"""Capture the cross-attention of any forward, and change what heads give; the model is left as it was."""
