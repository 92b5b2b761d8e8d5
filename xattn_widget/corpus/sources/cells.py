"""The output of file and frame readers: a tuple of cells per record, or a note that the record is broken."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from xattn_widget.messages.characters import brief
from xattn_widget.messages.hints import nearest

# Records are small: models read a few thousand tokens. A larger one is most likely not a sentence, and encoding it
# would take many times its size in memory.
MAX_RECORD_BYTES = 4 * 2**20
# How many rows to search for text ahead of reading, if the rows can be read only once.
LOOK_AHEAD = 64
# The most names to list in a message, and to compare with a wrong one.
_MOST_NAMES, _MOST_COMPARED = 20, 1000


class Broken(str):
    """Stands in for a record's cells, or one cell, that cannot be read; the text gives the reason."""

    __slots__ = ()


Cells = Any  # a tuple of raw cells, one for each requested column, or Broken


class Plain(tuple[Any, ...]):
    """The one cell of a source without columns, such as a sentence in a list."""

    __slots__ = ()


class Absent:
    """Stands in for a cell if the record has no such field."""

    __slots__ = ("record",)

    def __init__(self, record: Mapping[str, Any]) -> None:
        self.record = record


class Column(NamedTuple):
    """A column that the caller requested.

    Attributes:
        argument: the argument that names it, such as ``"source_column"``.
        given: its name, its number counted from 0, or None for the default.
        default: its name if none is given.
        text: whether it must hold text.
    """

    argument: str
    given: str | int | None
    default: str = ""
    text: bool = True

    @property
    def name(self) -> str | int:
        """The name or number to look for."""
        return self.default if self.given is None else self.given


def oversized(limit: int) -> Broken:
    """The note for a record of more than ``limit`` bytes."""
    return Broken(f"broken record: larger than {limit} bytes, the value of max_record_bytes")


def refuse_columns(columns: Sequence[Column], where: str, advice: str = "") -> None:
    """Raise if columns of a source without columns are named.

    Raises:
        ValueError: naming the arguments to leave out.
    """
    given = [column for column in columns if column.given is not None]
    if given:
        named = " and ".join(f"{column.argument}={column.given!r}" for column in given)
        raise ValueError(f"a column was named, but {where}, which has no columns: leave out {named}{advice}")


def find_column(
    column: Column, names: Sequence[Any], where: str, fields: Mapping[str, Any] | None = None, advice: str = ""
) -> tuple[Any, ...]:
    """The path to a column: its name, or its name and those of nested fields, ``("translation", "de")``.

    A column whose name contains a dot takes precedence over a nested field.

    Args:
        column: the requested column.
        names: the names of all columns, in order.
        where: a description of the source, for messages.
        fields: the nested fields of columns that have them, by name; they may be nested further.
        advice: what else to do if there is no such column, for the message.

    Raises:
        ValueError: there is no such column, or there are several.
    """
    name = column.name
    if isinstance(name, int):
        if 0 <= name < len(names):
            return (names[name],)
        raise ValueError(
            f"{where} has {len(names)} columns, there is no column {name}, which {column.argument} asks for "
            "(columns are counted from 0)"
        )
    if name in names:
        if list(names).count(name) > 1:
            raise ValueError(f"{where} has several columns called {name!r}: give them different names")
        return (name,)
    path = find_path(fields or {}, name)
    if path is None:
        raise _no_column(column, [*names, *_dotted(fields or {})], where, advice)
    if list(names).count(path[0]) > 1:
        raise ValueError(f"{where} has several columns called {path[0]!r}: give them different names")
    return path


def find_path(record: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    """The keys to ``"translation.de"`` in nested mappings, or None. A key with a dot takes precedence over nesting."""
    if name in record:
        return (name,)
    key = name
    while "." in key:
        key = key.rpartition(".")[0]
        inner = record.get(key)
        if isinstance(inner, Mapping):
            rest = find_path(inner, name[len(key) + 1 :])
            if rest is not None:
                return (key, *rest)
    return None


def pick(record: Mapping[str, Any], columns: Sequence[Column], where: str) -> tuple[Any, ...]:
    """The cells of a record with named fields."""
    cells = []
    for column in columns:
        name = column.name
        path = find_column(column, list(record), where) if isinstance(name, int) else find_path(record, name)
        cell: Any = Absent(record) if path is None else record
        for key in path or ():
            cell = cell[key]
        cells.append(cell)
    return tuple(cells)


def require_text(rows: Iterable[Cells], columns: Sequence[Column], where: str) -> None:
    """Raise if a column holds no text at all, or no record has it; reads only as many rows as necessary.

    Raises:
        ValueError: naming the column, what it holds, and what to name instead.
    """
    seeking = dict(enumerate(columns))
    present: dict[int, Any] = {}  # a cell of each column, preferably one that is not missing
    absent: dict[int, Absent] = {}
    plain = False
    for cells in rows:
        if isinstance(cells, Broken):
            continue
        for place, column in list(seeking.items()):
            cell = cells[place]
            if isinstance(cell, Absent):
                absent.setdefault(place, cell)
            elif isinstance(cell, str | bytes) or not column.text:
                del seeking[place]
            elif present.get(place) is None:
                present[place] = None if is_missing(cell) else cell
                plain = isinstance(cells, Plain)
        if not seeking:
            return
    for place, column in seeking.items():
        cell = present.get(place)
        if cell is not None:
            fields = [key for key, value in cell.items() if isinstance(value, str)] if isinstance(cell, Mapping) else []
            raise no_text(None if plain else column, where, type(cell).__name__, fields)
        if place in absent and place not in present:
            record = absent[place].record
            raise _no_column(column, [*record, *_dotted(record)], where)


def require_text_ahead(rows: Iterable[Cells], columns: Sequence[Column], where: str) -> Iterator[Cells]:
    """The same rows, which can be read only once; raises as :func:`require_text` does, by the first 64 at most."""
    rows, seen = iter(rows), list[Cells]()

    def first_rows() -> Iterator[Cells]:
        for cells in itertools.islice(rows, LOOK_AHEAD):
            seen.append(cells)
            yield cells

    require_text(first_rows(), columns, where)
    yield from seen
    yield from rows


def no_text(column: Column | None, where: str, kind: str, fields: Sequence[str] = ()) -> ValueError:
    """The error for a column without text.

    Args:
        column: the column, or None if the source is a single column.
        where: a description of the source.
        kind: the type of its values.
        fields: the names of its fields that hold text.
    """
    if column is None:
        return ValueError(f"{where} holds {kind}, not text: pass sentences as strings")
    advice = f"name a column of text with {column.argument}"
    if fields:
        advice = f"name one of its fields, such as {column.argument}={f'{column.name}.{fields[0]}'!r}"
    return ValueError(f"column {column.name!r} of {where} is {kind}, not text: {advice}")


def is_missing(cell: Any) -> bool:
    """Whether a cell holds no value: None, NaN, the missing values of pandas, or an absent field."""
    if isinstance(cell, float | np.floating):
        return bool(np.isnan(cell))
    # By class name, because pandas may not be installed.
    return cell is None or isinstance(cell, Absent) or type(cell).__name__ in ("NAType", "NaTType")


def _dotted(fields: Mapping[str, Any], depth: int = 3) -> list[str]:
    """The names of nested fields in the form in which they can be requested, a few levels deep."""
    names = []
    for name, inner in fields.items():
        if isinstance(inner, Mapping) and depth:
            names += [f"{name}.{field}" for field in [*inner, *_dotted(inner, depth - 1)]]
    return names


def _no_column(column: Column, names: Sequence[Any], where: str, advice: str = "") -> ValueError:
    if not names:
        return ValueError(
            f"{where} has no columns at all, so there is no column {column.name!r}: pass a source with columns"
        )
    nested = "." in str(column.name)
    alike = [str(name) for name in names[:_MOST_COMPARED]]
    alike = [name for name in alike if ("." in name) == nested] or alike
    near = nearest(str(column.name), alike)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"name one with {column.argument}{advice}"
    listed = ", ".join(brief(name) for name in names[:_MOST_NAMES])
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ValueError(f"{where} has no column {column.name!r}; it has {listed}{more}: {hint}")
