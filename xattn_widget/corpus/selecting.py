"""Choose sentences from a scored corpus, for example to label them: ``select``."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from numbers import Real
from os import PathLike
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa

from xattn_widget.corpus.duplicates import Chosen
from xattn_widget.corpus.store.columns import average_ranks, cells, column_values, read_columns, schema_of, score_of
from xattn_widget.corpus.store.tables import media_info, result_table, score_names
from xattn_widget.record.heads import head_pairs

Order = Literal["highest", "lowest"]
_TEXT = ("id", "source", "target", "source_length", "error")
# What says which part of a recording a row is, and which text goes with a picture.
_PART = ("prompt", "recording", "window", "offset")
# How many sentences to sample for the frequencies of trigrams.
_SAMPLE = 5000


class _Group(NamedTuple):
    """Rows that share one part of the budget, in order of preference."""

    rows: Any
    budget: int
    name: str  # after "place 1 of 20", e.g. " with 3 to 5 tokens"


def select(
    table: pa.Table | str | PathLike[str],
    by: str | Sequence[str] | Mapping[str, Order],
    budget: int,
    *,
    order: Order = "highest",
    heads: Sequence[tuple[int, int]] | None = None,
    length_bins: int | None = None,
    strata: str | Sequence[Any] | pa.Array | pa.ChunkedArray | None = None,
    shares: Mapping[Any, float] | None = None,
    duplicates: Literal["near", "exact", "keep"] = "near",
    similarity: float = 0.8,
    match: pa.Table | str | PathLike[str] | None = None,
    seed: int = 0,
) -> pa.Table:
    """Choose sentences to label: those with the highest or lowest values in a scored corpus, or random ones as a
    baseline.

    Rows that have an error, no source or an undefined value are never chosen. The literature does not show that
    attention beats likelihood, or random choice: compare with both, and with random sentences of the same lengths
    (``match``), over several seeds.

    Example:
        >>> from xattn_widget import load_demo, score_corpus, select
        >>> model, tokenizer = load_demo()
        >>> sentences = ["Ich habe das Buch gelesen.", "Wann stehst du morgen auf?", "Er kommt."]
        >>> table = score_corpus(model, tokenizer, sentences, scores=["coverage_penalty"])
        >>> select(table, by="coverage_penalty.layer2", budget=1)["source"].to_pylist()
        ['Wann stehst du morgen auf?']

    Args:
        table: the table that ``score_corpus`` returned, or the path of the Parquet file that it wrote.
        by: what to choose by: a column of numbers (``"logprob_mean"``) or a score. ``"coverage_penalty"`` is the mean
            over all heads, ``"coverage_penalty.layer3"`` over one layer, ``"coverage_penalty.head5"`` over the layers
            for one head number, and ``"coverage_penalty.layer3.head5"`` is one head. A list combines several by the
            mean of their ranks; a mapping also gives the order of each. ``"random"`` draws at random.
        budget: how many sentences to choose, a whole number from 1.
        order: whether to choose the ``"highest"`` or the ``"lowest"`` values.
        heads: for a score's name alone, average over these ``(layer, head)`` pairs, at least one, instead of all heads.
        length_bins: how many bins of equal size, by source length in tokens, to choose from in proportion; from 1.
        strata: the name of a column, or one value per row (any sequence, or an Arrow, pandas or polars column): choose
            from the rows of each value separately, in proportion to their number or to ``shares``. Rows whose value is
            missing (None, NaN or null) form the stratum None.
        shares: the share of the budget for each stratum, from 0 to 1, with sum 1; strata left out get none.
        duplicates: leave out ``"near"`` duplicates of sentences already chosen (by the Jaccard similarity of character
            trigrams, ignoring case and punctuation), only ``"exact"`` ones (ignoring case and punctuation), or
            ``"keep"`` them. In a table of recordings or pictures, the targets are compared, because paths do not say
            what is in them.
        similarity: the lowest similarity of near duplicates, above 0 and at most 1.
        match: with ``by="random"``, an earlier choice, or its Parquet file, whose source lengths to reproduce.
        seed: the seed of random draws.

    Returns:
        A table in order of preference: ``rank`` from 1, ``row`` in the table, ``id``, ``source``, ``target``,
        ``source_length``, for pictures ``prompt`` if the table has it, for sound ``recording``, ``window`` and
        ``offset``, ``value`` (for a combination, the mean rank from 0 to 1, where high is preferred) and the ``reason``
        in words.

    Raises:
        TypeError: ``table`` or ``match`` is neither a table nor a path.
        FileNotFoundError: there is no such file.
        ValueError: a column, head, order or policy is unknown, a number is out of range, ``heads`` are given without a
            score, strata are not labels, a file is damaged or not Parquet, or fewer sentences than the budget can be
            chosen.
    """
    wanted = _orders(by, order)
    match = None if match is None else read_columns(match, ["source_length"], "match")
    _check(budget, duplicates, similarity, length_bins, shares, strata, match, wanted)
    budget = int(budget)
    _check_columns(schema_of(table), wanted, heads, strata)
    names = [
        *_TEXT,
        *_PART,
        *(score_of(name) for name in wanted),
        *wanted,
        *([strata] if isinstance(strata, str) else []),
    ]
    read = read_columns(table, names)
    scored = np.ones(read.num_rows, dtype=bool)
    if "error" in read.column_names:
        scored &= read["error"].is_null().to_numpy()
    if "source" in read.column_names:
        scored &= read["source"].is_valid().to_numpy()
    chance = np.random.default_rng(seed)
    if list(wanted) == ["random"]:
        values = chance.random(read.num_rows)
        description, high = f"drawn at random (seed {seed})", True
    else:
        values, description, high = _values(read, wanted, heads, scored)
    eligible = np.flatnonzero(scored & ~np.isnan(values))
    ranked = eligible[np.argsort(-values[eligible] if high else values[eligible], kind="stable")]
    if len(ranked) < budget:
        raise ValueError(
            f"the budget asks for {budget} sentences, but only {len(ranked)} of the table's {read.num_rows} can be "
            "chosen (others have an error, no value or no source): lower it"
        )
    chosen = _chosen(read, duplicates, similarity)
    if match is not None:
        picked = list(_matched(read, ranked, match, chosen, description))
    else:
        groups = _groups(read, ranked, budget, length_bins, strata, shares)
        shown = None if list(wanted) == ["random"] else values
        picked = [choice for group in groups for choice in _take(read, group, chosen, shown, description)]
    place = {row: index for index, row in enumerate(ranked.tolist())}
    picked.sort(key=lambda choice: place[choice[0]])
    rows = [row for row, _ in picked]
    columns = {"rank": pa.array(range(1, len(rows) + 1), pa.int64()), "row": pa.array(rows, pa.int64())}
    media = media_info(read)
    given = [*_TEXT[:-1], *(_PART if media else ())]
    kept = read.select([name for name in given if name in read.column_names]).take(columns["row"])
    columns |= dict(zip(kept.column_names, kept.columns, strict=True))
    columns |= {
        "value": pa.array(values[rows], pa.float64()),
        "reason": pa.array([why for _, why in picked], pa.string()),
    }
    fields = [
        kept.schema.field(name) if name in kept.column_names else pa.field(name, column.type)
        for name, column in columns.items()
    ]
    return result_table(pa.table(columns, pa.schema(fields)), description, media)


def _orders(by: Any, order: str) -> dict[str, str]:
    """The names to choose by, each with its order."""
    wanted = dict(by) if isinstance(by, Mapping) else dict.fromkeys([by] if isinstance(by, str) else by, order)
    for name, direction in wanted.items():
        if direction not in get_args(Order):
            raise ValueError(f"order must be 'highest' or 'lowest', got {direction!r} for {name}")
    if not wanted or ("random" in wanted and len(wanted) > 1):
        raise ValueError(f"by must name a column, several columns to combine, or 'random' alone, got {by!r}")
    return wanted


def _check(
    budget: int,
    duplicates: str,
    similarity: float,
    length_bins: int | None,
    shares: Any,
    strata: Any,
    match: Any,
    wanted: dict[str, str],
) -> None:
    if not _is_count(budget):
        raise ValueError(f"budget must be a positive whole number of sentences, got {budget!r}")
    if duplicates not in ("near", "exact", "keep"):
        raise ValueError(f"duplicates must be 'near', 'exact' or 'keep', got {duplicates!r}")
    if not 0 < similarity <= 1:
        raise ValueError(f"similarity must be above 0 and at most 1, got {similarity!r}")
    if length_bins is not None and not _is_count(length_bins):
        raise ValueError(f"length_bins must be a positive whole number of bins, got {length_bins!r}")
    if shares is not None and strata is None:
        raise ValueError("shares belong to strata: pass the column with strata, too")
    if shares is not None and not (
        all(isinstance(share, Real) and float(share) >= 0 for share in shares.values())  # false for NaN
        and abs(sum(shares.values()) - 1) <= 1e-6
    ):
        raise ValueError(f"shares must be numbers of 0 or more and sum to 1, got {dict(shares)}")
    if match is not None and (list(wanted) != ["random"] or match.num_rows != budget):
        raise ValueError(
            f"match goes with by='random' and a budget of {match.num_rows}, the number of sentences in it, got "
            f"by={list(wanted)} and budget={budget}"
        )


def _is_count(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value > 0)


def _check_columns(schema: pa.Schema, wanted: dict[str, str], heads: Any, strata: Any) -> None:
    """Refuse names that the schema lacks. It lists all columns of a file, of which only a few are read."""
    table = pa.Table.from_batches([], schema)  # schema.empty_table() does not support permuted tensors
    scores = score_names(table)
    for name in wanted:
        if name != "random":
            column_values(table, name)
    form = "(layer, head) pairs, at least one, or None for all"
    if heads is not None and not head_pairs(heads, form=form):
        raise ValueError(f"heads must be {form}, got {heads!r}")
    if heads is not None and not any(name in scores for name in wanted):
        raise ValueError(
            f"heads apply to the name of a score alone ({', '.join(scores) or 'the table has none'}), and by names "
            f"{', '.join(wanted)}: leave heads out"
        )
    if isinstance(strata, str) and (strata not in schema.names or strata in scores):
        raise ValueError(
            f"strata must be the name of a column of labels or one value per row, got {strata!r}; "
            f"the table has {', '.join(name for name in schema.names if name not in scores)}"
        )


def _values(table: pa.Table, wanted: dict[str, str], heads: Any, scored: Any) -> tuple[Any, str, bool]:
    """``[rows]`` values to choose by, their description, and whether high ones are preferred."""
    if len(wanted) == 1:
        ((name, order),) = wanted.items()
        description = f"{order} {name}" + (f" (mean of {len(heads)} heads)" if heads is not None else "")
        return column_values(table, name, heads), description, order == "highest"
    scores = score_names(table)
    columns = {name: column_values(table, name, heads if name in scores else None) for name in wanted}
    good = scored & ~np.isnan(np.stack(list(columns.values()))).any(0)
    combined = np.full(table.num_rows, np.nan)
    ranks = [average_ranks(columns[name][good] * (1 if order == "highest" else -1)) for name, order in wanted.items()]
    combined[good] = np.mean(ranks, axis=0) / max(1, good.sum())
    return combined, f"mean rank of {' and '.join(f'{order} {name}' for name, order in wanted.items())}", True


def _chosen(table: pa.Table, duplicates: str, similarity: float) -> Chosen | None:
    if duplicates == "keep":
        return None
    name = _compared(table)
    if name not in table.column_names:
        raise ValueError(f"the table has no {name}s to compare for duplicates: pass duplicates='keep'")
    texts = table[name]
    sample = texts.slice(0, 0) if duplicates == "exact" else texts.take(_spread(len(texts), _SAMPLE))
    return Chosen(similarity if duplicates == "near" else None, (text for text in sample.to_pylist() if text))


def _compared(table: pa.Table) -> str:
    """The column in which duplicates are recognized."""
    return "target" if media_info(table) else "source"


def _spread(count: int, most: int) -> Any:
    return pa.array(
        np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64)) if count else [], pa.int64()
    )


def _groups(
    table: pa.Table, ranked: Any, budget: int, length_bins: int | None, strata: Any, shares: Any
) -> Iterator[_Group]:
    if strata is None:
        yield from _bins(table, ranked, budget, length_bins, "")
        return
    labels = cells(table[strata] if isinstance(strata, str) else strata)
    if len(labels) != table.num_rows:
        raise ValueError(
            f"strata must have one value per row: the table has {table.num_rows} rows, strata {len(labels)}"
        )
    if bad := [label for label in labels if not isinstance(label, Hashable)]:
        raise ValueError(f"strata must be labels such as text or whole numbers, got {type(bad[0]).__name__} {bad[0]!r}")
    present: dict[Any, list[int]] = {labels[row]: [] for row in np.sort(ranked)}
    for row in ranked.tolist():
        present[labels[row]].append(row)
    if shares is not None and (unknown := [stratum for stratum in shares if stratum not in present]):
        raise ValueError(
            f"no row of stratum {unknown[0]!r} can be chosen; the strata are {', '.join(map(repr, present))}"
        )
    strata_rows = {stratum: np.array(present[stratum], dtype=np.intp) for stratum in (shares or present)}
    weights = list(shares.values()) if shares is not None else [len(rows) for rows in strata_rows.values()]
    for (stratum, rows), part in zip(strata_rows.items(), _parts(budget, weights), strict=True):
        yield from _bins(table, rows, part, length_bins, " in no stratum" if stratum is None else f" in {stratum}")


def _bins(table: pa.Table, ranked: Any, budget: int, length_bins: int | None, name: str) -> Iterator[_Group]:
    if length_bins is None:
        yield _Group(ranked, budget, name)
        return
    lengths = _lengths(table)[ranked]
    count = min(length_bins, len(ranked))  # enough for a bin per length; more bins would change nothing
    edges: Any = np.unique(np.quantile(lengths, np.linspace(0, 1, count + 1)[1:-1])) if count else []
    bins = np.searchsorted(edges, lengths, side="left")
    groups = [ranked[bins == number] for number in np.unique(bins)]
    for rows, part in zip(groups, _parts(budget, [len(rows) for rows in groups]), strict=True):
        bin_lengths = _lengths(table)[rows]
        yield _Group(rows, part, f"{name} with {bin_lengths.min()} to {bin_lengths.max()} tokens")


def _lengths(table: pa.Table) -> Any:
    if "source_length" not in table.column_names:
        raise ValueError(
            "the table has no source_length, which length_bins and match need: pass a table of score_corpus"
        )
    return table["source_length"].fill_null(0).to_numpy()


def _parts(budget: int, weights: Sequence[float]) -> list[int]:
    """The budget in whole parts in proportion to the weights; the rest goes to the largest remainders."""
    total = sum(weights)
    exact = [budget * weight / total if total else 0.0 for weight in weights]
    parts = [int(part) for part in exact]
    largest_remainders = sorted(range(len(parts)), key=lambda index: parts[index] - exact[index])
    for index in largest_remainders[: budget - sum(parts)]:
        parts[index] += 1
    return parts


def _take(
    table: pa.Table, group: _Group, chosen: Chosen | None, values: Any, description: str
) -> Iterator[tuple[int, str]]:
    """As many rows of a group as its budget allows, each with the reason."""
    count = 0
    for place, row in enumerate(group.rows.tolist(), start=1):
        if count == group.budget:
            return
        if chosen is None or chosen.add_new(table[_compared(table)][row].as_py() or ""):
            count += 1
            reason = f"{description}, from" if values is None else f"{description} {values[row]:.4g}, place {place} of"
            yield row, f"{reason} {len(group.rows)} sentences{group.name}"
    if count < group.budget:
        raise ValueError(
            f"the budget asks for {group.budget} sentences{group.name}, but only {count} of {len(group.rows)} can be "
            f"chosen{' without duplicates' if chosen else ''}: lower it"
        )


def _matched(
    table: pa.Table, shuffled: Any, match: pa.Table, chosen: Chosen | None, description: str
) -> Iterator[tuple[int, str]]:
    """For each row of ``match``, a random row of the same length, or of the nearest length that is still available."""
    lengths = _lengths(table)
    remaining: dict[int, Iterator[int]] = {
        int(length): iter(shuffled[lengths[shuffled] == length].tolist()) for length in np.unique(lengths[shuffled])
    }
    for length in _lengths(match).tolist():
        row = _next_of(table, remaining, length, chosen)
        if row is None:
            without = " without duplicates" if chosen else ""
            raise ValueError(f"the table has fewer sentences{without} than match: pass a shorter match")
        yield row, f"{description}, with {lengths[row]} tokens to match a sentence with {length}"


def _next_of(table: pa.Table, remaining: dict[int, Iterator[int]], length: int, chosen: Chosen | None) -> int | None:
    for nearest in sorted(remaining, key=lambda other: abs(other - length)):
        for row in remaining[nearest]:
            if chosen is None or chosen.add_new(table[_compared(table)][row].as_py() or ""):
                return row
        del remaining[nearest]
    return None
