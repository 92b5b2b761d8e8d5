"""The picture that a source axis was made from: ``Picture``."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import PIL.Image

# The longest side of what a record keeps: enough to read a page of text.
LONGEST_SIDE = 1600
# Pictures that PNG makes larger than this are kept as WebP, which loses details that nobody sees.
_LARGE = 200_000
_TYPES = {b"\x89PNG\r\n\x1a\n": "image/png", b"RIFF": "image/webp"}
# No picture that a model read is larger. A file with other numbers is damaged.
_MOST_PIXELS = 1 << 40


@dataclass(frozen=True, eq=False)
class Picture:
    """What a model saw, for people to look at. The places of a record are pixels of the original.

    Attributes:
        data: a PNG or WebP file with the picture in RGB, whose sides are at most 1,600 pixels long: a larger original
            is kept reduced.
        width: the width of the original in pixels, after the rotation that its EXIF data asks for.
        height: its height.
        original: the original where ``data`` differs from it, for more forwards; not saved.

    Raises:
        ValueError: ``data`` is not a PNG or WebP file, or a side is not positive.
    """

    data: bytes = field(repr=False)
    width: int
    height: int
    original: PIL.Image.Image | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 1 or self.width * self.height > _MOST_PIXELS:
            raise ValueError(f"width and height must be positive numbers of pixels, got {self.width} x {self.height}")
        width, height = self._opened().size
        if max(width, height) > LONGEST_SIDE:
            raise ValueError(f"the picture has {width} x {height} pixels, expected sides of at most {LONGEST_SIDE}")

    @classmethod
    def from_image(cls, image: PIL.Image.Image) -> Picture:
        """Keep an image, which is reduced if it is larger than a record should be."""
        kept = image.convert("RGB")
        if max(kept.size) > LONGEST_SIDE:
            kept.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        png, webp = io.BytesIO(), io.BytesIO()
        kept.save(png, "PNG", optimize=True)
        data, exact = png.getvalue(), kept.size == image.size
        if len(data) > _LARGE:
            kept.save(webp, "WEBP", quality=90)
            if len(webp.getvalue()) < len(data):
                data, exact = webp.getvalue(), False
        return cls(data, image.width, image.height, None if exact else image)

    @property
    def media_type(self) -> str:
        """``"image/png"`` or ``"image/webp"``."""
        return next(kind for start, kind in _TYPES.items() if self.data.startswith(start))

    def pixels(self) -> npt.NDArray[np.uint8]:
        """``[height, width, 3]`` the picture as it is kept; its sides may be shorter than those of the original."""
        return np.asarray(self._opened().convert("RGB"))

    def exact(self) -> PIL.Image.Image:
        """The original.

        Raises:
            ValueError: only a reduced or compressed picture is known, as after loading a record of a large one.
        """
        if self.original is not None:
            return self.original
        kept = self._opened()
        if kept.size != (self.width, self.height) or self.media_type != "image/png":
            raise ValueError(
                f"this record keeps its picture of {self.width} x {self.height} pixels reduced or compressed, which "
                "would give other weights: extract the original picture again"
            )
        return kept.convert("RGB")

    def _opened(self) -> PIL.Image.Image:
        if not any(self.data.startswith(start) for start in _TYPES):
            raise ValueError("the picture is neither a PNG nor a WebP file")
        try:
            return PIL.Image.open(io.BytesIO(self.data), formats=("PNG", "WEBP"))
        except (PIL.UnidentifiedImageError, OSError, SyntaxError) as error:
            raise ValueError(f"the picture cannot be read: {error}") from error
