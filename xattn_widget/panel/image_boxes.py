"""Boxes with labels over the static picture; in the panel, js/src/image/boxes.ts draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xattn_widget.alignment.regions import covering, touching_groups
from xattn_widget.messages.characters import label_text
from xattn_widget.panel.canvas import Canvas
from xattn_widget.panel.gold_boxes import GoldBoxes
from xattn_widget.panel.patch_colors import Floats
from xattn_widget.plot.palette import PALETTE, Color, rgb
from xattn_widget.record.axis import Place
from xattn_widget.record.fewest import fewest

Box = tuple[float, float, float, float]

_WHITE: Color = (255, 255, 255)
_BLACK: Color = (17, 17, 17)
_LABEL, _LABEL_HEIGHT, _PADDING = 10, 14, 3
# More boxes, of weights that are scattered, would hide the picture: MOST_BOXES in js/src/image/shown.ts.
_MOST_BOXES = 25


@dataclass(frozen=True)
class Frame:
    """Where a picture is drawn.

    Attributes:
        left: its left side on the canvas.
        top: its upper side.
        sides: its width and height on the canvas.
        size: the width and the height in which places count.
        on_dark: whether the picture is dark.
    """

    left: float
    top: float
    sides: tuple[float, float]
    size: tuple[float, float]
    on_dark: bool

    def box(self, box: Sequence[float]) -> Box:
        """Left, top, width and height on the canvas of a box in the picture."""
        across, down = (side / length for side, length in zip(self.sides, self.size, strict=True))
        left, top, right, bottom = box
        return self.left + left * across, self.top + top * down, (right - left) * across, (bottom - top) * down


def boxes_around(places: Sequence[Place], weights: Floats) -> list[Box]:
    """The boxes around the fewest patches that hold half of the weight in the picture; none if they are scattered."""
    chosen = np.array(places, dtype=np.float64)[fewest(weights, 0.5)]
    boxes = [covering(chosen[group]) for group in touching_groups(chosen)]
    return boxes if len(boxes) <= _MOST_BOXES else []


def draw_boxes(canvas: Canvas, frame: Frame, boxes: Sequence[Box], label: str) -> None:
    """Draw boxes around what was read, the first with a label."""
    ink, rim = (_WHITE, _BLACK) if frame.on_dark else (_BLACK, _WHITE)
    for box in boxes:
        canvas.frame(*frame.box(box), rim, 2)
        canvas.frame(*frame.box(box), ink, 1)
    if boxes and label:
        _draw_label(canvas, frame, boxes[0], label_text(label), (ink, rim), [], below=False)


def draw_gold(canvas: Canvas, frame: Frame, gold: Sequence[GoldBoxes], position: int | None, reading: str) -> None:
    """Draw true boxes, dashed, and their labels: of a pinned target position its own alone, or else all that fit."""
    color = rgb(PALETTE["reference"]["dark" if frame.on_dark else "light"])
    rim = _BLACK if frame.on_dark else _WHITE
    own = [boxes for boxes in gold if boxes.covers(position, reading)]
    for boxes in gold:
        for box in boxes.boxes:
            canvas.frame(*frame.box(box), rim, 2 if boxes in own else 1.3)
            canvas.dashes(*frame.box(box), color, 2 if boxes in own else 1.3)
    taken: list[Box] = []
    for boxes in own or gold:
        if boxes.boxes:
            _draw_label(canvas, frame, boxes.boxes[0], label_text(boxes.text), (color, _BLACK), taken, below=True)


def _draw_label(
    canvas: Canvas,
    frame: Frame,
    box: Sequence[float],
    text: str,
    colors: tuple[Color, Color],
    taken: list[Box],
    *,
    below: bool,
) -> None:
    """Write a label above the upper left corner of a box, or below it, unless it would cover another."""
    left, top, _, height = frame.box(box)
    width = canvas.width_of(text, _LABEL) + 2 * _PADDING
    above, under = top - _LABEL_HEIGHT - 2, top + height + 2
    last = frame.top + frame.sides[1] - _LABEL_HEIGHT
    places = [under, above] if below else [above, under]
    y = next((place for place in places if frame.top <= place <= last), min(max(top, frame.top), last))
    x = max(frame.left, min(left, frame.left + frame.sides[0] - width))
    place = (x, y, width, float(_LABEL_HEIGHT))
    if any(_overlap(place, other) for other in taken):
        return
    taken.append(place)
    canvas.box(*place, colors[0])
    canvas.text(text, x + _PADDING, y + _LABEL_HEIGHT / 2, _LABEL, colors[1])


def _overlap(first: Box, second: Box) -> bool:
    return all(
        first[side] < second[side] + second[side + 2] and second[side] < first[side] + first[side + 2]
        for side in (0, 1)
    )
