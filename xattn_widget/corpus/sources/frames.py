"""Read data frames: everything that exports Arrow data, pandas frames and datasets.

No library is imported that the caller does not use. Arrow data come through the PyCapsule interface, which Arrow,
polars, DuckDB and others support. pandas frames support it too, but their columns may hold objects of any kind, which
Arrow refuses; they are read cell by cell.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xattn_widget.corpus.sources.cells import (
    LOOK_AHEAD,
    Cells,
    Column,
    Plain,
    find_column,
    no_text,
    oversized,
    pick,
    require_text,
)

_ROWS = 4096
_BYTES_AT_ONCE = 8 * 2**20
_DATASET_ROWS = 256  # their texts are copied from the dataset's file


def is_frame(data: Any) -> bool:
    """Whether ``data`` has columns."""
    return not is_series(data) and (
        _has(data, "__arrow_c_stream__", "iloc")
        or _is(data, "polars", "LazyFrame")
        or _is(data, "datasets", "Dataset", "IterableDataset", "DatasetDict", "IterableDatasetDict")
    )


def is_series(data: Any) -> bool:
    """Whether ``data`` is a single column."""
    return isinstance(data, pa.Array) or (
        _has(data, "__arrow_c_stream__", "iloc") and not _has(data, "columns", "column_names", "schema")
    )


def can_be_read_again(frame: Any) -> bool:
    """Whether a frame can be read more than once; a stream of Arrow data cannot, and has no length."""
    return _has(frame, "__len__") or not _has(frame, "__arrow_c_stream__")


def _has(data: Any, *names: str) -> bool:
    """Whether the class of ``data`` has any of these attributes; pandas objects also expose labels as attributes."""
    return any(hasattr(type(data), name) for name in names)


def _is(data: Any, module: str, *names: str) -> bool:
    """Whether ``data`` is an instance of one of these classes, whose module must be loaded if there is an instance."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(data, tuple(getattr(loaded, name) for name in names))


def read_frame(data: Any, columns: Sequence[Column], limit: int) -> Callable[[], Iterable[Cells]]:
    """A function that reads columns of a frame and gives a tuple of cells per row, after checking the columns.

    Raises:
        TypeError: ``data`` is a dictionary of datasets.
        ValueError: a column does not exist or holds no text.
    """
    if _is(data, "datasets", "DatasetDict", "IterableDatasetDict"):
        raise TypeError(f"this is a {type(data).__name__} with the splits {', '.join(data)}: pass one of them")
    if _is(data, "datasets", "Dataset", "IterableDataset"):
        return _read_dataset(data, columns, limit)
    if _has(data, "iloc"):
        return _read_pandas(data, columns)
    if _is(data, "polars", "LazyFrame"):
        data = data.collect()
    stream = _stream(data)
    paths = text_paths(stream.schema, columns, _name(data))
    if can_be_read_again(data):
        return lambda: read_batches(_stream(data), paths, limit)
    return lambda: read_batches(stream, paths, limit)


def read_series(data: Any, columns: Sequence[Column], limit: int) -> Callable[[], Iterable[Cells]]:
    """A function that reads a series or an Arrow array, with one cell per row.

    Raises:
        ValueError: it holds no text.
    """
    where = f"the {type(data).__name__}"
    if _has(data, "iloc"):

        def read() -> Iterator[Cells]:
            return (Plain((cell,)) for cell in _pandas_cells(data))

        require_text(read(), columns, where)
        return read
    if _has(data, "to_frame"):  # polars 1.10 exports a series of categories incorrectly, but not a frame with it
        data = pa.table(data.to_frame()).column(0)
    column = pa.chunked_array([data] if isinstance(data, pa.Array) else data)
    if columns[0].text and not is_text(column.type):
        raise no_text(None, where, str(column.type))
    return lambda: (Plain((cell,)) for chunk in column.chunks for cell in _cells(chunk, limit))


def _stream(data: Any) -> pa.RecordBatchReader:
    # Do not export a stream from a reader: that would close it, even if the columns turn out to be wrong.
    return data if isinstance(data, pa.RecordBatchReader) else pa.RecordBatchReader.from_stream(data)


def _name(data: Any) -> str:
    library = type(data).__module__.partition(".")[0]
    return f"the {type(data).__name__}" if library == "pyarrow" else f"the {library} {type(data).__name__}"


def text_paths(schema: pa.Schema, columns: Sequence[Column], where: str) -> list[tuple[str, ...]]:
    """The path to each column in a schema.

    Raises:
        ValueError: a column does not exist, or must hold text and does not.
    """
    fields = _fields(schema)
    paths = []
    for column in columns:
        path = find_column(column, schema.names, where, fields)
        kind = schema.field(path[0]).type
        for name in path[1:]:
            kind = kind.field(name).type
        if column.text and not is_text(kind):
            inner = [field.name for field in kind if is_text(field.type)] if pa.types.is_struct(kind) else []
            raise no_text(column, where, str(kind), inner)
        paths.append(path)
    return paths


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds text, or only nulls."""
    types = pa.types
    if types.is_dictionary(kind):
        return is_text(kind.value_type)
    texts = [types.is_string, types.is_large_string, types.is_string_view, types.is_null]
    texts += [types.is_binary, types.is_large_binary, types.is_binary_view]
    return any(test(kind) for test in texts)


def read_batches(
    batches: Iterable[Any], paths: Sequence[tuple[str, ...]], limit: int, *, check: bool = False
) -> Iterator[Cells]:
    """The cells at the paths, row by row; ``check`` is for batches from a file, which may be damaged."""
    for table in batches:
        for batch in table.to_batches() if isinstance(table, pa.Table) else [table]:
            yield from zip(*(_cells(_at_path(batch, path), limit, check=check) for path in paths), strict=True)


def _fields(kind: Any) -> dict[str, Any]:
    """The fields of a schema or struct by name, each with its own fields."""
    return {field.name: _fields(field.type) if pa.types.is_struct(field.type) else None for field in kind}


def _at_path(batch: Any, path: tuple[str, ...]) -> Any:
    column = batch.column(path[0])
    for name in path[1:]:
        column = pc.struct_field(column, name)
    return column


def _cells(column: Any, limit: int, *, check: bool = False) -> Iterator[Any]:
    """The cells of an Arrow column, with text as bytes, since it may not be valid UTF-8.

    They are created a few at a time: each is a copy, and many rows may share the same memory, as in a dictionary.
    """
    by_index = pa.types.is_dictionary(column.type)
    values = _as_bytes(column.dictionary if by_index else column, check=check)
    if not is_text(values.type) or pa.types.is_null(values.type):
        yield from (scalar.as_py() for scalar in column)
        return
    if by_index and check:
        pa.DictionaryArray.from_arrays(column.indices, values)  # raises if an index is out of range
    for first in range(0, len(column), _ROWS):
        piece = column.slice(first, _ROWS)
        if by_index:
            places = piece.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
        else:
            places = np.arange(first, first + len(piece))
        lengths = _lengths(values, places)
        if not by_index and lengths.max() <= limit and lengths.sum() <= _BYTES_AT_ONCE:
            yield from values.slice(first, _ROWS).to_pylist()
            continue
        valid = piece.is_valid().to_pylist()
        for place, length, exists in zip(places.tolist(), lengths.tolist(), valid, strict=True):
            if not exists:
                yield None
            else:
                yield oversized(limit) if length > limit else values[place].as_py()


def _lengths(values: Any, places: Any) -> Any:
    """The lengths in bytes of the values at these places, read from the offsets alone."""
    buffer = values.buffers()[1]
    if buffer is None or not len(values):  # if a dictionary is empty, all indices are null
        return np.zeros(len(places), np.int64)
    places = places + values.offset
    if pa.types.is_binary_view(values.type):
        return np.frombuffer(buffer, np.int32, 4 * (values.offset + len(values)))[4 * places]
    kind = np.int64 if pa.types.is_large_binary(values.type) else np.int32
    offsets = np.frombuffer(buffer, kind, values.offset + len(values) + 1)
    return (offsets[places + 1] - offsets[places]).astype(np.int64)


def _as_bytes(column: Any, *, check: bool = False) -> Any:
    """A column of text as a column of bytes, without copying it."""
    types = pa.types
    for test, kind in (
        (types.is_string, pa.binary()),
        (types.is_large_string, pa.large_binary()),
        (types.is_string_view, pa.binary_view()),
    ):
        if test(column.type):
            column = column.cast(kind)
    if check:
        column.validate(full=True)
    return column


def _read_dataset(data: Any, columns: Sequence[Column], limit: int) -> Callable[[], Iterable[Cells]]:
    where = f"the {type(data).__name__}"
    if data.features is None:  # a stream whose columns are unknown until its first rows arrive
        rows = data.with_format(None)

        def read() -> Iterator[Cells]:
            return (pick(row, columns, where) for row in rows)

        require_text(itertools.islice(read(), LOOK_AHEAD), columns, where)
        return read
    paths = text_paths(data.features.arrow_schema, columns, where)
    selected = data.select_columns(list(dict.fromkeys(keys[0] for keys in paths))).with_format("arrow")
    return lambda: read_batches(selected.iter(batch_size=_DATASET_ROWS), paths, limit)


def _read_pandas(data: Any, columns: Sequence[Column]) -> Callable[[], Iterable[Cells]]:
    where = f"the pandas {type(data).__name__}"
    readers = [_pandas_column(data, column, where) for column in columns]

    def read() -> Iterator[Cells]:
        return zip(*(reader() for reader in readers), strict=True)

    require_text(read(), columns, where)
    return read


def _pandas_column(data: Any, column: Column, where: str) -> Callable[[], Iterator[Any]]:
    """A function that reads a column, or a field of the dictionaries in a column."""
    names, name = list(data.columns), column.name
    parents = [label for label in names if isinstance(label, str) and str(name).startswith(f"{label}.")]
    if isinstance(name, int) or name in names or not parents:
        find_column(column, names, where)
        series = data.iloc[:, name] if isinstance(name, int) else data[name]
        return lambda: _pandas_cells(series)
    for parent in parents:
        find_column(column._replace(given=parent), names, where)

    def read() -> Iterator[Any]:
        for cells in zip(*(_pandas_cells(data[parent]) for parent in parents), strict=True):
            yield pick(dict(zip(parents, cells, strict=True)), [column], where)[0]

    return read


def _pandas_cells(series: Any) -> Iterator[Any]:
    for cell, missing in zip(series, series.isna(), strict=True):
        yield None if missing else cell
