"""Read Arrow tables, pandas and polars frames and datasets, without importing what is not in use."""

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
_DATASET_ROWS = 256  # of texts that are copied from its file


def _is(data: Any, module: str, *names: str) -> bool:
    """Whether ``data`` is of one of these classes. Of a library that nobody has imported there is no object."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(data, tuple(getattr(loaded, name) for name in names))


def is_frame(data: Any) -> bool:
    """Whether ``data`` has columns of its own."""
    return (
        isinstance(data, pa.Table | pa.RecordBatch | pa.RecordBatchReader)
        or _is(data, "pandas", "DataFrame")
        or _is(data, "polars", "DataFrame", "LazyFrame")
        or _is(data, "datasets", "Dataset", "IterableDataset", "DatasetDict", "IterableDatasetDict")
    )


def is_series(data: Any) -> bool:
    """Whether ``data`` is one column."""
    return (
        isinstance(data, pa.Array | pa.ChunkedArray)
        or _is(data, "pandas", "Series", "Index")
        or _is(data, "polars", "Series")
    )


def read_frame(data: Any, columns: Sequence[Column], limit: int) -> Callable[[], Iterable[Cells]]:
    """How to read columns of a frame, a tuple of cells a row.

    Raises:
        TypeError: a dictionary of datasets.
        ValueError: a column is not there or holds no text.
    """
    if _is(data, "datasets", "DatasetDict", "IterableDatasetDict"):
        raise TypeError(f"this is a {type(data).__name__} with the splits {', '.join(data)}: pass one of them")
    if _is(data, "datasets", "Dataset", "IterableDataset"):
        return _read_dataset(data, columns, limit)
    where = f"the {type(data).__name__}"
    if isinstance(data, pa.RecordBatchReader):
        paths = text_paths(data.schema, columns, where)
        return lambda: read_batches(data, paths, limit)
    if isinstance(data, pa.Table | pa.RecordBatch):
        paths = text_paths(data.schema, columns, where)
        names = list(dict.fromkeys(keys[0] for keys in paths))
        table = (pa.table(data) if isinstance(data, pa.RecordBatch) else data).select(names)
        return lambda: read_batches(table.to_batches(_ROWS), paths, limit)
    if _is(data, "polars", "DataFrame", "LazyFrame"):
        return _read_polars(data, columns, limit)
    return _read_pandas(data, columns)


def read_series(data: Any, columns: Sequence[Column], limit: int) -> Callable[[], Iterable[Cells]]:
    """How to read a series or an Arrow array, a tuple of one cell a row.

    Raises:
        ValueError: it holds no text.
    """
    where = f"the {type(data).__name__}"
    if _is(data, "pandas", "Series", "Index"):

        def read() -> Iterator[Cells]:
            return (Plain((cell,)) for cell in _pandas_cells(data))

        require_text(read(), columns, where)
        return read
    chunks = [data] if isinstance(data, pa.Array) else data.chunks if isinstance(data, pa.ChunkedArray) else None
    if chunks is None:
        chunks = [_polars_arrow(data)]
    for chunk in chunks[:1]:
        if not is_text(chunk.type):
            raise no_text(None, where, str(chunk.type))
    return lambda: (Plain((cell,)) for chunk in chunks for cell in _cells(chunk, limit))


def text_paths(schema: pa.Schema, columns: Sequence[Column], where: str) -> list[tuple[str, ...]]:
    """The path of each column in a schema.

    Raises:
        ValueError: it is not there, or must hold text and does not.
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
    """Whether a column of this type holds text, or nothing."""
    types = pa.types
    if types.is_dictionary(kind):
        return is_text(kind.value_type)
    texts = [types.is_string, types.is_large_string, types.is_string_view, types.is_null]
    texts += [types.is_binary, types.is_large_binary, types.is_binary_view]
    return any(test(kind) for test in texts)


def read_batches(
    batches: Iterable[Any], paths: Sequence[tuple[str, ...]], limit: int, *, check: bool = False
) -> Iterator[Cells]:
    """The cells at the paths in each row of batches; ``check`` for those of a file, which may be damaged."""
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
    """The cells of an Arrow column, text as bytes: it may not be valid UTF-8.

    Not all at once: the same memory may stand behind many rows, of a dictionary say, and each cell is a copy.
    """
    by_index = pa.types.is_dictionary(column.type)
    values = _as_bytes(column.dictionary if by_index else column, check=check)
    if not is_text(values.type) or pa.types.is_null(values.type):
        yield from (scalar.as_py() for scalar in column)
        return
    if by_index and check:
        pa.DictionaryArray.from_arrays(column.indices, values)  # raises where an index is out of range
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
        for place, length, there in zip(places.tolist(), lengths.tolist(), valid, strict=True):
            if not there:
                yield None
            else:
                yield oversized(limit) if length > limit else values[place].as_py()


def _lengths(values: Any, places: Any) -> Any:
    """The bytes of values at these places, from their offsets alone."""
    buffer = values.buffers()[1]
    if buffer is None or not len(values):  # of a dictionary without values all indices are null
        return np.zeros(len(places), np.int64)
    places = places + values.offset
    if pa.types.is_binary_view(values.type):
        return np.frombuffer(buffer, np.int32, 4 * (values.offset + len(values)))[4 * places]
    kind = np.int64 if pa.types.is_large_binary(values.type) else np.int32
    offsets = np.frombuffer(buffer, kind, values.offset + len(values) + 1)
    return (offsets[places + 1] - offsets[places]).astype(np.int64)


def _as_bytes(column: Any, *, check: bool = False) -> Any:
    """A column of text as one of bytes, without a copy."""
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


def _read_polars(data: Any, columns: Sequence[Column], limit: int) -> Callable[[], Iterable[Cells]]:
    where = f"the polars {type(data).__name__}"
    if _is(data, "polars", "LazyFrame"):
        data = data.collect()
    paths = text_paths(_polars_arrow(data.slice(0, 0)).schema, columns, where)
    frame = data.select(list(dict.fromkeys(keys[0] for keys in paths)))
    return lambda: read_batches((_polars_arrow(piece) for piece in frame.iter_slices(_ROWS)), paths, limit)


def _polars_arrow(data: Any) -> Any:
    import polars as pl

    # Its own kind of text, without a copy.
    return data.to_arrow(compat_level=pl.CompatLevel.newest())


def _read_dataset(data: Any, columns: Sequence[Column], limit: int) -> Callable[[], Iterable[Cells]]:
    where = f"the {type(data).__name__}"
    if data.features is None:  # a stream of which nothing is known before its first rows
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
    """How to read one column, or a field of the dictionaries in one."""
    names, name = list(data.columns), column.name
    heads = [each for each in names if isinstance(each, str) and str(name).startswith(f"{each}.")]
    if isinstance(name, int) or name in names or not heads:
        find_column(column, names, where)
        series = data.iloc[:, name] if isinstance(name, int) else data[name]
        return lambda: _pandas_cells(series)
    for head in heads:
        find_column(column._replace(given=head), names, where)

    def read() -> Iterator[Any]:
        for cells in zip(*(_pandas_cells(data[head]) for head in heads), strict=True):
            yield pick(dict(zip(heads, cells, strict=True)), [column], where)[0]

    return read


def _pandas_cells(series: Any) -> Iterator[Any]:
    for cell, missing in zip(series, series.isna(), strict=True):
        yield None if missing else cell
