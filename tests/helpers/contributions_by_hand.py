"""Contributions computed anew in plain torch, in double precision, from the modules of a few families.

Nothing here uses the package: values are zeroed by hooks on a copy of the model, gradients are taken token by token,
and ALTI+ follows its paper with the attention weights that the library itself returns.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn


class Parts(NamedTuple):
    """Where a family keeps what contributions are about."""

    encoder: Callable[[Any], Any]  # its layers
    decoder: Callable[[Any], Any]  # its layers
    cross: Callable[[Any], Any]  # the cross-attention of a decoder layer
    own: Callable[[Any], Any]  # the self-attention of a layer
    value: str
    output: str
    embedding: Callable[[Any], Any]  # the module whose output is the embedded source
    norms: tuple[Callable[[Any], Any], Callable[[Any], Any]]  # of self- and of cross-attention, in a layer


_BART = Parts(
    lambda model: model.model.encoder.layers,
    lambda model: model.model.decoder.layers,
    lambda layer: layer.encoder_attn,
    lambda layer: layer.self_attn,
    "v_proj",
    "out_proj",
    lambda model: model.model.encoder.embed_tokens,
    (lambda layer: layer.self_attn_layer_norm, lambda layer: layer.encoder_attn_layer_norm),
)
_T5 = Parts(
    lambda model: model.encoder.block,
    lambda model: model.decoder.block,
    lambda layer: layer.layer[1].EncDecAttention,
    lambda layer: layer.layer[0].SelfAttention,
    "v",
    "o",
    lambda model: model.encoder.embed_tokens,
    (lambda layer: layer.layer[0].layer_norm, lambda layer: layer.layer[1].layer_norm),
)
_BERT = _BART._replace(
    decoder=lambda model: model.decoder.bert.encoder.layer,
    cross=lambda layer: layer.crossattention.self,
    value="value",
    embedding=lambda model: model.encoder.embeddings.word_embeddings,
)


def parts_of(model: Any) -> Parts:
    """Where the modules of a model are."""
    kind = model.config.model_type
    return _T5 if kind == "t5" else _BERT if kind == "encoder-decoder" else _BART


def in_double(model: Any) -> Any:
    """A copy of the model in double precision, on the library's eager path."""
    twin = copy.deepcopy(model).double().eval()
    twin.set_attn_implementation("eager")
    return twin


def _states(output: Any) -> torch.Tensor:
    return output[0] if isinstance(output, tuple) else output


def zeroed_by_hand(
    model: Any, inputs: dict[str, torch.Tensor], heads: int | None = None, positions: int | None = None
) -> torch.Tensor:
    """``[layers, heads or 1, target, source]`` value zeroing: one forward of the whole model for each value.

    Args:
        model: the model in double precision.
        inputs: of one sentence pair.
        heads: zero each of so many heads alone; None for all of them at once.
        positions: how many source positions there are; those after them are left alone.
    """
    parts = parts_of(model)
    results = []
    for layer in parts.decoder(model):
        value = getattr(parts.cross(layer), parts.value)
        seen: list[torch.Tensor] = []
        watch = layer.register_forward_hook(lambda module, args, output, seen=seen: seen.append(_states(output)[0]))

        def run(position: int | None, head: int | None, value: nn.Module = value, seen: Any = seen) -> torch.Tensor:
            def zero(module: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
                output = output.clone()
                by_head = output.unflatten(-1, (heads or 1, -1))  # a view
                by_head[0, position, slice(None) if head is None else head] = 0
                return output

            hook = None if position is None else value.register_forward_hook(zero)
            try:
                with torch.no_grad():
                    model(**inputs, use_cache=False)
            finally:
                if hook is not None:
                    hook.remove()
            return seen.pop()

        whole = run(None, None)
        positions = inputs["input_ids"].shape[1] if positions is None else positions
        rows = []
        for head in [None] if heads is None else range(heads):
            states = [run(place, head) for place in range(positions)]
            rows.append(torch.stack([1 - torch.cosine_similarity(state, whole, dim=-1) for state in states], -1))
        watch.remove()
        changes = torch.stack(rows)
        results.append(changes / changes.sum(-1, keepdim=True))
    return torch.stack(results)


def gradients_by_hand(model: Any, inputs: dict[str, torch.Tensor], predicted: list[int]) -> torch.Tensor:
    """``[target, source]`` input x gradient of each predicted token, in rows that sum to 1."""
    parts = parts_of(model)
    leaves: list[torch.Tensor] = []

    def leaf(states: torch.Tensor) -> torch.Tensor:
        leaves.append(states.detach().clone().requires_grad_())
        return leaves[-1]

    if "input_ids" in inputs:
        hook = parts.embedding(model).register_forward_hook(lambda module, args, output: leaf(output))
    else:
        hook = parts.encoder(model)[0].register_forward_pre_hook(lambda module, args: (leaf(args[0]), *args[1:]))
    try:
        logits = model(**inputs, use_cache=False).logits[0]
    finally:
        hook.remove()
    rows = []
    for position, token in enumerate(predicted):
        logprob = logits[position].log_softmax(-1)[token]
        [gradient] = torch.autograd.grad(logprob, leaves[0], retain_graph=True)
        rows.append((gradient * leaves[0]).sum(-1).abs()[0].detach())
    saliency = torch.stack(rows)
    return saliency / saliency.sum(-1, keepdim=True)


def alti_by_hand(model: Any, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """``[layers, target, source]`` and ``[layers, target, target]`` ALTI+, token by token as in the paper."""
    parts = parts_of(model)
    post = model.config.model_type in ("marian", "bart")
    inside: dict[nn.Module, torch.Tensor] = {}

    def note(module: nn.Module, args: Any, kwargs: Any) -> None:
        inside[module] = args[0] if args else kwargs.get("hidden_states")

    layers = [*parts.encoder(model), *parts.decoder(model)]
    hooks = [module.register_forward_pre_hook(note, with_kwargs=True) for layer in layers for module in layer.modules()]
    with torch.no_grad():
        output = model(**inputs, use_cache=False, output_attentions=True)
    for hook in hooks:
        hook.remove()

    def block(weights: torch.Tensor, attention: Any, norm: Any, own: bool) -> torch.Tensor:
        values = inside[getattr(attention, parts.value)][0]
        residual = inside[getattr(attention, "q_proj", None) or attention.q][0] if post else inside[norm][0]
        return _contributions(weights[0], attention, parts, values, residual, norm if post else None, own)

    with torch.no_grad():
        encoder = torch.eye(output.encoder_attentions[0].shape[-1], dtype=torch.double)
        for layer, weights in zip(parts.encoder(model), output.encoder_attentions, strict=True):
            encoder = block(weights, parts.own(layer), parts.norms[0](layer), True) @ encoder
        rows = output.decoder_attentions[0].shape[-1]
        # Each state of the decoder as a mix of source positions and of the tokens that were read.
        mix = torch.cat([torch.zeros(rows, encoder.shape[1]), torch.eye(rows)], dim=1).double()
        mixes = []
        for layer, own_weights, cross_weights in zip(
            parts.decoder(model), output.decoder_attentions, output.cross_attentions, strict=True
        ):
            own = block(own_weights, parts.own(layer), parts.norms[0](layer), True)
            cross = block(cross_weights, parts.cross(layer), parts.norms[1](layer), False)
            mix = cross[:, -1:] * (own @ mix)
            mix[:, : encoder.shape[1]] += cross[:, :-1] @ encoder
            mixes.append(mix)
    whole = torch.stack(mixes)
    return whole[..., : encoder.shape[1]], whole[..., encoder.shape[1] :]


def _contributions(
    weights: torch.Tensor, attention: Any, parts: Parts, states: torch.Tensor, residual: Any, norm: Any, own: bool
) -> torch.Tensor:
    """``[target, inputs]`` contributions of one block; cross-attention has its residual state as the last input."""
    heads, rows, columns = weights.shape
    output = getattr(attention, parts.output)
    projected = getattr(attention, parts.value)(states)
    size = projected.shape[-1] // heads
    bias = torch.zeros(output.out_features) if output.bias is None else output.bias
    table = []
    for row in range(rows):
        vectors = []
        for column in range(columns):
            vector = torch.zeros(output.out_features, dtype=torch.double)
            for head in range(heads):
                part = slice(head * size, (head + 1) * size)
                vector += weights[head, row, column] * (output.weight[:, part] @ projected[column, part])
            vectors.append(vector + residual[row] if own and row == column else vector)
        if not own:
            vectors.append(residual[row])
        total = sum(vectors) + bias
        if norm is not None:  # y = (x - mean) / deviation * weight + bias, linear but for the deviation
            deviation = ((total - total.mean()) ** 2).mean().add(norm.eps).sqrt()
            vectors = [(vector - vector.mean()) / deviation * norm.weight for vector in vectors]
            total = nn.functional.layer_norm(total, total.shape, norm.weight, norm.bias, norm.eps)
        near = torch.stack([total.abs().sum() - (total - vector).abs().sum() for vector in vectors]).clamp(min=0)
        table.append(near / near.sum())
    return torch.stack(table)
