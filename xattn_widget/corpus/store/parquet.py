"""Parquet files with checksums: reading a damaged file is an error and never gives a wrong number.

Each page carries Parquet's own checksum. That does not cover the footer (schema, metadata, positions of the pages), so
a digest of the footer is written right before it, where Parquet allows bytes that belong to no column. To other readers
these are ordinary Parquet files. Files without checksums, which earlier versions wrote, can be read too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

# Scores hardly ever repeat: dictionary encoding would make a file larger and slower to write.
WRITING: dict[str, Any] = {"compression": "zstd", "use_dictionary": False, "write_page_checksum": True}
_MARK = b"xattn_widget footer "
_DIGEST_LENGTH = 32
_END_LENGTH = 8  # the footer's length and the magic bytes

Opener = Callable[[str, int], int]


def seal(file: IO[bytes]) -> None:
    """Write the digest before the footer of a Parquet file that was just written to ``file``."""
    start = _footer_start(file)
    file.seek(start)
    footer = file.read()
    file.seek(start)
    file.write(_MARK + _digest(footer) + footer)


def read_schema(path: str | PathLike[str]) -> pa.Schema:
    """The schema of a Parquet file.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_table`.
    """
    with _opened(path) as file:
        return pq.read_schema(file)


def read_table(
    path: str | PathLike[str],
    columns: Sequence[str] | None = None,
    *,
    use_threads: bool = True,
    sealed: bool = False,
    opener: Opener | None = None,
) -> pa.Table:
    """The table in a Parquet file, after verifying any checksums in it.

    Args:
        path: the file.
        columns: the columns to read; by default all.
        use_threads: whether to read columns in parallel.
        sealed: whether the footer must have a digest.
        opener: opens the file, as for ``open``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or it is not a Parquet file.
    """
    with _opened(path, sealed, opener) as file:
        return table_in(file, columns, use_threads=use_threads)


def read_batches(path: str | PathLike[str], rows: int) -> Iterator[pa.Table]:
    """The table in a Parquet file, some rows at a time.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_table`.
    """
    with _opened(path) as file:
        yield from batches_in(file, rows)


def table_in(file: Any, columns: Sequence[str] | None = None, *, use_threads: bool = True) -> pa.Table:
    """The table in an open Parquet file, or some of its columns; pages are compared with their checksums."""
    wanted = None if columns is None else list(columns)
    return pq.read_table(file, columns=wanted, use_threads=use_threads, page_checksum_verification=True)


def batches_in(file: Any, rows: int) -> Iterator[pa.Table]:
    """The table in an open Parquet file, some rows at a time; pages are compared with their checksums."""
    for batch in pq.ParquetFile(file, page_checksum_verification=True).iter_batches(rows):
        yield pa.Table.from_batches([batch])


@contextmanager
def _opened(path: str | PathLike[str], sealed: bool = False, opener: Opener | None = None) -> Iterator[IO[bytes]]:
    """The file, with its footer verified; errors name the file."""
    if not os.path.lexists(path):
        raise FileNotFoundError(f"there is no file {path}: pass the Parquet file that score_corpus wrote")
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path} is a folder: pass the Parquet file that score_corpus wrote")
    with open(path, "rb", opener=opener) as file, verified(file, path, sealed):
        yield file


@contextmanager
def verified(file: Any, name: object, sealed: bool = False) -> Iterator[None]:
    """A block that reads a Parquet file, after its footer has been verified.

    Args:
        file: the open file, at its beginning again when the block starts.
        name: what errors call it.
        sealed: whether the footer must have a digest.

    Raises:
        ValueError: it is damaged, or it is not a Parquet file.
    """
    try:
        _check_footer(file, sealed)
        file.seek(0)
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno:  # from the system; Arrow's own have no errno
            raise
        raise ValueError(
            f"{name} is not a Parquet file as score_corpus writes them, or it is damaged: {error}"
        ) from error


def _check_footer(file: IO[bytes], sealed: bool) -> None:
    start = _footer_start(file)
    before = start - _DIGEST_LENGTH - len(_MARK)
    file.seek(max(0, before))
    if before < 0 or file.read(len(_MARK)) != _MARK:
        if sealed:
            raise ValueError("its checksum is missing")
        return
    if file.read(_DIGEST_LENGTH) != _digest(file.read()):
        raise ValueError("its footer does not match its checksum")


def _footer_start(file: IO[bytes]) -> int:
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - _END_LENGTH))
    return end - _END_LENGTH - int.from_bytes(file.read(4), "little")


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_LENGTH // 2).hexdigest().encode()
