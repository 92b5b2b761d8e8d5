"""What readers of files and frames give: a tuple of cells a record, or a note that the record is broken."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


class Broken(str):
    """In place of a record's cells: why it cannot be read."""

    __slots__ = ()


Cells = Any  # tuple of raw cells, one a column asked for, or Broken


def pick(record: Mapping[str, Any], columns: Sequence[str | int], where: str) -> tuple[Any, ...]:
    """The cells of a record that has its columns by name."""
    return tuple(record[name] for name in (find_column(name, list(record), where) for name in columns))


def find_column(name: str | int, columns: Sequence[str], where: str) -> str:
    """The column of this name, or at this position.

    Raises:
        ValueError: there is none, or several of the name.
    """
    if isinstance(name, int) and not isinstance(name, bool):
        if 0 <= name < len(columns):
            return columns[name]
        raise ValueError(f"{where} has {len(columns)} columns, there is no column {name} (they count from 0)")
    if name not in columns:
        near = difflib.get_close_matches(str(name), columns, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "name one with source_column, target_column or id_column"
        raise ValueError(f"{where} has no column {name!r}; it has {', '.join(map(repr, columns))}: {hint}")
    if list(columns).count(str(name)) > 1:
        raise ValueError(f"{where} has several columns called {name!r}: give them different names")
    return str(name)


def is_missing(cell: Any) -> bool:
    """Whether a cell holds nothing: None, NaN, or what pandas has for it."""
    if isinstance(cell, float | np.floating):
        return bool(np.isnan(cell))
    return cell is None or type(cell).__name__ in ("NAType", "NaTType")  # by their names: pandas may not be installed
