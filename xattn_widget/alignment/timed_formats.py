"""Write when words are spoken: WebVTT, SubRip (SRT), TextGrid and JSON files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from xattn_widget.alignment.spoken import one_line
from xattn_widget.alignment.timed_words import chosen_format
from xattn_widget.alignment.word_time import WordTime
from xattn_widget.files.csv_json import json_text
from xattn_widget.files.writing import whole_file

_FORMATS = {"vtt": ".vtt", "srt": ".srt", "textgrid": ".TextGrid", "json": ".json"}
_LATEST = 1e8  # seconds; at later times a float could not tell milliseconds apart in every format


def write_word_times(
    times: Iterable[WordTime],
    path: str | Path,
    format: str | None = None,  # noqa: A002
    *,
    duration: float | None = None,
    words: bool = False,
) -> Path:
    """Write when words are spoken: as subtitles, as a TextGrid for Praat, or as JSON.

    WebVTT and SRT group words into cues of at most two lines of 42 columns and 7 seconds (one word may be longer),
    which end with a sentence or before a pause of a second. A cue stays for 5/6 of a second, if the next one leaves the
    time. WebVTT has the time of each word inside its cue, so that players can highlight it. Times are in whole
    milliseconds. SRT cannot escape ``<``, ``>``, ``{`` and ``}`` and has ``‹``, ``›``, ``(`` and ``)`` instead.

    A TextGrid has one interval tier, ``words``, whose empty intervals are the gaps. JSON is a list of objects with
    ``word``, ``start``, ``end`` and ``confidence`` (null where it is None or NaN), and keeps every word and number
    exactly.

    In all formats but JSON the words are sorted by start. A word ends when the next one begins, at the latest, and has
    at least a millisecond. Words that are only white space are left out, and control characters, direction overrides
    and lone surrogates are written as code points (``⟨U+202E⟩``).

    Args:
        times: the words, with times in seconds.
        path: the file to write.
        format: ``"vtt"``, ``"srt"``, ``"textgrid"`` or ``"json"``; by default the suffix of ``path`` says which.
        duration: how long the recording is, in seconds, where a TextGrid ends. By default, and if the last word ends
            later, it ends with that word.
        words: one cue for each word, in WebVTT and SRT.

    Returns:
        The path written.

    Raises:
        ValueError: an unknown format, times that are negative, not finite or out of order within a word, a TextGrid
            with neither words nor a duration, or an argument that the format does not have.
        TypeError: something that is not a word with its times.
        OSError: the file cannot be written.
    """
    path = Path(path)
    kind = chosen_format(path, format, _FORMATS)
    if duration is not None and kind != "textgrid":
        raise ValueError(f"duration= is for TextGrid files, and {path} is written as {kind}")
    if duration is not None and not 0 <= duration < _LATEST:
        raise ValueError(f"duration must be a number of seconds from 0 to {_LATEST:.0e}, got {duration!r}")
    if words and kind not in ("vtt", "srt"):
        raise ValueError(f"words=True is for WebVTT and SRT files, and {path} is written as {kind}")
    checked = [_checked(time, index) for index, time in enumerate(times)]
    if kind == "json":
        text = _format_json(checked)
    else:
        spoken = sorted((time for time in checked if one_line(time.word)), key=lambda time: time.start)
        if kind == "textgrid":
            from xattn_widget.alignment.textgrid import format_textgrid

            text = format_textgrid(spoken, None if duration is None else float(duration))
        else:
            from xattn_widget.alignment.subtitles import format_srt, format_vtt

            text = (format_vtt if kind == "vtt" else format_srt)(spoken, words)
    with whole_file(path) as file:
        file.write(text.encode())
    return path


def _checked(time: Any, index: int) -> WordTime:
    if not isinstance(time, tuple) or len(time) != 4:
        raise TypeError(f"times must be WordTime(word, start, end, confidence), got {time!r:.60} at {index}")
    word, start, end, confidence = time
    if not 0 <= start <= end < _LATEST:
        raise ValueError(
            f"word {index}, {word!r:.40}, goes from {start} s to {end} s, expected a start and a later end from 0 to "
            f"{_LATEST:.0e} s"
        )
    # numpy's numbers have another repr, and JSON has none for them.
    return WordTime(str(word), float(start), float(end), None if confidence is None else float(confidence))


def _format_json(times: Sequence[WordTime]) -> str:
    items = []
    for time in times:
        known = time.confidence is not None and math.isfinite(time.confidence)
        items.append(json_text(time._replace(confidence=time.confidence if known else None)._asdict()))
    # Readers take a byte-order mark inside a file for a leftover of joined files.
    return ("[\n" + ",\n".join(items) + "\n]\n").replace("\ufeff", "\\ufeff")
