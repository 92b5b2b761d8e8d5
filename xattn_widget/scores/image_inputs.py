"""What scores of pictures read from a record: where each position lies, and which parts of the picture are blank."""

from __future__ import annotations

import math

import numpy as np
import torch

from xattn_widget.record.axis import Axis
from xattn_widget.record.picture import Picture

# A part of the picture is blank if its brightness varies by at most this, of 255: paper with the noise of a camera.
_BLANK_RANGE = 24


def source_centers(axis: Axis) -> dict[str, torch.Tensor] | None:
    """The centers of positions in a picture, ``x`` and ``y`` ``[source]``; None without places in a picture.

    The unit is the diagonal of the area that the places cover, so that distances are in [0, 1]. NaN for positions
    without a place.
    """
    if axis.places is None or "image" not in axis.kinds:
        return None
    places = torch.tensor(axis.places, dtype=torch.float64)
    known = places[~places[:, 0].isnan()]
    if not len(known):
        return None
    extent = known[:, 2:].amax(0) - known[:, :2].amin(0)
    centers = (places[:, :2] + places[:, 2:]) / 2 / max(float(extent.norm()), 1e-9)
    return {"x": centers[:, 0].float(), "y": centers[:, 1].float()}


def source_blank(axis: Axis, picture: Picture | None) -> torch.Tensor | None:
    """Which positions show nothing but paper or sky, ``[source]`` bool; None without a picture.

    A position is blank if the brightest and the darkest pixel of its place differ by at most 24 of 255, and if it has a
    place that holds a pixel.
    """
    if picture is None or axis.places is None:
        return None
    pixels = picture.pixels().astype(np.float32).mean(-1)
    height, width = pixels.shape
    scale = np.array([width / picture.width, height / picture.height] * 2)
    blank = []
    for place in axis.places:
        if math.isnan(place[0]):
            blank.append(False)
            continue
        left, top, right, bottom = np.rint(np.array(place) * scale).astype(int)
        part = pixels[top:bottom, left:right]
        blank.append(bool(part.size) and float(part.max() - part.min()) <= _BLANK_RANGE)
    return torch.tensor(blank)
