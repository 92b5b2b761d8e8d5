"""Cells that hold a recording instead of text: its name, and what is read of it later."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from xattn_widget.corpus.sources.cells import Broken, is_missing
from xattn_widget.corpus.sources.files import is_file

# A path with one of these suffixes is a recording, and any other path is a file that lists recordings.
SOUND_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")


class CellRecording(NamedTuple):
    """What a cell says about a recording.

    Attributes:
        name: the path as it was written, or the name of a recording in memory; None if it has none.
        recording: the absolute path, or the recording in memory; None if there is an error.
        error: why there is no recording.
    """

    name: str | None
    recording: Any
    error: str | None = None


def listing_folder(data: Any) -> str:
    """The folder that the paths in a source of rows are relative to: that of the file that lists them."""
    return str(Path(data).absolute().parent) if is_file(data) else os.getcwd()


def recording_path(name: str, folder: str) -> str:
    """The path of a recording that a table names.

    Raises:
        FileNotFoundError: there is no such file.
    """
    path = os.path.join(folder, name)
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"there is no file {path}: the recording was scored from memory, or its file was moved, so call "
            "show_cross_attention with the recording itself"
        )
    return path


def is_recording(item: Any) -> bool:
    """Whether a dictionary is one recording, as ``datasets`` writes it, and not a record with fields."""
    return isinstance(item, Mapping) and ("array" in item or "bytes" in item) and not set(item) - _KEYS


_KEYS = {"array", "bytes", "path", "sampling_rate"}


def read_recording(cell: Any, folder: str) -> CellRecording:
    """The recording of a cell: a path, a dictionary of ``datasets``, or samples in memory.

    Args:
        cell: a cell of any source of rows.
        folder: the absolute path of the folder that relative paths begin in.
    """
    if isinstance(cell, Broken):
        return CellRecording(None, None, str(cell))
    if isinstance(cell, os.PathLike):
        cell = os.fspath(cell)
    if isinstance(cell, bytes):
        try:
            cell = cell.decode()
        except UnicodeDecodeError:
            return CellRecording(cell[:100].decode(errors="replace"), None, "source is not a path in UTF-8")
    if isinstance(cell, str):
        readable = cell.encode(errors="replace").decode()
        if readable != cell:
            return CellRecording(readable, None, "source is not a path in UTF-8")
        if not cell.strip():
            return CellRecording(cell, None, "source is empty: there is no path")
        return CellRecording(cell, os.path.join(folder, cell))
    if is_missing(cell):
        return CellRecording(None, None, "source is missing")
    if isinstance(cell, Mapping):
        return _of_dictionary(cell, folder)
    if hasattr(cell, "get_all_samples"):  # a decoder, which may not be used in another process
        decoded = cell.get_all_samples()
        return CellRecording(None, (np.asarray(decoded.data), decoded.sample_rate))
    if isinstance(cell, list | tuple) or hasattr(cell, "__array__"):
        return CellRecording(None, cell)
    return CellRecording(None, None, f"source is not a recording but {type(cell).__name__}")


def _of_dictionary(cell: Mapping[str, Any], folder: str) -> CellRecording:
    path = cell.get("path")
    name = None if path is None else os.fsdecode(path)
    if cell.get("array") is not None:
        return CellRecording(name, {"array": np.asarray(cell["array"]), "sampling_rate": cell.get("sampling_rate")})
    if cell.get("bytes") is not None:
        return CellRecording(name, {"bytes": cell["bytes"]})
    if name:
        return read_recording(name, folder)
    return CellRecording(None, None, "source is missing")


def content(recording: Any) -> bytes:
    """What identifies a recording in memory, for a digest: its samples, or the bytes of its file."""
    if isinstance(recording, Mapping) and recording.get("bytes") is not None:
        return bytes(recording["bytes"])
    if isinstance(recording, Mapping):
        recording = recording["array"], recording["sampling_rate"]
    samples, rate = recording if isinstance(recording, tuple) and len(recording) == 2 else (recording, None)
    try:
        array = np.asarray(samples)
    except (TypeError, ValueError, RuntimeError):  # it cannot be read either, and gets an error
        return b""
    return f"{array.dtype} {array.shape} {rate}".encode() + np.ascontiguousarray(array).tobytes()


def size(recording: Any) -> int:
    """The bytes that a recording in memory takes; 0 for a path."""
    if isinstance(recording, Mapping):
        recording = recording["array"] if recording.get("bytes") is None else recording["bytes"]
    if isinstance(recording, tuple) and recording:
        recording = recording[0]
    if isinstance(recording, bytes):
        return len(recording)
    return int(getattr(recording, "nbytes", 0))
