"""The rows of a corpus, from whatever holds them: one row an input, in order, with what is wrong with it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, NamedTuple

from xattn_widget.corpus.sources.cells import (
    MAX_RECORD_BYTES,
    Broken,
    Cells,
    Column,
    Plain,
    is_missing,
    oversized,
    pick,
    refuse_columns,
    require_text,
    require_text_ahead,
)
from xattn_widget.corpus.sources.files import is_file, read_file
from xattn_widget.corpus.sources.frames import is_frame, is_series, read_frame, read_series

# The text of a window is in memory several times over, encoded too.
_WINDOW_CHARACTERS = 32 * 2**20

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
    windows: int
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
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> Rows:
    """The rows of sources and targets of any kind; see :func:`xattn_widget.score_corpus`.

    Raises:
        OSError: a path that is not that of a file.
        TypeError: something that holds no sentences, or a column that is neither a name nor a number.
        ValueError: a column that is not there or holds no text, or sources and targets of different lengths.
    """
    _check_lengths(sources, targets)
    source = Column("source_column", source_column, "source")
    target = Column("target_column", target_column, "target")
    columns = [source]
    if targets is None and target_column is not None:
        columns.append(target)
    if id_column is not None:
        columns.append(Column("id_column", id_column, text=False))
    for column in (source, target, *columns[1:]):
        if isinstance(column.given, bool) or not isinstance(column.given, str | int | None):
            raise TypeError(f"{column.argument} must be a name, or a number from 0, got {column.given!r}")
    left = _reader(sources, columns, "sources", max_record_bytes)
    right = None if targets is None else _reader(targets, [target], "targets", max_record_bytes)
    own_targets = target in columns

    def read() -> Iterator[Row]:
        given = iter(right()) if right else None
        pairs = ((cells, None) for cells in left()) if given is None else _in_step(left(), given)
        for cells, other in pairs:
            broken = next((each for each in (cells, other) if isinstance(each, Broken)), None)
            if broken is not None:
                yield Row(None, None, None, str(broken))
                continue
            text, error = _text(cells[0], "source")
            own_id = other_text = None
            if other is not None or own_targets:
                other_text, target_error = _text(other[0] if other is not None else cells[1], "target")
                error = error or target_error
            if id_column is not None:
                plain = isinstance(cells[-1], str | bytes) or is_missing(cells[-1])
                own_id = _text(cells[-1] if plain else str(cells[-1]), "id")[0]
            yield _within(Row(own_id, text, other_text, error), max_record_bytes)

    return Rows(
        read,
        once=not all(each is None or _can_be_read_again(each) for each in (sources, targets)),
        with_targets=right is not None or own_targets,
        with_ids=id_column is not None,
    )


def survey(rows: Rows, size: int = 4096) -> Survey:
    """Read all rows once, for their number, that of their windows, their size and content.

    Not for rows that can be read only once.
    """
    digest = hashlib.blake2b(digest_size=16)
    number = characters = windows = 0
    for collected in _cut(rows.read(), size):
        windows += 1
        for row in collected:
            number += 1
            characters += _characters(row)
            digest.update(_bytes(row))
    return Survey(number, windows, characters, digest.hexdigest())


def cut_windows(rows: Iterable[Row], size: int) -> Iterator[Window]:
    """The rows in windows of ``size``, or fewer where they are very long; the last one may be shorter."""
    first = 0
    for number, collected in enumerate(_cut(rows, size)):
        digest = hashlib.blake2b(digest_size=16)
        for row in collected:
            digest.update(_bytes(row))
        yield Window(number, first, collected, digest.hexdigest())
        first += len(collected)


def _cut(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    collected, characters = list[Row](), 0
    for row in rows:
        collected.append(row)
        characters += _characters(row)
        if len(collected) == size or characters >= _WINDOW_CHARACTERS:
            yield collected
            collected, characters = [], 0
    if collected:
        yield collected


def _characters(row: Row) -> int:
    return len(row.source or "") + len(row.target or "")


def _within(row: Row, limit: int) -> Row:
    """The row, or one that says that it is too large."""
    texts = [text for text in row[:3] if text]
    if sum(map(len, texts)) * 4 > limit and sum(len(text.encode()) for text in texts) > limit:
        return Row(None, None, None, str(oversized(limit)))
    return row


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


def _reader(data: Any, columns: Sequence[Column], what: str, limit: int) -> Callable[[], Iterable[Cells]]:
    """A function that gives one tuple of cells a row, for the columns in their order."""
    if is_file(data):
        return read_file(data, columns, limit)
    if is_frame(data):
        return read_frame(data, columns, limit)
    if is_series(data):
        refuse_columns(columns, f"{what} is one {type(data).__name__}")
        return read_series(data, columns, limit)
    if not isinstance(data, Iterable) or isinstance(data, bytes | bytearray | Mapping):
        raise TypeError(
            f"{what} must hold sentences (a list, an iterator, a path of a text, CSV, TSV, JSON Lines, Parquet or "
            f"Arrow file, a pandas or polars frame, an Arrow table or a Dataset), got {type(data).__name__}"
        )

    def cells(items: Iterable[Any]) -> Iterator[Cells]:
        return (_item(item, columns, what) for item in items)

    if not _can_be_read_again(data):
        return lambda: require_text_ahead(cells(data), columns, what)
    # By their places where they have some: a sequence may count how often it is gone through.
    items = map(data.__getitem__, range(len(data))) if isinstance(data, Sequence) else data
    require_text(cells(items), columns, what)
    return lambda: cells(data)


def _item(item: Any, columns: Sequence[Column], what: str) -> Cells:
    if isinstance(item, dict):
        return pick(item, columns, what)
    refuse_columns(columns, f"{what} holds plain {type(item).__name__}")
    return Plain((item,))


def _can_be_read_again(data: Any) -> bool:
    if is_file(data) or is_series(data):
        return True
    if is_frame(data):
        return type(data).__name__ != "RecordBatchReader"
    # Other iterables may hand out one iterator again and again, such as a progress bar around a generator.
    return hasattr(data, "__len__") and hasattr(data, "__getitem__")


def _text(cell: Any, side: str) -> tuple[str | None, str | None]:
    """The text of a cell and what is wrong with it."""
    if isinstance(cell, Broken):
        return None, str(cell)
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
    return None, f"{side} is not text but {type(cell).__name__}"
