"""Which words of a reference are which words of a record: ``match_words``."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Sequence


def match_words(theirs: Sequence[str], ours: Sequence[str]) -> list[int | None]:
    """For each word of a reference the index of the record's same word, or None.

    Words are compared in order, regardless of case and punctuation. Between words that agree, as many words on either
    side are the same ones in another spelling.

    Args:
        theirs: the words of the reference.
        ours: the words of the record.
    """
    places: list[int | None] = [None] * len(theirs)
    matcher = difflib.SequenceMatcher(a=list(map(_plain, theirs)), b=list(map(_plain, ours)), autojunk=False)
    for kind, start, stop, first, last in matcher.get_opcodes():
        if kind == "equal" or (kind == "replace" and stop - start == last - first):
            places[start:stop] = range(first, last)
    return places


def _plain(word: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKC", word).casefold() if char.isalnum())
