"""Input x gradient: how much the log-probability of each target token depends on each source position."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from xattn_widget.capturing.blocks import Block, Cleanup
from xattn_widget.capturing.intercepting import intercept
from xattn_widget.capturing.threads import CallingThread, Scope
from xattn_widget.extraction.contributions.layers import layers_of
from xattn_widget.inputs.pairs import Pair, forward_inputs, predicted_logprobs
from xattn_widget.record.special import renormalized


def input_gradients(model: Any, pairs: list[Pair]) -> list[torch.Tensor]:
    """How much each target token's log-probability depends on each source position.

    ``abs(sum_d g[s, d] x[s, d])``, divided by the sum of its row. ``x`` is the embedding of the source token, and ``g``
    the gradient of the log-probability of the target token with respect to it. For sound, ``x`` is the state that
    enters the first layer of the encoder: one vector for each position, made from the frames around it.

    Every sentence of the batch gets one backward pass for each of its target tokens. Parameters get no gradients.

    Args:
        model: the model, in evaluation mode.
        pairs: the sentence pairs of one batch.

    Returns:
        For each pair ``[target, source]`` float32 on the CPU, whose rows sum to 1. A row without any gradient is NaN.

    Raises:
        NotImplementedError: nothing in the model embeds the source in one vector for each position, or its source
            states do not depend on that.

    Source: Denil et al. 2014; Shrikumar et al. 2016.
    """
    gates = _Gates(model, max(len(pair.source) for pair in pairs), len(pairs))
    inputs = forward_inputs(model, pairs)
    with torch.enable_grad(), Block(partial(gates.begin, inputs.get("input_ids"))):
        logits = model(**inputs, use_cache=False).logits
        if gates.gate is None:
            raise NotImplementedError(
                f"nothing in {type(model).__name__} makes one vector for each of the {gates.width} source positions: "
                "gradients of its source are unavailable"
            )
        logprobs = [predicted_logprobs(row, pair) for row, pair in zip(logits, pairs, strict=True)]
        rows = max(len(row) for row in logprobs)
        if not logits.requires_grad:
            raise _cut_off(model)
        gradients = []
        for target in range(rows):
            # Sentences do not affect each other, so that one pass serves one token of each of them.
            total = torch.stack([row[target] for row in logprobs if target < len(row)]).sum()
            [gradient] = torch.autograd.grad(total, gates.gate, retain_graph=target < rows - 1, allow_unused=True)
            if gradient is None:
                raise _cut_off(model)
            gradients.append(gradient.detach().abs().float().cpu())
    found = torch.stack(gradients, dim=1)  # [batch, target, source]
    return [renormalized(found[index, : len(pair.predicted), : len(pair.source)]) for index, pair in enumerate(pairs)]


def _cut_off(model: Any) -> NotImplementedError:
    return NotImplementedError(
        f"the predictions of this {type(model).__name__} have no gradient with respect to the embeddings of its "
        "source: load it without quantization, and call this outside torch.inference_mode"
    )


class _Gates:
    """Multiplies the vector of each source position by a gate of 1.

    The derivative with respect to the gate is the product of vector and gradient, summed over dimensions. It does not
    depend on how the model scales its embeddings.
    """

    def __init__(self, model: Any, width: int, batch: int) -> None:
        self.width = width  # of the padded source
        self.gate: torch.Tensor | None = None
        self._model, self._batch = model, batch

    def begin(self, ids: torch.Tensor | None, cleanup: Cleanup) -> None:
        """Follow what embeds the source, whose token ids are None for sound, until the cleanup."""
        scope = CallingThread(cleanup)
        encoder = self._model.get_encoder()
        if ids is not None:
            # FSMT's encoder has no get_input_embeddings; the model returns the embeddings that its encoder uses.
            parts = [part for part in (self._model, encoder) if hasattr(part, "get_input_embeddings")]
            for module in {part.get_input_embeddings() for part in parts}:
                intercept(module, partial(self._around_embeddings, scope, ids), cleanup)
        else:
            for layer in dict.fromkeys(layers_of(encoder).values()):
                intercept(layer, partial(self._around_layer, scope), cleanup)

    def _gated(self, vectors: torch.Tensor) -> torch.Tensor:
        self.gate = torch.ones(vectors.shape[:2], dtype=vectors.dtype, device=vectors.device, requires_grad=True)
        return vectors * self.gate[..., None]

    def _around_embeddings(
        self, scope: Scope, ids: torch.Tensor, run: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        output = run(*args, **kwargs)
        read = args[0] if args else next(iter(kwargs.values()), None)
        # The decoder may share the module; the encoder comes first.
        if not scope.has_current() or self.gate is not None or not isinstance(read, torch.Tensor) or read.dim() != 2:
            return output
        # LED's encoder adds padding on the right.
        return self._gated(output) if torch.equal(read[:, : ids.shape[1]], ids) else output

    def _around_layer(self, scope: Scope, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if scope.has_current() and self.gate is None:
            name = None if args else next((name for name, value in kwargs.items() if self._is_states(value)), None)
            if args and self._is_states(args[0]):
                args = (self._gated(args[0]), *args[1:])
            elif name is not None:
                kwargs = kwargs | {name: self._gated(kwargs[name])}
        return run(*args, **kwargs)

    def _is_states(self, value: Any) -> bool:
        """Whether a layer's argument has a vector for each source position."""
        return isinstance(value, torch.Tensor) and value.dim() == 3 and value.shape[:2] == (self._batch, self.width)
