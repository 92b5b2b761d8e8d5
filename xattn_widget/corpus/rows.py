"""The rows of a corpus, from whatever holds them: one row an input, in order, with what is wrong with it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, NamedTuple

from xattn_widget.corpus.files import is_file, read_file
from xattn_widget.corpus.frames import is_frame, is_series, read_frame
from xattn_widget.corpus.records import Broken, Cells, is_missing, pick

_SURROGATES = re.compile("[\ud800-\udfff]+")
_ENDED = object()


class Row(NamedTuple):
    """One input. ``error`` says why it cannot be scored; what can be shown of the text is kept all the same."""

    id: str | None
    source: str | None
    target: str | None
    error: str | None


@dataclass(frozen=True)
class Rows:
    """Where the rows come from.

    Attributes:
        read: starts reading from the first row.
        once: they can be read only once (an iterator).
        with_targets: the rows have targets.
        with_ids: the rows have ids of their own.
    """

    read: Callable[[], Iterator[Row]]
    once: bool
    with_targets: bool
    with_ids: bool


class Survey(NamedTuple):
    """What one pass over the rows tells."""

    rows: int
    characters: int
    digest: str


class Window(NamedTuple):
    """Consecutive rows that are scored and stored together."""

    number: int
    first: int  # its first row's number
    rows: list[Row]
    digest: str


def open_rows(
    sources: Any,
    targets: Any = None,
    *,
    source_column: str | int | None = None,
    target_column: str | int | None = None,
    id_column: str | int | None = None,
) -> Rows:
    """The rows of sources and targets of any kind; see :func:`xattn_widget.score_corpus`.

    Raises:
        FileNotFoundError: a path that is no file.
        TypeError: something that holds no sentences.
        ValueError: a column that is not there or holds no text, or sources and targets of different lengths.
    """
    _check_lengths(sources, targets)
    own_targets = target_column if targets is None else None
    columns = [
        source_column,
        *([] if own_targets is None else [own_targets]),
        *([] if id_column is None else [id_column]),
    ]
    left = _reader(sources, columns, "sources", default="source")
    right = None if targets is None else _reader(targets, [target_column], "targets", default="target")

    def read() -> Iterator[Row]:
        given = iter(right()) if right else None
        pairs = ((cells, None) for cells in left()) if given is None else _in_step(left(), given)
        for cells, other in pairs:
            broken = next((each for each in (cells, other) if isinstance(each, Broken)), None)
            if broken is not None:
                yield Row(None, None, None, str(broken))
                continue
            source, error = _text(cells[0], "source")
            target = own_id = None
            if other is not None or own_targets is not None:
                target, target_error = _text(other[0] if other is not None else cells[1], "target")
                error = error or target_error
            if id_column is not None:
                plain = isinstance(cells[-1], str | bytes) or is_missing(cells[-1])
                own_id = _text(cells[-1] if plain else str(cells[-1]), "id")[0]
            yield Row(own_id, source, target, error)

    return Rows(
        read,
        once=not all(each is None or _can_be_read_again(each) for each in (sources, targets)),
        with_targets=right is not None or own_targets is not None,
        with_ids=id_column is not None,
    )


def survey(rows: Rows) -> Survey:
    """Read all rows once, for their number, size and content. Not for rows that can be read only once."""
    digest = hashlib.blake2b(digest_size=16)
    number = characters = 0
    for row in rows.read():
        number += 1
        characters += len(row.source or "") + len(row.target or "")
        digest.update(_bytes(row))
    return Survey(number, characters, digest.hexdigest())


def cut_windows(rows: Iterable[Row], size: int) -> Iterator[Window]:
    """The rows in windows of ``size``; the last one may be shorter."""
    number, collected, digest = 0, list[Row](), hashlib.blake2b(digest_size=16)
    for row in rows:
        collected.append(row)
        digest.update(_bytes(row))
        if len(collected) == size:
            yield Window(number, number * size, collected, digest.hexdigest())
            number, collected, digest = number + 1, [], hashlib.blake2b(digest_size=16)
    if collected:
        yield Window(number, number * size, collected, digest.hexdigest())


def _bytes(row: Row) -> bytes:
    return repr(tuple(row)).encode()


def _check_lengths(sources: Any, targets: Any) -> None:
    lengths = [
        len(each)
        for each in (sources, targets)
        if hasattr(each, "__len__") and _can_be_read_again(each) and not is_file(each)
    ]
    if len(lengths) == 2 and lengths[0] != lengths[1]:
        raise ValueError(
            f"there must be one target for each source, got {lengths[0]} sources and {lengths[1]} targets: "
            "pass lists of the same length, or leave targets out to generate them"
        )


def _in_step(sources: Iterable[Cells], targets: Iterable[Cells]) -> Iterator[tuple[Cells, Cells]]:
    for number, (source, target) in enumerate(zip_longest(sources, targets, fillvalue=_ENDED)):
        if source is _ENDED or target is _ENDED:
            ended, going = ("sources", "targets") if source is _ENDED else ("targets", "sources")
            raise ValueError(
                f"there must be one target for each source: the {ended} end after {number} rows, the {going} go on"
            )
        yield source, target


def _reader(data: Any, columns: list[str | int | None], what: str, *, default: str) -> Callable[[], Iterable[Cells]]:
    """A function that gives one tuple of cells a row, for the columns in their order."""
    if is_file(data):
        return read_file(data, [default if name is None else name for name in columns])
    if is_frame(data):
        return read_frame(data, [default if name is None else name for name in columns])
    if not isinstance(data, Iterable) or isinstance(data, bytes | bytearray | Mapping):
        raise TypeError(
            f"{what} must hold sentences (a list, an iterator, a path of a text, CSV, TSV or Parquet file, a pandas or "
            f"polars frame, an Arrow table or a Dataset), got {type(data).__name__}"
        )
    if is_series(data):
        return lambda: ((cell,) for cell in read_frame(data, [])())
    return lambda: (_item(item, columns, what, default) for item in data)


def _item(item: Any, columns: list[str | int | None], what: str, default: str) -> Cells:
    if isinstance(item, dict):
        return pick(item, [default if name is None else name for name in columns], what)
    if any(name is not None for name in columns):
        raise ValueError(
            f"a column was named, but {what} holds plain {type(item).__name__}: columns are of files, frames and dicts"
        )
    return (item,)


def _can_be_read_again(data: Any) -> bool:
    if is_file(data) or is_series(data):
        return True
    if is_frame(data):
        return type(data).__name__ != "RecordBatchReader"
    # Other iterables may hand out one iterator again and again, such as a progress bar around a generator.
    return hasattr(data, "__len__") and hasattr(data, "__getitem__")


def _text(cell: Any, side: str) -> tuple[str | None, str | None]:
    """The text of a cell and what is wrong with it."""
    if isinstance(cell, bytes):
        try:
            return cell.decode(), None
        except UnicodeDecodeError:
            return cell.decode(errors="replace"), f"{side} is not valid UTF-8"
    if isinstance(cell, str):
        if not cell.isascii() and _SURROGATES.search(cell):
            return _SURROGATES.sub("\ufffd", cell), f"{side} is not valid UTF-8"
        return str(cell), None
    if is_missing(cell):
        return None, f"{side} is missing"
    return None, f"{side} is no text but {type(cell).__name__}"
