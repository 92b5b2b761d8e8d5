"""The part of the static picture that shows an image: which of its patches the words were read from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from xattn_widget.messages.characters import label_text
from xattn_widget.panel.canvas import Canvas
from xattn_widget.panel.dropping import dropped_positions, leaves_any, without_dropped
from xattn_widget.panel.gold_boxes import GoldBoxes
from xattn_widget.panel.image_boxes import Frame, boxes_around, draw_boxes, draw_gold
from xattn_widget.panel.own_rows import named_rows
from xattn_widget.panel.patch_colors import Flags, Floats, Look, Pixels, color_patches, is_dark
from xattn_widget.panel.picked import picked_weights
from xattn_widget.panel.ramps import overlay_ramp
from xattn_widget.panel.settings import View
from xattn_widget.plot.palette import PALETTE, Color, rgb
from xattn_widget.record.axis import Place
from xattn_widget.record.data import AttentionData, combined
from xattn_widget.record.fewest import fewest, least_of

_INK = rgb(PALETTE["theme"]["light"]["foreground"])
_MUTED: Color = (91, 98, 107)
_WHITE: Color = (255, 255, 255)
_BORDER: Color = (150, 156, 163)
_SMALL = 11
_CAPTION, _GAP = 20, 12
_TALLEST = 320
# Small pictures of single words below the large one.
MOST_WORDS = 6
_COLUMNS, _TALLEST_WORD, _NARROWEST = 3, 140, 76
# How a picture is enlarged that would be tiny: fittingScale in js/src/image/viewport.ts.
_ENLARGED, _LEAST = 4, 240
# Enlarged so many times, the pixels of the picture are squares: PIXELS in js/src/image/paint.ts.
_PIXELS = 6
# A smaller share outside the picture is not named.
_LEAST_SHARE = 0.005
_RAMP = 128


@dataclass(frozen=True)
class Seen:
    """What was read of the picture by a word, or by several as a mean.

    Attributes:
        name: the word, or what the mean is of.
        weights: ``[patches]`` joint weights of the picked heads.
        outside: the weight on positions that have no place in the picture.
    """

    name: str
    weights: Floats
    outside: float

    @property
    def inside(self) -> float:
        """The share of the weight in the picture."""
        total = float(self.weights.sum()) + self.outside
        return float(self.weights.sum()) / total if total > 0 else 0.0


@dataclass(frozen=True)
class ImagePart:
    """What is drawn of a record of an image.

    Attributes:
        pixels: ``[height, width, 3]`` the picture as the record keeps it, or None.
        size: the width and the height of the original, in which places count.
        places: ``[patches]`` left, top, right and bottom of each patch in pixels of the original.
        whole: the pinned word, or the mean over all words.
        words: the first words, for the small pictures; empty where a word is pinned.
        count: how many words there are.
        view: the settings.
        gold: where the words truly are; empty where nobody knows, or where it is not shown.
    """

    pixels: Pixels | None
    size: tuple[float, float]
    places: tuple[Place, ...]
    whole: Seen
    words: tuple[Seen, ...]
    count: int
    view: View
    gold: tuple[GoldBoxes, ...] = ()

    def height(self, width: float) -> float:
        """How high all is that is drawn in this width."""
        columns, _, sides = self._small(width)
        rows = -(-len(self.words) // columns)
        return self._box(width, _TALLEST)[1] + 2 * _CAPTION + rows * (sides[1] + _CAPTION + _GAP)

    def _box(self, width: float, tallest: float) -> tuple[float, float]:
        """The sides of the picture in a box."""
        wide, high = self.size
        scale = min(width / wide, tallest / high, max(_ENLARGED, _LEAST / max(self.size)))
        return max(1.0, wide * scale), max(1.0, high * scale)

    def _small(self, width: float) -> tuple[int, float, tuple[float, float]]:
        """How many small pictures are side by side, the space for each with its gap, and the sides of the picture."""
        sides = self._box((width - (_COLUMNS - 1) * _GAP) / _COLUMNS, _TALLEST_WORD)
        pitch = max(_NARROWEST, sides[0]) + _GAP
        return int((width + _GAP) / pitch), pitch, sides

    def draw(self, canvas: Canvas, left: float, top: float, width: float) -> None:
        """Draw it into a box of this width, from ``top`` downward."""
        sides = self._box(width, _TALLEST)
        outline = {"half": _half, "strongest": _strongest}.get(self.view.image_outline)
        self._draw_seen(canvas, [(self.whole, left, top)], sides, outline)
        self._draw_boxes(canvas, Frame(left, top, sides, self.size, self._is_dark))
        top += sides[1] + _CAPTION / 2
        canvas.text(_fitted(canvas, _said(self.whole), width), left, top + 2, _SMALL, _INK)
        self._draw_ramp(canvas, left, top + _CAPTION)
        top += 1.5 * _CAPTION
        columns, pitch, sides = self._small(width)
        small = []
        for index, seen in enumerate(self.words):
            row, column = divmod(index, columns)
            x, y = left + column * pitch, top + _GAP / 2 + row * (sides[1] + _CAPTION + _GAP)
            canvas.text(_fitted(canvas, seen.name, pitch - _GAP), x, y + _CAPTION / 2, _SMALL, _INK)
            small.append((seen, x, y + _CAPTION))
        self._draw_seen(canvas, small, sides, None)

    def _draw_boxes(self, canvas: Canvas, frame: Frame) -> None:
        """Draw the true boxes, and those around what was read."""
        pinned = None if self.words else self.view.target_index
        draw_gold(canvas, frame, self.gold, pinned, self.view.reading)
        if self.view.image_outline == "boxes":
            label = "" if self.words else self.whole.name
            draw_boxes(canvas, frame, boxes_around(self.places, self.whole.weights), label)

    def _draw_seen(
        self,
        canvas: Canvas,
        parts: Sequence[tuple[Seen, float, float]],
        sides: tuple[float, float],
        outline: Callable[[Floats], Flags] | None,
    ) -> None:
        """Draw pictures of the same size, each at its x and y."""
        wide, high = (max(1, round(side * canvas.scale)) for side in sides)
        # Pixels that are much enlarged stay squares, as in the panel.
        far = wide >= _PIXELS * self._picture.width
        resampling = Image.Resampling.NEAREST if far else Image.Resampling.BICUBIC
        plain = np.asarray(self._picture.resize((wide, high), resampling))
        for seen, x, y in parts:
            least = _least_drawn(seen.weights, self.view)
            look = Look(self.view.image_opacity, least, None if outline is None else outline(seen.weights))
            pixels = color_patches(plain, self.size, self.places, seen.weights, look, on_dark=self._is_dark)
            canvas.frame(x, y, *sides, _BORDER, 0.7)
            canvas.picture(x, y, *sides, pixels)

    def _draw_ramp(self, canvas: Canvas, left: float, y: float) -> None:
        canvas.text("0", left, y, _SMALL, _MUTED)
        start = left + canvas.width_of("0", _SMALL) + 6
        paper = 0.0 if self._is_dark else 255.0
        for index, color in enumerate(overlay_ramp(on_dark=self._is_dark)[::4]):
            covered = self.view.image_opacity * 4 * index / 255
            mixed = [round(paper + covered * (channel - paper)) for channel in color]
            canvas.box(start + 2 * index, y - 5, 2, 10, (mixed[0], mixed[1], mixed[2]))
        top = float(self.whole.weights.max(initial=0.0))
        more = " · each small picture has a scale of its own" if self.words else ""
        shown = f" · {len(self.words)} of {self.count} words below" if self.count > len(self.words) > 0 else ""
        canvas.text(f"{top:.3g}{more}{shown}", start + _RAMP + 6, y, _SMALL, _MUTED)

    @cached_property
    def _picture(self) -> Image.Image:
        if self.pixels is None:
            return Image.new("RGB", (1, 1), _WHITE)
        return Image.fromarray(self.pixels)

    @cached_property
    def _is_dark(self) -> bool:
        return is_dark(self._picture)


def image_part(view: View, record: AttentionData, gold: Sequence[GoldBoxes] | None = None) -> ImagePart:
    """What the picture shows of a record whose source has places in an image, with the settings of the view.

    Args:
        view: the settings.
        record: the record.
        gold: where its words truly are, or None.
    """
    picture, pinned = record.image, view.target_index
    record = named_rows(record, view.reading)
    targets = {record.reading: record.target}
    # The picked heads alone, so that nothing is computed for the others.
    shown = AttentionData(picked_weights(view, record)[None], record.source, targets, record.reading)
    if leaves_any(shown, view.special):
        kept = [row for row, dropped in enumerate(dropped_positions(record.target, view.special)) if not dropped]
        pinned = kept.index(pinned) if pinned in kept else None
        shown = without_dropped(shown, view.special)
    units = shown.target.units() if view.words else [[row] for row in range(len(shown.target))]
    if view.words:
        shown = shown.words()
    weights: Floats = combined(shown.weights[0].nan_to_num(0.0), view.aggregate).numpy()
    target = shown.target
    known = {position: place for position, place in enumerate(shown.source.places or ()) if _area(place) > 0}
    patches, places = list(known), tuple(known.values())

    def seen(name: str, row: Floats) -> Seen:
        return Seen(name, row[patches], float(row.sum() - row[patches].sum()))

    def word(row: int) -> Seen:
        return seen(label_text(target.labels[row]), weights[row])

    counted = [row for row, special in enumerate(target.special) if not special] or list(range(len(target)))
    whole = next((word(row) for row, unit in enumerate(units) if pinned in unit), None)
    is_mean = whole is None and len(counted) > 1
    noun = "words" if view.words else "tokens"
    return ImagePart(
        pixels=picture.pixels() if picture is not None and view.image_picture else None,
        size=_reach(places) if picture is None else (picture.width, picture.height),
        places=places,
        whole=seen(f"Mean of {len(counted)} {noun}", weights[counted].mean(0))
        if is_mean
        else whole or word(counted[0]),
        words=tuple(map(word, counted[:MOST_WORDS])) if is_mean else (),
        count=len(counted),
        view=view,
        gold=tuple(gold or ()) if view.image_reference else (),
    )


def _area(place: Place) -> float:
    """The area of a place; 0 for a position without one."""
    left, top, right, bottom = place
    return 0.0 if math.isnan(left) else (right - left) * (bottom - top)


def _reach(places: Sequence[Place]) -> tuple[float, float]:
    return max(place[2] for place in places), max(place[3] for place in places)


def _least_drawn(weights: Floats, view: View) -> float:
    """The smallest weight that is drawn, by the setting that other views keep lines by."""
    if view.keep == "threshold":
        return view.threshold
    if view.keep == "mass":
        return least_of(weights, view.mass)
    return float(np.sort(weights)[-min(len(weights), view.top_k)]) if view.keep == "top" else 0.0


def _half(weights: Floats) -> Flags:
    return fewest(weights, 0.5)


def _strongest(weights: Floats) -> Flags:
    strongest: Flags = np.arange(len(weights)) == weights.argmax()
    return strongest


def _said(seen: Seen) -> str:
    outside = 1 - seen.inside
    more = f", {100 * outside:.0f}% outside it" if outside >= _LEAST_SHARE else ""
    return f"{seen.name}: {100 * seen.inside:.0f}% of the weight in the picture{more}"


def _fitted(canvas: Canvas, text: str, width: float) -> str:
    while len(text) > 2 and canvas.width_of(text, _SMALL) > width:
        text = f"{text[:-2]}…"
    return text
