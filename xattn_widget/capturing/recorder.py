"""Keep the cross-attention weights of every forward of a model: ``capture``.

with capture(model) as captured:
    model(**inputs)                  # or model.generate(**inputs)
captured.cross_attentions            # one [batch, heads, target, source] tensor per layer, of the last forward
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from xattn_widget.capturing.blocks import Block, Cleanup
from xattn_widget.capturing.calls import CrossAttentionCall
from xattn_widget.capturing.families import KEY_VALUE_ARGUMENTS
from xattn_widget.capturing.finding import attention_modules
from xattn_widget.capturing.forwards import Forwards
from xattn_widget.capturing.hooks import listen
from xattn_widget.capturing.threads import CallingThread, Scope, StartedThreads
from xattn_widget.messages.mistakes import model_hint
from xattn_widget.record.kept import Selection

ROW_SUM_TOLERANCE = 1e-3


class _Layer(NamedTuple):
    """The values kept from one decoder layer's cross-attention in one forward."""

    kept: torch.Tensor  # the weights, or the result of ``reduce``
    sums: torch.Tensor  # of the weights' rows, [batch, heads, target]
    norms: torch.Tensor | None  # of the weighted values, if requested
    whole_rows: bool


class _Skipped(NamedTuple):
    """A decoder layer of which nothing is kept: its weights are not even computed."""

    heads: int


Reduction = Callable[[torch.Tensor], torch.Tensor]


class Capture:
    """The weights of the forwards that ran inside ``with capture(model)``."""

    def __init__(
        self,
        model_class: str,
        reduce: Reduction | None,
        gradients: bool,
        value_norms: bool,
        selection: Selection | None = None,
    ) -> None:
        self._model_class = model_class
        self._reduce = reduce
        self._gradients = gradients
        self._value_norms = value_norms
        self._selection = selection
        self._forwards: list[list[_Layer | _Skipped]] = []

    def _layer(self, call: CrossAttentionCall, index: int) -> _Layer | _Skipped:
        heads = None if self._selection is None else self._selection.heads_of(index, call.heads)
        if heads == []:
            return _Skipped(call.heads)
        weights = call.weights_with_gradient if self._gradients else call.weights
        kept = self._part(weights, heads) if self._reduce is None else self._reduce(weights)
        norms = self._part(call.value_norms, heads) if self._value_norms else None
        return _Layer(kept, weights.detach().sum(dim=-1), norms, call.whole_rows)

    def _part(self, values: torch.Tensor, heads: list[int] | None) -> torch.Tensor:
        """The heads to keep of ``[batch, heads, target, source]``, in the selected number type."""
        if self._selection is None or heads is None:
            return values
        if len(heads) < values.shape[1]:
            values = values[:, heads]  # a copy, so that the others are freed
        return values.to(self._selection.dtype)

    @property
    def forwards(self) -> list[tuple[torch.Tensor, ...]]:
        """The weights of every forward, a tuple for each with one tensor per decoder layer.

        Every step of ``generate`` is a forward. Tensors are ``[batch, heads, target, source]``, float32, on the model's
        device. With ``generate`` the batch axis counts beams and the target axis has one row, as in the library's own
        ``cross_attentions``.
        Mllama's layers are only those with cross-attention. T5Gemma 2's rows sum to less than 1, because they share a
        softmax with its self-attention. ProphetNet's rows are those of the stream that predicts the next token.

        Raises:
            RuntimeError: nothing was captured (no forward ran, or the model does not attend to an encoder), or
                gradients were requested and the last forward ran without them.
            ValueError: rows are not probabilities: they hold NaN or do not sum to 1.
        """
        if not self._forwards:
            raise RuntimeError(
                f"no cross-attention was captured: either no forward of this {self._model_class} ran inside "
                "'with capture(model)', or what ran does not attend to an encoder (a decoder-only or encoder-only "
                "model, or a decoder called without encoder states), or it ran in a function compiled by "
                "torch.compile, or in a thread that was started before the block or by another thread"
            )
        kept = [[layer for layer in forward if isinstance(layer, _Layer)] for forward in self._forwards]
        if self._gradients and not any(layer.kept.requires_grad for layer in kept[-1]):
            raise RuntimeError(
                f"gradients were requested, but the forward of this {self._model_class} ran without gradient: inside "
                "torch.no_grad or torch.inference_mode, with frozen parameters, or in a reentrant checkpoint "
                "(use_reentrant=False keeps gradients)"
            )
        for forward in self._forwards:
            for index, layer in enumerate(forward):
                if isinstance(layer, _Layer):
                    _check_rows(layer, index, self._model_class)
        return [tuple(layer.kept for layer in forward) for forward in kept]

    @property
    def cross_attentions(self) -> tuple[torch.Tensor, ...]:
        """The weights of the last forward, one ``[batch, heads, target, source]`` float32 tensor per decoder layer."""
        return self.forwards[-1]

    @property
    def value_norms(self) -> tuple[torch.Tensor, ...]:
        """The last forward's norms ``||A[t, s] f(x_s)||``, in the shape of ``cross_attentions``.

        ``f`` is a head's value and output projection of a source state (with the value's bias, without the output's).
        So the norm is how much a source position contributes to a target position through this head.

        Raises:
            RuntimeError: norms were not requested, or nothing was captured.

        Source: Kobayashi et al. 2020.
        """
        if not self._value_norms:
            raise RuntimeError("value norms were not requested: use capture(model, value_norms=True)")
        _ = self.forwards  # for its checks
        layers = [layer for layer in self._forwards[-1] if isinstance(layer, _Layer)]
        return tuple(layer.norms for layer in layers if layer.norms is not None)

    def grid(self) -> tuple[int, int]:
        """The numbers of layers and of heads per layer in the last forward, whether they were kept or not.

        Raises:
            RuntimeError: nothing was captured.
        """
        _ = self.forwards  # for its checks
        last = self._forwards[-1]
        return len(last), max(layer.heads if isinstance(layer, _Skipped) else layer.sums.shape[1] for layer in last)


def _check_rows(layer: _Layer, index: int, model_class: str) -> None:
    if torch.isnan(layer.sums).any():
        raise ValueError(
            f"the cross-attention of layer {index} of this {model_class} holds NaN: its parameters or inputs hold "
            "NaN or infinite values (half precision may overflow: load the model in float32 or bfloat16)"
        )
    excess = layer.sums - 1
    worst = float((excess.abs() if layer.whole_rows else torch.maximum(excess, -layer.sums)).max())
    if worst > ROW_SUM_TOLERANCE:
        raise ValueError(
            f"the rows of layer {index} of this {model_class} are not probabilities: their sums are up to {worst:.3g} "
            "away from 1. The model does not use softmax attention here, or returns it after dropout (T5 before "
            "transformers 5.1 does in training mode: call model.eval()), so scores would be meaningless"
        )


def capture(
    model: nn.Module, *, reduce: Reduction | None = None, gradients: bool = False, value_norms: bool = False
) -> AbstractContextManager[Capture]:
    """Capture the cross-attention weights of every forward of ``model`` inside the ``with`` block.

    The model runs as usual: its own attention function computes its outputs, bit for bit; only the
    cross-attention weights are computed in addition (before dropout, in float32). When the block ends, normally, by an
    exception or by Ctrl-C at any moment, the model is restored. Copies and pickles of the model made inside the block
    are plain models.

    A model compiled by ``torch.compile`` runs uncompiled inside the block, because compiled code ignores functions that
    are added later. Under gradient checkpointing, what a backward pass computes again does not count as a forward.

    The block sees the forwards of its own thread, of threads that this thread starts inside the block (``generate``
    with a streamer), and of the threads that these start. It does not see what other threads or other asyncio tasks run
    with the same model at the same time. A call by ``asyncio.to_thread`` belongs to the block of the task that makes
    it. Otherwise a thread of a pool counts if it was started inside the block, regardless of who gives it work.

    Example:
        >>> from xattn_widget import capture, load_demo
        >>> model, tokenizer = load_demo()
        >>> inputs = tokenizer("Ich habe das Buch gelesen.", return_tensors="pt")
        >>> with capture(model) as captured:
        ...     ids = model.generate(**inputs)
        >>> len(captured.forwards), captured.cross_attentions[0].shape  # steps; batch, heads, target, source
        (6, torch.Size([1, 8, 1, 7]))

    Args:
        model: an encoder-decoder model of transformers (or any part of it that contains its decoder), as loaded.
        reduce: what to keep of each layer instead of its weights: a function of ``[batch, heads, target, source]``
            whose results are in ``.cross_attentions`` and ``.forwards``. Only one layer's weights are then in memory at
            a time.
        gradients: keep the weights in the graph of a forward that runs with gradient, so that results computed from
            them can be differentiated; otherwise they are detached.
        value_norms: keep the norms of the weighted values too, see :attr:`Capture.value_norms`. They are unavailable
            for attention modules that compute attention themselves, or that have no output projection (BERT).

    Yields:
        A :class:`Capture`; read ``.cross_attentions`` (last forward) or ``.forwards`` (all) in or after the block.

    Raises:
        TypeError: ``model`` is not a ``torch.nn.Module``.
        ValueError: no module of ``model`` can attend to an encoder, so it is not an encoder-decoder model.
        RuntimeError: the block is opened inside a function compiled by ``torch.compile``.
    """
    return Block(partial(_begin, model, StartedThreads, reduce, gradients, value_norms))


def capture_here(
    model: nn.Module,
    *,
    reduce: Reduction | None = None,
    value_norms: bool = False,
    selection: Selection | None = None,
) -> AbstractContextManager[Capture]:
    """:func:`capture` for the calling thread only, without the threads that it starts.

    With a selection, ``.cross_attentions`` and ``.value_norms`` have tensors for the layers that it names, with the
    heads and the number type that it names. Only one layer's other weights are in memory at a time.
    """
    return Block(partial(_begin, model, CallingThread, reduce, False, value_norms, selection=selection))


def _begin(
    model: nn.Module,
    kind: Callable[[Cleanup], Scope],
    reduce: Reduction | None,
    gradients: bool,
    value_norms: bool,
    cleanup: Cleanup,
    selection: Selection | None = None,
) -> Capture:
    if not isinstance(model, nn.Module):
        raise TypeError(f"capture takes a model (torch.nn.Module), got {type(model).__name__}{model_hint(model)}")
    if not attention_modules(model):
        raise ValueError(
            f"{type(model).__name__} has no cross-attention: none of its modules takes encoder states as keys and "
            f"values under one of the names {', '.join(KEY_VALUE_ARGUMENTS)}. Pass an encoder-decoder model such as "
            "MarianMTModel, or the decoder of one"
        )
    captured = Capture(type(model).__name__, reduce, gradients, value_norms, selection)
    scope = kind(cleanup)
    forwards = Forwards(scope, captured._forwards.append)

    def note(call: CrossAttentionCall) -> None:
        forwards.notes.append(captured._layer(call, len(forwards.notes)))

    listen(model, note, scope, cleanup)
    forwards.watch(model, cleanup)
    return captured
