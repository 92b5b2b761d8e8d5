"""Read files of sentences record by record, including broken records, without loading them into memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from xattn_widget.corpus.sources.cells import (
    Broken,
    Cells,
    Column,
    find_column,
    pick,
    refuse_columns,
    require_text,
)
from xattn_widget.corpus.sources.delimited import line_content, read_csv, read_lines, read_tsv
from xattn_widget.corpus.sources.formats import HEAD, find_format
from xattn_widget.corpus.sources.packing import find_packing, packed_name, unpacked


class Source(NamedTuple):
    """A file, and what to read from it.

    Attributes:
        path: the file.
        packing: how it is compressed, or None.
        columns: the columns to read.
        limit: the most bytes that a record may have.
    """

    path: Path
    packing: str | None
    columns: Sequence[Column]
    limit: int

    def lines(self) -> Iterator[bytes | Broken]:
        """The lines with their line ends, oversized ones replaced by a note."""
        with unpacked(self.path, self.packing) as file:
            yield from read_lines(file, self.limit)


def read_file(data: Any, columns: Sequence[Column], limit: int) -> Callable[[], Iterable[Cells]]:
    """A function that reads columns of a file and gives a tuple of cells per record, after checking the columns.

    The content decides the format and compression if it begins with a signature, and otherwise the suffix does:
    ``.csv``, ``.tsv``, or lines of text for any other. A column given as a number means that a CSV or TSV file has no
    header line.

    Raises:
        OSError: the path is not a file.
        ValueError: the format is unsupported, the file is damaged, or a column does not exist or holds no text.
    """
    path = Path(data)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: pass a file of sentences in it")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}: pass sentences as a list, or the path of a file")
    if not path.is_file():
        raise OSError(
            f"{path} is a pipe or a device, but rows are read more than once: write them to a file, or pass an iterator"
        )
    packing = find_packing(path)
    with unpacked(path, packing) as file:
        head = file.read(HEAD)
    source = Source(path, packing, columns, limit)
    kind = find_format(path, packed_name(path, packing), head)
    match kind:
        case "parquet":
            from xattn_widget.corpus.sources.columnar import read_parquet

            return read_parquet(path, packing, columns, limit)
        case "arrow file" | "arrow stream":
            from xattn_widget.corpus.sources.columnar import read_arrow

            return read_arrow(path, packing, columns, limit, is_stream=kind == "arrow stream")
        case "csv" | "tsv":
            return _read_delimited(source, kind)
        case "json lines":
            return _read_json_lines(source)
    refuse_columns(
        columns, f"{path} is text with one sentence per line", "; name the file .csv or .tsv if it is a table"
    )
    return lambda: (line if isinstance(line, Broken) else (line_content(line),) for line in source.lines())


def _read_delimited(source: Source, kind: str) -> Callable[[], Iterable[Cells]]:
    path, columns = source.path, source.columns

    def records() -> Iterator[list[bytes] | Broken]:
        return read_tsv(source.lines()) if kind == "tsv" else read_csv(source.lines(), source.limit)

    first = next(records(), None)
    if first is None:
        raise ValueError(f"{path} is empty: there is not even a header line")
    if isinstance(first, Broken):
        raise ValueError(
            f"the first line of {path} is a {first}. Fix the line, or name the file .txt to read it as lines of text"
        )
    if not first:
        raise ValueError(f"the first line of {path} is blank: it must name the columns, or be the first record")
    by_position = [isinstance(column.name, int) for column in columns]
    if any(by_position) and not all(by_position):
        named = ", ".join(f"{column.argument}={column.name!r}" for column in columns)
        raise ValueError(
            f"name all columns of {path}, or number all of them from 0 if it has no header line: got {named}"
        )
    header = not any(by_position)
    width = len(first)
    names = [cell.decode(errors="replace") for cell in first] if header else [str(place) for place in range(width)]
    advice = f", or count from 0 if there is no header line, as in {columns[0].argument}=0"
    places = [names.index(find_column(column, names, str(path), advice=advice)[0]) for column in columns]

    def read() -> Iterator[Cells]:
        rows = records()
        if header:
            next(rows)
        for record in rows:
            if isinstance(record, Broken):
                yield record
            elif not record:
                yield (b"",) * len(places)
            elif len(record) != width:
                yield Broken(f"broken record: {len(record)} fields instead of {width}")
            else:
                yield tuple(record[place] for place in places)

    return read


def _read_json_lines(source: Source) -> Callable[[], Iterable[Cells]]:
    for column in source.columns:
        if isinstance(column.name, int):
            raise ValueError(
                f"{source.path} is JSON Lines, whose fields have names: {column.argument} cannot be {column.name}, "
                "pass the name of a field"
            )

    def read() -> Iterator[Cells]:
        for line in source.lines():
            if isinstance(line, Broken):
                yield line
            elif line.strip():
                record = _parse(line)
                yield record if isinstance(record, Broken) else pick(record, source.columns, str(source.path))

    require_text(read(), source.columns, str(source.path))
    return read


def _parse(line: bytes) -> dict[str, Any] | Broken:
    try:
        # Bytes that are not UTF-8 become surrogates, which are reported cell by cell.
        record = json.loads(line.decode(errors="surrogateescape"))
    except RecursionError:
        return Broken("broken record: JSON that is nested too deeply")
    except ValueError as error:
        return Broken(f"broken record: {error}")
    return record if isinstance(record, dict) else Broken(f"broken record: JSON {type(record).__name__}, not an object")
