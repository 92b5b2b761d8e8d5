"""Switch off individual cross-attention heads.

with ablate(model, [(2, 5)]):
    model.generate(**inputs)  # without head 5 of layer 2
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial

import torch
from torch import nn

from xattn_widget.capturing.blocks import Block, Cleanup
from xattn_widget.capturing.hooks import alter
from xattn_widget.capturing.threads import CallingThread, Scope, StartedThreads
from xattn_widget.messages.mistakes import model_hint
from xattn_widget.record.heads import head_pairs


def ablate(model: nn.Module, heads: Sequence[tuple[int, int]]) -> AbstractContextManager[None]:
    """Switch cross-attention heads off inside the ``with`` block: their output is exactly zero.

    A head's output is set to zero before the attention's output projection, in every forward and every step of
    ``generate``. Attention weights, queries and keys stay as they are. An empty list changes nothing.

    It affects the forwards of the block's own thread and of threads that this thread starts inside the block, see
    :func:`capture`.

    Example:
        >>> from xattn_widget import ablate, load_demo
        >>> model, tokenizer = load_demo()
        >>> inputs = tokenizer("Ich bedaure, dir nicht helfen zu können.", return_tensors="pt")
        >>> tokenizer.decode(model.generate(**inputs)[0], skip_special_tokens=True)
        "I'm sorry to be able to help you."
        >>> with ablate(model, [(2, 4)]):
        ...     tokenizer.decode(model.generate(**inputs)[0], skip_special_tokens=True)
        "I'm sorry not to help you."

    Args:
        model: an encoder-decoder model of transformers, as loaded.
        heads: (layer, head) pairs, counted from 0 over the layers that have cross-attention.

    Raises:
        TypeError: ``model`` is not a ``torch.nn.Module``.
        ValueError: ``heads`` are not pairs of whole numbers, or the model lacks one of them (raised when its layer
            runs).

    Source: Michel et al. 2019; Voita et al. 2019.
    """
    return Block(partial(_begin, model, heads, StartedThreads))


def ablate_here(model: nn.Module, heads: Sequence[tuple[int, int]]) -> AbstractContextManager[None]:
    """:func:`ablate` for the calling thread only, without the threads that it starts."""
    return Block(partial(_begin, model, heads, CallingThread))


def _begin(
    model: nn.Module, heads: Sequence[tuple[int, int]], kind: Callable[[Cleanup], Scope], cleanup: Cleanup
) -> None:
    wanted: dict[int, list[int]] = {}
    if not isinstance(model, nn.Module):
        raise TypeError(f"ablate takes a model (torch.nn.Module), got {type(model).__name__}{model_hint(model)}")
    pairs = head_pairs(heads)
    if any(number < 0 for pair in pairs for number in pair):
        raise ValueError(f"layers and heads are counted from 0, got {heads!r:.80}")
    for layer, head in pairs:
        wanted.setdefault(layer, []).append(head)

    def switch_off(layer: int, output: torch.Tensor) -> torch.Tensor:
        if layer not in wanted:
            return output
        if max(wanted[layer]) >= output.shape[2]:
            raise ValueError(
                f"layer {layer} has heads 0 to {output.shape[2] - 1}, there is no head {max(wanted[layer])}"
            )
        index = torch.tensor(wanted[layer], device=output.device)
        return output.index_fill(2, index, 0)

    def check_layers(layers: int) -> None:
        if max(wanted) >= layers:
            raise ValueError(
                f"the model has cross-attention in layers 0 to {layers - 1}, there is no layer {max(wanted)}"
            )

    if wanted:
        alter(model, switch_off, kind(cleanup), cleanup, check_layers)
