"""Read text, CSV, TSV and Parquet files record by record, broken ones too, without holding them in memory."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

from xattn_widget.corpus.records import Broken, Cells, find_column

_BOM = b"\xef\xbb\xbf"
_DELIMITERS = {".csv": ",", ".tsv": "\t"}


def is_file(data: Any) -> bool:
    """Whether ``data`` is a path: a corpus is never one string."""
    return isinstance(data, str | PathLike)


def read_file(data: Any, columns: list[str | int]) -> Callable[[], Iterable[Cells]]:
    """How to read the columns of a file, by its suffix: ``.csv``, ``.tsv``, ``.parquet``, else lines of text.

    ``.gz`` is unpacked; the case of a suffix does not matter. In a TSV quotes are text, as translation tools write
    them. A column that is named by a number is of a file without a header line.
    """
    path = Path(data)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: pass a text, CSV, TSV or Parquet file")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: pass sentences as a list, or the path of a file")
    suffixes = [each.lower() for each in path.suffixes]
    suffix = next((each for each in reversed(suffixes) if each != ".gz"), "")
    if suffix in (".parquet", ".pq"):
        from xattn_widget.corpus.frames import read_parquet

        return read_parquet(path, columns)
    with _open(path) as file:
        if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            raise ValueError(f"{path} is UTF-16: convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)")
    if suffix in _DELIMITERS:
        return _read_delimited(path, _DELIMITERS[suffix], columns)
    return lambda: ((line,) for line in _lines(path))


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked; what is wrong with a packed one is told with its name."""
    advice = "test it with 'gzip -t', and copy or pack it again"
    with gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb") as file:
        try:
            yield file  # type: ignore[misc]
        except EOFError:
            raise ValueError(f"{path} is cut short, its end is missing: {advice}") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{path} cannot be unpacked as gzip ({error}): {advice}") from None


def _lines(path: Path) -> Iterator[bytes]:
    """The lines without their ends. Only a line feed, or one after a carriage return, ends a line."""
    with _open(path) as file:
        for number, line in enumerate(file):
            text = line.removesuffix(b"\n").removesuffix(b"\r")
            yield text.removeprefix(_BOM) if number == 0 else text


class _Feed:
    """Lines for a csv reader, which can be given back those that it took for one broken record."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._returned: list[str] = []
        self.taken: list[str] = []  # by the present record

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        # Bytes that are no UTF-8 become surrogates, which are told cell by cell.
        text = self._returned.pop() if self._returned else next(self._lines).decode(errors="surrogateescape") + "\n"
        self.taken.append(text)
        return text

    def give_back(self, lines: list[str]) -> None:
        self._returned += reversed(lines)


def _records(path: Path, delimiter: str) -> Iterator[list[str] | Broken]:
    """One list of fields a record.

    A quote that is never closed would take the rest of the file into one field: there only the first line is given up,
    and reading goes on with the next.
    """
    feed = _Feed(_lines(path))
    if delimiter == "\t":
        reader = csv.reader(feed, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.taken = []
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            feed.give_back(feed.taken[1:])
            yield Broken(f"broken record: {error}")


def _read_delimited(path: Path, delimiter: str, columns: list[str | int]) -> Callable[[], Iterable[Cells]]:
    first = next(_records(path, delimiter), None)
    if first is None:
        raise ValueError(f"{path} is empty: there is not even a header line")
    if isinstance(first, Broken):
        raise ValueError(f"the first line of {path} is a {first}")
    by_position = [isinstance(name, int) for name in columns]
    if any(by_position) and not all(by_position):
        raise ValueError(
            f"name all columns of {path}, or count all of them from 0 (a file without a header): {columns}"
        )
    header = not any(by_position)
    width = len(first)
    names = first if header else [str(position) for position in range(width)]
    places = [names.index(find_column(name, names, str(path))) for name in columns]

    def read() -> Iterator[Cells]:
        records = _records(path, delimiter)
        if header:
            next(records)
        for record in records:
            if isinstance(record, Broken):
                yield record
            elif not record:
                yield ("",) * len(places)
            elif len(record) != width:
                yield Broken(f"broken record: {len(record)} fields in place of {width}")
            else:
                yield tuple(record[place] for place in places)

    return read
