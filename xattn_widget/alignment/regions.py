"""Rectangles in a picture: how they touch, their area together, and how well two sets of them agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Rectangles = npt.NDArray[np.float64]

# Patches that share an edge differ by rounding; by this share of the smaller one they may be apart.
_SLACK = 0.02


def rectangles(boxes: Sequence[Sequence[Any]], name: str) -> Rectangles:
    """``[n, 4]`` left, top, right and bottom of boxes, whose further values are ignored.

    Raises:
        ValueError: a box that is not four finite numbers in this order.
    """
    checked = []
    for box in boxes:
        try:
            left, top, right, bottom = (float(value) for value in tuple(box)[:4])
            good = bool(np.isfinite([left, top, right, bottom]).all()) and left <= right and top <= bottom
        except (TypeError, ValueError):
            good = False
        if not good:
            raise ValueError(f"{name} must have boxes (left, top, right, bottom) in pixels, got {box!r:.80}")
        checked.append((left, top, right, bottom))
    return np.array(checked, dtype=np.float64).reshape(-1, 4)


def given_rectangles(given: Any, name: str) -> Rectangles:
    """``[n, 4]`` the boxes of one word as users give them: a box, or a list of boxes.

    Raises:
        ValueError: something else.
    """
    try:
        single = len(given) > 0 and not hasattr(given[0], "__len__")
    except (TypeError, KeyError, IndexError):
        raise ValueError(f"{name} must have boxes (left, top, right, bottom) in pixels, got {given!r:.80}") from None
    return rectangles([given] if single else given, name)


def touching_groups(parts: Rectangles) -> list[list[int]]:
    """The rectangles that hang together, as lists of their numbers: those that touch or overlap are in one group."""
    left, top, right, bottom = parts.T
    slack = _SLACK * np.minimum(right - left, bottom - top)
    apart = np.minimum.outer(slack, slack)
    beside = np.maximum.outer(left, left) <= np.minimum.outer(right, right) + apart
    above = np.maximum.outer(top, top) <= np.minimum.outer(bottom, bottom) + apart
    touching = beside & above
    groups, left_over = [], np.ones(len(parts), dtype=bool)
    for first in range(len(parts)):
        if not left_over[first]:
            continue
        group, reached = np.zeros(len(parts), dtype=bool), np.zeros(len(parts), dtype=bool)
        reached[first] = True
        while reached.any():
            group |= reached
            reached = touching[reached].any(0) & ~group
        left_over &= ~group
        groups.append(np.flatnonzero(group).tolist())
    return groups


def covering(parts: Rectangles) -> tuple[float, float, float, float]:
    """The smallest rectangle around some."""
    (left, top), (right, bottom) = parts[:, :2].min(0).tolist(), parts[:, 2:].max(0).tolist()
    return left, top, right, bottom


def intersection_over_union(first: Rectangles, second: Rectangles) -> float:
    """The area that both sets cover, divided by the area that either covers; 0 where nothing is covered."""
    columns, rows = (np.unique(np.concatenate([first[:, side::2], second[:, side::2]], None)) for side in (0, 1))
    areas = np.outer(np.diff(rows), np.diff(columns))
    covered = [np.zeros(areas.shape, dtype=bool) for _ in range(2)]
    for grid, parts in zip(covered, (first, second), strict=True):
        for left, top, right, bottom in parts:
            inside = (rows[:-1] >= top) & (rows[:-1] < bottom)
            grid |= inside[:, None] & (columns[:-1] >= left) & (columns[:-1] < right)
    either = float(areas[covered[0] | covered[1]].sum())
    return float(areas[covered[0] & covered[1]].sum()) / either if either else 0.0
