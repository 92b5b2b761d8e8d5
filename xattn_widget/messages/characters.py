"""Show characters that cannot be stored or seen as code points."""

from __future__ import annotations

import re
import reprlib
from typing import Any

_SURROGATE = re.compile("[\ud800-\udfff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
# Control characters, lone surrogates, direction overrides (which display letters in a different order), the byte-order
# mark and noncharacters. XML forbids most of them, and fonts have no glyph for them.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")
# Characters that are visible: not spaces, and none that fonts may leave out.
SEEN = re.compile(
    r"[^\s\u00ad\u034f\u061c\u115f\u1160\u180b-\u180f\u200b-\u200f\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\uffa0"
    r"\U000e0000-\U000e0fff]"
)
# Longer labels are cut, since they would leave no room for the picture.
_LABEL = 24
_MARKS = {"\n": "↵", "\t": "⇥"}
_LONGEST = 80


def well_formed(text: str) -> str:
    """The text with lone surrogates written as code points, ``⟨U+D83D⟩``, because UTF-8 cannot encode them."""
    if not _SURROGATE.search(text):
        return text
    paired = _PAIR.sub(lambda pair: pair[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
    return _SURROGATE.sub(_code_point, paired)


def visible(text: str) -> str:
    """The text as people see it, with invisible and reordering characters written as code points."""
    return _UNSEEN.sub(lambda found: _MARKS.get(found[0]) or _code_point(found), well_formed(text))


def label_text(label: str, longest: int = _LABEL) -> str:
    """A token's label as a picture has it: cut to length, and as code points if nothing of it is visible."""
    text = visible(label) if SEEN.search(label) else " ".join(f"U+{ord(character):04X}" for character in label[:4])
    return text if len(text) <= longest else text[: longest - 1] + "…"


def brief(value: Any) -> str:
    """A value as quoted in an error message: one short line, no matter how large or deeply nested it is."""
    try:
        text = _quoting.repr(value)
    except Exception:  # the repr of a user's object may fail
        text = f"a {type(value).__name__}"
    return visible(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")


def _code_point(found: re.Match[str]) -> str:
    return f"⟨U+{ord(found[0]):04X}⟩"


_quoting = reprlib.Repr()
_quoting.maxstring = _quoting.maxother = 60
_quoting.maxlevel = 3
