"""The wrapper around one attention module while a block uses it, regardless of how its weights are obtained.

Modules that use transformers' attention interface have an :class:`~xattn_widget.capturing.interface.InterfaceTap`;
modules that compute attention themselves have a :class:`~xattn_widget.capturing.returning.ReturningTap`. What
individual families need beyond that is in families.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from functools import cache
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from xattn_widget._compat import is_backward_running
from xattn_widget.capturing import families
from xattn_widget.capturing.blocks import Cleanup
from xattn_widget.capturing.calls import CrossAttentionCall
from xattn_widget.capturing.intercepting import intercept
from xattn_widget.capturing.threads import Scope

Listener = Callable[[CrossAttentionCall], None]
# Takes and returns the heads' outputs before the output projection, [batch, target, heads, dimension].
Alteration = Callable[[torch.Tensor], torch.Tensor]
Function = TypeVar("Function")


class Roles(Generic[Function]):
    """The functions that blocks have put on a module, each with the threads that its block sees."""

    def __init__(self) -> None:
        self._functions: tuple[tuple[Scope, Function], ...] = ()  # replaced as a whole: other threads read it

    def add(self, scope: Scope, function: Function) -> None:
        """Add the function of a block that begins."""
        self._functions = (*self._functions, (scope, function))

    def remove(self, scope: Scope) -> None:
        """Remove the function of a block that ends."""
        self._functions = tuple(entry for entry in self._functions if entry[0] is not scope)

    def here(self) -> list[Function]:
        """The functions of the blocks that see the running thread."""
        return [function for scope, function in self._functions if scope.has_current()]

    def __bool__(self) -> bool:
        return bool(self._functions)


class Tap:
    """The wrapper around one attention module, with the functions that observe or change its calls."""

    def __init__(self, module: nn.Module, owner_config: Any) -> None:
        self.module = module
        self.listeners: Roles[Listener] = Roles()
        self.self_listeners: Roles[Listener] = Roles()  # of self-attention
        self.alterations: Roles[Alteration] = Roles()
        self.owner_config = owner_config  # of the model that the module is part of
        self.names = argument_names(class_forward(module))
        self.argument = families.key_value_argument(self.names) or ""
        self._cleanup = Cleanup()

    def install(self) -> None:
        """Begin to follow the module's calls."""
        intercept(self.module, self._around, self._cleanup)

    def remove(self) -> None:
        """Leave the module as it was."""
        self._cleanup.run()

    def argument_value(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The value of the argument ``name`` in a call of the module."""
        position = self.names.index(name)
        return args[position] if len(args) > position else kwargs.get(name)

    def is_used(self) -> bool:
        """Whether any block uses this tap."""
        return bool(self.listeners or self.self_listeners or self.alterations)

    def listeners_of(self, call: RunningCall) -> list[Listener]:
        """The functions that observe a call in the running thread."""
        return (self.self_listeners if call.is_self else self.listeners).here()

    def is_seen(self, is_self: bool) -> bool:
        """Whether a block sees calls of this kind in the running thread."""
        # Calls that gradient checkpointing repeats in the backward pass were already seen in the forward.
        if is_backward_running():
            return False
        return bool(self.self_listeners.here() if is_self else self.listeners.here() or self.alterations.here())

    def is_cross_attention(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether the module receives states from outside."""
        states = self.argument_value(self.argument, args, kwargs)
        if states is None:
            return families.reads_states_from_cache(self.argument)
        return states is not self.argument_value(self.names[0], args, kwargs)  # FSMT passes its own states as keys too

    def _around(self, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not self.is_used() or not self.is_seen(not self.is_cross_attention(args, kwargs)):
            return run(*args, **kwargs)
        # Run in a separate context, which ends with the call even after an interrupt.
        return copy_context().run(self._follow, run, args, kwargs)

    def _follow(self, run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        raise NotImplementedError


class RunningCall:
    """A cross-attention call in progress."""

    def __init__(self, tap: Tap, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.tap = tap
        self.queries = tap.argument_value(tap.names[0], args, kwargs)
        self.is_self = not tap.is_cross_attention(args, kwargs)  # self-attention, whose states are its queries
        self.states = self.queries if self.is_self else tap.argument_value(tap.argument, args, kwargs)
        self.time_first = families.has_time_first(self.queries, self.states, tap.owner_config)
        rows = self.queries.shape[0 if self.time_first else 1]
        self.rows = families.token_rows(rows, tap.module, tap.owner_config)
        self.columns: slice | None = None
        self.positions: int | None = None  # the required number of keys, if known
        self.is_seen = False  # whether our attention function has been called
        self.runs_own = False  # whether the model's own attention function runs, which may read the config too
        self.altered = 0  # how often the output projection got altered outputs


running_call: ContextVar[RunningCall | None] = ContextVar("running_call", default=None)  # the innermost call


def class_forward(module: nn.Module) -> Any:
    """The forward of a module's class, undecorated. A forward on the instance, such as accelerate's, calls it."""
    return inspect.unwrap(type(module).forward)


@cache
def argument_names(forward: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a forward's arguments in order, without ``self``."""
    return tuple(inspect.signature(forward).parameters)[1:]
