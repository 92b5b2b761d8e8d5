"""Characters that a file, a message or a picture cannot hold, or that nobody could see: written as code points."""

from __future__ import annotations

import re
import reprlib
from typing import Any

_SURROGATE = re.compile("[\ud800-\udfff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
# Control characters, lone surrogates, overrides of direction (which show letters in another order than a token has
# them), the byte-order mark and noncharacters. XML forbids most of them, and fonts have none.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")
_MARKS = {"\n": "↵", "\t": "⇥"}
_LONGEST = 80


def well_formed(text: str) -> str:
    """The text with lone surrogates as code points, ``⟨U+D83D⟩``: UTF-8 has no bytes for them."""
    if not _SURROGATE.search(text):
        return text
    paired = _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
    return _SURROGATE.sub(_code_point, paired)


def visible(text: str) -> str:
    """The text as people are shown it: what they could not see, or could not see in order, as code points."""
    return _UNSEEN.sub(lambda found: _MARKS.get(found[0]) or _code_point(found), well_formed(text))


def brief(value: Any) -> str:
    """A value as an error message quotes it: one short line, however large or deeply nested it is."""
    try:
        text = _quoting.repr(value)
    except Exception:  # a value's own repr may fail
        text = f"a {type(value).__name__}"
    return visible(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")


def _code_point(found: re.Match[str]) -> str:
    return f"⟨U+{ord(found[0]):04X}⟩"


_quoting = reprlib.Repr()
_quoting.maxstring = _quoting.maxother = 60
_quoting.maxlevel = 3
