"""Records of models in which latent queries or a question, not the decoder, attend to an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch

from xattn_widget.capturing.recorder import capture_here
from xattn_widget.cross_attention import CrossAttention
from xattn_widget.inputs.evaluating import evaluating
from xattn_widget.inputs.paired import PairedModel
from xattn_widget.inputs.sources import source_inputs
from xattn_widget.record.kept import KeptHeads, Selection

if TYPE_CHECKING:
    from xattn_widget.inputs.image.image_side import ImageSide
    from xattn_widget.inputs.image.image_source import ImageSource
    from xattn_widget.inputs.image.readers import ReaderFamily


def reader_family(paired: PairedModel) -> ReaderFamily | None:
    """The family of a model in which something else than the decoder reads images; None for other models."""
    if not paired.source.sees:
        return None
    from xattn_widget.inputs.image.readers import ReaderFamily

    family = cast("ImageSide", paired.source).family
    return family if isinstance(family, ReaderFamily) else None


def refuse_for_readers(family: ReaderFamily, **given: Any) -> None:
    """Raise a ValueError for arguments of ``extract`` that need a decoder which attends to the image.

    Args:
        family: how the model reads images.
        given: the arguments, by name.
    """
    names = [name for name, value in given.items() if value is not None and value is not False and value != ()]
    if names:
        raise ValueError(
            f"the decoder of this model ({family.name}) does not attend to the image: its cross-attention is from what "
            f"reads the image for it, and depends on no target. Leave out {', '.join(names)}"
        )


def reader_records(
    paired: PairedModel, items: Sequence[Any], batch_size: int, value_norms: bool, selection: Selection
) -> list[CrossAttention]:
    """The records of images, whose rows are the latent queries or the tokens of the question."""
    family = reader_family(paired)
    assert family is not None
    sources = cast("Sequence[ImageSource]", paired.source.read(items))
    records = []
    with evaluating(paired.model), torch.no_grad():
        start = 0
        for stop in range(1, len(sources) + 1):
            if stop == len(sources) or stop - start == batch_size or sources[stop].form != sources[start].form:
                records += _read(paired.model, family, sources[start:stop], value_norms, selection)
                start = stop
    return records


def _read(
    model: Any, family: ReaderFamily, sources: Sequence[ImageSource], value_norms: bool, selection: Selection
) -> list[CrossAttention]:
    inputs = source_inputs(model, sources)
    with capture_here(model, value_norms=value_norms) as captured:
        family.run(model, inputs)
    columns = len(sources[0])
    chosen = [index for index, layer in enumerate(captured.cross_attentions) if layer.shape[3] == columns]
    if family.from_question:  # then come the layers of the decoder, which attends to the question
        chosen = chosen[: model.config.text_config.num_hidden_layers]
    layers = [captured.cross_attentions[index] for index in chosen]
    kept = selection.kept(len(layers), layers[0].shape[1])
    norms = [captured.value_norms[index] for index in chosen] if value_norms else None
    records = []
    for row, source in enumerate(sources):
        axis = family.rows(source.seen)
        records.append(
            CrossAttention(
                weights=_selected([layer[row, :, : len(axis)] for layer in layers], kept, selection.dtype),
                source=source.axis(),
                targets={"output": axis, "input": axis},
                model=type(model).__name__,
                value_norms=None
                if norms is None
                else _selected([layer[row, :, : len(axis)] for layer in norms], kept, selection.dtype),
                image=source.image,
                prompt=source.prompt,
                kept=kept,
            )
        )
    return records


def _selected(layers: list[torch.Tensor], kept: KeptHeads | None, dtype: torch.dtype) -> torch.Tensor:
    """``[layers, heads, rows, columns]``, or of the kept heads alone, on the CPU."""
    weights = torch.stack(layers).to("cpu", dtype)
    if kept is None:
        return weights
    pairs = [weights[layer, head] for layer, head in kept.pairs]
    return torch.stack(pairs).reshape(*kept.shape, *weights.shape[2:])
