"""Assign the positions of an axis to given words, by what the positions spell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from xattn_widget.inputs.text.matching import common_characters, join_bytes, letters, runs
from xattn_widget.record.axis import NO_WORD, SPACE, Axis, Span

_BYTES = re.compile(r"(<0x[0-9A-Fa-f]{2}>)+")
# In unrelated texts one or two letters match here and there, but rarely this many in a row.
_EVIDENCE = 3


def assign_words(axis: Axis, words: Sequence[str]) -> Axis:
    """The axis with these words (such as the tokens of a gold alignment) instead of its own.

    Pieces are assigned to words by the characters that they stand for, ignoring spaces, case and Unicode forms. A piece
    that spells no character (an unknown token) goes with its neighbor. A word that no piece spells keeps its number and
    has no position. Positions that are special or not text belong to no word.

    Raises:
        TypeError: one string instead of a list of strings.
        ValueError: words of another text, or an axis without text.
    """
    return replace(axis, groups=_groups(axis, words), words=tuple(words))


def _groups(axis: Axis, words: Sequence[str]) -> tuple[int, ...]:
    """The index of the word of each position."""
    if isinstance(words, str):
        raise TypeError(f"words must be a list of strings, got one string: pass {words!r:.60}.split()")
    for number, word in enumerate(words):
        if not isinstance(word, str):
            raise TypeError(f"words must be strings, got {type(word).__name__} for word {number}: {word!r:.60}")
    if tuple(words) == axis.words:
        return axis.groups
    if axis.labels and "text" not in axis.kinds:
        raise ValueError(
            f"words are matched with text, but all positions of this axis are {axis.kind or 'audio or image'}"
        )
    spells = [kind == "text" and not special for kind, special in zip(axis.kinds, axis.special, strict=True)]
    text, spans = _spelling(axis, spells)
    spelled, given = letters(text), letters(" ".join(words))
    numbers = [number for number, word in enumerate(words) for _ in f"{word} "]
    owners = [numbers[start] for start, _ in given.origins]
    pairs = common_characters(spelled.text, given.text)
    word_of_cluster: dict[Span, int] = {}
    for mine, theirs in pairs:
        word_of_cluster.setdefault(spelled.origins[mine], owners[theirs])
    word_of = {index: number for cluster, number in word_of_cluster.items() for index in range(*cluster)}
    # Parts of one character have the same span, so each span is counted once.
    choice = {span: Counter(word_of[index] for index in range(*span) if index in word_of) for span in set(spans)}
    groups = {
        position: choice[span].most_common(1)[0][0]
        for position, span in enumerate(spans)
        if choice[span] and spells[position]
    }
    content = [position for position in range(len(axis)) if spells[position]]
    evidence = _evidence(axis, spans, spelled.origins, owners, pairs)
    shorter, longer = sorted((len(spelled.text), len(given.text)))
    # Unrelated sentences of one language share up to half of their letters in order, but few long stretches.
    alike = 2 * evidence >= shorter or (3 * len(pairs) >= 2 * shorter and 3 * shorter >= 2 * longer)
    if content and not (words and alike and (groups or not longer)):
        raise ValueError(
            f"the words {' '.join(words)!r:.80} are not those of {axis.preview()!r}: give this sentence's words"
        )
    _fill(groups, content, axis.groups, len(words))
    return tuple(groups.get(position, NO_WORD) for position in range(len(axis)))


def _spelling(axis: Axis, spells: Sequence[bool]) -> tuple[str, Sequence[Span]]:
    """The text and spans of the axis, or those that its labels spell."""
    if axis.text is not None and axis.spans is not None:
        return axis.text, axis.spans
    return join_bytes(_content(label) if has_text else b"" for label, has_text in zip(axis.labels, spells, strict=True))


def _content(label: str) -> bytes:
    if _BYTES.fullmatch(label):
        return bytes.fromhex(re.sub("<0x|>", "", label))
    return label.replace(SPACE, "").encode(errors="surrogatepass")


def _evidence(
    axis: Axis,
    spans: Sequence[Span],
    origins: Sequence[Span],
    owners: Sequence[int],
    pairs: Sequence[tuple[int, int]],
) -> int:
    """The number of matched letters that show the texts to be the same: those in longer stretches and whole words."""
    starts, stops = set(), set()
    for group, positions in groupby(range(len(axis)), key=lambda position: axis.groups[position]):
        filled = [spans[position] for position in positions if spans[position][0] < spans[position][1]]
        if group != NO_WORD and filled:
            starts.add(filled[0][0])
            stops.add(filled[-1][1])
    count = 0
    for mine, theirs, length in runs(pairs):
        whole = (
            (theirs == 0 or owners[theirs - 1] != owners[theirs])
            and (theirs + length == len(owners) or owners[theirs + length] != owners[theirs + length - 1])
            and origins[mine][0] in starts
            and origins[mine + length - 1][1] in stops
        )
        if length >= _EVIDENCE or whole:
            count += length
    return count


def _fill(groups: dict[int, int], content: Sequence[int], former: Sequence[int], words: int) -> None:
    """Assign positions that spell nothing to the word of the other positions of their former word, or of a neighbor."""
    runs_of = [list(run) for _, run in groupby(content, key=lambda position: (position in groups, former[position]))]
    following: int | None = None
    after: list[int | None] = []
    for run in reversed(runs_of):
        after.append(following)
        following = run[0] if run[0] in groups else following
    previous: int | None = None
    for run, later in zip(runs_of, reversed(after), strict=True):
        if run[0] not in groups:
            low = -1 if previous is None else groups[previous]
            high = words if later is None else groups[later]
            if later is not None and former[later] == former[run[0]]:
                word = high
            elif previous is not None and former[previous] == former[run[0]]:
                word = low
            elif high - low > 1:
                word = low + 1
            else:
                word = high if low < 0 else low
            groups.update(dict.fromkeys(run, word))
        previous = run[-1]
