"""Turn the user's arguments into batches of pairs."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from xattn_widget.inputs.arguments import PREFIX, Argument, Arguments
from xattn_widget.inputs.decoders import start_token
from xattn_widget.inputs.extras import Extras, make_extras
from xattn_widget.inputs.generating import generate
from xattn_widget.inputs.paired import PairedModel
from xattn_widget.inputs.pairs import Pair, force
from xattn_widget.inputs.sources import Source
from xattn_widget.inputs.text.checks import check_sentences, check_targets, refuse_pair
from xattn_widget.messages.mistakes import check_generation


class Inputs(NamedTuple):
    """What a user passed, checked.

    Attributes:
        items: the sources as :meth:`SourceSide.collect` lists them.
        targets: a target for each, or None if the model is to generate them.
        single: whether one source was passed instead of a list.
        extras: the further arguments.
        batch_size: sources per forward.
    """

    items: list[Any]
    targets: list[str] | None
    single: bool
    extras: Extras
    batch_size: int


def check_inputs(
    paired: PairedModel,
    source: Any,
    target: str | Sequence[str] | None,
    generation: Mapping[str, Any] | None,
    forward: Mapping[str, Any] | None,
    batch_size: int,
    prompt: str | Sequence[str] | None = None,
) -> Inputs:
    """Check what a user passed; the arguments and errors are those of :func:`xattn_widget.extract`."""
    refuse_pair(source, target)
    items, single = paired.source.collect(source)
    if prompt is not None:
        items = paired.source.prompted(items, _prompts(prompt, len(items)))
    targets = None if target is None else check_sentences(target, "target")
    if targets is not None:
        check_targets(len(items), single, target)
        if generation is not None:
            raise ValueError(
                "generation has no use with a given target: leave out one of them (forward={...} passes arguments to "
                "the model's forward)"
            )
    check_generation(generation)
    if not (isinstance(batch_size, int) and batch_size > 0):  # type: ignore[redundant-expr]
        raise ValueError(f"batch_size must be a positive whole number, got {batch_size!r}")
    size = batch_size if paired.source.batches else 1
    return Inputs(items, targets, single, make_extras(paired.model, generation, forward), size)


def _prompts(prompt: str | Sequence[str], count: int) -> list[str]:
    """A prompt for each of ``count`` sources."""
    prompts = [prompt] * count if isinstance(prompt, str) else list(prompt)
    for index, text in enumerate(prompts):
        if not isinstance(text, str):
            raise TypeError(f"prompt must be a string or a list of strings, got {type(text).__name__} at {index}")
    if len(prompts) != count:
        raise ValueError(f"there are {len(prompts)} prompts for {count} sources: give one for all, or one for each")
    return prompts


def paired_batches(paired: PairedModel, inputs: Inputs, truncation: bool) -> Iterator[tuple[list[Pair], int]]:
    """Read all sources and given targets at once, then make each batch of pairs on demand.

    Targets are generated while iterating: keep the model in the mode that it should generate in.

    Yields:
        The pairs, and how many hypotheses each source has among them.
    """
    model = paired.model
    items, targets, _, extras, batch_size = inputs
    sources = paired.source.read(items, truncation)
    pairs = None
    if targets is not None:
        forced = force(model, sources, paired.target.encode_for(sources, targets, truncation))
        pairs = [
            pair._replace(target_text=text, prompt=paired.target.prompt_of(pair.source, pair.predicted))
            for pair, text in zip(forced, targets, strict=True)
        ]
    reads = None if pairs is None else [pair.read for pair in pairs]
    arguments = extras.by_sentence(model, sources, paired.padding_sides, reads)
    if pairs is not None:
        pairs = [pair._replace(arguments=given) for pair, given in zip(pairs, arguments, strict=True)]
    else:
        arguments = [prefixed(paired, source, given) for source, given in zip(sources, arguments, strict=True)]

    def batches() -> Iterator[tuple[list[Pair], int]]:
        for batch in _slices(paired, sources, batch_size):
            if pairs is None:
                yield generate(paired, sources[batch], arguments[batch], extras)
            else:
                yield pairs[batch], 1

    return batches()


def prefixed(paired: PairedModel, source: Source, given: Arguments) -> Arguments:
    """The arguments of a source whose generated target begins with a prompt of its own.

    Raises:
        ValueError: they say otherwise what it begins with.
    """
    prompt = paired.target.prompt_ids(source)
    if not prompt:
        return given
    if PREFIX in given:
        raise ValueError(f"{PREFIX} and prompt both say what the target begins with: leave out one of them")
    start = start_token(paired.model) if source.start is None else source.start
    return {**given, PREFIX: Argument(torch.tensor([start, *prompt]), "target")}


def batch_form(paired: PairedModel, source: Source) -> Hashable:
    """What the sources of one batch have in common: their form, and how long the prompt of their targets is."""
    return source.form, len(paired.target.prompt_ids(source))


def _slices(paired: PairedModel, sources: Sequence[Source], batch_size: int) -> Iterator[slice]:
    """Slices of at most ``batch_size`` sources that can share a batch."""
    start = 0
    forms = [batch_form(paired, source) for source in sources]
    for stop in range(1, len(sources) + 1):
        if stop == len(sources) or stop - start == batch_size or forms[stop] != forms[start]:
            yield slice(start, stop)
            start = stop
