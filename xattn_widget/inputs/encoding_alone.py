"""Run a model's encoder by itself, so that sources and targets can each be batched by their own lengths.

In a batch of pairs, both sides are padded to their longest, and lengths of sources and targets differ. An encoder that
runs by itself gets sources of one length, and the decoder then gets targets of one length. Generation and the forward
that scores its targets share one encoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers.modeling_outputs import BaseModelOutput

from xattn_widget.capturing.hooks import listening
from xattn_widget.inputs.paired import PairedModel
from xattn_widget.inputs.pairs import Pair, forward_inputs
from xattn_widget.inputs.sources import Source, source_inputs
from xattn_widget.inputs.text.sides import Side, TextSide, TextSource

# How far apart two results of one computation may be: float32 rounding, or a few steps of a shorter type.
_FLOAT32, _STEPS = 1e-5, 4


def encode(model: Any, sources: Sequence[Source]) -> list[torch.Tensor]:
    """``[source, width]`` states of each source, as the encoder returns them.

    Raises:
        ValueError: the encoder does not return one state for each position.
    """
    inputs = source_inputs(model, sources)
    states = model.get_encoder()(**inputs, return_dict=True).last_hidden_state
    expected = inputs[model.main_input_name].shape
    if states.dim() != 3 or states.shape[:2] != expected:
        raise ValueError(f"the encoder returns states of shape {list(states.shape)} for inputs of {list(expected)}")
    return [row[: len(source)] for row, source in zip(states, sources, strict=True)]


def encoder_outputs(states: Sequence[torch.Tensor]) -> BaseModelOutput:
    """The states of a batch as a forward, or ``generate``, takes them instead of running the encoder."""
    return BaseModelOutput(last_hidden_state=pad_sequence(list(states), batch_first=True))


def with_states(model: Any, inputs: dict[str, Any], states: Sequence[torch.Tensor]) -> dict[str, Any]:
    """The inputs of a forward with the encoder's states in place of what the encoder reads."""
    others = {name: value for name, value in inputs.items() if name != model.main_input_name}
    return others | {"encoder_outputs": encoder_outputs(states)}


def encodes_alone(paired: PairedModel) -> bool:
    """Whether a forward from the encoder's states gives what the whole forward gives, found by trying both.

    Some models hand more to their decoder than these states, or encode a source differently in another batch. Call it
    inside ``torch.no_grad`` with the model in evaluation mode.
    """
    if not isinstance(paired.source, TextSide):
        return False
    try:
        pairs = _trials(paired.source, paired.target)
        whole = _results(paired.model, forward_inputs(paired.model, pairs))
        states = [encode(paired.model, [pair.source])[0] for pair in pairs]
        apart = _results(paired.model, with_states(paired.model, forward_inputs(paired.model, pairs), states))
    except Exception:  # whatever a model raises for inputs that it does not take
        return False
    return len(whole) == len(apart) and all(map(_is_equal, whole, apart))


def _trials(source_side: TextSide, target_side: Side) -> list[Pair]:
    """Two pairs, whose sources and targets differ in length, of tokens from all over the vocabulary."""
    source, target = _some_ids(source_side, 7), _some_ids(target_side, 5)
    return [
        Pair(TextSource(source_side, source[:longest]), target[:width], target[:width])
        for longest, width in ((7, 3), (4, 5))
    ]


def _some_ids(side: Side, count: int) -> list[int]:
    ordinary = [index for index in range(min(len(side.tokenizer), side.embedded)) if index not in side.special_ids]
    return [ordinary[place * (len(ordinary) - 1) // count] for place in range(1, count + 1)]


def _results(model: Any, inputs: dict[str, Any]) -> list[torch.Tensor]:
    """The cross-attention of all layers on the tokens of both trials, and the logits."""
    seen: list[torch.Tensor] = []
    with listening(model, lambda call: seen.append(call.weights)):
        logits = model(**inputs, use_cache=False).logits
    # The rows and columns of tokens: what is computed for padding does not matter.
    weights = [part for layer in seen for part in (layer[0, :, :3], layer[1, :, :, :4])]
    return [*weights, logits[0, :3], logits[1]]


def _is_equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    tolerance = max(_FLOAT32, _STEPS * torch.finfo(one.dtype).eps)
    largest = max(1.0, float(one.abs().max()))
    return one.shape == other.shape and bool(((one - other).abs() <= tolerance * largest).all())
