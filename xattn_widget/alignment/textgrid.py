"""TextGrid, Praat's format of annotations: read the intervals of a tier, and write one tier of words."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NoReturn

from xattn_widget.alignment.spoken import in_sequence, one_line
from xattn_widget.alignment.word_time import WordTime

# Praat reads strings, numbers and flags that have spaces around them, and skips everything else. The long and the short
# text format therefore differ only in what is skipped.
_TOKEN = re.compile(
    r"""
    (?P<skipped> \s+ | !.* )
    | "(?P<string> (?: [^"]++ | "" )*+ )" (?!\S)
    | (?P<flag> <\w+> ) (?!\S)
    | (?P<number> [-+0-9]\S* )
    | (?P<other> [^\s"]\S* )
    """,
    re.VERBOSE,
)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
# What forced aligners write into intervals without a word.
_SILENT = frozenset({"", "sil", "sp", "<eps>", "<sil>", "<p:>"})
_TIERS = ("words", "word")
_INTERVALS, _POINTS = "IntervalTier", "TextTier"
_LEAST = 0.001  # seconds; Praat has no empty intervals


def parse_textgrid(text: str, name: str, tier: str | None) -> list[WordTime]:
    """The intervals of one tier that have a word; ``name`` names the file in errors.

    Raises:
        ValueError: not a TextGrid in text format, or no such tier.
    """
    tiers = _Reader(text.replace("\r\n", "\n").replace("\r", "\n").rstrip(), name).tiers()
    return [time for time in _chosen(tiers, name, tier) if time.word.casefold() not in _SILENT]


class _Reader:
    """The strings, numbers and flags of a file, in order."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name
        self.begin = self.place = 0  # of the last token, and of the next

    def tiers(self) -> list[tuple[str, list[WordTime] | None]]:
        """The name and intervals of each tier; None for a tier of points."""
        if "ooTextFile" not in self.text[:40]:
            raise ValueError(
                f"{self.name} is not a TextGrid in text format: in Praat, save it with 'Save as text file...'"
            )
        self._next("string")
        if (kind := self._next("string")) != "TextGrid":
            self._fail(f"has an object of class {kind!r:.40}, expected a TextGrid")
        self._number()
        self._number()
        if self._next("flag") != "<exists>":
            return []
        return [self._tier() for _ in range(self._count())]

    def _tier(self) -> tuple[str, list[WordTime] | None]:
        kind = self._next("string")
        if kind not in (_INTERVALS, _POINTS):
            self._fail(f"has a tier of class {kind!r:.40}, expected {_INTERVALS} or {_POINTS}")
        name = self._next("string")
        self._number()
        self._number()
        count = self._count()
        if kind == _POINTS:
            for _ in range(count):
                self._number()
                self._next("string")
            return name, None
        return name, [self._interval() for _ in range(count)]

    def _interval(self) -> WordTime:
        start, end = self._number(), self._number()
        if not start <= end:
            self._fail(f"has an interval that ends at {end} s, before its start at {start} s")
        return WordTime(" ".join(self._next("string").split()), start, end, None)

    def _count(self) -> int:
        number = self._number()
        if number < 0 or number != int(number):
            self._fail(f"has {number}, expected how many items follow")
        return int(number)

    def _number(self) -> float:
        text = self._next("number")
        number = float(text) if _NUMBER.fullmatch(text) else math.nan
        if not abs(number) < math.inf:
            self._fail(f"has {text!r:.40}, expected a number")
        return number

    def _next(self, kind: str) -> str:
        """The next string, number or flag, which must be of this kind."""
        while True:
            self.begin = self.place
            if self.begin == len(self.text):
                self._fail(f"ends where a {kind} is expected")
            found = _TOKEN.match(self.text, self.begin)
            if found is None:
                self._fail('has a " that is not closed, or one inside a text that is not doubled')
            self.place = found.end()
            if found.lastgroup == kind:
                return found[kind].replace('""', '"') if kind == "string" else found[kind]
            if found.lastgroup in ("string", "flag", "number"):
                self._fail(f"has {found[0]!r:.40}, expected a {kind}")

    def _fail(self, problem: str) -> NoReturn:
        line = 1 + self.text.count("\n", 0, self.begin)
        raise ValueError(f"line {line} of {self.name} {problem}")


def _chosen(tiers: list[tuple[str, list[WordTime] | None]], name: str, tier: str | None) -> list[WordTime]:
    """The intervals of the tier called ``tier``; of the one for words if it is None."""
    usable = [(label, intervals) for label, intervals in tiers if intervals is not None]
    chosen = [pair for pair in usable if pair[0] == tier]
    if tier is None:
        # The Montreal Forced Aligner writes "speaker - words" where there are several speakers.
        chosen = [pair for pair in usable if pair[0].rpartition(" - ")[2].strip().casefold() in _TIERS]
        if not chosen and len(usable) == 1:
            chosen = usable
    if len(chosen) == 1:
        return chosen[0][1]
    names = ", ".join(repr(label) for label, _ in usable[:20]) or "none"
    if tier is None:
        raise ValueError(
            f"{name} has {len(chosen) or 'no'} tiers of words: pass tier=, one of its interval tiers: {names}"
        )
    raise ValueError(f"{name} has {len(chosen) or 'no'} interval tiers named {tier!r}; its interval tiers: {names}")


def format_textgrid(times: Sequence[WordTime], duration: float | None) -> str:
    """A TextGrid with one interval tier, ``words``. Intervals without a word fill the gaps.

    Args:
        times: the words, sorted by start.
        duration: where the tier ends, in seconds, if no word ends later.

    Raises:
        ValueError: there is neither a word nor a duration.
    """
    spans = in_sequence([(time.start, time.end) for time in times], _LEAST)
    intervals: list[tuple[float, float, str]] = []
    last = 0.0
    for time, (start, end) in zip(times, spans, strict=True):
        if start > last:
            intervals.append((last, start, ""))
        intervals.append((start, end, one_line(time.word)))
        last = end
    if duration is not None and duration > last:
        intervals.append((last, duration, ""))
        last = duration
    if not intervals:
        raise ValueError("a TextGrid without words needs the duration of the recording: pass duration= in seconds")
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0 ",
        f"xmax = {last!r} ",
        "tiers? <exists> ",
        "size = 1 ",
        "item []: ",
        "    item [1]:",
        f'        class = "{_INTERVALS}" ',
        f'        name = "{_TIERS[0]}" ',
        "        xmin = 0 ",
        f"        xmax = {last!r} ",
        f"        intervals: size = {len(intervals)} ",
    ]
    for number, (start, end, text) in enumerate(intervals, start=1):
        quoted = text.replace('"', '""')
        lines += [
            f"        intervals [{number}]:",
            f"            xmin = {start!r} ",
            f"            xmax = {end!r} ",
            f'            text = "{quoted}" ',
        ]
    return "\n".join(lines) + "\n"
