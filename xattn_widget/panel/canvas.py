"""A white picture to draw curves, boxes and text on, by numpy and Pillow: light, and without matplotlib."""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageDraw

from xattn_widget.panel.fonts import font, runs
from xattn_widget.plot.palette import Color

Align = Literal["left", "right", "center"]
# How far a curve runs straight on from its ends, as a share of its way across; as in the panel.
_BEND = 0.45
# The length of a dash, and of the gap after it.
_DASH = (6, 4)


class Canvas:
    """A picture in units of a screen's pixels, ``scale`` times as large. Curves come first, text lies over them.

    Attributes:
        scale: how many pixels of the picture there are for one of the screen.
    """

    def __init__(self, width: float, height: float, scale: float) -> None:
        self.scale = scale
        self._pixels = np.full((round(height * scale), round(width * scale), 3), 255, dtype=np.uint8)
        self._image: Image.Image | None = None

    def curves(self, left: float, right: float, color: Color, lines: list[tuple[float, float, float, float]]) -> None:
        """Draw curves between two columns, each given as y at the left, y at the right, width and opacity."""
        first, last = round(left * self.scale), round(right * self.scale)
        way, slope = _profile(last - first)
        columns = np.arange(last - first)[:, None]
        height = len(self._pixels)
        # How much of what is below shines through all curves.
        through = np.ones((height, last - first), dtype=np.float32)
        for start, end, width, opacity in lines:
            rise = np.float32((end - start) * self.scale)
            center = np.float32(start * self.scale) + rise * way
            half = np.float32(width * self.scale / 2) * np.sqrt(1 + (rise * slope) ** 2)
            top = np.floor(center - half - 0.5).astype(np.int32)
            rows = top[:, None] + np.arange(int(2 * half.max()) + 3, dtype=np.int32)
            distance = np.abs(rows - (center - 0.5)[:, None], dtype=np.float32)
            covered = np.clip((half + 0.5)[:, None] - distance, 0, 1)
            through[rows.clip(0, height - 1), columns] *= 1 - np.float32(opacity) * covered
        rows_drawn = np.flatnonzero(through.min(1) < 1)
        if len(rows_drawn):
            part = slice(rows_drawn[0], rows_drawn[-1] + 1)
            shares = through[part, :, None]
            below = self._pixels[part, first:last]
            self._pixels[part, first:last] = shares * below + (1 - shares) * np.asarray(color, np.float32) + 0.5

    def box(self, x: float, y: float, width: float, height: float, color: Color) -> None:
        """Fill a box."""
        left, top = round(x * self.scale), round(y * self.scale)
        right, bottom = round((x + width) * self.scale) - 1, round((y + height) * self.scale) - 1
        self._draw.rectangle((left, top, max(left, right), max(top, bottom)), fill=color)

    def frame(self, x: float, y: float, width: float, height: float, color: Color, pen: float) -> None:
        """Outline a box, on its outside."""
        left, top = round((x - pen) * self.scale), round((y - pen) * self.scale)
        right, bottom = round((x + width + pen) * self.scale) - 1, round((y + height + pen) * self.scale) - 1
        self._draw.rectangle((left, top, right, bottom), outline=color, width=max(1, round(pen * self.scale)))

    def dashes(self, x: float, y: float, width: float, height: float, color: Color, pen: float) -> None:
        """Outline a box, on its outside, by dashes."""
        left, top, right, bottom = x - pen, y - pen, x + width + pen, y + height + pen
        for start in np.arange(left, right, sum(_DASH)):
            for side in (top, bottom - pen):
                self.box(start, side, min(_DASH[0], right - start), pen, color)
        for start in np.arange(top, bottom, sum(_DASH)):
            for side in (left, right - pen):
                self.box(side, start, pen, min(_DASH[0], bottom - start), color)

    def picture(
        self, x: float, y: float, width: float, height: float, pixels: np.ndarray[Any, np.dtype[np.uint8]]
    ) -> None:
        """Stretch ``[rows, columns, 3]`` pixels over a box."""
        size = (max(1, round(width * self.scale)), max(1, round(height * self.scale)))
        picture = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.NEAREST)
        self._finished.paste(picture, (round(x * self.scale), round(y * self.scale)))

    def text(self, text: str, x: float, y: float, size: float, color: Color, align: Align = "left") -> None:
        """Write a line of text, centered at the height ``y``."""
        pieces = self._pieces(text, size)
        place = x * self.scale - {"left": 0.0, "center": 0.5, "right": 1.0}[align] * sum(wide for *_, wide in pieces)
        for piece, face, wide in pieces:
            self._draw.text((place, y * self.scale), piece, font=face, fill=color, anchor="lm")
            place += wide

    def width_of(self, text: str, size: float) -> float:
        """How wide a line of text is."""
        return sum(wide for *_, wide in self._pieces(text, size)) / self.scale

    def png(self) -> bytes:
        """The picture as a file."""
        # Pillow's encoder tries filters that only photographs need, and takes longer than all that is drawn here.
        height, width, _ = self._pixels.shape
        pixels = np.zeros((height, 1 + 3 * width), dtype=np.uint8)
        pixels[:, 1:] = np.asarray(self._finished).reshape(height, -1)
        header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        parts = ((b"IHDR", header), (b"IDAT", zlib.compress(pixels.data, 1)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)

    def _pieces(self, text: str, size: float) -> list[tuple[str, Any, float]]:
        faces = [(piece, font(path, round(size * self.scale))) for path, piece in runs(text)]
        return [(piece, face, face.getlength(piece)) for piece, face in faces]

    @property
    def _finished(self) -> Image.Image:
        if self._image is None:
            self._image = Image.fromarray(self._pixels)
        return self._image

    @property
    def _draw(self) -> ImageDraw.ImageDraw:
        return ImageDraw.Draw(self._finished)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@lru_cache(maxsize=16)
def _profile(width: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """How far a curve has come from one side to the other at each pixel across, from 0 to 1, and its slope there."""
    time = np.linspace(0, 1, 4 * width)
    across = 3 * _BEND * time * (1 - time) ** 2 + 3 * (1 - _BEND) * time**2 * (1 - time) + time**3
    at = np.interp((np.arange(width) + 0.5) / width, across, time)
    way = at**2 * (3 - 2 * at)
    return way.astype(np.float32), np.gradient(way).astype(np.float32)
