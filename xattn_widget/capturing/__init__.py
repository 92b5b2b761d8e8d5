"""Capture the cross-attention of any forward, and change what heads give; afterwards the model is as it was."""
