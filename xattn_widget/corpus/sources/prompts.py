"""The text that goes with each picture of a corpus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from xattn_widget.corpus.sources.rows import Row, Rows


def check_prompt(prompt: Any, sources: Any) -> None:
    """Raise an error unless ``prompt`` is a text for all sources, or a list with a text for each.

    Raises:
        TypeError: something else, or a text that is not a string.
        ValueError: another number of texts than of sources, as far as their number is known.
    """
    if isinstance(prompt, str):
        return
    if not isinstance(prompt, Sequence) or isinstance(prompt, bytes):
        raise TypeError(f"prompt must be a string, or a list with one for each picture, got {type(prompt).__name__}")
    for number, text in enumerate(prompt):
        if not isinstance(text, str):
            raise TypeError(f"prompt must be a list of strings, got {type(text).__name__} at {number}")
    if isinstance(sources, Sequence) and not isinstance(sources, str) and len(sources) != len(prompt):
        raise _wrong_number(len(prompt), str(len(sources)))


def with_prompts(rows: Rows, prompt: str | Sequence[str]) -> Rows:
    """The rows with the text that goes with each; while they are read, a wrong number of texts is a ValueError."""

    def read() -> Iterator[Row]:
        count = 0
        for count, row in enumerate(rows.read(), 1):
            if isinstance(prompt, str):
                yield row._replace(prompt=prompt)
                continue
            if count > len(prompt):
                raise _wrong_number(len(prompt), "more")
            yield row._replace(prompt=prompt[count - 1])
        if not isinstance(prompt, str) and count < len(prompt):
            raise _wrong_number(len(prompt), str(count))

    return rows._replace(read=read)


def _wrong_number(prompts: int, sources: str) -> ValueError:
    return ValueError(f"there are {prompts} prompts for {sources} pictures: give one for all, or one for each")
