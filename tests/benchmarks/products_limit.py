"""How close to the machine's limit a job's matrix products run: useful work over measured peak throughput."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn

from xattn_widget._compat import onednn_linear

_SIZES, _TRIES = (512, 1024, 2048), 12


def peak_throughput() -> float:
    """The most float32 operations per second that torch reaches, with either of its libraries, on square matrices."""
    best = 0.0
    for size in _SIZES:
        states, weight = torch.randn(size, size), torch.randn(size, size)
        for product in (nn.functional.linear, onednn_linear):
            for _ in range(_TRIES):
                started = time.perf_counter()
                product(states, weight, None)
                best = max(best, 2 * size**3 / (time.perf_counter() - started))
    return best


class Tokens(NamedTuple):
    """Tokens of sources and of targets."""

    source: int
    target: int


def useful_work(model: Any, tokens: Tokens, *, logits: bool) -> float:
    """Operations in the linear layers of an encoder-decoder of Marian's form for tokens without padding.

    Products of attention itself are left out: for sentences they are a hundredth of the work.
    """

    def weights(module: nn.Module, part: str = "") -> int:
        layers = [layer for name, layer in module.named_modules() if isinstance(layer, nn.Linear) and part in name]
        return sum(layer.weight.numel() for layer in layers)

    encoder, decoder = model.get_encoder(), model.get_decoder()
    of_sources = weights(decoder, "encoder_attn.k_proj") + weights(decoder, "encoder_attn.v_proj")
    per_source = weights(encoder) + of_sources
    per_target = weights(decoder) - of_sources + (model.get_output_embeddings().weight.numel() if logits else 0)
    return 2.0 * (per_source * tokens.source + per_target * tokens.target)


@contextmanager
def counting_padded(model: Any) -> Iterator[list[Tokens]]:
    """The padded tokens that the encoder, and the decoder, are given inside the block, one entry per forward."""
    seen: list[Tokens] = []
    handles = [
        model.get_encoder().register_forward_pre_hook(
            lambda module, args, inputs: seen.append(Tokens(inputs["input_ids"].numel(), 0)), with_kwargs=True
        ),
        model.get_decoder().register_forward_pre_hook(
            lambda module, args, inputs: seen.append(Tokens(0, inputs["input_ids"].numel())), with_kwargs=True
        ),
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
