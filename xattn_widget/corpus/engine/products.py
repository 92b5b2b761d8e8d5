"""Run a model's linear layers with the faster of torch's two CPU libraries."""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from xattn_widget._compat import onednn_linear
from xattn_widget.capturing.blocks import Block, Cleanup
from xattn_widget.capturing.intercepting import has_own_forward, intercept

# For fewer rows or weights, the library makes no difference.
_LEAST_ROWS, _LEAST_WEIGHTS = 32, 128 * 128


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


def _run(layer: nn.Linear, run: Callable[..., Any], states: torch.Tensor) -> Any:
    """The forward of a linear layer while a block is open."""
    if (
        states.device.type != "cpu"
        or states.dtype != torch.float32
        or layer.weight.dtype != torch.float32
        or states.numel() < _LEAST_ROWS * layer.in_features
        or torch.is_grad_enabled()
        or torch.is_autocast_enabled("cpu")
    ):
        return run(states)
    return _by_onednn(states, layer.weight, layer.bias)


def _plain_layers(model: nn.Module) -> list[nn.Linear]:
    # A forward that was set on the instance must still run, such as accelerate's, which loads offloaded weights.
    return [
        module
        for module in model.modules()
        if type(module) is nn.Linear and module.weight.numel() >= _LEAST_WEIGHTS and not has_own_forward(module)
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
