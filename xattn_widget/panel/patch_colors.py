"""The colors of patches over a picture, for the static one; in the panel, js/src/core/picture/heat.ts draws them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from xattn_widget.panel.ramps import overlay_ramp
from xattn_widget.record.axis import Place

Floats = np.ndarray[Any, np.dtype[np.float32]]
Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]

# What is dark, of 255, when all is averaged: js/src/core/picture/file.ts.
_DARK = 105
_LUMA = np.array((0.2126, 0.7152, 0.0722))
# A fainter color cannot be seen.
_FAINTEST = 1 / 128


class Look(NamedTuple):
    """How patches are drawn.

    Attributes:
        opacity: how much the color of the largest weight covers, 0 to 1.
        least: smaller weights are not drawn.
        outlined: ``[patches]`` which of them are outlined; None for no outline.
    """

    opacity: float
    least: float
    outlined: Flags | None


def is_dark(picture: Image.Image) -> bool:
    """Whether what is drawn over an RGB picture has to be bright."""
    small = np.asarray(picture.resize((16, 16), Image.Resampling.BOX))
    return float((small @ _LUMA).mean()) < _DARK


def color_patches(
    plain: Pixels, size: tuple[float, float], places: Sequence[Place], weights: Floats, look: Look, *, on_dark: bool
) -> Pixels:
    """A picture with the weights of its patches over it, on a square-root scale up to the largest of them.

    Where patches overlap, the larger weight counts.

    Args:
        plain: ``[height, width, 3]`` the picture, in any resolution.
        size: the width and the height in which places count.
        places: ``[patches]`` left, top, right and bottom of each patch.
        weights: ``[patches]`` their weights.
        look: how they are drawn.
        on_dark: whether the picture is dark.
    """
    height, width, _ = plain.shape
    top = float(weights.max(initial=0.0))
    if top <= 0:
        return plain
    shades = np.zeros((height, width), dtype=np.float32)
    outlined = np.zeros((height, width), dtype=bool)
    edges = np.rint(np.array(places) * (np.tile((width, height), 2) / np.tile(size, 2))).astype(int).tolist()
    values = np.sqrt(weights.clip(0) / top)
    for patch in np.argsort(weights, kind="stable")[np.count_nonzero(values < _FAINTEST) :].tolist():
        left, upper, right, lower = edges[patch]
        if weights[patch] >= look.least:
            shades[upper:lower, left:right] = values[patch]
        if look.outlined is not None and look.outlined[patch]:
            outlined[upper:lower, left:right] = True
    ramp = np.array(overlay_ramp(on_dark=on_dark), dtype=np.float32)
    covered = (look.opacity * shades)[..., None]
    mixed = plain + covered * (ramp[np.rint(255 * shades).astype(int)] - plain)
    line = _boundary(outlined)
    ink, rim = (255, 17) if on_dark else (17, 255)
    mixed[_grown(line)] = rim
    mixed[line] = ink
    pixels: Pixels = np.rint(mixed).astype(np.uint8)
    return pixels


def _boundary(covered: Flags) -> Flags:
    """The covered pixels beside one that is not, or at the edge."""
    padded = np.pad(covered, 1)
    inner: Flags = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return covered & ~inner


def _grown(covered: Flags) -> Flags:
    """The covered pixels and their direct neighbors."""
    padded = np.pad(covered, 1)
    grown: Flags = padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:] | covered
    return grown
