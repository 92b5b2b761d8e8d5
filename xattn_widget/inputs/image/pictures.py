"""Images as users pass them: files, images of Pillow, arrays and tensors become RGB images of Pillow."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from PIL import ImageOps

_EXPECTED = "the path or bytes of an image file, an image of Pillow, an array or tensor of pixels, or a list of these"
# Channels of an array: grey, grey and alpha, RGB, RGB and alpha.
_CHANNELS = (1, 2, 3, 4)


def pictures(images: Any) -> tuple[list[Any], bool]:
    """The images that a user passed, not yet opened, and whether it was one and not a list."""
    if isinstance(images, Sequence) and not isinstance(images, str | bytes):
        return list(images), False
    if isinstance(images, np.ndarray | torch.Tensor) and images.ndim == 4:
        return list(images), False
    return [images], True


def is_encoded(item: Mapping[str, Any]) -> bool:
    """Whether a dictionary is an image as ``datasets`` writes it: the bytes of a file, or its path."""
    return bool(item) and set(item) <= {"bytes", "path"}


def open_picture(image: Any, name: str = "image") -> PIL.Image.Image:
    """An image as RGB. The rotation in its EXIF data is applied, and transparent pixels are put on white.

    Args:
        image: the path or the bytes of a file, a dictionary of ``datasets`` with either, an image of Pillow, or pixels
            ``[height, width]``, ``[height, width, channels]`` or ``[channels, height, width]`` with 1 (grey), 2 (grey,
            alpha), 3 (RGB) or 4 (RGB, alpha) channels: integers from 0 to 255, or floats from 0 to 1.
        name: what errors call it.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: something else.
        ValueError: a file that is not an image or is damaged, pixels of another form, or more pixels than Pillow opens.
    """
    if isinstance(image, Mapping) and is_encoded(image):
        label = f"{name} {Path(str(image['path'])).name!r:.80}" if image.get("path") else name
        if image.get("bytes") is not None:
            return _opened_file(io.BytesIO(image["bytes"]), label)
        image = image.get("path")
    if isinstance(image, bytes):
        return _opened_file(io.BytesIO(image), name)
    if isinstance(image, str | os.PathLike):
        return _file_picture(image, name)
    if isinstance(image, PIL.Image.Image):
        _check_size(*image.size, name)
        return _as_rgb(image, name)
    if isinstance(image, np.ndarray | torch.Tensor):
        return _as_rgb(_array_picture(image, name), name)
    raise TypeError(f"{name} has type {type(image).__name__}, expected {_EXPECTED}")


def _file_picture(file: str | os.PathLike[str], name: str) -> PIL.Image.Image:
    path = Path(file)
    label = f"{name} {path.name!r:.80}"
    if "://" in str(file)[:12]:
        raise ValueError(f"{label} is an address: download the image and pass its path")
    if not path.exists():
        hint = "" if path.suffix else ": is it text? This model reads images"
        raise FileNotFoundError(f"{label} cannot be found{hint}")
    if path.is_dir():
        raise IsADirectoryError(f"{label} is a folder: pass a list of the images in it")
    return _opened_file(path, label)


def _opened_file(file: Path | io.BytesIO, label: str) -> PIL.Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)  # _check_size raises what matters
            with PIL.Image.open(file) as opened:
                _check_size(*opened.size, label)
                return _as_rgb(opened, label)
    except PIL.UnidentifiedImageError:
        raise ValueError(f"{label} is not an image that Pillow reads, such as PNG, JPEG, WebP or TIFF") from None
    except PIL.Image.DecompressionBombError as error:
        raise ValueError(f"{label} is too large: {error}. Reduce it first") from None


def _as_rgb(image: PIL.Image.Image, label: str) -> PIL.Image.Image:
    try:
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith(("I", "F")):
            return _deep_grey(image, label)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = PIL.Image.alpha_composite(PIL.Image.new("RGBA", image.size, "white"), image)
        return image.convert("RGB")
    except (OSError, SyntaxError, EOFError) as error:
        raise ValueError(f"{label} is damaged or truncated: {error}") from error


def _deep_grey(image: PIL.Image.Image, label: str) -> PIL.Image.Image:
    """Grey values of 16 bits or floats, which Pillow would cut off at 255."""
    values = np.asarray(image)
    if image.mode == "F":
        return _array_picture(values, label).convert("RGB")
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(f"{label} has grey values from {values.min()} to {values.max()}, expected 0 to 65535")
    scale = 257 if image.mode.startswith("I;16") or values.max() > 255 else 1
    return PIL.Image.fromarray((values // scale).astype(np.uint8)).convert("RGB")


def _array_picture(array: np.ndarray | torch.Tensor, name: str) -> PIL.Image.Image:
    """Pixels in memory as an image of Pillow, with alpha if they have it."""
    if isinstance(array, torch.Tensor):
        array = array.detach().to("cpu", torch.float32 if array.is_floating_point() else array.dtype).numpy()
    shape = list(array.shape)
    if array.ndim == 3 and array.shape[-1] not in _CHANNELS and array.shape[0] in _CHANNELS:
        array = np.moveaxis(array, 0, -1)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[-1] not in _CHANNELS) or not array.size:
        raise ValueError(
            f"{name} is an array of shape {shape}, expected [height, width], [height, width, channels] or [channels, "
            f"height, width] with 1 to 4 channels{' (it is empty)' if not array.size else ''}"
        )
    _check_size(array.shape[1], array.shape[0], name)
    return PIL.Image.fromarray(np.ascontiguousarray(_bytes(array, name)))


def _bytes(array: np.ndarray, name: str) -> np.ndarray:
    """Pixels as uint8."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    low, high = float(array.min()), float(array.max())
    if np.issubdtype(array.dtype, np.integer):
        if low < 0 or high > 255:
            raise ValueError(f"{name} has integers from {low:g} to {high:g}, expected pixels from 0 to 255")
        return array.astype(np.uint8)
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"{name} is an array of {array.dtype}, expected integers from 0 to 255 or floats from 0 to 1")
    if not (low >= 0 and high <= 1):  # NaN is neither
        raise ValueError(
            f"{name} has floats from {low:g} to {high:g}, expected pixels from 0 to 1 (or integers from 0 to 255); "
            "what a processor returned is passed as the whole dictionary, not as its pixel_values alone"
        )
    pixels: np.ndarray = np.rint(array * 255).astype(np.uint8)
    return pixels


def _check_size(width: int, height: int, label: str) -> None:
    """Raise a ValueError for more pixels than Pillow opens in a file, which it takes for an attack."""
    most = 2 * (PIL.Image.MAX_IMAGE_PIXELS or float("inf"))
    if width * height > most:
        raise ValueError(
            f"{label} has {width} x {height} pixels, and Pillow opens at most {most:.0f}: reduce it first, for example "
            "with image.reduce(4), or raise PIL.Image.MAX_IMAGE_PIXELS"
        )
    if not width or not height:
        raise ValueError(f"{label} has no pixels: its size is {width} x {height}")
