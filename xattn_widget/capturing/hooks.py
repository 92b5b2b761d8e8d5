"""Let listeners see every cross-attention call of a model, and leave the model as it was.

The mechanism, found by behavior and not by class names: what is put around the forward of each attention module notices
that the module is given keys and values from elsewhere (``key_value_states`` and its like), and the listeners are shown
the call; the model's own function computes its output, bit for bit (see taps.py). Self-attention is never touched.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar, copy_context
from functools import cache, partial
from types import MappingProxyType
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_utils import AttentionInterface

from xattn_widget.capturing.blocks import Block, Cleanup
from xattn_widget.capturing.intercepting import intercept
from xattn_widget.capturing.taps import (
    ATTENTION_NAME,
    CONFIG_FIELD,
    KEY_VALUE_ARGUMENTS,
    REGISTRY,
    InterfaceTap,
    Listener,
    ReturningTap,
    Tap,
    argument_names,
    attention,
    class_forward,
    is_recomputing,
    key_value_argument,
    taps,
)
from xattn_widget.capturing.threads import CallingThread, Scope, lock

_eager_blocks: set[object] = set()
_stance: Any = None


def _run_uncompiled(model: nn.Module, cleanup: Cleanup) -> None:
    """Run what was compiled as it was written: compiled code runs nothing that was put around a forward later.

    Not so for flex attention, which transformers compiles by itself: its outputs would differ.
    """
    configs = (getattr(module, "config", None) for module in model.modules())
    flex = any(getattr(config, CONFIG_FIELD, None) == "flex_attention" for config in configs)
    if flex or "torch._dynamo" not in sys.modules:  # which a first torch.compile loads
        return
    block = object()
    cleanup.add(partial(_end_uncompiled, block))
    with lock:
        _eager_blocks.add(block)
        _set_stance()


def _end_uncompiled(block: object) -> None:
    with lock:
        _eager_blocks.discard(block)
        _set_stance()


def _set_stance() -> None:
    global _stance
    if _eager_blocks and _stance is None:
        _stance = torch.compiler.set_stance("force_eager")
    elif not _eager_blocks and _stance is not None:
        _stance.__exit__(None, None, None)
        _stance = None


@cache
def _names_registry(kind: type[nn.Module]) -> bool:
    """Whether a method of a class of modules looks its attention function up."""
    methods = [inspect.unwrap(thing) for base in kind.__mro__ for thing in vars(base).values() if callable(thing)]
    return any(REGISTRY in method.__code__.co_names for method in methods if inspect.isfunction(method))


def _tap_class(module: nn.Module) -> type[Tap] | None:
    """How to get the weights of a module if it attends to states that are not its own; None if it never does."""
    if isinstance(module, PreTrainedModel) or key_value_argument(argument_names(class_forward(module))) is None:
        return None
    # A layer that hands the states, or a mask, down to an attention inside it is not that attention.
    inner = (name for part in module.modules() if part is not module for name in argument_names(class_forward(part)))
    if any("mask" in name or name in KEY_VALUE_ARGUMENTS for name in inner):
        return None
    kind: Any = type(module)
    by_interface = _names_registry(kind) and hasattr(getattr(module, "config", None), CONFIG_FIELD)
    return InterfaceTap if by_interface else ReturningTap


def attention_modules(model: nn.Module) -> dict[nn.Module, type[Tap]]:
    """The modules of ``model`` that could be cross-attention, with the way to their weights."""
    return {module: kind for module in model.modules() if (kind := _tap_class(module))}


def _owner_configs(model: nn.Module) -> dict[nn.Module, Any]:
    """The config of the innermost model of transformers that each module of ``model`` is a part of."""
    owners = [module for module in model.modules() if isinstance(module, PreTrainedModel)]
    return {module: owner.config for owner in owners for module in owner.modules()}


def _attach(model: nn.Module, role: str, function: Any, scope: Scope, cleanup: Cleanup) -> None:
    """Keep ``function`` among the ``"listeners"`` or ``"alterations"`` of all attention modules of ``model``."""
    _run_uncompiled(model, cleanup)
    modules = attention_modules(model)
    owner_configs = _owner_configs(model)
    cleanup.add(partial(_detach, list(modules), role, scope))
    with lock:
        AttentionInterface.register(ATTENTION_NAME, attention)
        for module, kind in modules.items():
            tap = taps.get(module)
            if tap is None:
                tap = taps[module] = kind(module, owner_configs.get(module))
                tap.install()
            getattr(tap, role).add(scope, function)


def _detach(modules: list[nn.Module], role: str, scope: Scope) -> None:
    with lock:
        for module in modules:
            tap = taps.get(module)
            if tap is None:
                continue
            getattr(tap, role).remove(scope)
            if not (tap.listeners or tap.alterations):
                tap.remove()
                taps.pop(module, None)
        if not taps:
            AttentionInterface._global_mapping.pop(ATTENTION_NAME, None)


def listen(model: nn.Module, listener: Listener, scope: Scope, cleanup: Cleanup) -> None:
    """Call ``listener`` with each cross-attention call of ``model`` that belongs to ``scope``, until the cleanup."""
    _attach(model, "listeners", listener, scope, cleanup)


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
    """Put ``change(layer, output)`` in place of each cross-attention's heads' output, until the cleanup.

    ``output`` is ``[batch, target, heads, dimension]``, before the output projection; layers are counted from 0 in each
    forward. ``done`` is told at the end of a forward how many layers had cross-attention.
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


class Forwards:
    """The outermost forwards that a block sees, each with a list of what its listeners note of it.

    Outermost is the call that is inside no other: of the model itself, or of a part of it that the user calls, such as
    its decoder.
    """

    def __init__(self, scope: Scope, done: Callable[[list[Any]], None]) -> None:
        """``done`` is given the notes of a forward that came to its end with some."""
        self._scope, self._done = scope, done

    @property
    def notes(self) -> list[Any]:
        """Those of the forward under way in this thread."""
        return _notes.get()[self]

    def watch(self, model: nn.Module, cleanup: Cleanup) -> None:
        """Follow each forward through which cross-attention of ``model`` may run, until the cleanup."""
        inner = attention_modules(model)
        for module in model.modules():
            if any(part in inner for part in module.modules()):
                intercept(module, self._around, cleanup)

    def _around(self, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self in _notes.get() or is_recomputing() or not self._scope.has_current():
            return run(*args, **kwargs)
        notes: list[Any] = []
        # In a context of its own, which ends with the forward even where an interrupt does.
        output = copy_context().run(self._run, notes, run, args, kwargs)
        if notes:
            self._done(notes)
        return output

    def _run(self, notes: list[Any], run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        _notes.set({**_notes.get(), self: notes})
        return run(*args, **kwargs)


# What is noted of the forwards under way.
_notes: ContextVar[Mapping[Forwards, list[Any]]] = ContextVar("notes", default=MappingProxyType({}))
