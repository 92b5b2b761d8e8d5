"""Read what ``score_corpus`` wrote: a Parquet file, or a folder of them on this machine or in shared storage."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from os import PathLike

import pyarrow as pa
import pyarrow.parquet as pq

from xattn_widget.corpus.store import parquet
from xattn_widget.corpus.store.dataset import ScoredFolder
from xattn_widget.corpus.store.locations import Location, find_location, is_uri, local_folder


def read_schema(place: str | PathLike[str]) -> pa.Schema:
    """The schema of a scored table.

    Args:
        place: the path or URI of a Parquet file or of a folder.

    Raises:
        FileNotFoundError: there is nothing.
        ValueError: it is damaged or not complete, or ``score_corpus`` did not write it.
    """
    location = _location(place)
    if location is None:
        return parquet.read_schema(place)
    if location.kind == "file":
        with location.open() as file, parquet.verified(file, location.name):
            return pq.read_schema(file)
    return ScoredFolder(location).schema


def read_table(place: str | PathLike[str], columns: Sequence[str] | None = None) -> pa.Table:
    """A scored table, after verifying its checksums.

    Args:
        place: the path or URI of a Parquet file or of a folder.
        columns: the columns to read; by default all.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_schema`.
    """
    location = _location(place)
    if location is None:
        return parquet.read_table(place, columns)
    if location.kind == "file":
        with location.open() as file, parquet.verified(file, location.name):
            return parquet.table_in(file, columns)
    return ScoredFolder(location).table(columns)


def read_batches(place: str | PathLike[str], rows: int) -> Iterator[pa.Table]:
    """A scored table, at most ``rows`` rows at a time.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_schema`.
    """
    location = _location(place)
    if location is None:
        yield from parquet.read_batches(place, rows)
    elif location.kind == "file":
        with location.open() as file, parquet.verified(file, location.name):
            yield from parquet.batches_in(file, rows)
    else:
        yield from ScoredFolder(location).batches(rows)


def _location(place: str | PathLike[str]) -> Location | None:
    """The location of a URI or of a folder; None for a file of this machine, and for nothing."""
    if is_uri(place):
        return find_location(str(place))
    return local_folder(os.fspath(place)) if os.path.isdir(place) else None
