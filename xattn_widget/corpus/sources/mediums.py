"""The kinds of media that rows of a corpus may name: recordings and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.compute as pc

from xattn_widget.corpus.sources.media import Medium
from xattn_widget.inputs.sources import SourceSide


def _sound(cell: Any) -> Any:
    if hasattr(cell, "get_all_samples"):  # a decoder, which may not be used in another process
        decoded = cell.get_all_samples()
        return np.asarray(decoded.data), decoded.sample_rate
    return cell if isinstance(cell, list | tuple) or hasattr(cell, "__array__") else None


def _picture(cell: Any) -> Any:
    return cell if isinstance(cell, PIL.Image.Image) or hasattr(cell, "__array__") else None


RECORDINGS = Medium(
    "recording",
    (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au"),
    frozenset({"array", "bytes", "path", "sampling_rate"}),
    _sound,
)
PICTURES = Medium(
    "picture",
    (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".jp2", ".avif", ".ppm", ".pgm"),
    frozenset({"bytes", "path"}),
    _picture,
    axes=(2, 3),
)


def medium_of(side: SourceSide) -> Medium | None:
    """The kind of media that a side reads; None for text."""
    return RECORDINGS if side.hears else PICTURES if side.sees else None


def table_medium(info: Mapping[str, Any]) -> Medium | None:
    """The kind of media that a table names, by what its metadata say; None for text.

    Tables of pictures name their medium. Those of recordings have only the folder that paths are relative to.
    """
    if info.get("folder") is None:
        return None
    return PICTURES if info.get("medium") == PICTURES.name else RECORDINGS


def what_rows_are(info: Mapping[str, Any], table: pa.Table | None = None) -> str:
    """What a row of a table is called: ``"sentence"``, ``"recording"``, ``"window"`` or ``"picture"``.

    A recording of more than 30 s has a row for each of its windows. Without the table, that is not known.
    """
    medium = table_medium(info)
    if (
        medium is RECORDINGS
        and table is not None
        and "window" in table.column_names
        and pc.max(table["window"]).as_py()
    ):
        return "window"
    return "sentence" if medium is None else medium.name
