"""Run compiled models uncompiled while a block is open, by setting the stance of ``torch.compile``.

Compiled code ignores functions that are put around a forward later. The stance ``"force_eager"`` holds for the whole
process while any block is open, so functions compiled elsewhere run uncompiled too; when the last block ends, the
previous stance is restored. Models with flex attention are left alone: transformers compiles it by itself, and its
outputs would differ.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn

from xattn_widget._compat import is_dynamo_loaded, stored_implementation
from xattn_widget.capturing.blocks import Cleanup
from xattn_widget.capturing.threads import lock

_open: set[object] = set()
_stance: Any = None


def run_uncompiled(model: nn.Module, cleanup: Cleanup) -> None:
    """Run nothing compiled until the cleanup, unless ``model`` uses flex attention."""
    configs = (getattr(module, "config", None) for module in model.modules())
    flex = any(stored_implementation(config) == "flex_attention" for config in configs)
    if flex or not is_dynamo_loaded():
        return
    block = object()
    cleanup.add(partial(_end, block))
    with lock:
        _open.add(block)
        _set_stance()


def _end(block: object) -> None:
    with lock:
        _open.discard(block)
        _set_stance()


def _set_stance() -> None:
    global _stance
    if _open and _stance is None:
        _stance = torch.compiler.set_stance("force_eager")
    elif not _open and _stance is not None:
        _stance.__exit__(None, None, None)
        _stance = None
