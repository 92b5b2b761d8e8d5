"""Tables of this package as people read them in a notebook or a shell: a few rows, short texts, one number a score."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from xattn_widget.corpus.store.tables import grids, score_names, table_info
from xattn_widget.messages.characters import visible
from xattn_widget.panel.markup import Markup, element

# At most so many rows are shown from either end.
FIRST, LAST = 10, 5
# A text is cut to so many characters; a shell has less room for one.
_WIDE, _NARROW = 60, 28
_MISSING = "–"


class Shown(NamedTuple):
    """What is shown of a table.

    Attributes:
        caption: what the table is, in words.
        columns: the heads of the columns.
        numeric: for each column whether it has numbers.
        rows: the cells of the shown rows.
        cut: how many rows are left out after the first ones.
    """

    caption: str
    columns: list[str]
    numeric: list[bool]
    rows: list[list[str]]
    cut: int


def table_html(table: pa.Table) -> str:
    """A table as HTML. Its colors are those of the page around it; all of its texts are escaped."""
    shown = _shown(table, _WIDE)

    def cell(name: str, text: str, numeric: bool) -> Markup:
        style = f"text-align: {'right' if numeric else 'left'}; vertical-align: top; padding: 2px 8px"
        return element(name, {"style": style} | ({"scope": "col"} if name == "th" else {}), text)

    def row(cells: Sequence[str]) -> Markup:
        return element("tr", {}, *(cell("td", *pair) for pair in zip(cells, shown.numeric, strict=True)))

    heads = [cell("th", *pair) for pair in zip(shown.columns, shown.numeric, strict=True)]
    rows = [row(cells) for cells in shown.rows]
    if shown.cut:
        span = {"colspan": str(len(shown.columns)), "style": "text-align: left; padding: 2px 8px"}
        rows.insert(FIRST, element("tr", {}, element("td", span, _left_out(shown.cut))))
    caption = element("caption", {"style": "caption-side: top; text-align: left; color: inherit"}, shown.caption)
    body = [element("thead", {}, element("tr", {}, *heads)), element("tbody", {}, *rows)]
    whole = element("table", {"style": "border-collapse: collapse; color: inherit"}, caption, *body)
    return str(element("div", {"style": "overflow-x: auto; color: inherit"}, whole))


def table_text(table: pa.Table) -> str:
    """A table as plain text, for a shell."""
    shown = _shown(table, _NARROW)
    lines = [shown.columns, *shown.rows]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(shown.columns))]
    written = [
        "  ".join(
            (" " * (width - _width(cell)) + cell) if numeric else (cell + " " * (width - _width(cell)))
            for cell, width, numeric in zip(line, widths, shown.numeric, strict=True)
        ).rstrip()
        for line in lines
    ]
    if shown.cut:
        written.insert(1 + FIRST, _left_out(shown.cut))
    return "\n".join([shown.caption, *written])


def _left_out(count: int) -> str:
    return f"… {count:,} more {'row' if count == 1 else 'rows'} …"


def _shown(table: pa.Table, width: int) -> Shown:
    cut = max(0, table.num_rows - FIRST - LAST)
    # Few rows are cut out before anything is computed: a table may have millions.
    parts = [table.slice(0, FIRST), table.slice(FIRST + cut)] if cut else [table]
    columns, numeric, cells = [], [], []
    for index, field in enumerate(table.schema):
        if field.name == "error" and table.column(index).null_count == table.num_rows:
            continue  # the caption says that there is none
        single = [part.select([index]) for part in parts]
        is_score = field.name in score_names(single[0])
        columns.append(visible(f"{field.name} ({_mean(field.type)})" if is_score else field.name))
        numeric.append(is_score or _is_number(field.type))
        cells.append([text for part in single for text in (_means(part) if is_score else _cells(part, width))])
    rows = [list(row) for row in zip(*cells, strict=True)] if cells else []
    return Shown(_caption(table), columns, numeric, rows, cut)


def _caption(table: pa.Table) -> str:
    rows = f"{table.num_rows:,} {'row' if table.num_rows == 1 else 'rows'}"
    parts = [rows]
    if "error" in table.column_names:
        errors = table.num_rows - table["error"].null_count
        parts.append(f"{errors:,} with an error" if errors else "no errors")
    info = table_info(table)
    if "layers" in info:
        parts.append(f"{info['layers']} layers of {info['heads']} heads")
    if "about" in info:
        parts.append(str(info["about"]))
    return visible(" · ".join(parts))


def _mean(kind: pa.FixedShapeTensorType) -> str:
    count = int(np.prod(kind.shape))
    return f"mean of {count} heads" if count != 1 else "1 head"


def _means(part: pa.Table) -> list[str]:
    values = grids(part, part.column_names[0])
    return [_number(value) for value in values.mean((1, 2), dtype=np.float64)]


def _cells(part: pa.Table, width: int) -> list[str]:
    kind = part.schema.field(0).type
    if isinstance(kind, pa.BaseExtensionType) or pa.types.is_nested(kind):
        return [f"{kind}"[:width]] * part.num_rows
    return [_text(value, width) for value in part.column(0).to_pylist()]


def _text(value: Any, width: int) -> str:
    if value is None:
        return _MISSING
    if isinstance(value, float):
        return _number(value)
    text = visible(str(value)[: width + 1])
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _number(value: float) -> str:
    return _MISSING if value != value else f"{value:.4g}"


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _width(text: str) -> int:
    """How many columns of a terminal a text takes: letters of East Asia take two, and marks none."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "FW" else 1
        for letter in text
    )
