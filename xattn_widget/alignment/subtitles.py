"""Subtitles, WebVTT and SubRip (SRT): words grouped into cues of a length that people can read.

The limits are those of the Netflix Timed Text Style Guide: two lines of 42 columns, 7 seconds at most and 5/6 of a
second at least. A pause of a second clears the screen, as the BBC's subtitle guidelines ask.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import NamedTuple

import regex

from xattn_widget.alignment.spoken import in_sequence, one_line
from xattn_widget.alignment.word_time import WordTime
from xattn_widget.inputs.text.words import UNSPACED

_COLUMNS = 42
_LONGEST, _SHORTEST, _PAUSE = 7000, 833, 1000  # milliseconds
_SENTENCE = regex.compile(r"[\p{Sentence_Terminal}…][\p{Pe}\p{Pf}\"']*$")
_CLAUSE = regex.compile(r"[,;:，；：、،–—]$")
# Titles and initials, whose full stop ends no sentence.
_ABBREVIATION = regex.compile(r"(?:\p{L}\.)+|(?:Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|vs)\.", regex.IGNORECASE)
# Signs that the word before them, or the word after them, is not separated from.
_CLOSING = regex.compile(r"[[\p{Terminal_Punctuation}\p{Pe}\p{Pf}…]--[¿¡]]+", regex.VERSION1)
_OPENING = regex.compile(r"[\p{Ps}\p{Pi}¿¡]+")
# SRT has no way to escape the characters of its tags.
_SRT = str.maketrans("<>{}", "‹›()")


class _Word(NamedTuple):
    text: str
    start: int  # milliseconds
    end: int
    spaced: bool  # a space comes before it, except at the beginning of a line

    @property
    def width(self) -> int:
        """Columns on the screen: two for a full-width character, none for an accent."""
        columns = (
            2
            if unicodedata.east_asian_width(character) in "WF"
            else unicodedata.category(character) not in ("Mn", "Me")
            for character in self.text
        )
        return max(1, sum(columns))


def format_vtt(times: Sequence[WordTime], words: bool) -> str:
    """WebVTT with the time of each word inside its cue; ``words`` gives each word a cue. Words are sorted by start."""

    def word_text(word: _Word, first: bool) -> str:
        text = word.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return text if first else f"<{_clock(word.start, '.')}>{text}"

    cues = [f"{timing}\n{text}\n" for timing, text in _cues(times, words, ".", word_text)]
    return "\n".join(["WEBVTT\n", *cues])


def format_srt(times: Sequence[WordTime], words: bool) -> str:
    """SubRip subtitles; ``words`` gives each word a cue. Words are sorted by start."""
    cues = _cues(times, words, ",", lambda word, first: word.text.translate(_SRT))
    return "\n".join(f"{number}\n{timing}\n{text}\n" for number, (timing, text) in enumerate(cues, start=1))


def _cues(
    times: Sequence[WordTime], words: bool, point: str, word_text: Callable[[_Word, bool], str]
) -> list[tuple[str, str]]:
    """The timing line and the text of each cue. ``word_text`` writes a word, given whether it is the cue's first."""
    spoken = _spoken(times)
    groups = [[word] for word in spoken] if words else _grouped(spoken)
    cues = []
    for index, group in enumerate(groups):
        start, end = group[0].start, group[-1].end
        if not words:
            following = groups[index + 1][0].start if index + 1 < len(groups) else start + _SHORTEST
            end = max(end, min(start + _SHORTEST, following))
        broken = _line_break(group)
        text = "".join(
            ("\n" if place and place == broken else " " if place and word.spaced else "") + word_text(word, place == 0)
            for place, word in enumerate(group)
        )
        cues.append((f"{_clock(start, point)} --> {_clock(end, point)}", text))
    return cues


def _spoken(times: Sequence[WordTime]) -> list[_Word]:
    """The words in whole milliseconds, without overlaps."""
    spans = in_sequence([(round(1000 * time.start), round(1000 * time.end)) for time in times], 1)
    as_written = any(time.word[:1].isspace() for time in times)  # words of speech models may bring their spaces
    spoken: list[_Word] = []
    for time, (start, end) in zip(times, spans, strict=True):
        text = one_line(time.word)
        spaced = time.word[:1].isspace() if as_written else bool(spoken) and _separated(spoken[-1].text, text)
        spoken.append(_Word(text, start, end, spaced))
    return spoken


def _separated(left: str, right: str) -> bool:
    """Whether a space goes between two words."""
    if _CLOSING.fullmatch(right) or _OPENING.fullmatch(left):
        return False
    return not (UNSPACED.search(left[-1]) and UNSPACED.search(right[0]))


def _grouped(spoken: list[_Word]) -> list[list[_Word]]:
    """The words of each cue."""
    groups = [spoken[:1]] if spoken else []
    for word in spoken[1:]:
        group = groups[-1]
        if _is_pause(group[-1], word):
            groups.append([word])
        elif _fits([*group, word]):
            group.append(word)
        else:
            # A full cue ends with the last clause in its second half, so that the next one does not start inside it.
            second_half = range(max(1, len(group) // 2), len(group) + 1)
            clauses = [place for place in second_half if _CLAUSE.search(group[place - 1].text)]
            place = clauses[-1] if clauses and _fits([*group[clauses[-1] :], word]) else len(group)
            groups.append([*group[place:], word])
            del group[place:]
    return groups


def _is_pause(last: _Word, following: _Word) -> bool:
    """Whether a cue ends between two words because a sentence ends or nothing is spoken."""
    if following.start - last.end >= _PAUSE:
        return True
    ends = _SENTENCE.search(last.text) and not _ABBREVIATION.fullmatch(last.text)
    return bool(ends) and not _CLOSING.fullmatch(following.text)


def _fits(group: list[_Word]) -> bool:
    return group[-1].end - group[0].start <= _LONGEST and _line_break(group) >= 0


def _line_break(group: list[_Word]) -> int:
    """The word of a cue that begins its second line: 0 if one line is enough, -1 if two are too few."""
    widths = [word.width + (word.spaced and place > 0) for place, word in enumerate(group)]
    total = sum(widths)
    if total <= _COLUMNS or len(group) == 1:
        return 0
    best, longest, before = -1, _COLUMNS + 1, 0
    for place in range(1, len(group)):
        before += widths[place - 1]
        wider = max(before, total - before - group[place].spaced)
        if wider < longest and not _CLOSING.fullmatch(group[place].text):
            best, longest = place, wider
    return best


def _clock(milliseconds: int, point: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{milliseconds:03}"
