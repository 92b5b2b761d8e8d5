"""Read attention weights of modules that use transformers' attention interface.

While a tap is installed, the module's config is replaced by a view of it. During a call that a block sees, the view
names our attention function, ``"xattn_widget"``, which is registered with transformers while any block is open. It
calls the model's own function with the same arguments, and shows query, key, value and mask to the listeners. Other
threads see the unchanged config; when the last block ends, the config is restored and the function removed.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface

from xattn_widget._compat import (
    IMPLEMENTATION,
    attention_function,
    attention_implementation,
    stored_implementation,
    unregister_attention,
)
from xattn_widget.capturing import checks, families
from xattn_widget.capturing.calls import ComputedCall
from xattn_widget.capturing.taps import RunningCall, Tap, class_forward, running_call
from xattn_widget.capturing.threads import lock

_NAME = "xattn_widget"
# transformers' own attention functions, and kernels from a hub: all of them are softmax attention.
_SOFTMAX_FUNCTIONS = ("eager", "sdpa", "flash", "flex", "paged", "kernels-")


def register() -> None:
    """Register our attention function with transformers."""
    AttentionInterface.register(_NAME, _attention)


def unregister() -> None:
    """Unregister our attention function."""
    unregister_attention(_NAME)


class _ConfigView:
    """A view of a module's config for one tap: it has the same attributes, but may name our attention function.

    It does so only for a call in progress in the running thread. Other threads, copies and pickles get the
    module's own config.
    """

    __slots__ = ("original", "tap")
    original: Any
    tap: InterfaceTap

    def __init_subclass__(cls) -> None:
        """Keep transformers from registering the class as another kind of config."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return operator.getitem, ((self.original,), 0)

    def __copy__(self) -> Any:
        return copy.copy(self.original)


def _named_implementation(view: _ConfigView) -> Any:
    call = running_call.get()
    if call is not None and call.tap is view.tap and not call.runs_own and view.tap.is_installed:
        return _NAME
    return attention_implementation(view.original)


def _set_implementation(view: _ConfigView, value: Any) -> None:
    setattr(view.original, IMPLEMENTATION, value)


@cache
def _view_class(kind: Any) -> Any:
    names = {
        "__slots__": (),
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
        IMPLEMENTATION: property(_named_implementation, _set_implementation),
    }
    return type(kind.__name__, (_ConfigView, kind), names)


def _view(config: Any, tap: InterfaceTap) -> Any:
    kind = _view_class(type(config))  # type: ignore[arg-type]
    view = kind.__new__(kind)
    object.__setattr__(view, "__dict__", vars(config))
    object.__setattr__(view, "original", config)
    object.__setattr__(view, "tap", tap)
    return view


class InterfaceTap(Tap):
    """For a module that looks up its attention function by its config: gives it a view of the config."""

    def __init__(self, module: nn.Module, owner_config: Any) -> None:
        super().__init__(module, owner_config)
        self.is_installed = False
        self._is_checked = False  # whether a call's weights and values have reproduced its output

    def install(self) -> None:
        """Begin to follow the module's calls."""
        self._cleanup.add(self._restore_config)
        self.is_installed = True
        super().install()

    def _restore_config(self) -> None:
        self.is_installed = False
        with lock:
            if isinstance(config := self.module.config, _ConfigView):
                self.module.config = config.original

    def _follow(self, run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call = self._describe(args, kwargs)
        with lock:
            if self.is_installed and not isinstance(self.module.config, _ConfigView):
                self.module.config = _view(self.module.config, self)
        running_call.set(call)
        output = run(*args, **kwargs)
        if not call.is_seen and self.is_installed:  # otherwise another thread has ended the block
            raise checks.unknown(
                "attends to the encoder but does not call transformers' attention interface, so its weights cannot be "
                "read here",
                self.module,
                self.owner_config,
            )
        return output

    def _describe(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> RunningCall:
        call = RunningCall(self, args, kwargs)
        if call.states is None:
            call.positions = families.cached_positions(self.module, self.owner_config, [*args, *kwargs.values()])
        else:
            call.columns = families.encoder_columns(self.names, call.states)
            if call.columns is None and not families.may_add_positions(self.names, self.argument):
                call.positions = call.states.shape[1]
        return call

    def check(self, call: ComputedCall, current: RunningCall, output: Any, implementation: str) -> None:
        """Raise unless the attention function's arguments and output are as assumed."""
        module, config = self.module, self.owner_config
        foreign = not implementation.startswith(_SOFTMAX_FUNCTIONS)
        # The library's functions are checked once for each module, which may do something unknown, such as adding
        # another bias; third-party functions are checked in every call.
        if not self.listeners_of(current) or (self._is_checked and not foreign) or (call.dropout and module.training):
            return
        if current.columns is not None and current.states is not None:
            families.check_encoder_columns(module, config, call.key, current.states)
        checks.check_softmax(module, config, call.every_weight, call.value, output, implementation if foreign else None)
        self._is_checked = True


def _attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    scaling: float | None = None,
    **kwargs: Any,
) -> Any:
    """The attention function that the view of a config names: runs the model's own and shows the call to listeners."""
    current = running_call.get()
    implementation = stored_implementation(module.config)
    own_function = _own_function(module, implementation)
    if current is None or current.tap.module is not module:
        return own_function(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    tap = current.tap
    assert isinstance(tap, InterfaceTap)
    checks.check_interface_call(
        module, tap.owner_config, query, key, current.queries, current.positions, current.is_seen
    )
    current.is_seen = current.runs_own = True
    result = own_function(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    current.runs_own = False
    causal = attention_mask is None and implementation == "sdpa" and families.is_causal(module, kwargs)
    call = ComputedCall(
        module=module,
        query=query,
        key=key,
        value=value,
        mask=families.causal_mask(query, key) if causal else attention_mask,
        scaling=query.shape[-1] ** -0.5 if scaling is None else scaling,
        softcap=kwargs.get("softcap"),
        position_bias=kwargs.get("position_bias"),
        rows=current.rows,
        columns=current.columns,
        dropout=kwargs.get("dropout") or 0.0,
    )
    tap.check(call, current, result[0], implementation or "eager")
    for listener in tap.listeners_of(current):
        listener(call)
    output = result[0]
    for alteration in [] if current.is_self else tap.alterations.here():
        output = alteration(output)
    return (output, *result[1:])


def _own_function(module: nn.Module, implementation: str | None) -> Callable[..., Any]:
    """The attention function that ``module`` would look up without the view of its config."""
    function = attention_function(class_forward(module), implementation)
    if function is None:
        raise NotImplementedError(
            f"no attention function {implementation!r} is known for {type(module).__name__}: "
            "load the model with attn_implementation='sdpa'"
        )
    return function
