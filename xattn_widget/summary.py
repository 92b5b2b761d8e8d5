"""A record and its best and worst heads in words: what stands where no widget runs."""

from __future__ import annotations

import math
from collections.abc import Mapping

from xattn_widget.record import CrossAttention
from xattn_widget.serving import ScoreEntry

RANKED = 3


def rank_heads(record: CrossAttention, entry: ScoreEntry) -> list[tuple[int, int, float]]:
    """(layer, head, value) of every head, best first by the score's direction; undefined values last."""
    grid = entry.of(record)
    sign = -1 if entry.score.direction == "higher" else 1
    ranked = [(layer, head, value) for layer, row in enumerate(grid.tolist()) for head, value in enumerate(row)]
    return sorted(ranked, key=lambda item: (not math.isfinite(item[2]), sign * item[2]))


def summarise(record: CrossAttention, entry: ScoreEntry, texts: Mapping[str, str], more: str) -> str:
    """What is shown, in words.

    Args:
        record: what is shown.
        entry: the score to rank its heads by.
        texts: its ``source``, ``target`` and ``name``.
        more: which sentence of how many it is, or "".
    """
    ranked = rank_heads(record, entry)

    def listed(part: list[tuple[int, int, float]]) -> str:
        return ", ".join(f"layer {layer} head {head} ({value:.3g})" for layer, head, value in part)

    name = f"{texts['name']}: " if texts["name"] else ""
    return (
        f"{name}Cross-attention of {record.model or 'a model'}, {record.layers} layers of {record.heads} heads{more}\n"
        f"source: {texts['source']}\n"
        f"target: {texts['target']}\n"
        f"best by {entry.name} ({entry.score.direction} is better): {listed(ranked[:RANKED])}\n"
        f"worst: {listed(ranked[: -RANKED - 1 : -1])}"
    )
