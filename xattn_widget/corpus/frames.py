"""Read Arrow tables, Parquet files, pandas and polars frames and datasets, without importing what is not in use."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xattn_widget.corpus.records import Cells, find_column

_ROWS = 4096


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


def read_frame(data: Any, columns: list[str | int]) -> Callable[[], Iterable[Any]]:
    """How to read columns of a frame, a tuple of cells a row; for a series, its cells."""
    if is_series(data):
        return _read_series(data)
    if _is(data, "datasets", "DatasetDict", "IterableDatasetDict"):
        raise TypeError(f"this is a {type(data).__name__} with the splits {', '.join(data)}: pass one of them")
    if _is(data, "polars", "LazyFrame"):
        data = data.collect()
    if isinstance(data, pa.RecordBatch):
        data = pa.table(data)
    kind = type(data).__name__
    if isinstance(data, pa.Table | pa.RecordBatchReader):
        names = _text_columns(data.schema, columns, f"the {kind}")
        if isinstance(data, pa.RecordBatchReader):
            return lambda: _cells(data, names)
        return lambda: _cells(data.select(names).to_batches(_ROWS), names)
    if _is(data, "polars", "DataFrame"):
        names = [find_column(name, data.columns, f"the polars {kind}") for name in columns]
        frame = data.select(names)
        return lambda: _cells((piece.to_arrow() for piece in frame.iter_slices(_ROWS)), names)
    if _is(data, "datasets", "Dataset", "IterableDataset"):
        return _read_dataset(data, columns)
    names = [find_column(name, list(data.columns), f"the pandas {kind}") for name in columns]
    return lambda: zip(*(_pandas_cells(data[name]) for name in names), strict=True)


def read_parquet(path: Path, columns: list[str | int]) -> Callable[[], Iterable[Cells]]:
    """How to read columns of a Parquet file, a part of it at a time."""
    try:
        schema = pq.read_schema(path)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} is no Parquet file: {error}") from None
    names = _text_columns(schema, columns, str(path))

    def read() -> Iterator[Cells]:
        with pq.ParquetFile(path) as file:
            yield from _cells(file.iter_batches(_ROWS, columns=names), names)

    return read


def _read_series(data: Any) -> Callable[[], Iterable[Any]]:
    if _is(data, "pandas", "Series", "Index"):
        return lambda: _pandas_cells(data)
    if _is(data, "polars", "Series"):
        data = data.to_arrow()
    chunks = data.chunks if isinstance(data, pa.ChunkedArray) else [data]
    return lambda: (cell for chunk in chunks for cell in _raw(chunk))


def _read_dataset(data: Any, columns: list[str | int]) -> Callable[[], Iterable[Cells]]:
    present = data.column_names
    if present is None:  # a stream of which nothing is known before its first row
        present = list(next(iter(data)))
    names = [find_column(name, present, f"the {type(data).__name__}") for name in columns]
    selected = data.select_columns(list(dict.fromkeys(names))).with_format("arrow")
    return lambda: _cells(selected.iter(batch_size=_ROWS), names)


def _text_columns(schema: pa.Schema, columns: list[str | int], where: str) -> list[str]:
    names = [find_column(name, schema.names, where) for name in columns]
    kind = schema.field(names[0]).type
    content = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (_is_text(content) or pa.types.is_null(content)):
        raise ValueError(f"column {names[0]!r} of {where} is {kind}, not text: name the column of the sentences")
    return names


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    tests = (types.is_string, types.is_large_string, types.is_string_view, types.is_binary, types.is_large_binary)
    return any(test(kind) for test in tests)


def _cells(batches: Iterable[Any], names: list[str]) -> Iterator[Cells]:
    for batch in batches:
        yield from zip(*(_raw(batch.column(name)) for name in names), strict=True)


def _raw(column: Any) -> list[Any]:
    """The cells of an Arrow column, text as bytes: it may be no valid UTF-8."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = column.cast(pa.large_binary() if pa.types.is_large_string(column.type) else pa.binary())
    cells: list[Any] = column.to_pylist()
    return cells


def _pandas_cells(series: Any) -> Iterator[Any]:
    for cell, missing in zip(series, series.isna(), strict=True):
        yield None if missing else cell
