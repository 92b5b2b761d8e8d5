"""Read when words are spoken: TextGrid, CTM and JSON files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from xattn_widget.alignment.word_time import WordTime
from xattn_widget.files.reading import read_text
from xattn_widget.messages.hints import did_you_mean

_FORMATS = {"textgrid": ".TextGrid", "ctm": ".ctm", "json": ".json"}
_SILENT = frozenset({"<eps>", "<sil>"})
_LARGEST = 1e300  # JSON allows whole numbers that no float can hold


def read_word_times(
    path: str | Path,
    tier: str | None = None,
    *,
    recording: str | None = None,
    format: str | None = None,  # noqa: A002
) -> list[WordTime]:
    """Read when words are spoken, such as the gold times of a recording.

    - TextGrid (Praat, the Montreal Forced Aligner), in the long or the short text format: the intervals of one tier.
      Intervals that are empty or contain ``sil``, ``sp``, ``<eps>``, ``<sil>`` or ``<p:>`` are silence and are left
      out.
    - CTM (NIST, Kaldi): one word per line, as file, channel, start, duration, word and, optionally, confidence (a
      number or ``NA``). Lines that begin with ``;;`` are comments; ``<eps>`` and ``<sil>`` are silence.
    - JSON: a list of objects with ``word``, ``start``, ``end`` and ``confidence``, as :func:`write_word_times` writes.

    Args:
        path: the file, in UTF-8, or in UTF-16 or UTF-32 with a byte-order mark.
        tier: the name of the tier to read from a TextGrid. By default the interval tier called ``words`` or ``word``,
            in upper or lower case and also after a speaker (``mary - words``), or else the only interval tier.
        recording: which recording to read from a CTM file that has several, as in its first column. Where a recording
            has several channels, add the channel after a space (``"sw2001 A"``).
        format: ``"textgrid"``, ``"ctm"`` or ``"json"``; by default the suffix of ``path`` says which.

    Returns:
        The words in the order of the file, those of a CTM file sorted by start. The confidence is None where the file
        has none.

    Raises:
        ValueError: an unknown format, a malformed file (the error names the line), a tier or recording that is not
            there or not the only one, or an argument that the format does not have.
        OSError: the file cannot be read.
    """
    kind = chosen_format(path, format, _FORMATS)
    if tier is not None and kind != "textgrid":
        raise ValueError(f"tier= is for TextGrid files, and {path} is read as {kind}")
    if recording is not None and kind != "ctm":
        raise ValueError(f"recording= is for CTM files, and {path} is read as {kind}")
    text, name = read_text(path), str(path)
    if kind == "json":
        return _parse_json(text, name)
    if kind == "ctm":
        return sorted(_parse_ctm(text, name, recording), key=lambda time: time.start)
    from xattn_widget.alignment.textgrid import parse_textgrid

    return parse_textgrid(text, name, tier)


def chosen_format(path: str | Path, name: str | None, formats: dict[str, str]) -> str:
    """The format with this name, or that of the suffix of ``path``; ``formats`` has the suffix of each.

    Raises:
        ValueError: there is no such format.
    """
    suffix = Path(path).suffix
    for known, its_suffix in formats.items():
        if (its_suffix.lower() == suffix.lower()) if name is None else (known == str(name).lower()):
            return known
    names = ", ".join(map(repr, formats))
    if name is not None:
        raise ValueError(f"format must be one of {names}, got {name!r}; {did_you_mean(name, formats)}")
    raise ValueError(f"{path} must end in {', '.join(formats.values())}, or pass format=, one of {names}")


def _parse_ctm(text: str, name: str, recording: str | None) -> list[WordTime]:
    found: dict[str, dict[str, list[WordTime]]] = {}  # by recording and channel
    for number, line in enumerate(text.replace("\r", "\n" if "\n" not in text else "").split("\n"), start=1):
        if not line.strip() or line.lstrip().startswith(";;"):
            continue
        fields = line.split()
        where = f"line {number} of {name}"
        if not 5 <= len(fields) <= 8:  # NIST's later versions add the kind of word and the speaker
            raise ValueError(
                f"{where} has {len(fields)} fields, expected file, channel, start, duration, word and, optionally, "
                "confidence"
            )
        file, channel, start, duration, word = fields[:5]
        begin, length = _number(start, where, "start"), _number(duration, where, "duration")
        known = len(fields) > 5 and fields[5].upper() != "NA"
        confidence = _number(fields[5], where, "confidence") if known else None
        times = found.setdefault(file, {}).setdefault(channel, [])
        if word not in _SILENT:
            times.append(_checked(word, begin, begin + length, confidence, where))
    if not found and recording is None:
        return []
    channels = {f"{file} {channel}": times for file, parts in found.items() for channel, times in parts.items()}
    whole = {file: next(iter(parts.values())) for file, parts in found.items() if len(parts) == 1}
    if recording is None and len(channels) == 1:
        return next(iter(channels.values()))
    chosen = None if recording is None else whole.get(recording, channels.get(recording))
    if chosen is None:
        names = [*whole, *(key for key in channels if key.rpartition(" ")[0] not in whole)]
        listed = ", ".join(map(repr, names[:10])) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
        if recording is None:
            raise ValueError(f"{name} has {len(names)} recordings: pass recording=, one of {listed}")
        raise ValueError(f"{name} has no recording {recording!r}: it has {listed or 'none'}")
    return chosen


def _number(text: str, where: str, meaning: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{where} has the {meaning} {text!r:.40}, expected a number") from None


def _parse_json(text: str, name: str) -> list[WordTime]:
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not JSON ({error})") from None
    if not isinstance(items, list):
        raise ValueError(f"{name} has a {type(items).__name__}, expected a list of objects with word, start and end")
    return [_from_json(item, f"item {number} of {name}") for number, item in enumerate(items, start=1)]


def _from_json(item: Any, where: str) -> WordTime:
    if not isinstance(item, dict) or not isinstance(item.get("word"), str):
        raise ValueError(f"{where} is {item!r:.60}, expected an object with word (a text), start and end")
    numbers = []
    known = item.get("confidence") is not None
    for key in ("start", "end", "confidence")[: 2 + known]:
        value = item.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _LARGEST:
            raise ValueError(f"{where} has the {key} {value!r:.40}, expected a number")
        numbers.append(float(value))
    return _checked(item["word"], numbers[0], numbers[1], numbers[2] if known else None, where)


def _checked(word: str, start: float, end: float, confidence: float | None, where: str) -> WordTime:
    if not (abs(start) < math.inf and start <= end < math.inf):
        raise ValueError(f"{where} goes from {start!r:.40} s to {end!r:.40} s, expected two finite times in order")
    return WordTime(word, start, end, confidence)
