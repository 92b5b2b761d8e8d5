"""The built files of the front end."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_STATIC = Path(__file__).parents[1] / "static"


@cache
def built_file(name: str) -> str:
    """The text of a built file.

    Raises:
        FileNotFoundError: the front end is not built.
    """
    path = _STATIC / name
    if not path.is_file():
        raise FileNotFoundError(
            f"the front end is not built ({name} is missing): run 'make js' in the checkout, or install a release"
        )
    return path.read_text(encoding="utf-8")
