"""What the rows of a scored table can be ranked by, how its values are spread, and which rows come first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xattn_widget.corpus.job import STATISTICS
from xattn_widget.corpus.store.columns import column_values, numeric_names
from xattn_widget.corpus.store.tables import grids, score_names
from xattn_widget.record.special import Policy, read_policy

# A layer, a (layer, head) pair, or None for the mean of all heads.
Ranked = int | tuple[int, int] | None

_LEAST_BINS, _MOST_BINS = 8, 40
_QUARTILES = (0, 25, 50, 75, 100)
# How many rows are spread over the bins at once: each takes several times its own memory.
_ROWS_AT_ONCE = 65_536
# How many rankings are kept: going back to the last ones is immediate.
_KEPT = 4
# A model that is sure of a good translation gives it a high probability, by a large margin and with low entropy.
_STATISTICS = {
    "logprob_sum": ("higher", "log-probability of the target, in nats"),
    "logprob_mean": ("higher", "mean log-probability of the target's tokens, in nats"),
    "logprob_min": ("higher", "log-probability of the least probable token of the target, in nats"),
    "margin": ("higher", "mean difference between the probabilities of the two most probable tokens"),
    "output_entropy": ("lower", "mean entropy of the output distribution, in nats"),
}
_POLICY, _STEPS = re.compile(r"\|special:([\w/]+)"), re.compile(r"\|record:([\w+]+)")


class Quantity(NamedTuple):
    """A column of numbers.

    Attributes:
        name: the column.
        per_head: whether it has a value for each head.
        direction: which values are best, ``"higher"`` or ``"lower"``, or "" where nothing says so.
        signature: how the values of a score were computed, or "".
        description: what it is, in a line, or "".
    """

    name: str
    per_head: bool
    direction: str
    signature: str = ""
    description: str = ""

    @property
    def lowest_first(self) -> bool:
        """Whether the worst come first if the lowest do. A number without a direction begins with its highest."""
        return self.direction == "higher"

    @property
    def policy(self) -> Policy | None:
        """The policy for special tokens that a score was computed with; None if it is a function of the user."""
        found = _POLICY.search(self.signature)
        try:
            return read_policy(found[1] if found else None)  # type: ignore[arg-type]
        except ValueError:
            return None

    @property
    def steps(self) -> tuple[str, ...]:
        """The changes that were made to the attention before it was scored, such as ``"crop"``."""
        found = _STEPS.search(self.signature)
        return tuple(found[1].split("+")) if found else ()


def list_quantities(table: pa.Table) -> dict[str, Quantity]:
    """The scores of a table, then the statistics of the output, then other numbers, by name."""
    scores = score_names(table)
    numbers = sorted(numeric_names(table), key=lambda name: name not in STATISTICS)
    listed = []
    for name in scores:
        about = table.schema.field(name).metadata or {}
        direction = about.get(b"direction", b"higher").decode(errors="replace")
        signature = about.get(b"signature", b"").decode(errors="replace")
        listed.append(Quantity(name, True, "lower" if direction == "lower" else "higher", signature))
    for name in numbers:
        direction, description = _STATISTICS.get(name, ("", ""))
        listed.append(Quantity(name, False, direction, description=description))
    return {quantity.name: quantity for quantity in listed}


class Spread(NamedTuple):
    """How the values of a quantity are spread: over one column for each head, or over a single one.

    Attributes:
        edges: the lowest and the highest finite value; all columns share the bins between them.
        counts: ``[layers, heads, bins]`` numbers of rows; ``[1, 1, bins]`` for a quantity without heads.
        quartiles: ``[layers, heads, 5]`` lowest value, quartiles and highest value, NaN where a column has no value.
        rows: ``[layers, heads]`` numbers of rows with a finite value.
    """

    edges: tuple[float, float]
    counts: Any
    quartiles: Any
    rows: Any


class Order(NamedTuple):
    """The rows of a table by a quantity.

    Attributes:
        rows: the rows with a value, first ones first.
        values: ``[rows of the table]`` values, NaN where a row has none.
    """

    rows: Any
    values: Any


class Ranking:
    """A table's rows by any of its quantities. What was computed last is kept, so that the next page comes at once."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.quantities = list_quantities(table)
        # Of each table its own; methods with a cache would keep every table alive.
        self._grid = lru_cache(1)(self._read)
        self.spread = lru_cache(_KEPT)(self._spread)
        self.order = lru_cache(_KEPT)(self._order)
        self.matches = lru_cache(_KEPT)(self._matches)

    def page(self, order: Order, search: str, start: int, count: int) -> tuple[Any, Any, int]:
        """A page of the rows that contain a text: the rows, their ranks from 1, and how many rows there are in all."""
        ranks = np.arange(len(order.rows)) if not search else np.flatnonzero(self.matches(search)[order.rows])
        shown = ranks[start : start + count]
        return order.rows[shown], shown + 1, len(ranks)

    def place(self, order: Order, search: str, row: int) -> int | None:
        """The place of a row among the rows that contain a text, from 0; None if it is not among them."""
        rows = order.rows if not search else order.rows[self.matches(search)[order.rows]]
        found = np.flatnonzero(rows == row)
        return int(found[0]) if len(found) else None

    def grid(self, name: str, row: int) -> Any:
        """``[layers, heads]`` values of a score for a row, NaN where they are undefined."""
        return grids(self.table.slice(row, 1), name)[0]

    def _read(self, name: str) -> Any:
        """``[rows, layers, heads]`` values of a quantity; one layer of one head for a quantity without heads."""
        if self.quantities[name].per_head:
            return grids(self.table, name)
        return column_values(self.table, name)[:, None, None]

    def _values(self, name: str, head: Ranked) -> Any:
        grid = self._grid(name)
        if isinstance(head, tuple):
            return grid[:, head[0], head[1]].astype(np.float64)
        part = grid if head is None else grid[:, head : head + 1]
        return part.mean((1, 2), dtype=np.float64)

    def _order(self, name: str, head: Ranked, lowest_first: bool) -> Order:
        values = self._values(name, head)
        known = np.flatnonzero(~np.isnan(values))
        keys = values[known] if lowest_first else -values[known]
        return Order(known[np.argsort(keys, kind="stable")], values)  # equal values in the table's order

    def _matches(self, search: str) -> Any:
        """``[rows]`` whether the source or the target contains a text, ignoring case."""
        found = [
            pc.match_substring(self.table[name], search, ignore_case=True).fill_null(False).to_numpy()
            for name in ("source", "target")
        ]
        return found[0] | found[1]

    def _spread(self, name: str) -> Spread:
        grid = self._grid(name)
        rows, layers, heads = grid.shape
        flat = grid.reshape(rows, layers * heads)
        low, high = _range(flat)
        columns = [part.reshape(layers, heads, *part.shape[1:]) for part in _columns(flat, low, high)]
        return Spread((low, high), *columns)


def _range(flat: Any) -> tuple[float, float]:
    """The lowest and the highest finite value; 0 and 0 if there is none."""
    low, high = np.inf, -np.inf
    for part in _parts(flat):
        finite = part[np.isfinite(part)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if low <= high else (0.0, 0.0)


def _columns(flat: Any, low: float, high: float) -> tuple[Any, Any, Any]:
    """``[columns, bins]`` counts, ``[columns, 5]`` quartiles and ``[columns]`` numbers of finite values."""
    columns = flat.shape[1]
    size = int(np.clip(2 * np.sqrt(len(flat)), _LEAST_BINS, _MOST_BINS))
    counts = np.zeros(columns * size, np.int64)
    width = (high - low) / size or 1.0
    for part in _parts(flat):
        finite = np.isfinite(part)
        bins = np.where(finite, (part - low) / width, 0).astype(np.int32).clip(0, size - 1)
        bins += np.arange(columns, dtype=np.int32) * size
        counts += np.bincount(bins[finite], minlength=len(counts))
    quartiles = np.full((columns, len(_QUARTILES)), np.nan)
    for column in range(columns):
        values = flat[:, column]
        values = values[np.isfinite(values)]
        if len(values):
            quartiles[column] = np.percentile(values, _QUARTILES)
    counts = counts.reshape(columns, size)
    return counts, quartiles, counts.sum(1)


def _parts(flat: Any) -> Sequence[Any]:
    return [flat[start : start + _ROWS_AT_ONCE] for start in range(0, len(flat), _ROWS_AT_ONCE)]
