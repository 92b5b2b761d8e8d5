"""Open a row of a scored table again: its sentence, its recording or its picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xattn_widget.corpus.sources.mediums import table_medium


def opened_source(source: str, info: Mapping[str, Any], offset: float | None = None) -> Any:
    """The source of a row: its text, or the file whose path it is, or a window of it.

    Args:
        source: the text or path in the table.
        info: what the table's metadata say, which includes the folder that paths are relative to.
        offset: where a window of a recording begins, in seconds; None for a whole file.

    Raises:
        FileNotFoundError: the file is not where it was.
    """
    medium = table_medium(info)
    if medium is None:
        return source
    path = medium.path(source, info["folder"])
    if offset is None:
        return path
    from xattn_widget.inputs.audio.recordings import RecordingWindow

    return RecordingWindow(path, offset)
