"""What an error adds so that its reader can fix the call: the name that was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Names that ``name`` may have been meant to be, at most two, the likeliest first.

    The same letters in another case or with other separators come first, then names that begin with it or that it
    begins with, then names that contain it, then those of like spelling.
    """

    def letters(text: str) -> str:
        return re.sub(r"[\W_]+", "", text).casefold()

    asked, plain = letters(name), {each: letters(each) for each in sorted(known)}
    close = difflib.get_close_matches(asked, plain.values(), n=3)
    ranks = {}
    for each, spelled in plain.items():
        if spelled == asked:
            ranks[each] = 0
        elif len(asked) > 2 and spelled.startswith(asked):
            ranks[each] = 1
        elif len(spelled) > 2 and asked.startswith(spelled):
            ranks[each] = 2
        elif len(asked) > 2 and asked in spelled:
            ranks[each] = 3
        elif spelled in close:
            ranks[each] = 4 + close.index(spelled)
    found = sorted(ranks, key=lambda each: (ranks[each], -difflib.SequenceMatcher(None, asked, plain[each]).ratio()))
    # A second one helps where both are guesses by a part of the name.
    return [each for each in found[:2] if each == found[0] or (ranks[found[0]] > 0 and ranks[each] <= 3)]


def did_you_mean(name: Any, known: Iterable[str]) -> str:
    """``did you mean 'x'?``, or what there is, with the end of its sentence."""
    known = list(known)
    if near := nearest(str(name), known):
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"there are {', '.join(known)}." if known else "there are none."
