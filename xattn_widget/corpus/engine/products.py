"""Run a model's linear layers with the faster of torch's two CPU libraries, or with integers of 8 bits."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from xattn_widget._compat import int8_product, onednn_linear, pack_int8
from xattn_widget.capturing.blocks import Block, Cleanup
from xattn_widget.capturing.intercepting import has_own_forward, intercept

# For fewer rows or weights, the library makes no difference.
_LEAST_ROWS, _LEAST_WEIGHTS = 32, 128 * 128
# Weights of quantizing libraries have other types.
_ORDINARY: tuple[type, ...] = (nn.Parameter,)
# States have 8 bits and weights 7: without VNNI, a CPU adds two products in 16 bits.
_STATES, _WEIGHTS, _ZERO = 127, 63, 128


def faster_products(model: nn.Module) -> Block[None]:
    """Inside the block, float32 linear layers run with oneDNN where torch's own choice, MKL, is known to be slow.

    MKL leaves half the width of AMD's AVX-512 units unused. Results are equal up to float32 rounding. Layers of other
    classes, with other number types, on other devices, and in forwards with gradient run as before. After the block,
    the layers are restored.
    """

    def begin(cleanup: Cleanup) -> None:
        for layer in _plain_layers(model) if _mkl_is_slow() else []:
            intercept(layer, partial(_run, layer), cleanup)

    return Block(begin)


def int8_products(model: nn.Module) -> Block[None]:
    """Inside the block, float32 linear layers multiply integers of 8 bits.

    Weights are rounded once, with a scale for each output. States are rounded with a scale for each token, because one
    for the whole batch would make the values of a sentence depend on the others. The same layers as for
    :func:`faster_products` run as before.
    """

    def begin(cleanup: Cleanup) -> None:
        layers = [
            layer
            for layer in _plain_layers(model)
            if layer.weight.dtype == torch.float32 and layer.weight.device.type == "cpu"
        ]
        for layer, packed in zip(layers, _packed([layer.weight for layer in layers]), strict=True):
            intercept(layer, partial(_run_int8, layer, packed), cleanup)

    return Block(begin)


def check_int8(model: Any) -> None:
    """Raise a ValueError unless :func:`int8_products` can run the model here."""
    if model.dtype != torch.float32 or model.device.type != "cpu":
        raise ValueError(
            f"precision='int8' is for float32 models on the CPU, and this {type(model).__name__} is {model.dtype} on "
            f"{model.device}: load it with dtype=torch.float32, or leave precision out"
        )
    try:
        _packed([torch.ones(2, 2)])
    except (AttributeError, RuntimeError) as error:
        raise ValueError(
            "precision='int8' needs FBGEMM, which torch has on x86 CPUs with AVX2, and this one lacks it: leave "
            "precision out"
        ) from error


def _run(layer: nn.Linear, run: Callable[..., Any], states: torch.Tensor) -> Any:
    """The forward of a linear layer while a block is open."""
    if states.numel() < _LEAST_ROWS * layer.in_features or not _is_plain_call(layer, states):
        return run(states)
    return _by_onednn(states, layer.weight, layer.bias)


def _run_int8(layer: nn.Linear, packed: Any, run: Callable[..., Any], states: torch.Tensor) -> Any:
    if not _is_plain_call(layer, states):
        return run(states)
    # With its largest value at 1, each row has the scale that the product takes for all.
    largest = torch.maximum(states.amax(-1, keepdim=True), states.amin(-1, keepdim=True).neg_())
    largest.clamp_(min=torch.finfo(states.dtype).tiny)
    product: torch.Tensor = int8_product(states / largest, packed, 1 / _STATES, _ZERO)
    bias: torch.Tensor | None = layer.bias
    return product.mul_(largest) if bias is None else torch.addcmul(bias, product, largest, out=product)


def _is_plain_call(layer: nn.Linear, states: torch.Tensor) -> bool:
    return (
        states.device.type == "cpu"
        and states.dtype == torch.float32
        and layer.weight.dtype == torch.float32
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
    )


def _packed(weights: Sequence[torch.Tensor]) -> list[Any]:
    tiny = torch.finfo(torch.float32).tiny
    weights = [weight.detach() for weight in weights]
    return pack_int8([(weight, weight.abs().amax(1).clamp(min=tiny) / _WEIGHTS) for weight in weights])


def _plain_layers(model: nn.Module) -> list[nn.Linear]:
    # A forward that was set on the instance must still run, such as accelerate's, which loads offloaded weights.
    return [
        module
        for module in model.modules()
        if type(module) is nn.Linear
        and type(module.weight) in _ORDINARY
        and module.weight.numel() >= _LEAST_WEIGHTS
        and not has_own_forward(module)
    ]


def _by_onednn(states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    result: torch.Tensor = onednn_linear(states, weight, bias)
    return result


@cache
def _mkl_is_slow() -> bool:
    both = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not both or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    try:
        vendor = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # this system has no such file
        vendor = platform.processor()
    return "AuthenticAMD" in vendor and _works()


def _works() -> bool:
    """Whether this torch has oneDNN's product under the name that is used here."""
    states, weight, bias = torch.ones(2, 2), torch.eye(2), torch.ones(2)
    try:
        return torch.equal(_by_onednn(states, weight, bias), states + 1)
    except (AttributeError, RuntimeError, TypeError):
        return False
