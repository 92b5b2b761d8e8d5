"""Wrap the forward of a module in functions that copies and pickles of the module do not inherit.

This is the only place that replaces a forward: it sets ``forward`` and ``__reduce_ex__`` on the instance, never on the
class, until the last block ends. torch's hooks would not work: an interrupt skips those that run after a forward, they
are copied with the module, and adding or removing one breaks a forward that fails in another thread at that moment.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from xattn_widget.capturing.blocks import Cleanup
from xattn_widget.capturing.threads import lock

# Takes what runs the forward, and the forward's arguments; returns the forward's result.
Around = Callable[..., Any]
_FORWARD, _REDUCE = "forward", "__reduce_ex__"


def intercept(module: nn.Module, around: Around, cleanup: Cleanup) -> None:
    """Run ``around(run, *args, **kwargs)`` instead of the module's ``forward(*args, **kwargs)``.

    A function that is added later runs outside those that were added before.
    """
    with lock:
        forward = vars(module).get(_FORWARD)
        interception = forward if isinstance(forward, Interception) else Interception(module)
        cleanup.add(partial(interception.remove, around))
        interception.add(around)


def has_own_forward(module: nn.Module) -> bool:
    """Whether other code has set a forward on the instance, as accelerate does."""
    forward = vars(module).get(_FORWARD)
    return (forward.original if isinstance(forward, Interception) else forward) is not None


class Interception:
    """Takes the place of an instance's ``forward`` while blocks are open."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self.original = vars(module).get(_FORWARD)  # set by other code, such as accelerate
        self.__wrapped__ = module.forward  # transformers reads its signature
        self._around: tuple[Around, ...] = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the forward inside the functions that blocks have put around it."""
        if self._around:
            refuse_to_be_compiled()
        run: Callable[..., Any] = self.__wrapped__
        for around in self._around:
            run = partial(around, run)
        return run(*args, **kwargs)

    def add(self, around: Around) -> None:
        """Add the function of a block that begins."""
        attributes = vars(self._module)
        self._around = (*self._around, around)
        attributes[_REDUCE] = self._reduce_module
        attributes[_FORWARD] = self

    def remove(self, around: Around) -> None:
        """Remove the function of a block that ends; the last one puts the module's own forward back."""
        attributes = vars(self._module)
        with lock:
            self._around = tuple(function for function in self._around if function != around)
            if self._around:
                return
            if attributes.get(_REDUCE) == self._reduce_module:
                del attributes[_REDUCE]
            if attributes.get(_FORWARD) is self:  # otherwise other code has replaced it meanwhile
                if self.original is None:
                    del attributes[_FORWARD]
                else:
                    attributes[_FORWARD] = self.original

    def _reduce_module(self, protocol: Any) -> Any:
        """The module's state without blocks, for ``pickle`` and ``copy``."""
        reduced = type(self._module).__reduce_ex__(self._module, protocol)
        if not isinstance(reduced, tuple) or len(reduced) < 3 or not isinstance(reduced[2], dict):
            return reduced
        state = {name: value for name, value in reduced[2].items() if name != _REDUCE}
        if state.get(_FORWARD) is self:
            del state[_FORWARD]
            if self.original is not None:
                state[_FORWARD] = self.original
        return (*reduced[:2], state, *reduced[3:])

    def __reduce__(self) -> Any:
        return getattr, (self._module, _FORWARD)  # on the copy, this is the forward of its class


def refuse_to_be_compiled() -> None:
    """Keep torch.compile from putting a block into a graph that outlives it; it then runs this part uncompiled."""
    if torch.compiler.is_compiling():
        raise NotImplementedError("code inside 'with capture(model)' cannot be compiled: call the model itself")
