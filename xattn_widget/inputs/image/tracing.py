"""Where what the encoder reads comes from in the original picture, measured with pictures of coordinates: ``trace``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import PIL.Image

Box = tuple[float, float, float, float]
# The coordinate at the top left corner of an array, and its growth from one row and from one column to the next.
Line = tuple[float, float, float]
Numbers = npt.NDArray[np.float64]
# Near edges, filters that resize a picture mix in what lies beyond them.
_EDGE = 3
# Pixels of the original that share the 255 steps of one picture, and the most such pieces of a side.
_PIECE, _MOST_PIECES = 1024, 4
# How far measured coordinates may be from a line, in steps of the 255 that a pixel has, and in pixels of the encoder.
_STEPS, _PIXELS = 2.0, 2.0


class Trace(NamedTuple):
    """Where one array of pixels that the encoder reads, such as a tile, comes from.

    Attributes:
        inside: ``[rows, columns]`` True where a pixel shows the picture, not padding.
        lines: for x and for y of the original: the coordinate at the top left corner of the array, and how much it
            grows from one row and from one column to the next.
        size: width and height of the original.
    """

    inside: npt.NDArray[np.bool_]
    lines: tuple[Line, Line]
    size: tuple[int, int]

    def place(self, top: float, left: float, bottom: float, right: float) -> Box | None:
        """The box ``(left, top, right, bottom)`` in the original that pixels of the array show; None for padding.

        Args:
            top: the first row of the pixels.
            left: their first column.
            bottom: the row after the last.
            right: the column after the last.
        """
        if not self.inside[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))].any():
            return None
        ends = []
        for (start, by_row, by_column), length in zip(self.lines, self.size, strict=True):
            values = [start + by_row * row + by_column * column for row in (top, bottom) for column in (left, right)]
            ends.append([min(max(value, 0.0), float(length)) for value in (min(values), max(values))])
        (x0, x1), (y0, y1) = ends
        return x0, y0, x1, y1

    def part(self, top: int, left: int, rows: int, columns: int) -> Trace:
        """The trace of a part of the array, such as a tile."""
        lines = [
            (start + by_row * top + by_column * left, by_row, by_column) for start, by_row, by_column in self.lines
        ]
        return Trace(self.inside[top : top + rows, left : left + columns], (lines[0], lines[1]), self.size)

    def inside_of(self, left: int, top: int, size: tuple[int, int]) -> Trace:
        """The trace for a picture of this size, of which the traced one is the part that begins at (left, top)."""
        across, down = self.lines
        return Trace(self.inside, ((across[0] + left, *across[1:]), (down[0] + top, *down[1:])), size)


def trace(process: Callable[[PIL.Image.Image], Numbers], width: int, height: int) -> list[Trace]:
    """Find where pixels come from, by sending pictures of coordinates through a processor.

    A black and a white picture show which pixels come from the picture and what the processor makes of their values.
    Others, which get brighter from left to right or from top to bottom, show where they come from. Lines are
    fitted to these coordinates, so that they are more precise than the 255 steps of a pixel.

    Args:
        process: what a processor makes of a picture of this size: ``[arrays, channels, rows, columns]``.
        width: the width of the picture in pixels.
        height: its height.

    Raises:
        ValueError: a processor that does more than to resize, crop, pad, turn and scale, or depends on the content.
    """
    size = (width, height)
    black, white = (process(PIL.Image.new("RGB", size, color)) for color in ("black", "white"))
    span = (white - black).mean(1)
    largest = float(np.abs(span).max(initial=0.0)) if span.size else 0.0
    if black.shape != white.shape or not np.isfinite(largest) or not largest:
        raise ValueError(
            "the image processor does not tell a white picture from a black one, so that places are unknown"
        )
    inside = np.abs(span) > largest / 2
    measured = [_measured(process, black, span, inside, size, side) for side in (0, 1)]
    found = []
    for index, mask in enumerate(inside):
        if not mask.any():
            found.append(Trace(mask, ((0.0, 0.0, 0.0),) * 2, size))
            continue
        lines = [
            _line(values[index], mask, length, step) for (values, step), length in zip(measured, size, strict=True)
        ]
        across, down = _completed(lines, measured, mask, index, size)
        found.append(Trace(mask, (across, down), size))
    return found


def _measured(
    process: Callable[[PIL.Image.Image], Numbers],
    black: Numbers,
    span: Numbers,
    inside: npt.NDArray[np.bool_],
    size: tuple[int, int],
    side: int,
) -> tuple[Numbers, float]:
    """``[arrays, rows, columns]`` x (side 0) or y (side 1) of the original in its pixels, and the step of the measure.

    A long side takes several pictures, each of which gets brighter in one piece of it. A picture that is cropped is
    measured again, with all grey values in the part that is left.
    """
    first, last = 0.0, float(size[side])
    centers = np.arange(size[side]) + 0.5
    while True:
        pieces = min(_MOST_PIECES, math.ceil((last - first) / _PIECE))
        length = (last - first) / pieces
        found = np.full(span.shape, first)
        for piece in range(pieces):
            ramp = np.rint(np.clip((centers - first) / length - piece, 0, 1) * 255).astype(np.uint8)
            shown = np.broadcast_to(ramp[None, :] if side == 0 else ramp[:, None], size[::-1])
            values = process(PIL.Image.fromarray(np.ascontiguousarray(shown)).convert("RGB"))
            if values.shape != black.shape:
                raise ValueError("the image processor makes arrays of another shape of pictures of one size")
            found += length * np.divide((values - black).mean(1), span, out=np.zeros_like(span), where=inside)
        step = length / 255
        low, high = found[inside].min() - 2 * step, found[inside].max() + 2 * step
        if high - low > (last - first) * 3 / 4 or step < 1 / 64:
            return found, step
        first, last = max(0.0, low), min(float(size[side]), high)


def _line(values: Numbers, inside: npt.NDArray[np.bool_], length: int, step: float) -> Line | None:
    """How a coordinate depends on row and column; None if too few pixels of the original are seen.

    Args:
        values: ``[rows, columns]`` the coordinate in pixels of the original.
        inside: where it is known.
        length: the length of the picture's side.
        step: the step of the measure.
    """
    rows, columns = np.nonzero(inside)
    found = values[inside]
    # Resizing repeats the pixels at the edges beyond their centers.
    known = (found > 0.5 + step) & (found < length - 0.5 - step)
    for part in (rows, columns):
        first, last = int(part.min()), int(part.max()) + 1
        if last - first > 4 * _EDGE:
            known &= (part >= first + _EDGE) & (part < last - _EDGE)
    if length < 3 or not known.any() or np.ptp(found[known]) < 4 * step:
        return None
    places = np.stack([np.ones(known.sum()), rows[known] + 0.5, columns[known] + 0.5], -1)
    fitted, *_ = np.linalg.lstsq(places, found[known], rcond=None)
    # A picture is turned by 90 degrees or not at all: the smaller slope is noise.
    noise = 1 if abs(fitted[1]) < abs(fitted[2]) else 2
    fitted[0] += fitted[noise] * places[:, noise].mean()
    fitted[noise] = 0.0
    errors = np.abs(found[known] - places @ fitted)
    if np.quantile(errors, 0.99) > _STEPS * step + _PIXELS * np.abs(fitted[1:]).max() + 1:
        raise ValueError(
            "the image processor does more than to resize, crop, pad and turn an image, or what it does depends on the "
            "image, so that places are unknown"
        )
    part = rows if fitted[1] else columns
    ends = np.array([part.min(), part.max() + 1.0])
    return _snapped(fitted, ends, length)


def _snapped(line: Numbers, ends: Numbers, length: int) -> Line:
    """The line, made exact where the pixels from ``ends[0]`` to ``ends[1]`` show the whole side of the picture."""
    along = 1 if line[1] else 2
    seen = line[0] + line[along] * ends
    whole = np.array([0.0, length] if line[along] > 0 else [length, 0.0])
    # Processors crop by whole pixels, of the picture or of what they resized it to.
    if np.abs(seen - whole).max() <= max(0.6, length / 1000, 0.2 * abs(line[along])):
        line[along] = (whole[1] - whole[0]) / (ends[1] - ends[0])
        line[0] = whole[0] - line[along] * ends[0]
    start, by_row, by_column = map(float, line)
    return start, by_row, by_column


def _completed(
    lines: Sequence[Line | None],
    measured: Sequence[tuple[Numbers, float]],
    inside: npt.NDArray[np.bool_],
    index: int,
    size: tuple[int, int],
) -> tuple[Line, Line]:
    """The lines of both coordinates, where one of a picture that is one or two pixels wide has no slope to measure."""
    across, down = lines
    turned = any(line is not None and (line[1] == 0) != upright for line, upright in ((across, True), (down, False)))
    found = []
    for side, line in enumerate(lines):
        by_column = (side == 0) != turned
        if line is None:
            pixels = np.nonzero(inside.any(0 if by_column else 1))[0]
            first, last = int(pixels[0]), int(pixels[-1]) + 1
            other = lines[1 - side]
            if size[side] < 3 or other is None:
                slope, start = size[side] / (last - first), 0.0
            else:  # a crop to a few pixels: sides are reduced alike
                slope = abs(other[1] + other[2])
                start = float(measured[side][0][index][inside].mean()) - slope * (last - first) / 2
            start -= slope * first
            line = (start, 0.0, slope) if by_column else (start, slope, 0.0)
        found.append(line)
    return found[0], found[1]


def untouched(rows: int, columns: int) -> Trace:
    """The trace of an array whose own pixels are the picture."""
    return Trace(np.ones((rows, columns), bool), ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0)), (columns, rows))
