"""The positions that an encoder gives an image, as an axis: ``image_axis``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from xattn_widget.inputs.image.tracing import Box, Trace
from xattn_widget.record.axis import NO_ID, NO_WORD, Axis, AxisKind

_NOWHERE = (math.nan,) * 4
PADDING = "[padding]"


class Cell(NamedTuple):
    """A position: its place in the original picture, or the label of a special position that has none."""

    place: Box | None
    label: str = PADDING


def image_axis(cells: Sequence[Cell]) -> Axis:
    """The axis of an image. Positions with a place are labeled by its left and its top, and are words of their own."""
    special = tuple(cell.place is None for cell in cells)
    labels = tuple(
        cell.label if cell.place is None else f"{cell.place[0]:.0f}, {cell.place[1]:.0f} px" for cell in cells
    )
    kind: AxisKind = "image"
    groups: list[int] = []
    words: list[str] = []
    for label, flag in zip(labels, special, strict=True):
        groups.append(NO_WORD if flag else len(words))
        words += [] if flag else [label]
    return Axis(
        labels=labels,
        special=special,
        groups=tuple(groups),
        words=tuple(words),
        kinds=(kind,) * len(cells),
        places=tuple(_NOWHERE if cell.place is None else cell.place for cell in cells),
    )


def grid_cells(trace: Trace, step: tuple[float, float]) -> list[Cell]:
    """The cells of a grid over an array of pixels, row by row. The last ones may reach beyond its edges.

    Args:
        trace: where the array comes from.
        step: height and width of a cell in pixels of the array.
    """
    rows, columns = trace.inside.shape
    height, width = step
    return [
        Cell(
            trace.place(row * height, column * width, min((row + 1) * height, rows), min((column + 1) * width, columns))
        )
        for row in range(math.ceil(rows / height))
        for column in range(math.ceil(columns / width))
    ]


def special_cells(labels: Iterable[str]) -> list[Cell]:
    """Positions without a place."""
    return [Cell(None, label) for label in labels]


def joined(image: Axis, text: Axis) -> Axis:
    """The axis of an image's positions, and after them those of a text."""
    empty = (0, 0)
    return Axis(
        labels=image.labels + text.labels,
        special=image.special + text.special,
        groups=(
            *image.groups,
            *(NO_WORD if group == NO_WORD else group + len(image.words) for group in text.groups),
        ),
        words=image.words + text.words,
        ids=None if text.ids is None else (NO_ID,) * len(image) + text.ids,
        text=text.text,
        spans=None if text.spans is None else (empty,) * len(image) + text.spans,
        kinds=image.kinds + text.kinds,
        places=None if image.places is None else (*image.places, *(_NOWHERE,) * len(text)),
    )
