"""The panel's colors of scores and of weights: mixed in Oklab, as in js/src/core/scales.ts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from xattn_widget.plot.palette import PALETTE, Color, rgb

_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.793617785, -0.0040720468],
        [1.9779984951, -2.428592205, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.808675766],
    ]
)


@lru_cache(maxsize=1)
def white_ramp() -> tuple[Color, ...]:
    """256 colors from white, for the lowest score, to dark blue."""
    return _through(["#ffffff", *PALETTE["sequential"]["light"]])


@lru_cache(maxsize=2)
def overlay_ramp(*, on_dark: bool) -> tuple[Color, ...]:
    """256 colors to lay over a picture: they darken a light one and brighten a dark one."""
    return _through(PALETTE["overlay"]["dark" if on_dark else "light"])


def color_of(value: float) -> Color:
    """The color of a value from 0 to 1."""
    return white_ramp()[max(0, min(255, round(value * 255)))]


def _through(marks: Sequence[str]) -> tuple[Color, ...]:
    channels = np.array([rgb(mark) for mark in marks]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    lab = np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T
    places = np.linspace(0, len(marks) - 1, 256)
    mixed = np.stack([np.interp(places, range(len(marks)), column) for column in lab.T], axis=1)
    back = (mixed @ np.linalg.inv(_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_CONES).T
    back = np.clip(back, 0, 1)
    encoded = np.where(back <= 0.0031308, 12.92 * back, 1.055 * back ** (1 / 2.4) - 0.055)
    return tuple((int(red), int(green), int(blue)) for red, green, blue in np.rint(encoded * 255))
