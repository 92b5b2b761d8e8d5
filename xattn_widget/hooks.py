"""Let listeners see every cross-attention call of a model, and leave the model as it was.

The mechanism, found by behaviour and not by class names: a forward pre-hook on each attention module notices that
the module is given keys and values from elsewhere (``key_value_states`` and its like), and the listeners are shown the
call; the model's own function computes its output, bit for bit (see taps.py). Self-attention is never touched.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_utils import AttentionInterface

from xattn_widget.taps import (
    ATTENTION_NAME,
    CONFIG_FIELD,
    KEY_VALUE_ARGUMENTS,
    REGISTRY,
    InterfaceTap,
    Listener,
    OwnThreads,
    ReturningTap,
    Tap,
    argument_names,
    attention,
    class_forward,
    is_recomputing,
    key_value_argument,
    lock,
    refuse_to_be_compiled,
    taps,
)

_uncompiled_blocks = 0
_stance: Any = None


@contextmanager
def _uncompiled(model: nn.Module) -> Iterator[None]:
    """Run what was compiled as it was written: compiled code does not call hooks that came after it.

    Not so for flex attention, which transformers compiles by itself: uncompiled, its outputs would be others.
    """
    global _uncompiled_blocks, _stance
    configs = (getattr(module, "config", None) for module in model.modules())
    flex = any(getattr(config, CONFIG_FIELD, None) == "flex_attention" for config in configs)
    if flex or "torch._dynamo" not in sys.modules:  # which a first torch.compile loads
        yield
        return
    with lock:
        _uncompiled_blocks += 1
        if _uncompiled_blocks == 1:
            _stance = torch.compiler.set_stance("force_eager")
            _stance.__enter__()
    try:
        yield
    finally:
        with lock:
            _uncompiled_blocks -= 1
            if _uncompiled_blocks == 0:
                _stance.__exit__(None, None, None)


@cache
def _names_registry(kind: type[nn.Module]) -> bool:
    """Whether a method of a class of modules looks its attention function up."""
    methods = [inspect.unwrap(thing) for base in kind.__mro__ for thing in vars(base).values() if callable(thing)]
    return any(REGISTRY in method.__code__.co_names for method in methods if inspect.isfunction(method))


def _tap_class(module: nn.Module) -> type[Tap] | None:
    """How the weights of a module can be had if it attends to states that are not its own; None if it never does."""
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


@contextmanager
def _attached(model: nn.Module, role: str, function: Any) -> Iterator[None]:
    """Keep ``function`` among the ``"listeners"`` or ``"alterations"`` of all attention modules of ``model``."""
    modules = attention_modules(model)
    owner_configs = _owner_configs(model)
    threads = OwnThreads()
    with lock:
        if not taps:
            AttentionInterface.register(ATTENTION_NAME, attention)
        for module, kind in modules.items():
            if module not in taps:
                taps[module] = kind(module, owner_configs.get(module))
            getattr(taps[module], role).add(threads, function)
    try:
        with _uncompiled(model):
            yield
    finally:
        with lock:
            for module in modules:
                tap = taps[module]
                getattr(tap, role).remove(threads, function)
                if not (tap.listeners or tap.alterations):
                    tap.remove(module)
                    del taps[module]
            if not taps:
                AttentionInterface._global_mapping.pop(ATTENTION_NAME, None)


def listening(model: nn.Module, listener: Listener) -> AbstractContextManager[None]:
    """Call ``listener`` with each cross-attention call of ``model`` inside the ``with`` block."""
    return _attached(model, "listeners", listener)


@contextmanager
def altering(
    model: nn.Module,
    alter: Callable[[int, torch.Tensor], torch.Tensor],
    done: Callable[[int], None] = lambda layers: None,
) -> Iterator[None]:
    """Put ``alter(layer, output)`` in the place of each cross-attention's heads' output inside the ``with`` block.

    ``output`` is ``[batch, target, heads, dimension]``, before the output projection; layers are counted from 0 in each
    forward. ``done`` is told at the end of a forward how many layers had cross-attention.
    """
    here = threading.local()

    def begin() -> None:
        here.layers = 0

    def end(whole: bool) -> None:
        if whole and here.layers:
            done(here.layers)

    def alter_next(output: torch.Tensor) -> torch.Tensor:
        here.layers += 1
        return alter(here.layers - 1, output)

    with _attached(model, "alterations", alter_next), watching_forwards(model, begin, end):
        yield


@contextmanager
def watching_forwards(model: nn.Module, begin: Callable[[], None], end: Callable[[bool], None]) -> Iterator[None]:
    """Call ``begin`` and ``end`` round each outermost forward through which cross-attention of ``model`` may run.

    Outermost is the call that is inside no other: of the model itself, or of a part of it that the user calls, such as
    its decoder. ``end`` is told whether the forward came to its end (False: an exception cut it short). Both are called
    in the thread that runs the forward, which is one of the block's :class:`OwnThreads`.
    """
    inner = attention_modules(model)
    watched = [module for module in model.modules() if any(part in inner for part in module.modules())]
    threads = OwnThreads()
    running_in: dict[int, list[nn.Module]] = {}  # by thread

    def before(module: nn.Module, args: Any) -> None:
        refuse_to_be_compiled()
        if is_recomputing() or not threads.has_current():
            return
        running = running_in.setdefault(threading.get_ident(), [])
        if module in running:  # an interrupt, which runs no hooks, has left it there: no module is inside itself
            running.clear()
        if not running:
            begin()
        running.append(module)

    def after(module: nn.Module, args: Any, output: Any) -> None:
        running = running_in.get(threading.get_ident(), [])
        if module in running and not is_recomputing():
            del running[running.index(module) :]
            if not running:
                end(output is not None)

    handles = [module.register_forward_pre_hook(before) for module in watched]
    handles += [module.register_forward_hook(after, always_call=True) for module in watched]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
