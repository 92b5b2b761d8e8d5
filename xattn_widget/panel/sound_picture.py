"""The part of the static picture that shows sound: what the model reads, and the attention of each word below it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from xattn_widget.messages.characters import label_text
from xattn_widget.panel.canvas import Canvas
from xattn_widget.panel.dropping import dropped_positions, leaves_any
from xattn_widget.panel.own_rows import named_rows
from xattn_widget.panel.picked import joint_weights
from xattn_widget.panel.ramps import white_ramp
from xattn_widget.panel.settings import View
from xattn_widget.panel.sound import feature_shades, heard_seconds
from xattn_widget.plot.palette import PALETTE, Color, rgb
from xattn_widget.record.data import AttentionData

Floats = np.ndarray[Any, np.dtype[np.float32]]

_INK = rgb(PALETTE["theme"]["light"]["foreground"])
_MUTED: Color = (91, 98, 107)
_SMALL = 11
_LABELS = 96
_SOUND, _GAP, _RULER = 72, 4, 18
_ROWS = 380  # the height for all rows
_TALLEST_ROW, _LOWEST_ROW, _LABEL_PITCH = 16.0, 2.0, 13.0
# Seconds between labels of the ruler, from which the first is taken that leaves room for them.
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
_MOST_TICKS = 8


@dataclass(frozen=True)
class SoundPart:
    """What is drawn of a record of sound.

    Attributes:
        labels: of the rows.
        weights: ``[rows, positions]`` joint weights of the picked heads inside the sound.
        shades: ``[bins, frames]`` features from 0 to 1, the highest bin first; None where there are none.
        seconds: the length of the sound.
    """

    labels: list[str]
    weights: Floats
    shades: Floats | None
    seconds: float

    @property
    def row(self) -> float:
        """The height of a row."""
        return max(_LOWEST_ROW, min(_TALLEST_ROW, _ROWS / max(1, len(self.labels))))

    @property
    def height(self) -> float:
        """The height of all that is drawn."""
        return _RULER + (0 if self.shades is None else _SOUND + _GAP) + self.row * len(self.labels)


def sound_part(view: View, record: AttentionData) -> SoundPart:
    """The part of a record that the picture shows, cropped to the sound, with the settings of the view."""
    seconds = heard_seconds(record)
    features = None if record.sound is None else record.sound.features
    record = named_rows(record, view.reading)
    heard = record if all(record.source.outside) else record.cropped()
    weights: Floats = joint_weights(view, heard).nan_to_num(0.0).numpy()
    target = record.target
    if leaves_any(heard, view.special):
        rows = [row for row, dropped in enumerate(dropped_positions(target, view.special)) if not dropped]
        target, weights = target.select(rows), weights[rows]
    if view.words:
        weights = np.stack([weights[unit].mean(0) for unit in target.units()])
        target = target.merge_words()
    return SoundPart(
        [label_text(label) for label in target.labels],
        weights,
        None if features is None else feature_shades(features.numpy()),
        seconds,
    )


def draw_sound(canvas: Canvas, part: SoundPart, left: float, top: float, width: float) -> None:
    """Draw it into a box of this width, from ``top`` downward."""
    x, plot = left + _LABELS, width - _LABELS
    _draw_ruler(canvas, part.seconds, x, top, plot)
    top += _RULER
    if part.shades is not None:
        canvas.picture(x, top, plot, _SOUND, _gray(part.shades))
        top += _SOUND + _GAP
    canvas.picture(x, top, plot, part.row * len(part.labels), _colored(part.weights, round(plot)))
    step = max(1, math.ceil(_LABEL_PITCH / part.row))
    for index in range(0, len(part.labels), step):
        text = part.labels[index]
        while len(text) > 2 and canvas.width_of(text, _SMALL) > _LABELS - 10:
            text = f"{text[:-2]}…"
        canvas.text(text, x - 6, top + (index + 0.5) * part.row, _SMALL, _INK, "right")


def _draw_ruler(canvas: Canvas, seconds: float, x: float, top: float, width: float) -> None:
    step = next((step for step in _STEPS if seconds <= step * _MOST_TICKS), 3600)
    for tick in range(int(seconds / step + 1e-9) + 1):
        place = x + width * (tick * step / seconds if seconds else 0)
        canvas.box(place, top + _RULER - 5, 1, 4, _MUTED)
        canvas.text(f"{tick * step:g} s", place, top + 6, _SMALL, _MUTED, "center")


def _gray(shades: Floats) -> np.ndarray[Any, np.dtype[np.uint8]]:
    # Silence stays close to white, as in the panel.
    dark = 0.8 * shades**1.6
    ink = np.array(_INK, dtype=np.float32)
    return np.round(255 + (ink - 255) * dark[..., None]).astype(np.uint8)


def _colored(weights: Floats, pixels: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Weights as colors on a square-root scale; of several positions in a pixel, the largest."""
    columns = weights.shape[1]
    if columns > pixels:
        starts = np.linspace(0, columns, pixels, endpoint=False).astype(int)
        weights = np.maximum.reduceat(weights, starts, axis=1)
    top = float(weights.max()) if weights.size else 0.0
    ramp = np.array(white_ramp(), dtype=np.uint8)
    shades = np.sqrt(weights.clip(0) / top) if top > 0 else weights * 0
    colors: np.ndarray[Any, np.dtype[np.uint8]] = ramp[np.round(shades * (len(ramp) - 1)).astype(int)]
    return colors
