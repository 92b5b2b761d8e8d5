"""Tell the forwards of a model apart: which calls of its modules belong to one forward, and when that forward ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar, copy_context
from types import MappingProxyType
from typing import Any

from torch import nn

from xattn_widget._compat import is_backward_running
from xattn_widget.capturing.blocks import Cleanup
from xattn_widget.capturing.finding import attention_modules
from xattn_widget.capturing.intercepting import intercept
from xattn_widget.capturing.threads import Scope


class Forwards:
    """The outermost forwards that a block sees, each with the notes that listeners take during it.

    The outermost call is the one that is not inside another: a call of the model, or of a part of it that the user
    calls, such as its decoder.
    """

    def __init__(self, scope: Scope, done: Callable[[list[Any]], None]) -> None:
        """``done`` is called with the notes of each forward that ended without an error, if there are any."""
        self._scope, self._done = scope, done

    @property
    def notes(self) -> list[Any]:
        """The notes of the forward that this thread is running."""
        return _notes.get()[self]

    def watch(self, model: nn.Module, cleanup: Cleanup) -> None:
        """Follow each forward in which cross-attention of ``model`` may run, until the cleanup."""
        inner = attention_modules(model)
        for module in model.modules():
            if any(part in inner for part in module.modules()):
                intercept(module, self._around, cleanup)

    def _around(self, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # Gradient checkpointing runs a part of a forward again in the backward pass: that is not a new forward.
        if self in _notes.get() or is_backward_running() or not self._scope.has_current():
            return run(*args, **kwargs)
        notes: list[Any] = []
        # Run in a separate context, which ends with the forward even after an interrupt.
        output = copy_context().run(self._run, notes, run, args, kwargs)
        if notes:
            self._done(notes)
        return output

    def _run(self, notes: list[Any], run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        _notes.set({**_notes.get(), self: notes})
        return run(*args, **kwargs)


_notes: ContextVar[Mapping[Forwards, list[Any]]] = ContextVar("notes", default=MappingProxyType({}))
