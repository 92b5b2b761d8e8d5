"""Scores of a record that keeps some of its model's heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from xattn_widget.record.data import AttentionData
from xattn_widget.record.kept import KeptHeads
from xattn_widget.scores.inputs import INPUTS, Scope, map_tensors
from xattn_widget.scores.marginals import MarginalReference


def values_of_kept_heads(
    record: AttentionData,
    kept: KeptHeads,
    scope: Scope,
    inputs: Mapping[str, Any],
    parameters: Mapping[str, Any],
    compute: Callable[..., torch.Tensor],
) -> torch.Tensor:
    """The values of a score for the heads that a record keeps.

    Args:
        record: the record.
        kept: the heads that it keeps.
        scope: what the value of a head depends on.
        inputs: what the score needs of the record, by name.
        parameters: the score's own parameters.
        compute: computes the values of attention, inputs and parameters.

    Returns:
        ``[layers, heads]`` of the whole model; NaN for heads that are not kept, and where the scope is not kept whole.
    """
    pairs = kept.pairs
    if scope != "head":
        whole = set(kept.whole_layers() if scope == "layer" else [])
        pairs = tuple(pair for pair in pairs if pair[0] in whole)
    if not pairs:
        return torch.full((kept.layers, kept.heads), torch.nan)
    part = KeptHeads(kept.layers, kept.heads, pairs)
    places = record.places_of(pairs)

    def take(values: torch.Tensor) -> torch.Tensor:
        if part == kept:  # no copy of the weights
            return values
        return values.flatten(0, 1)[places].reshape(*part.shape, *values.shape[2:])

    given = {
        name: map_tensors(take, value) if INPUTS[name].axes[0] == "layers" and value is not None else value
        for name, value in inputs.items()
    }
    fitted = {
        name: value.of_heads(part) if isinstance(value, MarginalReference) else value
        for name, value in parameters.items()
    }
    return part.spread(compute(take(record.weights), **given, **fitted).flatten())
