"""Sentence pairs as ids: given targets by teacher forcing, others generated; and the inputs of a forward over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from xattn_widget.encoding import (
    check_model,
    check_sentences,
    check_targets,
    check_tokenizer,
    encode,
    position_limit,
)

# generate() would otherwise follow the model's own generation config, which for many translation models means beams.
GREEDY = {"num_beams": 1, "do_sample": False, "num_return_sequences": 1}


@dataclass(frozen=True)
class Pair:
    """Ids of one sentence pair: ``read[i]`` is what the decoder has read when it predicts ``predicted[i]``."""

    source: list[int]
    read: list[int]
    predicted: list[int]
    score: float | None = None  # by which beam search ranked the target in an n-best list


def paired_batches(
    model: Any,
    tokenizer: Any,
    source: str | Sequence[str],
    target: str | Sequence[str] | None,
    generation: Mapping[str, Any] | None,
    batch_size: int,
    truncation: bool,
) -> Iterator[tuple[list[Pair], int]]:
    """Check everything now, and give batches of pairs as they are asked for, with how many hypotheses a source has.

    The arguments and errors are those of :func:`xattn_widget.extract`. Generating happens between the batches: iterate
    with the model in the mode that it is to generate in.
    """
    check_model(model)
    sources = check_sentences(source, "source")
    targets = None if target is None else check_sentences(target, "target")
    if targets is not None:
        check_targets(source, target)
        if generation is not None:
            raise ValueError("generation has no use beside a given target: leave out the one or the other")
    if not (isinstance(batch_size, int) and batch_size > 0):  # type: ignore[redundant-expr]
        raise ValueError(f"batch_size must be a positive whole number, got {batch_size!r}")
    check_tokenizer(model, tokenizer)
    source_ids = encode(tokenizer, sources, "source", position_limit(model, "encoder"), truncation)
    target_ids = None
    if targets is not None:
        target_ids = encode(tokenizer, targets, "target", position_limit(model, "decoder"), truncation)
    settings = dict(generation or {})
    if "generation_config" not in settings:
        settings = GREEDY | settings

    def batches() -> Iterator[tuple[list[Pair], int]]:
        for start in range(0, len(source_ids), batch_size):
            chunk = source_ids[start : start + batch_size]
            if target_ids is None:
                yield generate(model, tokenizer, chunk, settings)
            else:
                yield force(model, chunk, target_ids[start : start + batch_size]), 1

    return batches()


def _pad(rows: Sequence[Sequence[int]], value: int, device: torch.device) -> torch.Tensor:
    tensors = [torch.tensor(row, dtype=torch.long) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=value).to(device)


def _source_inputs(model: Any, rows: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
    """``input_ids`` and ``attention_mask``, ``[batch, source]``, padded on the right."""
    # Any token serves as padding: the mask hides it.
    ids = _pad(rows, getattr(model.config, "pad_token_id", None) or 0, model.device)
    mask = _pad([[1] * len(row) for row in rows], 0, model.device)
    return {"input_ids": ids, "attention_mask": mask}


def force(model: Any, sources: list[list[int]], targets: list[list[int]]) -> list[Pair]:
    """Pairs with given targets, for teacher forcing."""
    pairs = []
    for source, predicted in zip(sources, targets, strict=True):
        labels = torch.tensor([predicted])  # ids only: the model's device would cost a transfer each
        if hasattr(model, "prepare_decoder_input_ids_from_labels"):
            read = model.prepare_decoder_input_ids_from_labels(labels=labels)[0].tolist()
        else:
            read = [_start_token(model), *predicted[:-1]]
        pairs.append(Pair(source, read, predicted))
    return pairs


def _start_token(model: Any) -> int:
    start = getattr(model.config, "decoder_start_token_id", None)
    if start is None:
        start = getattr(model.generation_config, "decoder_start_token_id", None)
    if start is None:
        raise ValueError(
            f"{type(model).__name__} does not say which token its decoder starts with: "
            "set model.config.decoder_start_token_id"
        )
    return int(start)


def generate(
    model: Any, tokenizer: Any, sources: list[list[int]], generation: dict[str, Any]
) -> tuple[list[Pair], int]:
    """Pairs with generated targets, and how many hypotheses each source got."""
    config = generation.get("generation_config") or model.generation_config
    if (generation.get("num_return_sequences") or config.num_return_sequences or 1) > 1:
        # The scores of an n-best list come with those of every step, or not at all.
        generation = generation | {"return_dict_in_generate": True, "output_scores": True}
    try:
        result = model.generate(**_source_inputs(model, sources), **generation)
    except IndexError as error:
        limit = position_limit(model, "decoder")
        if limit is None:
            raise
        raise ValueError(
            f"generation failed, most likely because it went past the model's {limit} target positions: "
            'set generation={"max_new_tokens": ...} to less'
        ) from error
    sequences = result if isinstance(result, torch.Tensor) else result.sequences
    hypotheses = len(sequences) // len(sources)
    ranked_by = getattr(result, "sequences_scores", None)
    scores = [None] * len(sequences) if ranked_by is None else ranked_by.tolist()
    end = generation.get("eos_token_id", config.eos_token_id)
    ends = set(end if isinstance(end, list | tuple) else [end])
    pairs = []
    for index, sequence in enumerate(sequences.tolist()):
        ids = _without_padding(sequence, ends, tokenizer.pad_token_id)
        pairs.append(Pair(sources[index // hypotheses], ids[:-1], ids[1:], scores[index]))
    return pairs, hypotheses


def _without_padding(sequence: list[int], ends: set[int | None], padding: int | None) -> list[int]:
    """A generated sequence up to its end token. The first position is the start symbol, whatever its id."""
    for position in range(1, len(sequence)):
        if sequence[position] in ends:
            return sequence[: position + 1]
    stop = len(sequence)
    while stop > 2 and sequence[stop - 1] == padding:
        stop -= 1
    return sequence[:stop]


def forward_inputs(model: Any, pairs: Sequence[Pair]) -> dict[str, torch.Tensor]:
    """Inputs of one teacher-forced forward: ``input_ids``, ``attention_mask`` and ``decoder_input_ids``."""
    inputs = _source_inputs(model, [pair.source for pair in pairs])
    # Padding rows come last; the decoder is causal, so that no row of a sentence sees them.
    padding = getattr(model.config, "pad_token_id", None) or 0
    return inputs | {"decoder_input_ids": _pad([pair.read for pair in pairs], padding, model.device)}


def predicted_logprobs(logits: torch.Tensor, pair: Pair) -> torch.Tensor:
    """``[target]`` log-probabilities of a pair's predicted tokens, of its row ``[padded target, vocabulary]``."""
    predicted = torch.tensor(pair.predicted, device=logits.device)
    return logits[: len(predicted)].float().log_softmax(-1).gather(-1, predicted[:, None])[:, 0]


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block; afterwards each module is in the mode that it was in."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
