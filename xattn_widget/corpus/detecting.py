"""How well scores detect bad translations whose labels are known: ``evaluate_detectors``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from typing import Any

import numpy as np
import pyarrow as pa

from xattn_widget.corpus.quantities import list_quantities
from xattn_widget.corpus.store.columns import cells, column_values, read_columns, score_of
from xattn_widget.corpus.store.tables import result_table
from xattn_widget.messages.characters import brief
from xattn_widget.record.heads import check_whole

# How many numbers of bootstrap samples are in memory at once.
_MOST_NUMBERS = 2**22
_MEASURES = ("auroc", "precision", "false_positive_rate")


def evaluate_detectors(
    table: pa.Table | str | PathLike[str],
    labels: str | Sequence[Any] | pa.Array | pa.ChunkedArray,
    detectors: str | Sequence[str] | None = None,
    *,
    recall: float = 0.9,
    confidence: float = 0.95,
    samples: int = 1000,
    seed: int = 0,
) -> pa.Table:
    """How well each column of a scored table detects labeled rows, such as hallucinations or omissions.

    A detector is a column of numbers, such as a statistic of the output, or a score of attention as a mean over some of
    its heads. It suspects rows with bad values, by the direction of the score. A column without a direction, such as a
    length, suspects rows with high values. No threshold is needed: the figures look at how a detector orders the rows.

    The best of many detectors looks better than it is, because it was picked as the best: test it on other rows.

    Example:
        >>> from xattn_widget import evaluate_detectors, load_demo, score_corpus
        >>> model, tokenizer = load_demo()
        >>> sources = ["Ich habe das Buch gelesen.", "Wann stehst du morgen auf?"] * 2
        >>> targets = ["I read the book.", "When do you get up tomorrow?", "The weather is nice.", "I read the book."]
        >>> table = score_corpus(model, tokenizer, sources, targets, scores=["coverage_penalty"])
        >>> figures = evaluate_detectors(table, [False, False, True, True])
        >>> figures["detector"][0].as_py(), figures["auroc"][0].as_py()
        ('coverage_penalty', 0.75)

    Args:
        table: the table that ``score_corpus`` returned, also with columns that you added, or the path of its Parquet
            file.
        labels: for each row whether it is what a detector should find: True or False, 1 or 0; None, NaN or null if
            unknown. Or the name of a column of the table that says so.
        detectors: one or more names as :func:`select` takes them, such as ``"logprob_mean"``, ``"entropy"`` (the mean
            over all heads), ``"entropy.layer2"`` or ``"entropy.layer2.head5"``. By default all columns of numbers, and
            of each score the means over all heads and over those of each layer.
        recall: the share of labeled rows that must be found for ``precision`` and ``false_positive_rate``, above 0 and
            at most 1.
        confidence: the confidence level of the intervals, between 0 and 1.
        samples: the number of bootstrap samples of the rows for the intervals; 0 for none.
        seed: the seed of these samples, which are the same for all detectors.

    Returns:
        A table with a row for each detector, highest AUROC first. Its columns are ``detector``; ``auroc``, the
        probability that a labeled row is more suspect than another one, where ties count half; ``precision``, the share
        of labeled rows among those found with the highest threshold that reaches the recall; ``false_positive_rate``,
        the share of the other rows that are found with it; for each of the three ``_low`` and ``_high``, the ends of
        its interval (percentiles); ``rows``, how many rows have a value and a label, and ``labeled``, how many of these
        are labeled. Figures are NaN if no row or every row is labeled.

    Raises:
        TypeError: ``table`` is neither a table nor a path, or ``labels`` is a single value.
        ValueError: labels of another number of rows, or that are not true or false, a detector that the table does not
            have, or a setting out of range.

    Source: Guerreiro et al. 2023 (AUROC and the false positive rate at 90 % recall); Efron 1979 (bootstrap).
    """
    shares: dict[str, Any] = {"recall": recall, "confidence": confidence}
    for name, share in shares.items():
        is_number = isinstance(share, int | float | np.floating)
        if not is_number or not 0 < share <= 1 or (name == "confidence" and share == 1):
            raise ValueError(f"{name} must be a number between 0 and 1, got {brief(share)}")
    samples = check_whole(samples, "samples", 0)
    table = read_columns(table)
    if isinstance(labels, str) and labels not in table.column_names:
        raise ValueError(f"the table has no column {labels!r}; it has {', '.join(table.column_names)}")
    flags = _flags(table[labels] if isinstance(labels, str) else labels, table.num_rows)
    given = [detectors] if isinstance(detectors, str) else detectors
    names = _all_detectors(table) if given is None else list(given)
    if detectors is None and isinstance(labels, str):
        names = [name for name in names if name != labels]
    directions = {name: quantity.direction for name, quantity in list_quantities(table).items()}
    prepared = []
    for name in names:
        values = column_values(table, name)
        values = -values if directions.get(name, directions.get(score_of(name))) == "higher" else values
        known = ~(np.isnan(values) | np.isnan(flags))
        prepared.append((known, values[known], flags[known] == 1))
    whole = np.ones((1, table.num_rows), np.int64)
    figures, *spread = [
        [_figures(values, labeled, counts[:, known], recall) for known, values, labeled in prepared]
        for counts in (whole, *_bootstrap(table.num_rows, samples, seed))
    ]
    results = []
    for number, (name, (_, values, labeled)) in enumerate(zip(names, prepared, strict=True)):
        drawn = [part[number] for part in spread] or [np.full((len(_MEASURES), 1), np.nan)]
        ends = _interval(np.concatenate(drawn, 1), confidence)
        numbers = np.column_stack([figures[number], *ends]).ravel()  # each figure with its ends
        results.append((name, *numbers, len(values), int(labeled.sum())))
    results.sort(key=lambda result: -result[1] if result[1] == result[1] else 1.0)  # NaN comes last
    columns = list(zip(*results, strict=True)) or [()] * (3 + 3 * len(_MEASURES))
    figure_names = [(measure, *(f"{measure}_{end}" for end in ("low", "high"))) for measure in _MEASURES]
    kinds = [pa.string(), *[pa.float64()] * 3 * len(_MEASURES), pa.int64(), pa.int64()]
    made = pa.table(
        [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)],
        names=["detector", *(name for figure in figure_names for name in figure), "rows", "labeled"],
    )
    about = f"how well detectors find labeled rows, at a recall of {recall:.4g}, with {confidence:.4g} intervals"
    return result_table(made, about)


def _all_detectors(table: pa.Table) -> list[str]:
    """All columns of numbers, and of each score the means over all heads and over those of each layer."""
    names = []
    for name, quantity in list_quantities(table).items():
        names.append(name)
        if quantity.per_head:
            layers = table.schema.field(name).type.shape[0]
            names += [f"{name}.layer{layer}" for layer in range(layers)]
    return names


def _flags(labels: Any, rows: int) -> Any:
    """``[rows]`` 1.0 and 0.0, NaN where a label is unknown."""
    if not isinstance(labels, Iterable):
        raise TypeError(f"labels must be a label for each row or the name of a column, got {labels!r:.60}")
    found = cells(labels)
    if len(found) != rows:
        raise ValueError(f"there must be one label per row: the table has {rows} rows, got {len(found)} labels")
    flags = np.array([np.nan if label is None else _flag(label) for label in found])
    return flags.astype(np.float64)


def _flag(label: Any) -> float:
    if label in (0, 1):
        return float(label)
    raise ValueError(f"a label must be True or False, 1 or 0, or None if it is unknown; got {label!r:.60}")


def _bootstrap(rows: int, samples: int, seed: int) -> Iterator[Any]:
    """How often each row is drawn in samples of as many rows, ``[some of the samples, rows]`` at once."""
    random = np.random.default_rng(seed)
    size = max(1, _MOST_NUMBERS // max(1, rows))
    for start in range(0, samples if rows else 0, size):
        yield random.multinomial(rows, np.full(rows, 1 / rows), min(size, samples - start))


def _figures(values: Any, labeled: Any, counts: Any, recall: float) -> Any:
    """``[measures, samples]`` AUROC, precision and false positive rate; NaN where all rows are labeled, or none.

    Args:
        values: ``[rows]``, high where a row is suspect.
        labeled: ``[rows]`` bool.
        counts: ``[samples, rows]`` how often each row counts.
        recall: the recall that the threshold for the last two must reach.
    """
    samples = len(counts)
    if not labeled.any() or labeled.all():
        return np.full((len(_MEASURES), samples), np.nan)
    order = np.argsort(-values, kind="stable")
    ordered = values[order]
    # Of equal values, highest first. They are compared: infinite values have no difference.
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    hits = np.add.reduceat(counts[:, order] * labeled[order], starts, axis=1)
    misses = np.add.reduceat(counts[:, order] * ~labeled[order], starts, axis=1)
    found, alarms = hits.cumsum(1), misses.cumsum(1)  # with the threshold at each value
    all_hits, all_misses = found[:, -1], alarms[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        below = (all_misses[:, None] - alarms + misses / 2) * hits
        auroc = below.sum(1) / (all_hits * all_misses)
        # Rounding must not ask for one row more: .9 of 10 rows are 9.
        reached = (found >= recall * all_hits[:, None] * (1 - 1e-12)).argmax(1)
        rows = np.arange(samples)
        precision = found[rows, reached] / (found[rows, reached] + alarms[rows, reached])
        rate = alarms[rows, reached] / all_misses
    undefined = (all_hits == 0) | (all_misses == 0)
    return np.where(undefined, np.nan, np.stack([auroc, precision, rate]))


def _interval(spread: Any, confidence: float) -> Any:
    """``[2, measures]`` the ends of the interval of ``[measures, samples]``, NaN where no sample has a value."""
    ends = np.full((2, len(spread)), np.nan)
    known = ~np.isnan(spread).all(1)
    ends[:, known] = np.nanquantile(spread[known], [(1 - confidence) / 2, (1 + confidence) / 2], axis=1)
    return ends


def combine_transport(
    to_uniform: Sequence[float],
    to_data: Sequence[float],
    trusted: tuple[Sequence[float], Sequence[float]],
    *,
    quantile: float = 0.999,
) -> Any:
    """Wass-Combo: the distance to a uniform marginal where that is extreme, else the distance to trusted marginals.

    A translation that is detached from its source reads it very unevenly, which the first distance shows best. Others
    show in the second.

    Args:
        to_uniform: ``[rows]`` distances of the source marginals to uniform ones, such as those of
            ``marginal_divergence`` in the last layer.
        to_data: ``[rows]`` distances to the marginals of a reference set.
        trusted: both distances of translations that are trusted, ``([n], [n])``. They are not the reference set itself.
        quantile: a distance to uniform is extreme above this quantile of the trusted ones.

    Returns:
        ``[rows]`` float64 array, high for suspect rows. Extreme distances to uniform are mapped to the scale of the
        other distance, from the range of the trusted ones in the first to their range in the second.

    Raises:
        ValueError: arrays of different lengths, no trusted rows, or a quantile out of range.

    Source: Guerreiro et al. 2023 (Wass-Combo).
    """
    uniform, data = np.asarray(to_uniform, np.float64), np.asarray(to_data, np.float64)
    known_uniform, known_data = (np.asarray(values, np.float64) for values in trusted)
    if uniform.shape != data.shape or known_uniform.shape != known_data.shape or not known_uniform.size:
        raise ValueError(
            f"give both distances of each row, and of one trusted row or more; got {uniform.shape} and {data.shape} "
            f"distances, and {known_uniform.shape} and {known_data.shape} trusted ones"
        )
    if not 0 <= quantile <= 1:
        raise ValueError(f"quantile must be from 0 to 1, got {quantile!r}")
    threshold = np.quantile(known_uniform, quantile)
    low, high = known_uniform.min(), known_uniform.max()
    to_low, to_high = known_data.min(), known_data.max()
    scaled = to_low + (uniform - low) / max(high - low, np.finfo(np.float64).tiny) * (to_high - to_low)
    return np.where(uniform > threshold, scaled, data)
