"""Measure contributions of every requested kind for the pairs of one batch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from xattn_widget.capturing.checks import unknown
from xattn_widget.cross_attention import CrossAttention
from xattn_widget.extraction.contributions.alti import alti
from xattn_widget.extraction.contributions.gradient import input_gradients
from xattn_widget.extraction.contributions.value_zeroing import value_zeroing
from xattn_widget.inputs.pairs import Pair, forward_inputs
from xattn_widget.record.contributed import BY_HEAD, Contributed


def measure_contributions(
    model: Any, pairs: Sequence[Pair], records: Sequence[CrossAttention], kinds: Sequence[str]
) -> list[Contributed]:
    """The contributions of each pair.

    Args:
        model: the model, in evaluation mode; call this inside ``torch.no_grad``.
        pairs: the pairs of one batch.
        records: the record of each pair, as captured.
        kinds: what to measure, as :func:`check_kinds` lists it.

    Raises:
        NotImplementedError: the model's layers do not allow one of the kinds; the message says why.
    """
    gradients = input_gradients(model, list(pairs)) if "gradient" in kinds else [None] * len(pairs)
    return [
        _measure(model, pair, record, kinds, gradient)
        for pair, record, gradient in zip(pairs, records, gradients, strict=True)
    ]


def _measure(
    model: Any, pair: Pair, record: CrossAttention, kinds: Sequence[str], gradient: torch.Tensor | None
) -> Contributed:
    rows, columns = record.weights.shape[2:]
    inputs = forward_inputs(model, [pair])  # alone, so that no other sentence and no padding can change anything
    run = partial(model, **inputs, use_cache=False)
    # Columns of learned prompts are not positions of the source; they count.
    counted = pair.source.counted() if len(pair.source) == columns else None
    maps: dict[str, torch.Tensor] = {}
    prefix: torch.Tensor | None = None
    together = [None] if "value_zeroing" in kinds else []
    kept = set(record.kept_heads) if BY_HEAD in kinds else set()
    if together or kept:  # both in one run

        def zeroed(layer: int, heads: int) -> list[int | None]:
            return [*together, *(head for head in range(heads) if (layer, head) in kept)]

        layers = value_zeroing(model, run, zeroed, counted)
        if together:
            maps["value_zeroing"] = torch.stack([layer[:1] for layer in layers])
        if kept:
            single = torch.cat([layer[len(together) :] for layer in layers])
            maps[BY_HEAD] = single.reshape(*record.weights.shape[:2], rows, columns)
    if "alti" in kinds:
        maps["alti"], prefix = alti(model, run)
    if gradient is not None:
        maps["gradient"] = gradient[None, None]
    for kind, values in maps.items():
        layers_of_kind = 1 if kind == "gradient" else record.layers
        if values.shape[2:] != (rows, columns) or (record.kept is None and values.shape[0] != layers_of_kind):
            raise unknown(
                f"has cross-attention of {record.layers} layers, {rows} rows and {columns} columns, and contributions "
                f"by {kind!r} of {values.shape[0]} layers, {values.shape[2]} rows and {values.shape[3]} columns: they "
                "cannot be kept together",
                model,
                model.config,
            )
    return Contributed(maps, prefix)
