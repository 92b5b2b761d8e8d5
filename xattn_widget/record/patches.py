"""The grid that the positions of an image form: ``patch_grid``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from xattn_widget.record.axis import Axis


class PatchGrid(NamedTuple):
    """Positions of an image in rows and columns.

    Attributes:
        rows: the number of rows.
        columns: the number of columns.
        positions: for each row, from the top of the image to its bottom, the positions on the axis from left to right;
            None where the image has none.
    """

    rows: int
    columns: int
    positions: tuple[tuple[int | None, ...], ...]


def patch_grid(axis: Axis) -> PatchGrid | None:
    """The grid of an axis's places, or None if they do not form one, such as patches and words of a document.

    Positions without a place are in no cell. Places at the edges of the image may be smaller than others.
    """
    known = [
        (position, place)
        for position, (place, kind) in enumerate(zip(axis.places or (), axis.kinds, strict=False))
        if kind == "image" and not math.isnan(place[0])
    ]
    if not known:
        return None
    columns, rows = (_numbered([(place[side], place[side + 2]) for _, place in known]) for side in (0, 1))
    cells: list[list[int | None]] = [[None] * (max(columns) + 1) for _ in range(max(rows) + 1)]
    for (position, _), row, column in zip(known, rows, columns, strict=True):
        if cells[row][column] is not None:
            return None
        cells[row][column] = position
    return PatchGrid(len(cells), len(cells[0]), tuple(map(tuple, cells)))


def _numbered(extents: Sequence[tuple[float, float]]) -> list[int]:
    """For each extent the number of its column (or row): those that overlap by half of the shorter one share it."""
    numbers, number = [0] * len(extents), -1
    last = (-math.inf, -math.inf)
    for index in sorted(range(len(extents)), key=lambda index: sum(extents[index])):
        extent = extents[index]
        overlap = min(last[1], extent[1]) - max(last[0], extent[0])
        if overlap <= min(last[1] - last[0], extent[1] - extent[0]) / 2 or number < 0:
            number, last = number + 1, extent
        numbers[index] = number
    return numbers
