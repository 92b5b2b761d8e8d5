"""Read Parquet, Feather and Arrow files in parts that are small enough for memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from xattn_widget.corpus.sources.cells import Broken, Cells, Column
from xattn_widget.corpus.sources.frames import read_batches, text_paths
from xattn_widget.corpus.sources.packing import seekable, unpacked
from xattn_widget.corpus.sources.sizes import Chunk, arrow_unpacked, parquet_groups, parquet_pages

_ROWS = 4096
_BATCH_BYTES = 16 * 2**20
# A Parquet page, or a batch of an Arrow file, is read as a whole. It may be at most this many times the largest allowed
# record.
_RECORDS_AT_ONCE = 64
_ARROW_MAGIC = b"ARROW1"


def read_parquet(
    path: Path, packing: str | None, columns: Sequence[Column], limit: int
) -> Callable[[], Iterable[Cells]]:
    """A function that reads columns of a Parquet file, after checking that they exist and hold text.

    The rows of a row group are broken if one of its pages would take too much memory.

    Raises:
        ValueError: the file is damaged, or a column does not exist or holds no text.
    """
    with _explaining(path, "Parquet"), seekable(path, packing) as file, pq.ParquetFile(file) as opened:
        paths = text_paths(opened.schema_arrow, columns, str(path))
    names = [".".join(keys) for keys in paths]
    most = _RECORDS_AT_ONCE * limit

    def read() -> Iterator[Cells]:
        with _explaining(path, "Parquet"), seekable(path, packing) as file:
            # A dictionary stores repeated texts only once. A buffer avoids reading a whole column at once.
            texts = [name for name, column in zip(names, columns, strict=True) if column.text]
            with pq.ParquetFile(file, read_dictionary=texts, buffer_size=2**20) as opened:
                for number, chunks in enumerate(parquet_groups(file)):
                    rows, count = _survey_group(file, chunks, paths, most)
                    if not count:
                        yield from itertools.repeat(_too_large(most), rows)
                        continue
                    batches = opened.iter_batches(count, row_groups=[number], columns=names, use_threads=False)
                    yield from read_batches(batches, paths, limit)

    return read


def _survey_group(file: Any, chunks: list[Chunk], paths: Sequence[tuple[str, ...]], most: int) -> tuple[int, int]:
    """How many rows a row group has, and how many of them to read at once: 0 if one of its pages is too large."""
    rows, count = 0, _ROWS
    for chunk in chunks:
        if not any(chunk.path[: len(path)] == path for path in paths):
            continue
        values = 0
        for page in parquet_pages(file, chunk):
            values += page.values
            if page.size > most:
                count = 0
            elif page.values > 0:
                count = min(count, max(1, _BATCH_BYTES * page.values // max(1, page.size)))
        if chunk.path[: len(paths[0])] == paths[0]:  # a recording's column has several parts
            rows = values
    return rows, count


def read_arrow(
    path: Path, packing: str | None, columns: Sequence[Column], limit: int, *, is_stream: bool
) -> Callable[[], Iterable[Cells]]:
    """A function that reads columns of an Arrow file (Feather is one) or stream, after checking file and columns.

    Raises:
        ValueError: the file is damaged, a batch would take too much memory, or a column does not exist or holds no
            text.
    """
    most = _RECORDS_AT_ONCE * limit
    with _explaining(path, "Arrow"):
        with _arrow_source(path, packing, most, is_stream) as source, pa.ipc.open_stream(source) as opened:
            paths = text_paths(opened.schema, columns, str(path))
            needed = sorted({opened.schema.names.index(keys[0]) for keys in paths})
        with _arrow_source(path, packing, most, is_stream) as source:
            for message in pa.ipc.MessageReader.open_stream(source):
                if message.type in ("record batch", "dictionary"):
                    _check_batch(path, message, most)
            if not is_stream and not _ends_as_file(source):
                raise ValueError(f"{path} is cut short, its end is missing: copy or write it again")

    def read() -> Iterator[Cells]:
        options = pa.ipc.IpcReadOptions(included_fields=needed, use_threads=False)
        with (
            _explaining(path, "Arrow"),
            _arrow_source(path, packing, most, is_stream) as source,
            pa.ipc.open_stream(source, options=options) as opened,
        ):
            yield from read_batches(_validated(opened), paths, limit, check=True)

    return read


@contextmanager
def _arrow_source(path: Path, packing: str | None, most: int, is_stream: bool) -> Iterator[Any]:
    """An Arrow file or stream, positioned at its messages: a file is a stream between two marks."""
    if packing is None:
        with pa.memory_map(str(path)) as source:
            source.seek(0 if is_stream else 8)
            yield source
        return
    with unpacked(path, packing) as file:
        if not is_stream:
            file.read(8)
        with pa.PythonFile(_Bounded(path, file, most), "r") as source:
            yield source


class _Bounded:
    """A file that refuses to read too much at once, because a damaged or hostile batch may request it."""

    closed = False

    def __init__(self, path: Path, file: IO[bytes], most: int) -> None:
        self._path, self._file, self._most = path, file, most

    def read(self, size: int) -> bytes:
        if size > self._most:
            raise _large_batch(self._path, size, self._most)
        return self._file.read(size)

    def close(self) -> None:
        self.closed = True


def _check_batch(path: Path, message: Any, most: int) -> None:
    _, size = arrow_unpacked(message.metadata.to_pybytes(), memoryview(message.body or b""))
    if size > most:
        raise _large_batch(path, size, most)


def _ends_as_file(source: Any) -> bool:
    end = b""
    while chunk := source.read(2**16):
        end = (end + chunk)[-len(_ARROW_MAGIC) :]
    return end == _ARROW_MAGIC


def _validated(batches: Iterable[Any]) -> Iterator[Any]:
    for batch in batches:
        batch.validate()
        yield batch


def _too_large(most: int) -> Broken:
    return Broken(
        f"broken record: in a Parquet page of more than {most} bytes, {_RECORDS_AT_ONCE} times the value of "
        "max_record_bytes"
    )


def _large_batch(path: Path, size: int, most: int) -> ValueError:
    return ValueError(
        f"{path} has a batch of {size} bytes, which must fit into memory as a whole; {most} are allowed, "
        f"{_RECORDS_AT_ONCE} times the value of max_record_bytes: write the file with fewer rows per batch, or pass a "
        "larger max_record_bytes"
    )


@contextmanager
def _explaining(path: Path, kind: str) -> Iterator[None]:
    """Name the file in the errors that Arrow raises for a damaged one."""
    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a readable {kind} file: {error}. Write or copy it again") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise ValueError(f"{path} is damaged: {error}. Write or copy it again") from None
