"""Suggestions for misspelled names, which errors add so that the caller can fix the call."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The names that ``name`` may stand for: at most two, most likely first.

    Names with the same letters in another case or with other separators come first, then names that begin with
    ``name`` or that ``name`` begins with, then names that contain it, then names with a similar spelling.
    """

    def letters(text: str) -> str:
        return re.sub(r"[\W_]+", "", text).casefold()

    asked, plain = letters(name), {candidate: letters(candidate) for candidate in sorted(known)}
    # One wrong letter in a name of three leaves two thirds; two wrong letters in a name of five are another name.
    close = difflib.get_close_matches(asked, plain.values(), n=3, cutoff=0.65)
    ranks = {}
    for candidate, spelled in plain.items():
        if spelled == asked:
            ranks[candidate] = 0
        elif len(asked) > 2 and spelled.startswith(asked):
            ranks[candidate] = 1
        elif len(spelled) > 2 and asked.startswith(spelled):
            ranks[candidate] = 2
        elif len(asked) > 2 and asked in spelled:
            ranks[candidate] = 3
        elif spelled in close:
            ranks[candidate] = 4 + close.index(spelled)
    found = sorted(ranks, key=lambda name: (ranks[name], -difflib.SequenceMatcher(None, asked, plain[name]).ratio()))
    # A second suggestion helps where both are guesses from a part of the name.
    return [name for name in found[:2] if name == found[0] or (ranks[found[0]] > 0 and ranks[name] <= 3)]


def did_you_mean(name: Any, known: Iterable[str]) -> str:
    """``did you mean 'x'?``, or the list of known names, with the final punctuation."""
    known = list(known)
    if near := nearest(str(name), known):
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"there are {', '.join(known)}." if known else "there are none."
