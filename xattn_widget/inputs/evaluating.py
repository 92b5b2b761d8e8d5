"""Run a model in evaluation mode without gradient, and restore it afterwards."""

from __future__ import annotations

from functools import partial
from weakref import WeakKeyDictionary

import torch

from xattn_widget.capturing.blocks import Block, Cleanup
from xattn_widget.capturing.threads import lock


def evaluating(model: torch.nn.Module) -> Block[None]:
    """Evaluation mode without gradient inside the block; afterwards each module returns to its previous mode.

    Blocks of several threads may overlap: the last one to end restores the modes.
    """

    def begin(cleanup: Cleanup) -> None:
        block = object()
        modules = list(model.modules())
        cleanup.add(partial(torch.set_grad_enabled, torch.is_grad_enabled()))
        cleanup.add(partial(_end_evaluating, block, modules))
        with lock:
            for module in modules:
                if module.training or module in _evaluating:
                    _evaluating.setdefault(module, set()).add(block)
            model.eval()
        torch.set_grad_enabled(False)

    return Block(begin)


def _end_evaluating(block: object, modules: list[torch.nn.Module]) -> None:
    with lock:
        for module in modules:
            blocks = _evaluating.get(module)
            if blocks is not None:
                blocks.discard(block)
                if not blocks:
                    module.training = True
                    del _evaluating[module]


# The open blocks for each module that was in training mode when the first of them began.
_evaluating: WeakKeyDictionary[torch.nn.Module, set[object]] = WeakKeyDictionary()
