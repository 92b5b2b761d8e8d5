"""The requests of the view of a corpus: its checked fields, and replies with one page of rows or one distribution."""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from xattn_widget.corpus.quantities import Quantity, Ranked, Ranking
from xattn_widget.corpus.store.tables import media_info
from xattn_widget.messages.characters import brief, well_formed
from xattn_widget.messages.hints import did_you_mean
from xattn_widget.panel.json_values import finite, json_number
from xattn_widget.panel.protocol import RequestError
from xattn_widget.record.heads import check_heads, head_pairs, whole_number

# A text in the list has at most so many characters; the sentence itself opens whole.
LONGEST_TEXT = 1000
LONGEST_SEARCH = 1000
LONGEST_PAGE = 1000


class Query(NamedTuple):
    """Which rows are listed, and in which order."""

    name: str
    head: Ranked
    lowest_first: bool
    search: str


def read_name(value: Any, quantities: Mapping[str, Quantity]) -> str:
    """The name of a quantity.

    Raises:
        RequestError: there is none of this name.
    """
    if not isinstance(value, str) or value not in quantities:
        hint = did_you_mean(value, quantities) if isinstance(value, str) else did_you_mean("", quantities)
        raise RequestError(f"the table has no score or statistic {brief(value)}; {hint}")
    return value


def read_head(value: Any, layers: int, heads: int) -> Ranked:
    """What to rank by: None for the mean of all heads, a layer, or a (layer, head) pair.

    Raises:
        RequestError: anything else, or a layer or head that the table does not have.
    """
    if value is None:
        return None
    layer = whole_number(value)
    try:
        if layer is not None:
            check_heads([(layer, 0)], layers, heads)
            return layer
        pairs = head_pairs([value])
        check_heads(pairs, layers, heads)
    except ValueError as error:
        raise RequestError(f"head is None, a layer or a (layer, head) pair, got {brief(value)}: {error}") from None
    return pairs[0]


def read_search(value: Any) -> str:
    """A text to search for.

    Raises:
        RequestError: something other than a string, or a very long one.
    """
    if not isinstance(value, str) or len(value) > LONGEST_SEARCH:
        raise RequestError(f"search is a string of at most {LONGEST_SEARCH} characters, got {brief(value)}")
    return well_formed(value)


def read_row(value: Any, rows: int) -> int | None:
    """The number of a row of the table, or None.

    Raises:
        RequestError: the table has no such row.
    """
    row = whole_number(value)
    if value is None or (row is not None and 0 <= row < rows):
        return row
    raise RequestError(f"the table has no row {brief(value)}: rows are 0 to {rows - 1}, or None for no row")


def read_query(value: Any, ranking: Ranking, layers: int, heads: int) -> Query:
    """A query with every field checked.

    Raises:
        RequestError: a field is missing or wrong.
    """
    if not isinstance(value, Mapping):
        raise RequestError(f"a query is an object, got {brief(value)}")
    name = read_name(value.get("score_name"), ranking.quantities)
    head = read_head(value.get("head"), layers, heads)
    return Query(
        name,
        head if ranking.quantities[name].per_head else None,
        value.get("lowest_first") is True,
        read_search(value.get("search", "")),
    )


def answer(
    request: Mapping[str, Any], ranking: Ranking, layers: int, heads: int, page: int, probability: str | None
) -> tuple[dict[str, Any], list[bytes]]:
    """The reply to a request, and its buffers.

    Args:
        request: the message of the page.
        ranking: the table.
        layers: how many layers it has.
        heads: how many heads each layer has.
        page: how many rows a page of the list has.
        probability: the column of log-probabilities to list, or None.

    Raises:
        RequestError: it breaks the contract of ``js/src/corpus/contract.ts``.
    """
    kind = request.get("kind")
    if kind == "distribution":
        return _distribution(ranking, read_name(request.get("name"), ranking.quantities))
    if kind == "rows":
        query = read_query(request.get("query"), ranking, layers, heads)
        start = whole_number(request.get("start", 0))
        if start is None or start < 0:
            raise RequestError(f"start is a place in the list, from 0, got {brief(request.get('start'))}")
        return _rows(ranking, query, start, read_row(request.get("row"), ranking.table.num_rows), page, probability), []
    if kind == "values":
        name = read_name(request.get("name"), ranking.quantities)
        row = read_row(request.get("row"), ranking.table.num_rows)
        if row is None or not ranking.quantities[name].per_head:
            raise RequestError("values are those of a score for one row")
        return {"values": finite(ranking.grid(name, row).tolist())}, []
    raise RequestError(f"a request needs 'kind', one of 'distribution', 'rows', 'values', got {brief(kind)}")


def _distribution(ranking: Ranking, name: str) -> tuple[dict[str, Any], list[bytes]]:
    spread = ranking.spread(name)
    layers, heads, bins = spread.counts.shape
    reply = {
        "low": finite(spread.edges[0]),
        "high": finite(spread.edges[1]),
        "shape": [layers, heads, bins],
        "quartiles": finite(spread.quartiles.tolist()),
        "rows": spread.rows.tolist(),
    }
    return reply, [np.ascontiguousarray(spread.counts, dtype="<u4").tobytes()]


def _rows(
    ranking: Ranking, query: Query, start: int, row: int | None, page: int, probability: str | None
) -> dict[str, Any]:
    order = ranking.order(query.name, query.head, query.lowest_first)
    if row is not None:  # the page that this row is on
        place = ranking.place(order, query.search, row)
        start = start if place is None else place - place % page
    rows, ranks, found = ranking.page(order, query.search, start, page)
    table = ranking.table
    numbers = pa.array(rows, pa.int64())
    columns = {name: table[name].take(numbers).to_pylist() for name in _listed(table, probability)}
    is_text = not media_info(table)
    listed = [
        {
            "row": int(number),
            "rank": int(rank),
            "value": json_number(order.values[number]),
            "logprob": json_number(columns[probability][index]) if probability else None,
            "source": _text(columns["source"][index]) if is_text else file_name(columns["source"][index]),
            "target": _text(columns["target"][index]),
            "name": _text(columns["id"][index]) if "id" in columns else "",
        }
        for index, (number, rank) in enumerate(zip(rows, ranks, strict=True))
    ]
    return {
        "start": start,
        "found": found,
        "ranked": len(order.rows),
        "missing": table.num_rows - len(order.rows),
        "rows": listed,
    }


def _listed(table: pa.Table, probability: str | None) -> list[str]:
    return [name for name in ("id", "source", "target", probability) if name is not None and name in table.column_names]


def file_name(path: str | None) -> str:
    """The name of the file of a recording or a picture, in the form in which the list shows it."""
    return _text(path and os.path.basename(path))


def _text(value: Any) -> str:
    text = "" if value is None else str(value)
    return well_formed(text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…")
