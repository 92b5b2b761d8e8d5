"""Cells that hold a recording or a picture instead of text: its name, and what is read of it later."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import torch

from xattn_widget.corpus.sources.cells import Broken, is_missing


def is_file(data: Any) -> bool:
    """Whether ``data`` is a path; a string is one, since a corpus is never a single string."""
    return isinstance(data, str | PathLike)


class MediaCell(NamedTuple):
    """What a cell says about a recording or a picture.

    Attributes:
        name: the path as it was written, or the name of what is in memory; None if it has none.
        media: the absolute path, or what is in memory; None if there is an error.
        error: why there is nothing to read.
    """

    name: str | None
    media: Any
    error: str | None = None


class Medium(NamedTuple):
    """A kind of media whose files the rows of a corpus name.

    Attributes:
        name: what one of them is called, ``"recording"`` or ``"picture"``.
        suffixes: a path with one of these suffixes is one of them, and any other path is a file that lists them.
        keys: the keys of a dictionary of ``datasets`` that holds one.
        take: what of a cell in memory is read later; None for something else.
        axes: an array with so many axes is one of them, and not a list.
    """

    name: str
    suffixes: tuple[str, ...]
    keys: frozenset[str]
    take: Callable[[Any], Any]
    axes: tuple[int, ...] = ()

    @property
    def plural(self) -> str:
        """What several of them are called."""
        return f"{self.name}s"

    def listed(self, sources: Any) -> Any:
        """Sources as rows: the path of one file becomes a list of it.

        Raises:
            IsADirectoryError: a folder.
            TypeError: an array that is one of them.
        """
        if isinstance(sources, np.ndarray | torch.Tensor) and sources.ndim in self.axes:
            raise TypeError(
                f"sources is an array of shape {list(sources.shape)}, which is one {self.name}: pass a list of "
                f"{self.plural}"
            )
        if not is_file(sources):
            return sources
        if str(sources).lower().endswith(self.suffixes):
            return [sources]
        if Path(sources).is_dir():
            raise IsADirectoryError(
                f"{sources} is a folder: pass its {self.plural} as a list, such as "
                f"sorted(Path({str(sources)!r}).glob('*{self.suffixes[0]}'))"
            )
        return sources

    def is_one(self, item: Any) -> bool:
        """Whether a dictionary is one of them, as ``datasets`` writes it, and not a record with fields."""
        return isinstance(item, Mapping) and ("array" in item or "bytes" in item) and not set(item) - self.keys

    def read(self, cell: Any, folder: str) -> MediaCell:
        """What a cell holds: a path, a dictionary of ``datasets``, or something in memory.

        Args:
            cell: a cell of any source of rows.
            folder: the absolute path of the folder that relative paths begin in.
        """
        if isinstance(cell, Broken):
            return MediaCell(None, None, str(cell))
        if isinstance(cell, os.PathLike):
            cell = os.fspath(cell)
        if isinstance(cell, bytes):
            try:
                cell = cell.decode()
            except UnicodeDecodeError:
                return MediaCell(cell[:100].decode(errors="replace"), None, "source is not a path in UTF-8")
        if isinstance(cell, str):
            readable = cell.encode(errors="replace").decode()
            if readable != cell:
                return MediaCell(readable, None, "source is not a path in UTF-8")
            if not cell.strip():
                return MediaCell(cell, None, "source is empty: there is no path")
            return MediaCell(cell, os.path.join(folder, cell))
        if is_missing(cell):
            return MediaCell(None, None, "source is missing")
        if isinstance(cell, Mapping) and self.keys & set(cell):
            return self._of_dictionary(cell, folder)
        media = None if isinstance(cell, Mapping) else self.take(cell)
        if media is None:
            return MediaCell(None, None, f"source is not a {self.name} but {type(cell).__name__}")
        return MediaCell(None, media)

    def _of_dictionary(self, cell: Mapping[str, Any], folder: str) -> MediaCell:
        path = cell.get("path")
        name = None if path is None else os.fsdecode(path)
        if "array" in self.keys and cell.get("array") is not None:
            return MediaCell(name, {"array": np.asarray(cell["array"]), "sampling_rate": cell.get("sampling_rate")})
        if cell.get("bytes") is not None:
            return MediaCell(name, {"bytes": cell["bytes"]})
        if name:
            return self.read(name, folder)
        return MediaCell(None, None, "source is missing")

    def path(self, name: str, folder: str) -> str:
        """The path of a file that a table names.

        Raises:
            FileNotFoundError: there is no such file.
        """
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            raise FileNotFoundError(
                f"there is no file {path}: the {self.name} was scored from memory, or its file was moved, so call "
                f"show_cross_attention with the {self.name} itself"
            )
        return path


def listing_folder(data: Any) -> str:
    """The folder that the paths in a source of rows are relative to: that of the file that lists them."""
    return str(Path(data).absolute().parent) if is_file(data) else os.getcwd()


def content(media: Any) -> bytes:
    """What identifies a recording or a picture in memory, for a digest: its samples or pixels, or its file's bytes."""
    if isinstance(media, Mapping) and media.get("bytes") is not None:
        return bytes(media["bytes"])
    if isinstance(media, PIL.Image.Image):
        return _picture_content(media)
    if isinstance(media, Mapping):
        media = media["array"], media["sampling_rate"]
    values, rate = media if isinstance(media, tuple) and len(media) == 2 else (media, None)
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError):  # it cannot be read either, and gets an error
        return b""
    return f"{array.dtype} {array.shape} {rate}".encode() + np.ascontiguousarray(array).tobytes()


def _picture_content(picture: PIL.Image.Image) -> bytes:
    """The pixels, and what else decides how they are shown: the palette, transparency and the rotation."""
    try:
        pixels = picture.tobytes()
        palette = picture.getpalette() or []
        shown = (picture.mode, picture.size, picture.info.get("transparency"), picture.getexif().get(_ORIENTATION))
    except (OSError, SyntaxError, ValueError):  # a damaged file, which cannot be read later either
        return b""
    return repr((*shown, palette)).encode() + pixels


_ORIENTATION = 0x0112  # the tag of EXIF


def size(media: Any) -> int:
    """The bytes that a recording or a picture in memory takes; 0 for a path."""
    if isinstance(media, Mapping):
        media = media["array"] if media.get("bytes") is None else media["bytes"]
    if isinstance(media, PIL.Image.Image):
        return media.width * media.height * len(media.getbands())
    if isinstance(media, tuple) and media:
        media = media[0]
    if isinstance(media, bytes):
        return len(media)
    return int(getattr(media, "nbytes", 0))
