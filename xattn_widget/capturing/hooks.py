"""Show listeners every cross-attention call of a model, or change its heads' outputs; afterwards it is restored.

A tap is put around each attention module (see taps.py). When the module gets keys and values from elsewhere, the tap
shows the call to the listeners. The model's own attention function computes the output, so the output is bitwise
identical. Self-attention is never changed, and shown only to listeners of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from xattn_widget.capturing.blocks import Block, Cleanup
from xattn_widget.capturing.finding import attention_modules, owner_configs
from xattn_widget.capturing.forwards import Forwards
from xattn_widget.capturing.interface import register, unregister
from xattn_widget.capturing.taps import Listener, Tap
from xattn_widget.capturing.threads import CallingThread, Scope, lock
from xattn_widget.capturing.uncompiled import run_uncompiled

_taps: WeakKeyDictionary[nn.Module, Tap] = WeakKeyDictionary()


def _attach(model: nn.Module, role: str, function: Any, scope: Scope, cleanup: Cleanup) -> None:
    """Add ``function`` to one of the roles of the taps of all attention modules of ``model``.

    Args:
        model: the model.
        role: ``"listeners"`` (of cross-attention), ``"self_listeners"`` or ``"alterations"``.
        function: the function.
        scope: the threads that the block sees.
        cleanup: removes it again.
    """
    run_uncompiled(model, cleanup)
    modules = attention_modules(model)
    configs = owner_configs(model)
    cleanup.add(partial(_detach, list(modules), role, scope))
    with lock:
        register()
        for module, kind in modules.items():
            tap = _taps.get(module)
            if tap is None:
                tap = _taps[module] = kind(module, configs.get(module))
                tap.install()
            getattr(tap, role).add(scope, function)


def _detach(modules: list[nn.Module], role: str, scope: Scope) -> None:
    with lock:
        for module in modules:
            tap = _taps.get(module)
            if tap is None:
                continue
            getattr(tap, role).remove(scope)
            if not tap.is_used():
                tap.remove()
                _taps.pop(module, None)
        if not _taps:
            unregister()


def listen(model: nn.Module, listener: Listener, scope: Scope, cleanup: Cleanup) -> None:
    """Call ``listener`` with each cross-attention call of ``model`` that belongs to ``scope``, until the cleanup."""
    _attach(model, "listeners", listener, scope, cleanup)


def listen_to_self_attention(model: nn.Module, listener: Listener, scope: Scope, cleanup: Cleanup) -> None:
    """:func:`listen` for the calls in which an attention module attends to its own states.

    Only modules that could also attend to an encoder are followed, which in most families are all of them.
    """
    _attach(model, "self_listeners", listener, scope, cleanup)


def listening(model: nn.Module, listener: Listener) -> Block[None]:
    """Call ``listener`` with each cross-attention call of ``model`` in this thread, inside the ``with`` block."""
    return Block(lambda cleanup: listen(model, listener, CallingThread(cleanup), cleanup))


def alter(
    model: nn.Module,
    change: Callable[[int, torch.Tensor], torch.Tensor],
    scope: Scope,
    cleanup: Cleanup,
    done: Callable[[int], None] = lambda layers: None,
) -> None:
    """Replace the output of each cross-attention's heads with ``change(layer, output)``, until the cleanup.

    ``output`` is ``[batch, target, heads, dimension]``, before the output projection; layers are counted from 0 in each
    forward. At the end of a forward, ``done`` is called with the number of layers that had cross-attention.
    """
    forwards = Forwards(scope, lambda layers: done(len(layers)))

    def change_next(output: torch.Tensor) -> torch.Tensor:
        layer = len(forwards.notes)
        forwards.notes.append(layer)
        return change(layer, output)

    _attach(model, "alterations", change_next, scope, cleanup)
    forwards.watch(model, cleanup)


def altering(model: nn.Module, change: Callable[[int, torch.Tensor], torch.Tensor]) -> Block[None]:
    """:func:`alter` in the calling thread, inside the ``with`` block."""
    return Block(lambda cleanup: alter(model, change, CallingThread(cleanup), cleanup))
