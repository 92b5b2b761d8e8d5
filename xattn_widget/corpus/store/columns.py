"""Numbers of a scored table by name, such as ``coverage_penalty.layer3.head5``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
import pyarrow as pa

from xattn_widget.corpus.sources.cells import is_missing
from xattn_widget.corpus.store import reading
from xattn_widget.corpus.store.tables import grids, is_index, score_names
from xattn_widget.messages.hints import nearest
from xattn_widget.record.heads import check_heads, head_pairs

_NAME = re.compile(r"(?P<score>.+?)(?:\.layer(?P<layer>\d+))?(?:\.head(?P<head>\d+))?")


def score_of(name: str) -> str:
    """The score in a name: ``"entropy"`` in ``"entropy.layer3"``; the name itself if it is a column's."""
    match = _NAME.fullmatch(name)
    return match["score"] if match else name


def column_values(table: pa.Table, name: str, heads: Sequence[tuple[int, int]] | None = None) -> Any:
    """``[rows]`` float64 array of a column of numbers or of a score, NaN where a row has no value.

    Args:
        table: a scored table.
        name: a column of numbers, or a score: ``"entropy"`` for the mean over all heads, ``"entropy.layer3"`` for the
            mean over one layer, ``"entropy.head5"`` for the mean of one head number over the layers, or
            ``"entropy.layer3.head5"`` for one head.
        heads: the ``(layer, head)`` pairs to average over, at least one; only with a score's name alone.

    Raises:
        ValueError: the table has no such column, layer or head.
    """
    score = score_of(name)
    if name in table.column_names and name not in score_names(table):
        return _numbers(table, name)
    if score not in score_names(table):
        known = [*score_names(table), *numeric_names(table)]
        near = nearest(score, known)
        hint = f": did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(f"the table has no numbers called {name!r}; it has {', '.join(known) or 'none'}{hint}")
    grid = grids(table, score)
    match = _NAME.fullmatch(name)
    assert match
    layer, head = (None if match[part] is None else int(match[part]) for part in ("layer", "head"))
    if heads is not None:
        pairs = head_pairs(heads)
        check_heads(pairs, grid.shape[1], grid.shape[2], score)
        return np.stack([grid[:, layer, head] for layer, head in pairs]).astype(np.float64).mean(0)
    check_heads([(layer or 0, head or 0)], grid.shape[1], grid.shape[2], score)
    if layer is not None:
        grid = grid[:, layer : layer + 1]
    if head is not None:
        grid = grid[:, :, head : head + 1]
    return grid.mean((1, 2), dtype=np.float64)  # a copy of a large table as float64 would not fit


def schema_of(table: pa.Table | str | PathLike[str], name: str = "table") -> pa.Schema:
    """The schema of a table or Parquet file.

    Args:
        table: the table, or the path of the file.
        name: the argument that ``table`` was passed as, for errors.

    Raises:
        TypeError: ``table`` is neither a table nor a path.
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or it is not a Parquet file.
    """
    if isinstance(table, pa.Table):
        return table.schema
    if not isinstance(table, str | PathLike):
        raise TypeError(f"{name} must be an Arrow table or the path of a Parquet file, got {type(table).__name__}")
    return reading.read_schema(table)


def read_columns(
    table: pa.Table | str | PathLike[str], wanted: Sequence[str] | None = None, name: str = "table"
) -> pa.Table:
    """A table unchanged, or those wanted columns that a Parquet file has.

    Args:
        table: the table, or the path of the file.
        wanted: the columns to read from a file, if it has them; None for all.
        name: the argument that ``table`` was passed as, for errors.

    Raises:
        TypeError, FileNotFoundError, ValueError: as ``schema_of``.
    """
    present = schema_of(table, name).names
    if isinstance(table, pa.Table):
        return table
    return reading.read_table(table, [column for column in present if wanted is None or column in wanted])


def cells(column: Any) -> list[Any]:
    """The plain cells of an Arrow, NumPy, pandas or polars column, or of any sequence; None where one is missing."""
    if isinstance(column, pa.Array | pa.ChunkedArray):
        values = column.to_pylist()
    else:
        values = column.tolist() if hasattr(column, "tolist") else list(column)
    return [None if is_missing(value) else value for value in values]


def numeric_names(table: pa.Table) -> list[str]:
    """The columns of plain numbers, without the rows' ids and other numbers that are not quantities."""
    kinds = (pa.types.is_floating, pa.types.is_integer)
    return [
        field.name
        for field in table.schema
        if any(kind(field.type) for kind in kinds) and field.name != "id" and not is_index(field)
    ]


def _numbers(table: pa.Table, name: str) -> Any:
    if name not in numeric_names(table):
        known = ", ".join(numeric_names(table)) or "none"
        raise ValueError(f"column {name!r} holds no numbers; the table's columns of numbers: {known}")
    return table[name].cast(pa.float64()).to_numpy(zero_copy_only=False)


def average_ranks(values: Any) -> Any:
    """``[n]`` ranks from 1; equal values share the mean of their ranks."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[group]
