"""Read text files in the Unicode encodings that they may come in."""

from __future__ import annotations

import codecs
from pathlib import Path

# A byte-order mark of UTF-32 begins with one of UTF-16.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_text(path: str | Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 or UTF-32 with a byte-order mark. Line breaks stay as they are.

    Raises:
        ValueError: the file has another encoding.
    """
    data = Path(path).read_bytes()
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
        problem = "it has NUL characters, like UTF-16 without a byte-order mark" if "\0" in text else ""
    except UnicodeDecodeError as error:
        problem = str(error)
    if problem:
        raise ValueError(
            f"{path} cannot be read as {encoding.removesuffix('-sig').upper()} ({problem}): save it as UTF-8"
        )
    return text.replace("\ufeff", "")  # concatenated files have byte-order marks inside
