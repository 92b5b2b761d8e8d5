"""The record: attention, its axes, and how it is saved. Knows tensors and masks, not the model."""
