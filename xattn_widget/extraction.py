"""From strings to records: one captured forward a batch over given or generated targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, overload

import torch
from transformers import PreTrainedModel

from xattn_widget.axes import Axis
from xattn_widget.capturing import capture
from xattn_widget.intervening import Method, check_method, importance_sums
from xattn_widget.pairing import Pair, evaluating, forward_inputs, paired_batches, predicted_logprobs
from xattn_widget.record import CrossAttention, Reading
from xattn_widget.tokens import special_ids, text_axis


@overload
def extract(
    model: PreTrainedModel,
    tokenizer: Any,
    source: str,
    target: str | None = None,
    *,
    generation: Mapping[str, Any] | None = None,
    batch_size: int = 16,
    reading: Reading = "output",
    truncation: bool = False,
    value_norms: bool = False,
    importance: Method | None = None,
) -> CrossAttention: ...


@overload
def extract(
    model: PreTrainedModel,
    tokenizer: Any,
    source: Sequence[str],
    target: Sequence[str] | None = None,
    *,
    generation: Mapping[str, Any] | None = None,
    batch_size: int = 16,
    reading: Reading = "output",
    truncation: bool = False,
    value_norms: bool = False,
    importance: Method | None = None,
) -> list[CrossAttention]: ...


def extract(
    model: PreTrainedModel,
    tokenizer: Any,
    source: str | Sequence[str],
    target: str | Sequence[str] | None = None,
    *,
    generation: Mapping[str, Any] | None = None,
    batch_size: int = 16,
    reading: Reading = "output",
    truncation: bool = False,
    value_norms: bool = False,
    importance: Method | None = None,
) -> CrossAttention | list[CrossAttention]:
    """Cross-attention of every layer and head for sentences, with a generated or a given target.

    The weights are those of one teacher-forced forward over the final target, which are the weights of the steps of
    decoding (with beams: along the returned hypothesis). The model runs without gradient and in evaluation mode, and
    is left as it was.

    Args:
        model: an encoder-decoder model of transformers, as loaded (any attention implementation it was loaded with).
        tokenizer: the model's tokenizer, with its source and target language set where it has them.
        source: a sentence, or a list of them.
        target: None to let the model generate; a sentence (or a list as long as ``source``) to read by teacher
            forcing.
        generation: keyword arguments of ``model.generate``, such as ``{"num_beams": 4}``; greedy when left out. With
            ``num_return_sequences`` above 1 a record is the best hypothesis and holds all in ``.hypotheses``.
        batch_size: sentences a forward; the result does not depend on it beyond float noise.
        reading: label rows by the token predicted (``"output"``) or the token read (``"input"``).
        truncation: cut sentences that are longer than the model's positions, in place of the error.
        value_norms: keep the norms of the weighted values too (see :attr:`Capture.value_norms`), for the score
            ``value_norm`` and for ``record.contributions()``. Twice the memory.
        importance: measure how much the loss on each sentence depends on each head, by ``"gradient"`` or ``"ablation"``
            (see :func:`head_importance`), for the score ``importance``. One backward pass, or a forward a head.

    Returns:
        A :class:`CrossAttention` for a string, a list of them for a list.

    Raises:
        TypeError: the model is no model of transformers, or a sentence is no string.
        ValueError: a decoder-only or speech model, a tokenizer of another model, an empty sentence, one longer than
            the model's positions, targets that do not match the sources, ``generation`` beside a given target.
    """
    if importance is not None:
        check_method(importance)
    batches = paired_batches(model, tokenizer, source, target, generation, batch_size, truncation)
    special = special_ids(tokenizer, model.config)
    records: list[CrossAttention] = []
    with evaluating(model), torch.no_grad():
        for pairs, hypotheses in batches:
            found = []
            # With n hypotheses a sentence there are n times the rows: keep the forward's size what was asked for.
            for part in range(0, len(pairs), batch_size):
                some = pairs[part : part + batch_size]
                made = forward(model, tokenizer, some, special, target is None, value_norms)
                if importance is not None:
                    sums = importance_sums(model, some, importance)
                    made = [
                        replace(record, importance={importance: (total / record.weights.shape[2]).float()})
                        for record, total in zip(made, sums, strict=True)
                    ]
                found += made
            found = [record.read_as(reading) for record in found]
            for first in range(0, len(found), hypotheses):
                alternatives = tuple(found[first : first + hypotheses])
                best = alternatives[0]
                records.append(best if hypotheses == 1 else replace(best, hypotheses=alternatives))
    return records[0] if isinstance(source, str) else records


def forward(
    model: PreTrainedModel,
    tokenizer: Any,
    pairs: list[Pair],
    special: set[int],
    generated: bool,
    value_norms: bool,
) -> list[CrossAttention]:
    """One captured forward over the pairs, and a record for each."""
    with capture(model, value_norms=value_norms) as captured:
        logits = model(**forward_inputs(model, pairs), use_cache=False).logits
    layers = captured.cross_attentions
    norms = captured.value_norms if value_norms else None
    records = []
    for row, pair in enumerate(pairs):
        target_length, source_length = len(pair.predicted), len(pair.source)
        logprobs = predicted_logprobs(logits[row], pair)
        own = (row, slice(None), slice(target_length), slice(source_length))
        records.append(
            CrossAttention(
                weights=torch.stack([layer[own].cpu() for layer in layers]),
                source=text_axis(tokenizer, pair.source, special),
                targets={
                    "output": _target_axis(tokenizer, pair.predicted, special),
                    "input": _target_axis(tokenizer, pair.read, special),
                },
                logprobs=logprobs.cpu(),
                generated=generated,
                sequence_score=pair.score,
                model=type(model).__name__,
                value_norms=None if norms is None else torch.stack([layer[own].cpu() for layer in norms]),
            )
        )
    return records


def _target_axis(tokenizer: Any, ids: list[int], special: set[int]) -> Axis:
    return text_axis(tokenizer, ids, special, target=True)
