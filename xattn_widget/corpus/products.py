"""Run a model's linear layers by the faster of the two libraries that torch has for them on CPUs."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

# Below these, calling oneDNN costs more than it saves.
_LEAST_ROWS, _LEAST_WEIGHTS = 128, 256 * 256


@contextmanager
def faster_products(model: nn.Module) -> Iterator[None]:
    """Inside the block, float32 linear layers run by oneDNN where torch's own choice, MKL, is known to be slow.

    MKL leaves half of the width of AMD's AVX-512 units unused. torch gives products to MKL and convolutions to oneDNN,
    and a linear layer is a convolution over one position. Results are the same but for float32 rounding. Layers of
    other types, of other number types and on other devices are left alone.
    """
    changed = _plain_layers(model) if _mkl_is_slow() else []
    for module in changed:
        module.forward = partial(_forward, module, module.forward)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module in changed:
            del module.forward


def _plain_layers(model: nn.Module) -> list[nn.Linear]:
    # A forward of the instance's own is someone's who wants it to run (accelerate's offloading).
    return [
        module
        for module in model.modules()
        if type(module) is nn.Linear and "forward" not in vars(module) and module.weight.numel() >= _LEAST_WEIGHTS
    ]


def _forward(module: nn.Linear, own: Callable[[torch.Tensor], torch.Tensor], states: torch.Tensor) -> torch.Tensor:
    if (
        states.device.type != "cpu"
        or states.dtype != torch.float32
        or module.weight.dtype != torch.float32
        or states.numel() < _LEAST_ROWS * module.in_features
    ):
        return own(states)
    image = states.reshape(1, -1, 1, module.in_features).permute(0, 3, 1, 2)  # channels last: nothing is copied
    result = functional.conv2d(image, module.weight[:, :, None, None], module.bias)
    return result.permute(0, 2, 3, 1).reshape(*states.shape[:-1], module.out_features)


@cache
def _mkl_is_slow() -> bool:
    both = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not both or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    try:
        return "AuthenticAMD" in Path("/proc/cpuinfo").read_text()
    except OSError:  # not on this system
        return "AuthenticAMD" in platform.processor()
