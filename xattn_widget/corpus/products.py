"""Run a model's linear layers by the faster of the two libraries that torch has for them on CPUs."""

from __future__ import annotations

import copy
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import MethodType
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

# Below these, another library makes no difference.
_LEAST_ROWS, _LEAST_WEIGHTS = 32, 128 * 128

_lock = threading.Lock()
_blocks: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()  # how many are open for each changed layer


@contextmanager
def faster_products(model: nn.Module) -> Iterator[None]:
    """Inside the block, float32 linear layers run by oneDNN where torch's own choice, MKL, is known to be slow.

    MKL leaves half of the width of AMD's AVX-512 units unused. Results are the same but for float32 rounding. Layers of
    other types, of other number types, on other devices and in forwards with gradient run as they are.
    """
    layers = _plain_layers(model) if _mkl_is_slow() else []
    with _lock:
        for layer in layers:
            _blocks[layer] = _blocks.get(layer, 0) + 1
            layer.forward = _Faster(layer)  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        with _lock:
            for layer in layers:
                _blocks[layer] -= 1
                if not _blocks[layer]:
                    del _blocks[layer]
                    if isinstance(vars(layer).get("forward"), _Faster):
                        del layer.forward


class _Faster:
    """The forward of a linear layer inside a block."""

    def __init__(self, layer: nn.Linear) -> None:
        self._layer = layer

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        weight = self._layer.weight
        if (
            states.device.type != "cpu"
            or states.dtype != torch.float32
            or weight.dtype != torch.float32
            or states.numel() < _LEAST_ROWS * self._layer.in_features
            or torch.is_grad_enabled()
            or torch.is_autocast_enabled("cpu")
        ):
            return nn.Linear.forward(self._layer, states)
        return _by_onednn(states, weight, self._layer.bias)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        # No block will end for a copy: it runs as its class does.
        return MethodType(nn.Linear.forward, copy.deepcopy(self._layer, memo))


def _plain_layers(model: nn.Module) -> list[nn.Linear]:
    # A forward of the instance's own is someone's who wants it to run (accelerate's offloading).
    return [
        module
        for module in model.modules()
        if type(module) is nn.Linear
        and module.weight.numel() >= _LEAST_WEIGHTS
        and isinstance(vars(module).get("forward"), _Faster | None)
    ]


def _by_onednn(states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    # What torch.compile makes of linear layers. There is no public name for it; a convolution over one position is
    # half as fast, and with one thread goes to MKL again.
    result: torch.Tensor = torch.ops.mkldnn._linear_pointwise(states, weight, bias, "none", [], "")
    return result


@cache
def _mkl_is_slow() -> bool:
    both = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not both or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    try:
        vendor = Path("/proc/cpuinfo").read_text()
    except OSError:  # not on this system
        vendor = platform.processor()
    return "AuthenticAMD" in vendor and _works()


def _works() -> bool:
    """Whether this torch has oneDNN's product under that name."""
    states, weight, bias = torch.ones(2, 2), torch.eye(2), torch.ones(2)
    try:
        return torch.equal(_by_onednn(states, weight, bias), states + 1)
    except (AttributeError, RuntimeError, TypeError):
        return False
