"""A sentence and its best and worst heads in words, for places where no widget runs."""

from __future__ import annotations

import math

import torch

from xattn_widget.messages.characters import well_formed
from xattn_widget.panel.entries import Entry
from xattn_widget.panel.score_entries import ScoreEntry
from xattn_widget.record.data import AttentionData

RANKED = 3


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
    ranked = rank_heads(record, score)

    def listed(part: list[tuple[int, int, float]]) -> str:
        return ", ".join(f"layer {layer} head {head} ({value:.3g})" for layer, head, value in part)

    return well_formed(
        f"{heading}best by {score.name} ({score.score.direction} is better): {listed(ranked[:RANKED])}\n"
        f"worst: {listed(ranked[: -RANKED - 1 : -1])}"
    )
