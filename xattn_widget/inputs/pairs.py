"""Pairs of a source and the token ids of its target, and the inputs of a teacher-forced forward over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from xattn_widget.capturing.checks import unknown
from xattn_widget.inputs.arguments import Arguments, collated
from xattn_widget.inputs.decoders import decoder_names, start_token
from xattn_widget.inputs.sources import Source, source_inputs
from xattn_widget.inputs.text.encoding import pad_ids, padding_id

_NO_ARGUMENTS: Arguments = {}


class Pair(NamedTuple):
    """A source and its target.

    Attributes:
        source: what the encoder reads.
        read: ``[target]`` the ids that the decoder reads: ``read[i]`` is the last id that it has read when it predicts
            ``predicted[i]``.
        predicted: ``[target]`` the ids of the target.
        score: the score by which beam search ranked the target in an n-best list, or None.
        arguments: further arguments of the forward.
        target_text: the text of the target, or None if the model generated it.
        prompt: how many of the ids in ``predicted``, at the beginning, are not part of the target's text.
    """

    source: Source
    read: list[int]
    predicted: list[int]
    score: float | None = None
    arguments: Arguments = _NO_ARGUMENTS
    target_text: str | None = None
    prompt: int = 0


def force(model: Any, sources: Sequence[Source], targets: Sequence[list[int]]) -> list[Pair]:
    """Pairs with given targets, for teacher forcing."""
    return [
        Pair(source, _read(model, source, predicted), predicted)
        for source, predicted in zip(sources, targets, strict=True)
    ]


def _read(model: Any, source: Source, predicted: list[int]) -> list[int]:
    """The ids that the decoder reads when it predicts the given tokens."""
    if source.start is not None:
        return [source.start, *predicted[:-1]]
    if hasattr(model, "prepare_decoder_input_ids_from_labels"):
        labels = torch.tensor([predicted])  # on the CPU, because each transfer from the model's device costs time
        try:
            read = list(model.prepare_decoder_input_ids_from_labels(labels=labels)[0].tolist())
        except ValueError:  # it requires a padding token too, which a single target does not need
            if getattr(model.config, "model_type", "") not in ("encoder-decoder", "vision-encoder-decoder"):
                raise
        else:
            if read[1:] != predicted[:-1]:
                raise unknown("does not shift the target by one token for its decoder", model, model.config)
            return read
    return [start_token(model), *predicted[:-1]]


def forward_inputs(model: Any, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Inputs of one teacher-forced forward: those of both sides, and the pairs' further arguments."""
    sources = [pair.source for pair in pairs]
    # Padding rows come last; the decoder is causal, so that no row of a target sees them.
    read = pad_ids([pair.read for pair in pairs], padding_id(model, "target"), model.device)
    # Without a mask, and without the cache that generate has, T5Gemma and FSMT hide tokens that have the padding's id.
    names = decoder_names(model)
    target = {names.ids: read, names.mask: torch.ones_like(read)}
    widths = {"source": max(map(len, sources)), "target": read.shape[1]}
    beside = type(sources[0]).beside(sources, read)
    inputs = source_inputs(model, sources) | target | beside
    return inputs | collated([pair.arguments for pair in pairs], widths, model.device)


def predicted_logprobs(logits: torch.Tensor, pair: Pair) -> torch.Tensor:
    """``[target]`` log-probabilities of a pair's target tokens, from its row ``[padded target, vocabulary]``.

    A token that the model reads and cannot write, such as an image token in a prompt, has NaN.
    """
    predicted = torch.tensor(pair.predicted, device=logits.device)
    known = predicted < logits.shape[-1]
    logprobs = logits[: len(predicted)].float().log_softmax(-1).gather(-1, (predicted * known)[:, None])[:, 0]
    return torch.where(known, logprobs, torch.nan)
