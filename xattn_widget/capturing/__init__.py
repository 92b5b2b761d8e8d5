"""Capture the cross-attention of any forward, and change the outputs of heads; afterwards the model is restored."""
