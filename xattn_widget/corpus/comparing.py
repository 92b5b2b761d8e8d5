"""Find the heads that know when a translation is bad: correlate every head's score with quality, ``compare``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow as pa

from xattn_widget.corpus.job import STATISTICS
from xattn_widget.corpus.store.columns import average_ranks, cells, column_values, read_columns
from xattn_widget.corpus.store.tables import grids, result_table, score_names

Metric = Callable[[str, str], float]


def compare(
    table: pa.Table | str | PathLike[str],
    gold: Sequence[str | None] | pa.Array | pa.ChunkedArray | None = None,
    metric: str | Sequence[float | None] | pa.Array | pa.ChunkedArray | Metric | None = None,
    *,
    confidence: float = 0.95,
) -> pa.Table:
    """Correlate the score of each head, and each statistic of the output, with the quality of the translation.

    The correlation is Spearman's. Its confidence interval comes from Fisher's transformation, with the standard error
    ``sqrt((1 + rho^2 / 2) / (rows - 3))``. The best of hundreds of heads looks better than it is, because it was picked
    as the best: test it on other sentences.

    Example:
        >>> from xattn_widget import compare, load_demo, score_corpus
        >>> model, tokenizer = load_demo()
        >>> sentences = ["Ich habe das Buch gelesen.", "Wann stehst du morgen auf?", "Er kommt.", "Ich habe Zeit."]
        >>> table = score_corpus(model, tokenizer, sentences, scores=["entropy"])
        >>> compare(table, metric=[0.9, 0.7, 1.0, 0.8]).num_rows  # such as human ratings; one row per head
        24

    Args:
        table: the table that ``score_corpus`` returned, or the path of the Parquet file that it wrote.
        gold: reference translations to compare the targets with, one per row: any sequence, or an Arrow, pandas or
            polars column. A missing one is None, NaN or null.
        metric: without ``gold``, the quality itself: the name of a column of numbers, or one number per row (None, NaN
            or null if unknown). With ``gold``, a function of target and reference; by default sentence chrF (``pip
            install sacrebleu``).
        confidence: the confidence level of the intervals, between 0 and 1.

    Returns:
        A table, strongest correlation first: ``score``, ``layer``, ``head`` (null for a statistic), ``correlation`` in
        [-1, 1], ``low`` and ``high`` (the ends of its interval), and ``rows`` (how many rows have both values). The
        correlation is NaN if a column is constant or fewer than four rows have both values.

    Raises:
        TypeError: ``table`` is neither a table nor a path, or with both ``gold`` and ``metric``, ``gold`` is not text
            or ``metric`` is not a function.
        ValueError: a file is not a Parquet file, the lengths differ from the table's, the quality is not numeric, or no
            quality is given.
        ImportError: sacrebleu is needed and not installed.

    Source: Bonett & Wright 2000 (standard error).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence!r}")
    table = read_columns(table)
    if gold is not None and not isinstance(gold, str):
        gold = cells(gold)
    if metric is None and gold is not None and (isinstance(gold, str) or not _is_text(gold)):
        gold, metric = None, gold
    quality = _quality(table, gold, metric)
    if len(quality) != table.num_rows:
        raise ValueError(f"there must be one quality per row: the table has {table.num_rows} rows, got {len(quality)}")
    results = []
    for name in score_names(table):
        values = grids(table, name)
        for layer, head in np.ndindex(values.shape[1:]):
            results.append((name, layer, head, *_spearman(values[:, layer, head], quality, confidence)))
    for name in STATISTICS:
        if name in table.column_names:
            results.append((name, None, None, *_spearman(column_values(table, name), quality, confidence)))
    results.sort(key=lambda row: -abs(row[3]) if row[3] == row[3] else 1.0)  # NaN comes last
    columns = list(zip(*results, strict=True)) if results else [()] * 7
    kinds = [pa.string(), pa.int32(), pa.int32(), pa.float64(), pa.float64(), pa.float64(), pa.int64()]
    names = ["score", "layer", "head", "correlation", "low", "high", "rows"]
    made = pa.table([pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)], names=names)
    return result_table(made, f"correlation with the quality, and the ends of its {confidence:.4g} interval")


def _is_text(gold: Sequence[Any]) -> bool:
    return all(reference is None or isinstance(reference, str) for reference in gold)


def _quality(table: pa.Table, gold: Any, metric: Any) -> Any:
    """``[rows]`` quality of each translation, NaN where it is unknown."""
    if gold is None:
        if isinstance(metric, str):
            return column_values(table, metric)
        if metric is None or callable(metric):
            raise ValueError("pass gold (reference translations), or metric (a column's name or one number per row)")
        try:
            quality = np.array([np.nan if value is None else value for value in cells(metric)], dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"the quality must be one number per row, or gold one text per row (or None): {error}"
            ) from None
        if quality.ndim != 1:
            raise ValueError(f"the quality must be one number per row, got an array of shape {quality.shape}")
        return quality
    if isinstance(gold, str) or not _is_text(gold):
        raise TypeError("with a metric, gold must be one reference translation per row, text or None")
    if len(gold) != table.num_rows:
        raise ValueError(f"there must be one reference per row: the table has {table.num_rows} rows, gold {len(gold)}")
    measure = sentence_chrf if metric is None else metric
    if not callable(measure):
        raise TypeError(f"with gold, metric must be a function of target and reference, got {type(measure).__name__}")
    pairs = zip(table["target"].to_pylist(), gold, strict=True)
    return np.array(
        [np.nan if target is None or not reference else measure(target, reference) for target, reference in pairs]
    )


def sentence_chrf(target: str, reference: str) -> float:
    """The chrF of a sentence, 0 to 100, as sacrebleu computes it (Popović 2015).

    Raises:
        ImportError: sacrebleu is not installed.
    """
    try:
        import sacrebleu
    except ImportError:
        raise ImportError("sacrebleu computes chrF: pip install sacrebleu, or pass a metric") from None
    return float(sacrebleu.sentence_chrf(target, [reference]).score)


def _spearman(values: Any, quality: Any, confidence: float) -> tuple[float, float, float, int]:
    """The correlation, the ends of its interval, and how many rows have both values."""
    known = ~(np.isnan(values) | np.isnan(quality))
    rows = int(known.sum())
    if rows < 4 or np.ptp(values[known]) == 0 or np.ptp(quality[known]) == 0:
        return np.nan, np.nan, np.nan, rows
    rho = float(np.corrcoef(average_ranks(values[known]), average_ranks(quality[known]))[0, 1])
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * np.sqrt((1 + rho**2 / 2) / (rows - 3))
    center = np.arctanh(np.clip(rho, -1 + 1e-12, 1 - 1e-12))
    return rho, float(np.tanh(center - reach)), float(np.tanh(center + reach)), rows
