"""The part of the static picture that shows an image: its patches colored by weight, and a caption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from xattn_widget.messages.characters import label_text
from xattn_widget.panel.dropping import dropped_positions, leaves_any
from xattn_widget.panel.picked import joint_weights
from xattn_widget.panel.settings import View
from xattn_widget.plot.palette import PALETTE, rgb
from xattn_widget.record.data import AttentionData

Floats = np.ndarray[Any, np.dtype[np.float64]]
Pixels = np.ndarray[Any, np.dtype[np.uint8]]

_TALLEST = 420.0
# A small image is enlarged up to so many times, or until its longer side has so many pixels, as in the panel.
_ENLARGED, _LEAST = 4, 240
# The mean brightness below which an image is dark, of 255 (js/src/core/picture/file.ts).
_DARK = 105


@dataclass(frozen=True)
class ImagePart:
    """What is drawn of a record of an image.

    Attributes:
        pixels: ``[height, width, 3]`` the image with the colors of its patches.
        width: how wide it is drawn.
        height: how high it is drawn.
        captions: what is shown, in lines.
    """

    pixels: Pixels
    width: float
    height: float
    captions: list[str]


def image_part(view: View, record: AttentionData, width: float, scale: float) -> ImagePart:
    """The image of a record with the patches that the pinned word looks at, or else the mean of all words.

    Args:
        view: the settings of the panel.
        record: a record with places in an image. Without its picture, the patches are drawn on white.
        width: the space for it.
        scale: pixels for a unit of the space.
    """
    if view.reading in record.targets:
        record = record.read_as(view.reading)
    row, name = _row(view, record)
    known = [(index, place) for index, place in enumerate(record.source.known_places() or []) if place is not None]
    places = np.array([place for _, place in known])
    values = row[[index for index, _ in known]]
    size = (
        (float(places[:, 2].max()), float(places[:, 3].max()))
        if record.image is None
        else (float(record.image.width), float(record.image.height))
    )
    enlarged = min(width / size[0], _TALLEST / size[1], max(_ENLARGED, _LEAST / max(size)))
    drawn = (size[0] * enlarged, size[1] * enlarged)
    sides = (max(1, round(drawn[0] * scale)), max(1, round(drawn[1] * scale)))
    if record.image is None:
        plain: Pixels = np.full((sides[1], sides[0], 3), 255, dtype=np.uint8)
    else:
        plain = np.asarray(Image.fromarray(record.image.pixels()).resize(sides, Image.Resampling.BILINEAR))
    boxes = np.round(places * (np.tile(sides, 2) / np.tile(size, 2))).astype(int)
    return ImagePart(_colored(plain, boxes, values, view.image_opacity), *drawn, _captions(name, row, values, places))


def _row(view: View, record: AttentionData) -> tuple[Floats, str]:
    """The weights of the pinned word over all positions, or the mean of the words, and what they are called.

    Where the view drops positions, their columns are 0 and the others are divided by their sum.
    """
    weights = joint_weights(view, record).nan_to_num(0.0).double().numpy()
    target, pinned = record.target, view.target_index
    left_out = np.zeros(len(target), dtype=bool)
    if leaves_any(record, view.special):
        weights[:, dropped_positions(record.source, view.special)] = 0
        sums = weights.sum(1, keepdims=True)
        weights = np.divide(weights, sums, out=np.zeros_like(weights), where=sums > 0)
        left_out = np.array(dropped_positions(target, view.special))
    units = target.units() if view.words else [[position] for position in range(len(target))]
    labels = target.merge_words().labels if view.words else target.labels
    for unit, label in zip(units, labels, strict=True):
        if pinned in unit:
            return weights[unit].mean(0), label_text(label)
    shown = [unit for unit in units if not left_out[unit].all()]
    words = [unit for unit in shown if not target.special[unit[0]]] or shown
    noun = "word" if view.words else "token"
    mean: Floats = np.mean([weights[unit].mean(0) for unit in words], axis=0)
    return mean, f"the mean of {len(words)} {noun}{'' if len(words) == 1 else 's'}"


def _captions(name: str, row: Floats, values: Floats, places: Floats) -> list[str]:
    total, inside = float(row.sum()), float(values.sum())
    if not inside > 0:
        return [f"No part of the picture was read by {name}."]
    left, top, right, bottom = (round(side) for side in places[int(values.argmax())])
    captions = [
        f"Colored: what {name} read, from 0 to {values.max():.2g} for a patch.",
        f"The strongest patch is {left}, {top} to {right}, {bottom} px.",
    ]
    if total - inside > 0.005 * total:
        captions.append(f"{100 * (1 - inside / total):.0f}% of the weight is on positions outside the picture.")
    return captions


def _colored(plain: Pixels, boxes: np.ndarray[Any, Any], values: Floats, opacity: float) -> Pixels:
    """The image with a color over each box, the more opaque the more weight, on a square-root scale."""
    top = float(values.max()) if values.size else 0.0
    if not top > 0:
        return plain
    marks = PALETTE["overlay"]["dark" if plain.mean() < _DARK else "light"]
    ramp = np.array([rgb(mark) for mark in marks], dtype=np.float64)
    colored = plain.astype(np.float64)
    for (left, upper, right, lower), value in zip(boxes, values, strict=True):
        shade = float(np.sqrt(max(0.0, value) / top))
        color = [np.interp(shade * (len(marks) - 1), range(len(marks)), channel) for channel in ramp.T]
        part = colored[upper:lower, left:right]
        part += opacity * shade * (np.array(color) - part)
    return np.round(colored).astype(np.uint8)
