"""The heads that a picture shows: one, those of a layer, several, or all."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from xattn_widget.record.data import AttentionData
from xattn_widget.record.heads import head_pairs, missing_head_hint


def picked_heads(
    record: AttentionData,
    layer: int | None,
    head: int | None,
    heads: Sequence[tuple[int, int]] | None,
) -> tuple[list[tuple[int, int]], str]:
    """The (layer, head) pairs to show, and their title.

    Raises:
        ValueError: a layer or head that does not exist or whose weights are not kept, a head without its layer, or
            ``heads`` together with either.
    """
    if heads is not None:
        if layer is not None or head is not None:
            raise ValueError("give heads, or a layer and a head, not both")
        pairs = head_pairs(heads)
        if not pairs:
            raise ValueError("heads is empty: name at least one (layer, head) pair")
        record.places_of(pairs)  # for its checks
        return pairs, _title(pairs)
    if layer is None:
        if head is not None:
            raise ValueError(
                f"head {head} of which layer? The same head in other layers is unrelated: give the layer too"
            )
        pairs = record.kept_heads
        return pairs, "mean of all heads" if record.kept is None else _title(pairs)
    for name, number in (("layer", layer), ("head", head)):
        if number is not None and not hasattr(number, "__index__"):
            raise ValueError(
                f"{name} must be a whole number, got {number!r:.80}; pass several as heads=[(layer, head), ...]"
            )
    _check(record, layer, head or 0)
    if head is None:
        pairs = [pair for pair in record.kept_heads if pair[0] == layer]
        if not pairs:
            record.places_of([(layer, 0)])  # which raises
        heads_of_layer = "its heads" if len(pairs) == record.heads else f"{len(pairs)} of its heads"
        return pairs, f"layer {layer}, mean of {heads_of_layer}"
    record.places_of([(layer, head)])
    return [(layer, head)], _title([(layer, head)])


def mean_weights(record: AttentionData, heads: Sequence[tuple[int, int]]) -> torch.Tensor:
    """``[target, source]`` mean over the heads."""
    return record.head_weights(heads).mean(0)


def _title(heads: Sequence[tuple[int, int]]) -> str:
    return f"layer {heads[0][0]}, head {heads[0][1]}" if len(heads) == 1 else f"mean of {len(heads)} heads"


def _check(record: AttentionData, layer: int, head: int) -> None:
    hint = missing_head_hint(layer, head, record.layers, record.heads)
    if not 0 <= layer < record.layers:
        raise ValueError(f"layer must be 0 to {record.layers - 1}, got {layer}{hint}")
    if not 0 <= head < record.heads:
        raise ValueError(f"head must be 0 to {record.heads - 1}, got {head}{hint}")
