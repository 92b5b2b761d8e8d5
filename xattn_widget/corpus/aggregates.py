"""What scores of heads are over a corpus, gathered from parts of a scored table in bounded memory."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from xattn_widget.corpus.store.tables import grids

# Quantiles are exact up to this many rows. Of more rows, as many are drawn at random, or fewer where a model has so
# many heads that they would be more numbers than this.
QUANTILE_ROWS, _MOST_NUMBERS = 10_000, 2**25


@dataclass
class Moments:
    """Count, mean and sum of squared deviations of each head, which parts of the rows are added to (Chan et al. 1979).

    Attributes:
        count: ``[layers, heads]`` sum of the weights of the rows with a value.
        mean: ``[layers, heads]``.
        squares: ``[layers, heads]`` weighted sum of the squared deviations from the mean.
    """

    count: Any
    mean: Any
    squares: Any

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> Moments:
        """Those of no rows."""
        return cls(np.zeros(shape), np.zeros(shape), np.zeros(shape))

    def add(self, values: Any, weights: Any) -> None:
        """Add ``[rows, layers, heads]`` values, NaN where undefined, with ``[rows]`` weights."""
        with np.errstate(invalid="ignore"):  # the spread around an infinite mean is undefined
            self._add(values, weights)

    def _add(self, values: Any, weights: Any) -> None:
        known = ~np.isnan(values)
        parts = known * weights[:, None, None]
        count = parts.sum(0)
        total = np.maximum(self.count + count, np.finfo(np.float64).tiny)
        mean = (np.where(known, values, 0) * parts).sum(0) / np.maximum(count, np.finfo(np.float64).tiny)
        squares = (np.where(known, values - mean, 0) ** 2 * parts).sum(0)
        step = mean - self.mean
        self.squares = self.squares + squares + step**2 * self.count * count / total
        self.mean = self.mean + step * count / total
        self.count = self.count + count

    def means(self) -> Any:
        """``[layers, heads]`` means, NaN for heads without a value."""
        return np.where(self.count > 0, self.mean, np.nan)

    def deviations(self) -> Any:
        """``[layers, heads]`` standard deviations (of the rows, not estimated for others)."""
        return np.where(self.count > 0, np.sqrt(self.squares / np.maximum(self.count, 1e-300)), np.nan)


class Text(NamedTuple):
    """A row of the table that is kept with its texts."""

    row: int
    id: Any
    source: str | None
    target: str | None
    offset: float | None  # of a window of a long recording, in seconds
    prompt: str | None  # that goes with a picture


class Aggregates:
    """Means, spreads, quantiles and the strongest rows of each score and head, and some rows drawn at random.

    Args:
        scores: the names of the scores.
        directions: for each, which values are strongest, ``"higher"`` or ``"lower"``.
        shape: ``(layers, heads)``.
        strongest: how many rows to keep for each score and head.
        drawn: how many rows to draw.
        seed: the seed of the draws.
    """

    def __init__(
        self,
        scores: Sequence[str],
        directions: Sequence[str],
        shape: tuple[int, int],
        *,
        strongest: int,
        drawn: int,
        seed: int,
    ) -> None:
        self.scores, self.rows, self.scored = list(scores), 0, 0
        self._signs = np.array([1.0 if direction == "higher" else -1.0 for direction in directions])
        self.by_sentence = {name: Moments.empty(shape) for name in scores}
        self.by_row = {name: Moments.empty(shape) for name in scores}
        self.best_values = np.full((strongest, len(self.scores), *shape), -np.inf)  # with the sign of the direction
        self.best_rows = np.full((strongest, len(self.scores), *shape), -1)
        self.texts: dict[int, Text] = {}  # of the strongest rows
        self._random = np.random.default_rng(seed)
        self._most = max(1, min(QUANTILE_ROWS, _MOST_NUMBERS // max(1, self.best_rows[:1].size)))
        self._keys = np.empty(0)
        self._sample = np.empty((0, len(self.scores), *shape), np.float32)
        self._drawn: list[tuple[float, Text, tuple[int, int]]] = []
        self._draws = drawn

    def add(self, part: pa.Table) -> None:
        """Add the next rows of the table."""
        first, self.rows = self.rows, self.rows + part.num_rows
        known = np.flatnonzero(part["error"].is_null().to_numpy())
        self.scored += len(known)
        if not len(known):
            return
        part = part.take(known)
        values = np.stack([grids(part, name) for name in self.scores], axis=1)
        lengths = np.array(part["target_length"].to_pylist(), np.float64)
        for number, name in enumerate(self.scores):
            single = values[:, number].astype(np.float64)
            self.by_sentence[name].add(single, np.ones(len(single)))
            self.by_row[name].add(single, lengths)
        numbers = first + known
        keys = self._random.random(len(known))
        self._add_strongest(values, numbers)
        self._add_sample(values, keys)
        texts = _Texts(part, numbers)
        used = set(self.best_rows.ravel().tolist())
        self.texts = {row: text for row, text in self.texts.items() if row in used}
        self.texts |= {int(row): texts[place] for place, row in enumerate(numbers) if int(row) in used}
        chosen = np.argsort(keys, kind="stable")[: self._draws]
        sizes = np.array(part["source_length"].to_pylist(), np.int64)
        self._drawn += [(keys[at], texts[at], (int(sizes[at]), int(lengths[at]))) for at in chosen.tolist()]
        self._drawn = sorted(self._drawn, key=lambda item: item[0])[: self._draws]

    def drawn(self, most_weights: int) -> list[Text]:
        """Rows drawn at random, in their order, whose attention has at most so many weights in all."""
        layers, heads = self.best_rows.shape[2:]
        weights = np.cumsum([layers * heads * source * target for _, _, (source, target) in self._drawn])
        return sorted(
            (text for (_, text, _), total in zip(self._drawn, weights, strict=True) if total <= most_weights),
            key=lambda text: text.row,
        )

    def quantiles(self, score: str, levels: Sequence[float]) -> Any:
        """``[levels, layers, heads]`` quantiles; NaN for heads without a value."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a head without a value
            return np.nanquantile(self._sample[:, self.scores.index(score)].astype(np.float64), levels, axis=0)

    @property
    def sampled(self) -> int:
        """How many rows quantiles are computed from."""
        return len(self._sample)

    def _add_strongest(self, values: Any, numbers: Any) -> None:
        signed = values * self._signs[:, None, None]
        signed = np.concatenate([self.best_values, np.where(np.isnan(signed), -np.inf, signed)])
        rows = np.concatenate([self.best_rows, np.broadcast_to(numbers[:, None, None, None], values.shape)])
        order = np.argsort(-signed, axis=0, kind="stable")[: len(self.best_values)]
        self.best_values = np.take_along_axis(signed, order, 0)
        self.best_rows = np.where(self.best_values > -np.inf, np.take_along_axis(rows, order, 0), -1)

    def strongest(self, score: str) -> tuple[Any, Any]:
        """The values and the rows ``[at most strongest, layers, heads]``, strongest first; row -1 for none."""
        number = self.scores.index(score)
        return self.best_values[:, number] * self._signs[number], self.best_rows[:, number]

    def _add_sample(self, values: Any, keys: Any) -> None:
        """Keep the rows with the smallest random keys: each row of the corpus is kept with equal probability."""
        if len(self._keys) == self._most:
            fits = keys < self._keys.max()
            values, keys = values[fits], keys[fits]
        keys, sample = np.concatenate([self._keys, keys]), np.concatenate([self._sample, values])
        if len(keys) > self._most:
            kept = np.argpartition(keys, self._most)[: self._most]
            keys, sample = keys[kept], sample[kept]
        self._keys, self._sample = keys, sample


class _Texts:
    """The texts of a part of the table, read only where they are needed."""

    def __init__(self, part: pa.Table, numbers: Any) -> None:
        self._part, self._numbers = part, numbers

    def __getitem__(self, place: int) -> Text:
        identity, source, target = (self._part[name][place].as_py() for name in ("id", "source", "target"))
        offset, prompt = (
            self._part[name][place].as_py() if name in self._part.column_names else None
            for name in ("offset", "prompt")
        )
        return Text(int(self._numbers[place]), identity, source, target, offset, prompt)
