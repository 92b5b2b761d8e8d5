"""Atomic file writes, and the text formats that several layers write."""
