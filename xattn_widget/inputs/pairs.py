"""Sentence pairs as ids: given targets by teacher forcing, others generated; and the inputs of a forward over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch

from xattn_widget.capturing.blocks import Block, Cleanup
from xattn_widget.capturing.checks import unknown
from xattn_widget.capturing.threads import lock
from xattn_widget.inputs.arguments import Arguments, Extras, collated, continued, make_extras, prefix_length
from xattn_widget.inputs.text.encoding import check_sentences, check_targets, embedded_ids, refuse_pair
from xattn_widget.inputs.text.sides import TextModel
from xattn_widget.messages.mistakes import check_generation


@dataclass(frozen=True)
class Pair:
    """Ids of one sentence pair: ``read[i]`` is what the decoder has read when it predicts ``predicted[i]``."""

    source: list[int]
    read: list[int]
    predicted: list[int]
    score: float | None = None  # by which beam search ranked the target in an n-best list
    arguments: Arguments = field(default_factory=dict)  # of the forward, beside these ids
    source_text: str | None = None
    target_text: str | None = None  # None where the model generated it


def paired_batches(
    text_model: TextModel,
    source: str | Sequence[str],
    target: str | Sequence[str] | None,
    generation: Mapping[str, Any] | None,
    forward: Mapping[str, Any] | None,
    batch_size: int,
    truncation: bool,
) -> Iterator[tuple[list[Pair], int]]:
    """Check everything now, and give batches of pairs as they are asked for, with how many hypotheses a source has.

    The arguments and errors are those of :func:`xattn_widget.extract`. Generating happens between the batches: iterate
    with the model in the mode that it is to generate in.
    """
    model = text_model.model
    refuse_pair(source, target)
    sources = check_sentences(source, "source")
    targets = None if target is None else check_sentences(target, "target")
    if targets is not None:
        check_targets(source, target)
        if generation is not None:
            raise ValueError(
                "generation has no use beside a given target: leave out the one or the other (forward={...} passes "
                "arguments to the model's forward)"
            )
    check_generation(generation)
    if not (isinstance(batch_size, int) and batch_size > 0):  # type: ignore[redundant-expr]
        raise ValueError(f"batch_size must be a positive whole number, got {batch_size!r}")
    extras = make_extras(model, generation, forward)
    source_ids = text_model.source.encode(sources, truncation)
    pairs = None
    if targets is not None:
        pairs = force(model, source_ids, text_model.target.encode(targets, truncation))
    reads = None if pairs is None else [pair.read for pair in pairs]
    arguments = extras.parts(model, source_ids, text_model.padding_sides, reads)
    if pairs is not None:
        pairs = [replace(pair, arguments=given) for pair, given in zip(pairs, arguments, strict=True)]

    def batches() -> Iterator[tuple[list[Pair], int]]:
        for start in range(0, len(source_ids), batch_size):
            batch = slice(start, start + batch_size)
            if pairs is None:
                made, hypotheses = generate(text_model, source_ids[batch], arguments[batch], extras)
            else:
                made, hypotheses = pairs[batch], 1
            numbers = [start + index // hypotheses for index in range(len(made))]
            yield [_with_texts(*known, sources, targets) for known in zip(made, numbers, strict=True)], hypotheses

    return batches()


def _with_texts(pair: Pair, number: int, sources: list[str], targets: list[str] | None) -> Pair:
    return replace(pair, source_text=sources[number], target_text=None if targets is None else targets[number])


def _pad(rows: Sequence[Sequence[int]], value: int, device: torch.device) -> torch.Tensor:
    tensors = [torch.tensor(row, dtype=torch.long) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=value).to(device)


def _source_inputs(model: Any, rows: Sequence[Sequence[int]]) -> dict[str, Any]:
    """``input_ids`` and ``attention_mask``, ``[batch, source]``, padded on the right."""
    ids = _pad(rows, _padding_id(model, "source"), model.device)
    mask = _pad([[1] * len(row) for row in rows], 0, model.device)
    return {"input_ids": ids, "attention_mask": mask}


def _padding_id(model: Any, side: str) -> int:
    """Any token serves as padding, for the mask hides it; some models count positions by the one in their config."""
    part = getattr(model.config, "encoder" if side == "source" else "decoder", None)
    for config in (part, model.config):
        index = getattr(config, "pad_token_id", None)
        if index is not None and 0 <= index < embedded_ids(model, side):
            return int(index)
    return 0


def force(model: Any, sources: list[list[int]], targets: list[list[int]]) -> list[Pair]:
    """Pairs with given targets, for teacher forcing."""
    return [
        Pair(source, _read(model, predicted), predicted) for source, predicted in zip(sources, targets, strict=True)
    ]


def _read(model: Any, predicted: list[int]) -> list[int]:
    """What the decoder reads when it predicts given tokens."""
    if hasattr(model, "prepare_decoder_input_ids_from_labels"):
        labels = torch.tensor([predicted])  # ids only: the model's device would cost a transfer each
        try:
            read = list(model.prepare_decoder_input_ids_from_labels(labels=labels)[0].tolist())
        except ValueError:  # it asks for a padding token too, which one sentence has no use for
            if getattr(model.config, "model_type", "") != "encoder-decoder":
                raise
        else:
            if read[1:] != predicted[:-1]:
                raise unknown("does not shift the target by one token for its decoder", model, model.config)
            return read
    return [_start_token(model), *predicted[:-1]]


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
    text_model: TextModel, sources: list[list[int]], arguments: Sequence[Arguments], extras: Extras
) -> tuple[list[Pair], int]:
    """Pairs with generated targets, and how many hypotheses each source got."""
    model, generation = text_model.model, extras.settings
    config = generation.get("generation_config") or model.generation_config
    if (generation.get("num_return_sequences") or config.num_return_sequences or 1) > 1:
        # The scores of an n-best list come with those of every step, or not at all.
        generation = generation | {"return_dict_in_generate": True, "output_scores": True}
    inputs = _source_inputs(model, sources)
    widths = {"source": inputs["input_ids"].shape[1], "target": max(map(prefix_length, arguments))}
    inputs |= collated(arguments, widths, model.device, generating=True)
    try:
        result = model.generate(**inputs, **generation)
    except IndexError as error:
        limit = text_model.target.limit
        if limit is None:
            raise
        raise ValueError(
            f"generation failed, most likely because it went past the model's {limit} target positions: "
            'set generation={"max_new_tokens": ...} to less'
        ) from error
    sequences = result if isinstance(result, torch.Tensor) else result.sequences
    _check_sequences(model, sequences, sources, generation | inputs)
    hypotheses = len(sequences) // len(sources)
    ranked_by = getattr(result, "sequences_scores", None)
    scores = [None] * len(sequences) if ranked_by is None else ranked_by.tolist()
    ends = end_ids(model, extras)
    padding = _first(generation.get("pad_token_id"), config.pad_token_id, text_model.target.tokenizer.pad_token_id)
    pairs = []
    for index, sequence in enumerate(sequences.tolist()):
        given = arguments[index // hypotheses]
        ids = _without_padding(sequence, ends, padding, prefix_length(given))
        given = continued(given, len(ids) - 1)
        pairs.append(Pair(sources[index // hypotheses], ids[:-1], ids[1:], scores[index], given))
    return pairs, hypotheses


def _check_sequences(model: Any, sequences: torch.Tensor, sources: Sequence[Any], given: dict[str, Any]) -> None:
    """Raise unless there are as many generated sequences for each source, each behind the decoder's start token."""
    config = given.get("generation_config") or model.generation_config
    start = given.get("decoder_start_token_id", config.decoder_start_token_id)
    if sequences.dim() != 2 or len(sequences) % len(sources):
        raise unknown(
            f"generates sequences of shape {list(sequences.shape)} for {len(sources)} sources", model, model.config
        )
    if isinstance(start, int) and "decoder_input_ids" not in given and bool((sequences[:, 0] != start).any()):
        raise unknown("generates sequences that do not begin with its decoder's start token", model, model.config)


def end_ids(model: Any, extras: Extras) -> set[int]:
    """The ids that end a generated target."""
    config = extras.settings.get("generation_config") or model.generation_config
    end = _first(extras.settings.get("eos_token_id"), config.eos_token_id, model.generation_config.eos_token_id)
    return set(end if isinstance(end, list | tuple) else [end]) - {None}


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _without_padding(sequence: list[int], ends: set[int], padding: int | None, prefix: int) -> list[int]:
    """A generated sequence up to its end token. Its prefix (the start symbol) ends nothing, whatever its ids."""
    for position in range(prefix, len(sequence)):
        if sequence[position] in ends:
            return sequence[: position + 1]
    stop = len(sequence)
    while stop > max(2, prefix) and sequence[stop - 1] == padding:
        stop -= 1
    return sequence[:stop]


def forward_inputs(model: Any, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Inputs of one teacher-forced forward: ids and masks of both sides, and the pairs' further arguments."""
    inputs = _source_inputs(model, [pair.source for pair in pairs])
    # Padding rows come last; the decoder is causal, so that no row of a sentence sees them.
    read = _pad([pair.read for pair in pairs], _padding_id(model, "target"), model.device)
    widths = {"source": inputs["input_ids"].shape[1], "target": read.shape[1]}
    given = collated([pair.arguments for pair in pairs], widths, model.device)
    # Without a mask, and without the cache that generate has, T5Gemma and FSMT hide tokens that have the padding's id.
    inputs |= {"decoder_input_ids": read, "decoder_attention_mask": torch.ones_like(read)}
    return inputs | given


def predicted_logprobs(logits: torch.Tensor, pair: Pair) -> torch.Tensor:
    """``[target]`` log-probabilities of a pair's predicted tokens, of its row ``[padded target, vocabulary]``."""
    predicted = torch.tensor(pair.predicted, device=logits.device)
    return logits[: len(predicted)].float().log_softmax(-1).gather(-1, predicted[:, None])[:, 0]


def evaluating(model: torch.nn.Module) -> Block[None]:
    """Evaluation mode without gradient inside the block; afterwards each module is in the mode that it was in.

    Blocks of several threads may overlap: the last one to end puts the modes back.
    """

    def begin(cleanup: Cleanup) -> None:
        block = object()
        modules = list(model.modules())
        cleanup.add(partial(torch.set_grad_enabled, torch.is_grad_enabled()))
        cleanup.add(partial(_end_evaluating, block, modules))
        with lock:
            for module in modules:
                if module.training or module in _evaluating:
                    _evaluating.setdefault(module, set()).add(block)
            model.eval()
        torch.set_grad_enabled(False)

    return Block(begin)


def _end_evaluating(block: object, modules: list[torch.nn.Module]) -> None:
    with lock:
        for module in modules:
            blocks = _evaluating.get(module)
            if blocks is not None:
                blocks.discard(block)
                if not blocks:
                    module.training = True
                    del _evaluating[module]


# The open blocks for each module that was in training mode when the first of them began.
_evaluating: WeakKeyDictionary[torch.nn.Module, set[object]] = WeakKeyDictionary()
