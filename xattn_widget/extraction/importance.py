"""How much the loss on a target depends on each cross-attention head: :func:`head_importance`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any, get_args

import torch
from transformers import PreTrainedModel

from xattn_widget.capturing.ablation import ablate_here
from xattn_widget.capturing.blocks import Block, Cleanup
from xattn_widget.capturing.hooks import altering
from xattn_widget.capturing.intercepting import intercept
from xattn_widget.capturing.threads import CallingThread, Scope
from xattn_widget.inputs.batches import check_inputs, paired_batches
from xattn_widget.inputs.evaluating import evaluating
from xattn_widget.inputs.paired import pair_model
from xattn_widget.inputs.pairs import Pair, forward_inputs, predicted_logprobs
from xattn_widget.messages.mistakes import with_checked_arguments
from xattn_widget.scores import ScoreGrid, importance
from xattn_widget.scores.inputs import ImportanceMethod


@with_checked_arguments
def head_importance(
    model: PreTrainedModel,
    tokenizer: Any,
    source: str | Sequence[str],
    target: str | Sequence[str] | None = None,
    method: ImportanceMethod = "gradient",
    *,
    generation: Mapping[str, Any] | None = None,
    batch_size: int = 16,
    truncation: bool = False,
    target_tokenizer: Any = None,
    forward: Mapping[str, Any] | None = None,
) -> ScoreGrid:
    """How much the loss on sentences depends on each cross-attention head, ``[layers, heads]``.

    The loss of a sentence is the sum over its target tokens of their negative log-probability, read by teacher forcing.

    Example:
        >>> from xattn_widget import head_importance, load_demo
        >>> model, tokenizer = load_demo()
        >>> grid = head_importance(model, tokenizer, ["Ich habe das Buch gelesen.", "Wann stehst du morgen auf?"])
        >>> divmod(int(grid.argmax()), grid.shape[1])  # the layer and head with the largest value
        (2, 1)

    Args:
        model: an encoder-decoder model of transformers, as loaded. Its parameters get no gradients.
        tokenizer: the model's tokenizer, or the processor of a model that reads sound.
        source: a sentence or a recording, or a list of them, as :func:`xattn_widget.extract` takes them. Recordings of
            more than 30 s must be cut into parts for Whisper.
        target: targets to read; by default, the model generates them.
        method: ``"gradient"``: mean over target positions of ``|sum_d g_d o_d|``, where ``o`` is the head's output at a
            position and ``g`` the gradient of its sentence's loss with respect to it; takes one backward pass (Michel
            et al. 2019). ``"ablation"``: the loss with the head switched off minus the loss, per target token; takes
            one forward per head; negative if the model does better without it (Michel et al. 2019; Voita et al. 2019).
        generation: keyword arguments of ``model.generate``, if the target is generated.
        batch_size: sentences per forward; it affects the result only by float noise.
        truncation: cut sentences that are longer than the model's positions instead of raising an error.
        target_tokenizer: the tokenizer of the targets if it is a different one, see :func:`xattn_widget.extract`.
        forward: further arguments of the model's forward, see :func:`xattn_widget.extract`.

    Returns:
        ``[layers, heads]`` float32 grid on the CPU, in nats per target position, like the score ``importance``.

    Raises:
        ValueError: an unknown method, and what :func:`xattn_widget.extract` raises.
    """
    check_method(method)
    paired = pair_model(model, tokenizer, target_tokenizer)
    inputs = check_inputs(paired, source, target, generation, forward, batch_size)
    batches = paired_batches(paired, inputs, truncation)
    total: torch.Tensor | None = None
    positions = 0
    with evaluating(model), torch.no_grad():
        for pairs, _ in batches:
            for start in range(0, len(pairs), inputs.batch_size):
                part = pairs[start : start + inputs.batch_size]
                summed = importance_sums(model, part, method).sum(0)
                total = summed if total is None else total + summed
                positions += sum(len(pair.predicted) for pair in part)
    if total is None:
        raise ValueError("source is empty: head importance needs at least one sentence")
    return ScoreGrid((total / positions).float(), importance.signature(method=method), importance.direction)


def check_method(method: str) -> None:
    """Raise a ValueError unless ``method`` is a known method."""
    if method not in get_args(ImportanceMethod):
        raise ValueError(f"method must be 'gradient' or 'ablation', got {method!r}")


def importance_sums(model: Any, pairs: list[Pair], method: str) -> torch.Tensor:
    """``[pairs, layers, heads]`` double: each pair's importance, summed over its target positions."""
    return (_by_gradient if method == "gradient" else _by_ablation)(model, pairs)


def _by_gradient(model: Any, pairs: list[Pair]) -> torch.Tensor:
    """Sum over target positions of ``|g . o|``, ``[pairs, layers, heads]`` double."""
    gates: list[torch.Tensor] = []

    def gate(layer: int, output: torch.Tensor) -> torch.Tensor:
        # The derivative with respect to a gate of 1 on a head's output at a position is the product of gradient and
        # output.
        gates.append(torch.ones(output.shape[:3], dtype=output.dtype, device=output.device, requires_grad=True))
        return output * gates[-1][..., None]

    with torch.enable_grad(), altering(model, gate):
        loss = _losses(model, pairs, forward_inputs(model, pairs)).sum()
        products = torch.autograd.grad(loss, gates)
    layers = []
    for product in products:  # [batch, target, heads]
        rows = [product[index, : len(pair.predicted)] for index, pair in enumerate(pairs)]
        layers.append(torch.stack([row.abs().double().sum(0) for row in rows]))
    return torch.stack(layers, dim=1).cpu()


def _by_ablation(model: Any, pairs: list[Pair]) -> torch.Tensor:
    """The loss without a head minus the loss, ``[pairs, layers, heads]`` double."""
    inputs = forward_inputs(model, pairs)
    encoder_outputs: list[Any] = []
    sizes: list[int] = []

    def count(layer: int, output: torch.Tensor) -> torch.Tensor:
        sizes.append(output.shape[2])
        return output

    # The decoder's heads do not affect the encoder's output. The encoder runs once, in the model's own forward, which
    # may pass it more than these inputs (such as an adapter's prompts).
    def keep(scope: Scope, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        output = run(*args, **kwargs)
        if scope.has_current():  # others may run the model at the same time
            encoder_outputs.append(deepcopy(output))
        return output

    def begin(cleanup: Cleanup) -> None:
        intercept(model.get_encoder(), partial(keep, CallingThread(cleanup)), cleanup)

    with Block(begin), altering(model, count):
        loss = _losses(model, pairs, inputs)
    grid = torch.zeros(len(pairs), len(sizes), max(sizes), dtype=torch.double)
    for layer, heads in enumerate(sizes):
        for head in range(heads):
            if len(encoder_outputs) == 1:  # a copy: Moonshine's streaming decoder adds positions to it in place
                inputs["encoder_outputs"] = deepcopy(encoder_outputs[0])
            with ablate_here(model, [(layer, head)]):
                grid[:, layer, head] = (_losses(model, pairs, inputs) - loss).cpu()
    return grid


def _losses(model: Any, pairs: list[Pair], inputs: dict[str, Any]) -> torch.Tensor:
    """``[batch]`` negative log-probability of each sentence's target, double."""
    logits = model(**inputs, use_cache=False).logits
    return torch.stack([-predicted_logprobs(logits[index], pair).double().sum() for index, pair in enumerate(pairs)])
