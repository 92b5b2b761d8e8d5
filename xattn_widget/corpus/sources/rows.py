"""The rows of a corpus, from any source: one row per input, in order, each with its error if it has one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from xattn_widget.corpus.sources.frames import can_be_read_again, is_frame, is_series, read_frame, read_series
from xattn_widget.corpus.sources.media import Medium, content, is_file, listing_folder, size

# The most characters of a window: memory holds several copies of its text, and its tokens.
_WINDOW_CHARACTERS = 32 * 2**20

_SURROGATES = re.compile("[\ud800-\udfff]+")
_ENDED = object()


class Row(NamedTuple):
    """One input. ``error`` says why it cannot be scored; the readable part of its text is kept nevertheless.

    The source of a model that reads sound or images is the name of a recording or a picture. ``media`` is its absolute
    path, or the recording or picture itself if it is in memory. ``prompt`` is the text that goes with a picture.
    """

    id: str | None
    source: str | None
    target: str | None
    error: str | None
    media: Any = None
    prompt: str | None = None


class Rows(NamedTuple):
    """The rows of a source.

    Attributes:
        read: starts reading at the first row.
        once: whether they can be read only once, as from an iterator.
        with_targets: whether the rows have targets.
        with_ids: whether the rows have ids of their own.
        folder: the folder that the paths of recordings or pictures are relative to; None for text.
    """

    read: Callable[[], Iterator[Row]]
    once: bool
    with_targets: bool
    with_ids: bool
    folder: str | None = None


class Survey(NamedTuple):
    """The result of one pass over the rows: numbers of rows, windows and characters, and a digest of the content."""

    rows: int
    windows: int
    characters: int
    digest: str


class Window(NamedTuple):
    """Consecutive rows that are scored and stored together; ``first`` is the number of its first row."""

    number: int
    first: int
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
    medium: Medium | None = None,
) -> Rows:
    """The rows of sources and targets of any kind; see :func:`xattn_widget.score_corpus`.

    With a medium, sources are recordings or pictures, and so is the path of such a file.

    Raises:
        OSError: a path is not a file.
        TypeError: an argument holds no sentences, or a column is neither a name nor a number.
        ValueError: a column does not exist or holds no text, or sources and targets have different lengths.
    """
    folder = None
    if medium is not None:
        sources = medium.listed(sources)
        folder = listing_folder(sources)
    _check_lengths(sources, targets)
    source = Column("source_column", source_column, "source", text=medium is None)
    target = Column("target_column", target_column, "target")
    columns = [source]
    if targets is None and target_column is not None:
        columns.append(target)
    if id_column is not None:
        columns.append(Column("id_column", id_column, text=False))
    for column in (source, target, *columns[1:]):
        if isinstance(column.given, bool) or not isinstance(column.given, str | int | None):
            raise TypeError(f"{column.argument} must be a name, or a number from 0, got {column.given!r}")
    left = _reader(sources, columns, "sources", max_record_bytes, medium)
    right = None if targets is None else _reader(targets, [target], "targets", max_record_bytes)
    targets_beside = target in columns

    def read() -> Iterator[Row]:
        given = iter(right()) if right else None
        pairs = ((cells, None) for cells in left()) if given is None else _in_step(left(), given)
        for number, (cells, other) in enumerate(pairs):
            broken = next((side for side in (cells, other) if isinstance(side, Broken)), None)
            if broken is not None:
                yield Row(None, None, None, str(broken))
                continue
            media = None
            if medium is None or folder is None:
                text, error = read_text(cells[0], "source")
            else:
                text, media, error = medium.read(cells[0], folder)
                text = f"{medium.name} {number}" if text is None and error is None else text
            given_id = other_text = None
            if other is not None or targets_beside:
                other_text, target_error = read_text(other[0] if other is not None else cells[1], "target")
                error = error or target_error
            if id_column is not None:
                plain = isinstance(cells[-1], str | bytes) or is_missing(cells[-1])
                given_id = read_text(cells[-1] if plain else str(cells[-1]), "id")[0]
            yield _within(Row(given_id, text, other_text, error, media), max_record_bytes)

    return Rows(
        read,
        once=not all(side is None or _can_be_read_again(side) for side in (sources, targets)),
        with_targets=right is not None or targets_beside,
        with_ids=id_column is not None,
        folder=folder,
    )


def survey(rows: Rows, size: int = 4096) -> Survey:
    """Read all rows, which must be readable again, and count and digest them.

    Args:
        rows: the rows.
        size: the size of windows, as for :func:`cut_windows`.
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
    """The rows in windows of ``size`` rows; windows with very long rows have fewer, and the last one may too."""
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
    return len(row.source or "") + len(row.target or "") + size(row.media)


def _within(row: Row, limit: int) -> Row:
    """The row, or if its texts have more than ``limit`` bytes, one with an error instead."""
    texts = [text for text in row[:3] if text]
    if sum(map(len, texts)) * 4 > limit and sum(len(text.encode()) for text in texts) > limit:
        return Row(None, None, None, str(oversized(limit)))
    return row


def _bytes(row: Row) -> bytes:
    texts = repr(row[:4] if row.prompt is None else (*row[:4], row.prompt)).encode()
    # A file is identified by its path as it was written: its folder may have been moved.
    return texts if row.media is None or isinstance(row.media, str) else texts + content(row.media)


def _check_lengths(sources: Any, targets: Any) -> None:
    lengths = [
        len(side)
        for side in (sources, targets)
        if hasattr(side, "__len__") and _can_be_read_again(side) and not is_file(side)
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
                f"there must be one target for each source: the {ended} end after {number} rows, the {going} go on. "
                "Pass sources and targets of equal number"
            )
        yield source, target


def _reader(
    data: Any, columns: Sequence[Column], what: str, limit: int, medium: Medium | None = None
) -> Callable[[], Iterable[Cells]]:
    """A function that starts reading and gives a tuple of cells per row, in the order of the columns."""
    if is_file(data):
        from xattn_widget.corpus.sources.files import read_file

        return read_file(data, columns, limit)
    if is_frame(data):
        return read_frame(data, columns, limit)
    if is_series(data):
        refuse_columns(columns, f"{what} is one {type(data).__name__}")
        return read_series(data, columns, limit)
    if not isinstance(data, Iterable) or isinstance(data, bytes | bytearray | Mapping):
        held = "sentences" if medium is None else medium.plural
        raise TypeError(
            f"{what} must hold {held} (a list, an iterator, the path of a text, CSV, TSV, JSON Lines, Parquet or "
            f"Arrow file, a pandas or polars frame, an Arrow table or stream, or a Dataset), got {type(data).__name__}"
        )

    def cells(items: Iterable[Any]) -> Iterator[Cells]:
        return (_item(item, columns, what, medium) for item in items)

    if not _can_be_read_again(data):
        return lambda: require_text_ahead(cells(data), columns, what)
    # By index if possible: a sequence may keep track of how often it is iterated over.
    items = map(data.__getitem__, range(len(data))) if isinstance(data, Sequence) else data
    require_text(cells(items), columns, what)
    return lambda: cells(data)


def _item(item: Any, columns: Sequence[Column], what: str, medium: Medium | None) -> Cells:
    if isinstance(item, dict) and (medium is None or not medium.is_one(item)):
        return pick(item, columns, what)
    refuse_columns(columns, f"{what} holds plain {type(item).__name__}")
    return Plain((item,))


def _can_be_read_again(data: Any) -> bool:
    if is_file(data) or is_series(data):
        return True
    if is_frame(data):
        return can_be_read_again(data)
    # Other iterables, such as a progress bar around a generator, may return the same iterator every time.
    return hasattr(data, "__len__") and hasattr(data, "__getitem__")


def read_text(cell: Any, side: str) -> tuple[str | None, str | None]:
    """The text of a cell, and its error; either may be None."""
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
