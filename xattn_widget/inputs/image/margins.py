"""Margins that image processors cut off, which depend on the content of a picture: ``content_box``."""

from __future__ import annotations

from typing import Any

import numpy as np
import PIL.Image
import torch


def crops_margins(processor: Any) -> bool:
    """Whether an image processor cuts off the margins of pictures, as those of Nougat and PP-FormulaNet do."""
    return bool(getattr(processor, "do_crop_margin", False))


def content_box(processor: Any, picture: PIL.Image.Image) -> tuple[int, int, int, int]:
    """The box ``(left, top, right, bottom)`` of a picture inside the margins that its processor cuts off.

    The processor's own function says how large the box is, but not where. So a pixel as dark as the darkest is put into
    a corner, which the box then reaches, without a change of the levels by which the function recognizes margins.
    """
    pixels = np.asarray(picture)
    grey = np.asarray(picture.convert("L"))
    darkest = pixels[np.unravel_index(int(grey.argmin()), grey.shape)]
    width, height = _size(processor, pixels)
    marked = pixels.copy()
    marked[0, 0] = darkest
    right, bottom = _size(processor, marked)
    return right - width, bottom - height, right, bottom


def _size(processor: Any, pixels: np.ndarray) -> tuple[int, int]:
    """Width and height of a picture without its margins."""
    array = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    try:
        cropped = processor.crop_margin(array)
    except (TypeError, AttributeError):  # processors that compute with torchvision
        cropped = processor.crop_margin(torch.from_numpy(array))
    return int(cropped.shape[2]), int(cropped.shape[1])
