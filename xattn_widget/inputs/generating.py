"""Let a model generate the targets of sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from xattn_widget.capturing.checks import unknown
from xattn_widget.inputs.arguments import Arguments, collated, continued, prefix_length
from xattn_widget.inputs.decoders import decoder_names, end_tokens, generation_inputs
from xattn_widget.inputs.encoding_alone import encoder_outputs
from xattn_widget.inputs.extras import Extras
from xattn_widget.inputs.paired import PairedModel
from xattn_widget.inputs.pairs import Pair
from xattn_widget.inputs.sources import Source, source_inputs


def generate(
    paired: PairedModel,
    sources: Sequence[Source],
    arguments: Sequence[Arguments],
    extras: Extras,
    states: Sequence[torch.Tensor] | None = None,
) -> tuple[list[Pair], int]:
    """Pairs with generated targets, and the number of hypotheses for each source.

    Args:
        paired: the model and its sides.
        sources: the sources.
        arguments: further arguments of the forward for each source.
        extras: what the user passes besides the texts.
        states: what the encoder returned for each source; None to run it.
    """
    model, generation = paired.model, paired.target.settings(extras.settings) | paired.generation
    config = generation.get("generation_config") or model.generation_config
    if (generation.get("num_return_sequences") or config.num_return_sequences or 1) > 1:
        # The scores of an n-best list are returned with those of every step, or not at all.
        generation = generation | {"return_dict_in_generate": True, "output_scores": True}
    widths = {"source": max(map(len, sources)), "target": max(map(prefix_length, arguments))}
    inputs = source_inputs(model, sources) | collated(arguments, widths, model.device, generating=True)
    inputs = generation_inputs(model, inputs)
    if states is not None:
        inputs["encoder_outputs"] = encoder_outputs(states)
    if (read := inputs.get(decoder_names(model).ids)) is not None:
        inputs |= type(sources[0]).beside(sources, read)
    try:
        result = model.generate(**inputs, **generation)
    except IndexError as error:
        limit = paired.target.limit
        if limit is None:
            raise
        raise ValueError(
            f"generation failed, most likely because it went past the model's {limit} target positions: "
            'set generation={"max_new_tokens": ...} to less'
        ) from error
    sequences = result if isinstance(result, torch.Tensor) else result.sequences
    start = _check_sequences(model, sequences, sources, generation | inputs)
    hypotheses = len(sequences) // len(sources)
    ranked_by = getattr(result, "sequences_scores", None)
    scores = [None] * len(sequences) if ranked_by is None else ranked_by.tolist()
    ends = end_ids(model, extras)
    padding = _first(generation.get("pad_token_id"), config.pad_token_id, paired.target.tokenizer.pad_token_id)
    pairs = []
    for index, sequence in enumerate(sequences.tolist()):
        given = arguments[index // hypotheses]
        # Whisper's prompt begins with earlier text if the user gives some, and the start token follows it.
        earlier = sequence.index(start) if generation.get("prompt_ids") is not None else 0
        prompt = earlier or len(paired.target.prompt_ids(sources[index // hypotheses]))
        ids = _without_padding(sequence, ends, padding, earlier + prefix_length(given))
        given = continued(given, len(ids) - 1)
        pairs.append(Pair(sources[index // hypotheses], ids[:-1], ids[1:], scores[index], given, prompt=prompt))
    return pairs, hypotheses


def end_ids(model: Any, extras: Extras) -> set[int]:
    """The ids that end a generated target."""
    config = extras.settings.get("generation_config") or model.generation_config
    end = _first(extras.settings.get("eos_token_id"), config.eos_token_id, end_tokens(model))
    return set(end if isinstance(end, list | tuple) else [end]) - {None}


def _check_sequences(model: Any, sequences: torch.Tensor, sources: Sequence[Any], given: dict[str, Any]) -> Any:
    """Raise unless each source has the same number of sequences, all of which begin with the decoder's start token.

    Whisper puts the text of ``prompt_ids`` before it.

    Returns:
        The start token.
    """
    config = given.get("generation_config") or model.generation_config
    start = given.get("decoder_start_token_id", config.decoder_start_token_id)
    if sequences.dim() != 2 or len(sequences) % len(sources):
        raise unknown(
            f"generates sequences of shape {list(sequences.shape)} for {len(sources)} sources", model, model.config
        )
    if isinstance(start, int) and decoder_names(model).ids not in given:
        begins = (sequences == start).any(-1) if given.get("prompt_ids") is not None else sequences[:, 0] == start
        if not bool(begins.all()):
            raise unknown("generates sequences that do not begin with its decoder's start token", model, model.config)
    return start


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _without_padding(sequence: list[int], ends: set[int], padding: int | None, prefix: int) -> list[int]:
    """A generated sequence up to its end token, which is not looked for in its prefix (the start symbol)."""
    for position in range(prefix, len(sequence)):
        if sequence[position] in ends:
            return sequence[: position + 1]
    stop = len(sequence)
    while stop > max(2, prefix) and sequence[stop - 1] == padding:
        stop -= 1
    return sequence[:stop]
