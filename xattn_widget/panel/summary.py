"""A sentence and its heads of the highest and lowest score in words, for places where no widget runs."""

from __future__ import annotations

import math

import torch

from xattn_widget.messages.characters import well_formed
from xattn_widget.panel.entries import Entry
from xattn_widget.panel.score_entries import ScoreEntry
from xattn_widget.record.data import AttentionData

RANKED = 3
# Values that differ by less than this share of the larger one are equal but for rounding (js/src/core/ranking.ts).
SAME = 1e-6


def rank_heads(record: AttentionData, score: ScoreEntry) -> list[tuple[int, int, float]]:
    """(layer, head, value) of every head, best first by the direction of the score; undefined values last.

    All values are undefined if the score could not be computed.
    """
    grid: torch.Tensor | None = score.outcome(record).grid
    if grid is None:
        grid = torch.full((record.layers, record.heads), torch.nan)
    sign = -1 if score.score.direction == "higher" else 1
    ranked = [(layer, head, value) for layer, row in enumerate(grid.tolist()) for head, value in enumerate(row)]
    return sorted(ranked, key=lambda item: (not math.isfinite(item[2]), sign * item[2]))


def summarize(entry: Entry, score: ScoreEntry, index: int, count: int) -> str:
    """What is shown, in words.

    Args:
        entry: the sentence.
        score: the score to rank its heads by.
        index: the place of the sentence in the list, from 0.
        count: the length of the list.
    """
    record = entry.record
    name = f"{entry.name}: " if entry.name else ""
    place = f" (sentence {index + 1} of {count})" if count > 1 else ""
    heading = (
        f"{name}Cross-attention of {record.model or 'a model'}, {record.layers} layers of {record.heads} heads{place}\n"
        f"source: {entry.source}\n"
        f"target: {entry.target}\n"
    )
    if error := score.outcome(record).error:
        return well_formed(f"{heading}{score.name} could not be computed: {error}")
    return well_formed(heading + _extremes(score, record))


def _extremes(score: ScoreEntry, record: AttentionData) -> str:
    """The heads of the highest and of the lowest values, where ranks are equal if values are."""
    by = f"{score.name} ({score.score.direction} is better)"
    heads = [head for head in rank_heads(record, score) if math.isfinite(head[2])]
    heads.sort(key=lambda head: -head[2])
    if not heads:
        return f"{by} is undefined for all heads"
    if len(heads) > 1 and _is_same(heads[0][2], heads[-1][2]):
        return f"all heads are equal by {by}: {heads[0][2]:.3g}"
    values = [value for _, _, value in heads]
    ranks = _ranks(values) if score.score.direction == "higher" else _ranks(values[::-1])[::-1]

    def listed(order: list[int]) -> str:
        named = []
        for index in order:
            layer, head, value = heads[index]
            tie = f"{ranks[index]}= " if ranks.count(ranks[index]) > 1 else ""
            named.append(f"{tie}layer {layer} head {head} ({value:.3g})")
        return ", ".join(named)

    order = list(range(len(heads)))
    return f"highest by {by}: {listed(order[:RANKED])}\nlowest: {listed(order[: -RANKED - 1 : -1])}"


def _ranks(values: list[float]) -> list[int]:
    """The ranks of values that stand in order, best first; equal values have equal ranks."""
    ranks: list[int] = []
    first = 0  # the index of the first of equal values
    for index, value in enumerate(values):
        first = first if _is_same(values[first], value) else index
        ranks.append(first + 1)
    return ranks


def _is_same(a: float, b: float) -> bool:
    """Whether two values are equal but for rounding, as the panel has it too."""
    return math.isclose(a, b, rel_tol=SAME)
