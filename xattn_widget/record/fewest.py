"""The fewest weights that hold a share of their sum. The front end says the same in ``js/src/core/fewest.ts``."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

# Rounding in float32 must not add a weight: sums that are this share smaller count as equal.
_TOLERANCE = 1e-6


def fewest(weights: npt.ArrayLike, share: float) -> npt.NDArray[np.bool_]:
    """Which weights are among the fewest that together hold a share of their sum; of equal ones the first.

    Args:
        weights: ``[..., n]`` weights, none of them negative.
        share: the share, from 0 to 1.

    Returns:
        ``[..., n]``; all False where the sum is 0 or the share is.
    """
    values = np.asarray(weights, np.float64)
    order = np.argsort(-values, axis=-1, kind="stable")
    held = np.take_along_axis(values, order, -1).cumsum(-1)
    before = np.concatenate([np.zeros_like(held[..., :1]), held[..., :-1]], -1)
    chosen = np.zeros(values.shape, bool)
    np.put_along_axis(chosen, order, before < share * held[..., -1:] * (1 - _TOLERANCE), -1)
    return chosen


def least_of(weights: npt.NDArray[Any], share: float) -> float:
    """The smallest weight among the fewest of ``[n]`` that together hold a share of their sum; infinite without any."""
    return float(weights[fewest(weights, share)].min(initial=np.inf))
