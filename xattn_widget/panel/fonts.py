"""Fonts for the static picture, by Pillow alone: importing matplotlib takes longer than drawing the whole picture."""

from __future__ import annotations

import importlib.util
import os
import sys
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from xattn_widget.messages.characters import SEEN

# The font of matplotlib has all characters below this one that anybody sees.
_COMMON = "\u0250"
_FOLDERS = {
    "darwin": ("/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts"),
    "win32": (r"~\AppData\Local\Microsoft\Windows\Fonts", r"C:\Windows\Fonts"),
}
_OTHER_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")
_UNWANTED = ("bold", "italic", "oblique", "light", "thin", "black", "mono", "condensed", "lastresort")
# A character that no font has.
_NONE = "\U0010fffe"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def runs(text: str) -> list[tuple[str, str]]:
    """The text in pieces, each with the file of a font that has its characters.

    Characters that no installed font has are drawn as boxes by the first font.
    """
    found: list[tuple[str, str]] = []
    first = main_file()
    for character in text:
        if found and not SEEN.match(character):
            path = found[-1][0]  # a space or a mark belongs to the letter before it
        else:
            path = first if character < _COMMON else _file_with(character)
        if found and found[-1][0] == path:
            found[-1] = (path, found[-1][1] + character)
        else:
            found.append((path, character))
    return found


@lru_cache(maxsize=64)
def font(path: str, size: int) -> Font:
    """The font of a file in a size in pixels; Pillow's own small one for ""."""
    return ImageFont.truetype(path, size) if path else ImageFont.load_default()


@lru_cache(maxsize=1)
def main_file() -> str:
    """The font that comes with matplotlib, in this or another version of Python's packages; "" if there is none."""
    spec = importlib.util.find_spec("matplotlib")
    folders = [] if spec is None or spec.origin is None else [Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"]
    files = [str(folder / "DejaVuSans.ttf") for folder in folders]
    return next((path for path in [*files, *_installed()] if _has(path, "a")), "")


# Files of fonts that had some character: most labels are of one script.
_used: dict[str, None] = {}


@lru_cache(maxsize=4096)
def _file_with(character: str) -> str:
    for path in [main_file(), *_used, *_installed()]:
        if _has(path, character):
            _used.setdefault(path)
            return path
    return main_file()


@lru_cache(maxsize=1)
def _installed() -> tuple[str, ...]:
    """Upright fonts of regular weight, those made for all scripts first."""
    paths = [
        os.path.join(folder, name)
        for start in _FOLDERS.get(sys.platform, _OTHER_FOLDERS)
        for folder, _, names in os.walk(os.path.expanduser(start))
        for name in names
        if name.lower().endswith((".ttf", ".otf", ".ttc")) and not any(word in name.lower() for word in _UNWANTED)
    ]
    return tuple(sorted(paths, key=lambda path: ("noto" not in path.lower(), "cjk" not in path.lower(), path)))


@lru_cache(maxsize=65536)
def _has(path: str, character: str) -> bool:
    """Whether a font draws something else than its sign for missing characters."""
    try:
        glyphs = [_probe(path).getmask(text) for text in (character, _NONE)]
    except (OSError, ValueError):  # ignore broken font files, and those of pictures
        return False
    return (glyphs[0].size, bytes(glyphs[0])) != (glyphs[1].size, bytes(glyphs[1]))


@lru_cache(maxsize=512)
def _probe(path: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, 16, layout_engine=ImageFont.Layout.BASIC)
