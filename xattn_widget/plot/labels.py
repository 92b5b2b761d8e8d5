"""Token labels in pictures: cut to length, in fonts that have their characters, in any script."""

from __future__ import annotations

import inspect
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from matplotlib import font_manager, rcParams

from xattn_widget._compat import shapes_text
from xattn_widget.messages.characters import SEEN, label_text, visible
from xattn_widget.record.data import AttentionData


def target_title(record: AttentionData) -> str:
    """What the rows of a record are, in the words of the panel (``rowName`` in the front end)."""
    unit = "word" if "words" in record.steps else "token"
    return f"target · {unit} {'written' if record.reading == 'output' else 'read'}"


def shown(label: str) -> str:
    """The label as it is drawn, cut to length."""
    return written(label_text(label))


def written(text: str) -> str:
    """A text made safe for matplotlib: no characters that break a file, and no dollar sign that starts a formula."""
    return visible(text).replace("$", r"\$")


def label_room(labels: Iterable[str], size: float = 8) -> float:
    """The room that labels need beside a picture, in inches, for a font of ``size`` points."""
    return 0.75 * size / 72 * max((len(shown(label)) for label in labels), default=0)


def label_fonts(labels: Iterable[str], *, warn: bool = True) -> list[str]:
    """Font families for these labels: matplotlib's own, then installed fonts that have the characters it lacks.

    Warns if no installed font has a character (it is drawn as a box), and if matplotlib is too old to shape and order
    right-to-left scripts (before 3.11).
    """
    characters = {character for label in labels for character in visible(label) if SEEN.match(character)}
    family = rcParams["font.family"]
    configured = [family] if isinstance(family, str) else list(family)
    missing = characters - _characters(font_manager.findfont(font_manager.FontProperties(family=configured)))
    fallbacks = []
    while missing:
        name, found = max(
            ((name, missing & _characters(path)) for name, path in _installed()),
            key=lambda font: len(font[1]),
            default=("", set()),
        )
        if not found:
            break
        fallbacks.append(name)
        missing -= found
    if missing and warn:
        warnings.warn(
            f"no installed font has {''.join(sorted(missing))!r:.40} ({_scripts(missing)}): they are drawn as boxes. "
            "Install a font that has them, such as Noto Sans CJK for Chinese, Japanese and Korean, and restart",
            UserWarning,
            stacklevel=_caller_level(),
        )
    if warn and not shapes_text() and any(map(_is_right_to_left, characters)):
        warnings.warn(
            "matplotlib before 3.11 does not shape or order right-to-left scripts: upgrade matplotlib for these labels",
            UserWarning,
            stacklevel=_caller_level(),
        )
    return [*configured, *fallbacks]


def set_labels(texts: Sequence[Any], fonts: list[str]) -> None:
    """Set the fonts of matplotlib texts: each character is drawn in the first font that has it."""
    for text in texts:
        text.set_fontfamily(fonts)


def _is_right_to_left(character: str) -> bool:
    return unicodedata.bidirectional(character) in ("R", "AL")


def _scripts(characters: Iterable[str]) -> str:
    """The scripts of characters, named by the first word of their Unicode names, e.g. ``CJK, HIRAGANA``."""
    return ", ".join(sorted({unicodedata.name(character, "unnamed").split()[0] for character in characters}))


def _installed() -> list[tuple[str, str]]:
    """Name and file of each upright font of regular weight, sorted."""
    return sorted(
        {
            (entry.name, entry.fname)
            for entry in font_manager.fontManager.ttflist
            if entry.style == "normal" and entry.weight in (400, "normal", "regular", "book")
        }
    )


@lru_cache(maxsize=512)
def _characters(path: str) -> frozenset[str]:
    try:
        return frozenset(map(chr, font_manager.get_font(path).get_charmap()))
    except (OSError, RuntimeError):  # ignore broken font files
        return frozenset()


def _caller_level() -> int:
    """The stack level of the first caller outside this package, for warnings."""
    level, frame = 0, inspect.currentframe()
    while frame and frame.f_back and frame.f_globals.get("__name__", "").startswith("xattn_widget"):
        level, frame = level + 1, frame.f_back
    return level
