"""A lock for each model or tokenizer that may serve one caller at a time."""

from __future__ import annotations

import threading
from typing import Any
from weakref import WeakKeyDictionary

_locks: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def lock_of(thing: Any) -> Any:
    """The reentrant lock of an object, the same each time."""
    return _locks.setdefault(thing, threading.RLock())
