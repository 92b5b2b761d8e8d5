"""A record and its best and worst heads in words: what stands where no widget runs."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from xattn_widget.messages.characters import well_formed
from xattn_widget.panel.score_entries import ScoreEntry
from xattn_widget.record.data import AttentionData

RANKED = 3


def rank_heads(record: AttentionData, entry: ScoreEntry) -> list[tuple[int, int, float]]:
    """(layer, head, value) of every head, best first by the score's direction; undefined values last.

    All are undefined where the score could not be computed.
    """
    grid: torch.Tensor | None = entry.outcome(record).grid
    if grid is None:
        grid = torch.full((record.layers, record.heads), torch.nan)
    sign = -1 if entry.score.direction == "higher" else 1
    ranked = [(layer, head, value) for layer, row in enumerate(grid.tolist()) for head, value in enumerate(row)]
    return sorted(ranked, key=lambda item: (not math.isfinite(item[2]), sign * item[2]))


def summarise(record: AttentionData, entry: ScoreEntry, texts: Mapping[str, str], more: str) -> str:
    """What is shown, in words.

    Args:
        record: what is shown.
        entry: the score to rank its heads by.
        texts: its ``source``, ``target`` and ``name``.
        more: which sentence of how many it is, or "".
    """
    name = f"{texts['name']}: " if texts["name"] else ""
    what = (
        f"{name}Cross-attention of {record.model or 'a model'}, {record.layers} layers of {record.heads} heads{more}\n"
        f"source: {texts['source']}\n"
        f"target: {texts['target']}\n"
    )
    if error := entry.outcome(record).error:
        return well_formed(f"{what}{entry.name} could not be computed: {error}")
    ranked = rank_heads(record, entry)

    def listed(part: list[tuple[int, int, float]]) -> str:
        return ", ".join(f"layer {layer} head {head} ({value:.3g})" for layer, head, value in part)

    return well_formed(
        f"{what}best by {entry.name} ({entry.score.direction} is better): {listed(ranked[:RANKED])}\n"
        f"worst: {listed(ranked[: -RANKED - 1 : -1])}"
    )
