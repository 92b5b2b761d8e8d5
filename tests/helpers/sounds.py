"""Sounds for tests."""

from __future__ import annotations

import numpy as np

RATE = 16_000


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    """A tone with noise, whose loudness changes."""
    time = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).normal(0, 0.02, len(time))
    return (np.sin(2 * np.pi * 220 * time) * 0.3 * np.sin(np.pi * time / seconds) ** 2 + noise).astype(np.float32)
