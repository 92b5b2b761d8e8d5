"""The layers of a model's stacks: which layer a module is part of."""

from __future__ import annotations

from torch import nn


def layers_of(model: nn.Module) -> dict[nn.Module, nn.Module]:
    """For each module inside a layer of an encoder or decoder, that layer.

    A layer is an element of a ``ModuleList``, the outermost one: T5's layers contain another list.
    """
    layers: dict[nn.Module, nn.Module] = {}

    def visit(module: nn.Module, layer: nn.Module | None, in_list: bool) -> None:
        if layer is None and in_list:
            layer = module
        if layer is not None:
            layers.setdefault(module, layer)
        for child in module.children():
            visit(child, layer, isinstance(module, nn.ModuleList))

    visit(model, None, False)
    return layers
