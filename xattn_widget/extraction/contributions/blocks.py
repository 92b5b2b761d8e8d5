"""Attention blocks of a model's layers as sums of transformed vectors: ``trace_blocks``.

A block is an attention module, the residual connection around it, and in post-norm models the layer norm after it. The
order of these parts is read from one forward: each is recognized by what goes into it and comes out of it, so that no
family needs code of its own, and a family with another order is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from xattn_widget.capturing.blocks import Block, Cleanup
from xattn_widget.capturing.calls import CrossAttentionCall, linear_matrix
from xattn_widget.capturing.checks import unknown
from xattn_widget.capturing.families import output_projection
from xattn_widget.capturing.finding import attention_modules
from xattn_widget.capturing.hooks import listen, listen_to_self_attention
from xattn_widget.capturing.intercepting import intercept
from xattn_widget.capturing.taps import argument_names, class_forward
from xattn_widget.capturing.threads import CallingThread
from xattn_widget.extraction.contributions.layers import layers_of

# The most numbers in the transformed vectors that are in memory at a time: 16 MB. With four times as many, it takes
# twice as long.
_MOST_NUMBERS = 2**22
# Largest difference, relative to the largest number, between a block's output and the sum of its vectors.
_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4}
_TOLERANCE_OF_HALF = 3e-2
_UNAVAILABLE = "ALTI+ is unavailable"


class _Norm(NamedTuple):
    """One call of a layer norm."""

    module: nn.Module
    input: torch.Tensor
    output: torch.Tensor


class _Attention(NamedTuple):
    """One call of an attention module."""

    call: CrossAttentionCall
    is_self: bool
    input: torch.Tensor
    output: torch.Tensor


class AttentionBlock(NamedTuple):
    """One attention block in one forward over one sentence pair.

    Attributes:
        call: the weights and values of its attention.
        is_self: whether it attends to its own states.
        residual: ``[target, width]`` what the residual connection adds.
        norm: the norm at its end, or None.
        output: ``[target, width]`` what it gave.
    """

    call: CrossAttentionCall
    is_self: bool
    residual: torch.Tensor
    norm: nn.Module | None
    output: torch.Tensor

    def pieces(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Its transformed vectors, some target rows at a time.

        Yields:
            ``[rows, inputs, width]`` transformed vectors, which may be overwritten, and their sums with all biases,
            ``[rows, width]``. The inputs are the source positions. The residual state is part of the vector of its own
            position in self-attention, and comes last as an input of its own in cross-attention.

        Raises:
            NotImplementedError: the vectors do not add up to the block's output.
        """
        weights, values = self.call.weights[0], self.call.values[0]
        heads, columns, dimension = values.shape
        module = self.call.module
        projection = output_projection(module)
        if projection is None:
            raise NotImplementedError(f"{type(module).__name__} has no output projection of its own: {_UNAVAILABLE}")
        like = self.output.new_zeros(1, heads * dimension)
        matrix = linear_matrix(projection, heads * dimension, like).float().T.reshape(heads, dimension, -1)
        bias = projection(like).float()[0]
        projected = values @ matrix  # [heads, source, width]
        size = max(1, _MOST_NUMBERS // (columns * projected.shape[-1]))
        for start in range(0, weights.shape[1], size):
            rows = slice(start, start + size)
            residual = self.residual[rows].float()
            vectors = torch.einsum("hts,hsw->tsw", weights[:, rows], projected)
            if self.is_self:
                places = torch.arange(len(residual), device=vectors.device)
                vectors[places, start + places] += residual
            else:
                vectors = torch.cat([vectors, residual[:, None]], dim=1)
            output = vectors.sum(1) + bias
            if self.norm is not None:
                transform = _linearized(self.norm, output)
                shift = getattr(self.norm, "bias", None)
                output = transform(output) + (0 if shift is None else shift.float())
                vectors = transform(vectors)
            self._check(output, self.output[rows])
            yield vectors, output

    def _check(self, found: torch.Tensor, expected: torch.Tensor) -> None:
        if not _agree(found, expected):
            difference = float((found - expected.float()).abs().max())
            raise NotImplementedError(
                f"the transformed vectors of {type(self.call.module).__name__} add up to something that is up to "
                f"{difference:.2g} away from what its layer gave: {_UNAVAILABLE} for this family"
            )


def _linearized(norm: nn.Module, states: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """What a layer norm does to each part of the sum ``states`` ``[rows, width]``, apart from its bias."""
    epsilon = float(getattr(norm, "eps", None) or getattr(norm, "variance_epsilon", None) or 0.0)
    centers = isinstance(norm, nn.LayerNorm)  # others, such as T5's, divide by the root of the mean square
    centered = states - states.mean(-1, keepdim=True) if centers else states
    scale = (centered.square().mean(-1, keepdim=True) + epsilon).rsqrt()
    weight: Any = getattr(norm, "weight", None)
    factor = scale if weight is None else scale * weight.float()  # [rows, width]

    def transform(parts: torch.Tensor) -> torch.Tensor:
        parts = parts - parts.mean(-1, keepdim=True) if centers else parts
        return parts * (factor if parts.dim() == factor.dim() else factor[:, None])

    return transform


def trace_blocks(
    model: Any, run: Callable[[], Any]
) -> tuple[list[AttentionBlock], list[tuple[AttentionBlock, AttentionBlock]]]:
    """The attention blocks of one forward over one sentence pair.

    Args:
        model: the model, in evaluation mode.
        run: runs its forward, without a cache.

    Returns:
        The self-attention blocks of the encoder, and the self- and cross-attention blocks of each decoder layer.

    Raises:
        NotImplementedError: a layer has other attention than that, or parts in another order.
    """
    trace = _Trace(model)
    with Block(trace.begin):
        run()
    own_modules = set(model.get_encoder().modules())
    layers = layers_of(model)
    found = trace.blocks()
    encoder = [block for block in found if block.call.module in own_modules]
    decoder = [block for block in found if block.call.module not in own_modules]
    for side, blocks, expected in (("encoder", encoder, [True]), ("decoder", decoder, [True, False])):
        _check_layers(model, side, blocks, expected, layers)
    pairs = list(zip(decoder[::2], decoder[1::2], strict=True))
    for own, cross in pairs:
        if not _agree(own.output, cross.residual):
            raise unknown(
                f"changes states between self-attention and cross-attention: {_UNAVAILABLE}", model, model.config
            )
    return encoder, pairs


def _check_layers(
    model: Any,
    side: str,
    blocks: list[AttentionBlock],
    expected: list[bool],
    layers: dict[nn.Module, nn.Module],
) -> None:
    """Raise unless each layer of a side has the expected attention, and nothing else that mixes positions."""
    by_layer: dict[nn.Module | None, list[bool]] = {}
    for block in blocks:
        by_layer.setdefault(layers.get(block.call.module), []).append(block.is_self)
    stacks = [
        stack
        for stack in model.modules()
        if isinstance(stack, nn.ModuleList) and any(layer in by_layer for layer in stack)
    ]
    wanted = "self-attention" + ("" if len(expected) == 1 else ", then cross-attention")
    if len(stacks) != 1 or any(by_layer.get(layer) != expected for layer in stacks[0]):
        raise unknown(
            f"has {side} layers with other attention than {wanted}, or with attention that cannot be followed: "
            f"{_UNAVAILABLE}",
            model,
            model.config,
        )
    if any(isinstance(module, nn.Conv1d | nn.Conv2d) for module in stacks[0].modules()):
        raise unknown(f"has convolutions in its {side} layers: {_UNAVAILABLE}", model, model.config)


class _Trace:
    """Notes the calls of attention modules and norms of a forward, in their order."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._events: list[_Norm | _Attention] = []
        self._seen: tuple[CrossAttentionCall, bool] | None = None

    def begin(self, cleanup: Cleanup) -> None:
        """Follow the model's modules until the cleanup."""
        scope = CallingThread(cleanup)
        listen(self._model, partial(self._see, False), scope, cleanup)
        listen_to_self_attention(self._model, partial(self._see, True), scope, cleanup)

        def follow(around: Callable[..., Any], module: nn.Module) -> None:
            def around_here(run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
                if not scope.has_current():
                    return run(*args, **kwargs)
                return around(module, run, args, kwargs)

            intercept(module, around_here, cleanup)

        for module in attention_modules(self._model):
            follow(self._around_attention, module)
        for module in self._model.modules():
            if "norm" in type(module).__name__.lower():
                follow(self._around_norm, module)

    def _see(self, is_self: bool, call: CrossAttentionCall) -> None:
        self._seen = call, is_self

    def _take_seen(self) -> tuple[CrossAttentionCall, bool] | None:
        seen, self._seen = self._seen, None
        return seen

    def _around_attention(
        self, module: nn.Module, run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        self._take_seen()
        output = run(*args, **kwargs)
        seen = self._take_seen()
        if seen is not None:
            states = args[0] if args else kwargs[argument_names(class_forward(module))[0]]
            result = output[0] if isinstance(output, tuple) else output
            self._events.append(_Attention(*seen, states, result))
        return output

    def _around_norm(
        self, module: nn.Module, run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        output = run(*args, **kwargs)
        states = args[0] if args else next(iter(kwargs.values()), None)
        if isinstance(states, torch.Tensor) and isinstance(output, torch.Tensor):
            self._events.append(_Norm(module, states, output))
        return output

    def blocks(self) -> list[AttentionBlock]:
        """The block around each call of an attention module.

        Raises:
            NotImplementedError: the parts around one of them are in another order than pre-norm or post-norm.
        """
        return [self._block(place, event) for place, event in enumerate(self._events) if isinstance(event, _Attention)]

    def _block(self, place: int, attention: _Attention) -> AttentionBlock:
        norms = [event for event in self._events[place:] if isinstance(event, _Norm)]
        before = [
            event for event in self._events[:place] if isinstance(event, _Norm) and event.output is attention.input
        ]
        if norms:
            after = norms[0]
            if _agree(attention.input + attention.output, after.input):
                return self._made(attention, attention.input, after.module, after.output)
            if before and _agree(before[-1].input + attention.output, after.input):
                return self._made(attention, before[-1].input, None, after.input)
        raise unknown(
            "is neither in a pre-norm layer (norm, attention, residual sum) nor in a post-norm layer (attention, "
            f"residual sum, norm): {_UNAVAILABLE}",
            attention.call.module,
            self._model.config,
        )

    def _made(
        self, attention: _Attention, residual: torch.Tensor, norm: nn.Module | None, output: torch.Tensor
    ) -> AttentionBlock:
        # Of one sentence, states are [1, target, width], or [target, 1, width] in FSMT.
        residual, output = (states.detach().flatten(0, 1) for states in (residual, output))
        return AttentionBlock(attention.call, attention.is_self, residual, norm, output)


def _agree(found: torch.Tensor, expected: torch.Tensor) -> bool:
    """Whether two tensors are equal but for rounding."""
    if found.shape != expected.shape:
        return False
    tolerance = _TOLERANCE.get(expected.dtype, _TOLERANCE_OF_HALF) * float(expected.abs().max())
    return bool(((found.float() - expected.float()).abs() <= tolerance).all())
