"""Turn the user's arguments into batches of pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from xattn_widget.inputs.extras import make_extras
from xattn_widget.inputs.generating import generate
from xattn_widget.inputs.paired import PairedModel
from xattn_widget.inputs.pairs import Pair, force
from xattn_widget.inputs.text.checks import check_sentences, check_targets, refuse_pair
from xattn_widget.messages.mistakes import check_generation


def paired_batches(
    paired: PairedModel,
    source: str | Sequence[str],
    target: str | Sequence[str] | None,
    generation: Mapping[str, Any] | None,
    forward: Mapping[str, Any] | None,
    batch_size: int,
    truncation: bool,
) -> tuple[Iterator[tuple[list[Pair], int]], bool]:
    """Check everything at once, then make each batch of pairs on demand.

    The arguments and errors are those of :func:`xattn_widget.extract`. Targets are generated while iterating: keep the
    model in the mode that it should generate in.

    Returns:
        The batches, each with its pairs and how many hypotheses each source has among them; and whether one source was
        passed instead of a list.
    """
    model = paired.model
    refuse_pair(source, target)
    items, single = paired.source.collect(source)
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
    extras = make_extras(model, generation, forward)
    sources = paired.source.read(items, truncation)
    pairs = None
    if targets is not None:
        forced = force(model, sources, paired.target.encode(targets, truncation))
        pairs = [replace(pair, target_text=text) for pair, text in zip(forced, targets, strict=True)]
    reads = None if pairs is None else [pair.read for pair in pairs]
    arguments = extras.by_sentence(model, sources, paired.padding_sides, reads)
    if pairs is not None:
        pairs = [replace(pair, arguments=given) for pair, given in zip(pairs, arguments, strict=True)]

    def batches() -> Iterator[tuple[list[Pair], int]]:
        for start in range(0, len(sources), batch_size):
            batch = slice(start, start + batch_size)
            if pairs is None:
                yield generate(paired, sources[batch], arguments[batch], extras)
            else:
                yield pairs[batch], 1

    return batches(), single
