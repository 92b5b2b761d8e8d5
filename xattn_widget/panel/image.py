"""The picture of a record as the page receives it: its size at once, and the file on request."""

from __future__ import annotations

from typing import Any

from PIL import Image

from xattn_widget.record.axis import Axis
from xattn_widget.record.data import AttentionData
from xattn_widget.record.picture import LONGEST_SIDE, Picture

# Uncompressed pixels of the largest picture take less. A file from elsewhere could carry more than its pixels.
MAX_FILE_BYTES = 4 * LONGEST_SIDE**2 + 2**20


def has_places(axis: Axis) -> bool:
    """Whether some position of an axis has a place in a picture. Latents of a resampler, for example, have none."""
    if axis.places is None or "image" not in axis.kinds:
        return False
    return any(place is not None for place in axis.known_places() or ())


def describe_image(picture: Picture) -> dict[str, Any]:
    """What the page knows of a picture before it requests it: the sides of the original, in which places count."""
    return {"width": picture.width, "height": picture.height}


def image_file(record: AttentionData) -> tuple[bytes, str]:
    """The picture of a record as it is kept, and its media type, ``"image/png"`` or ``"image/webp"``.

    A file of more than :data:`MAX_FILE_BYTES` bytes is written again, without what is not part of the picture.

    Raises:
        ValueError: the record holds no picture.
    """
    picture = record.image
    if picture is None:
        raise ValueError("this record holds no picture: records that extract(...) makes from pictures hold theirs")
    if len(picture.data) > MAX_FILE_BYTES:
        picture = Picture.from_image(Image.fromarray(picture.pixels()))
    return picture.data, picture.media_type
