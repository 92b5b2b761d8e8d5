"""A lock for each model or tokenizer, which can serve only one caller at a time."""

from __future__ import annotations

import threading
from typing import Any
from weakref import WeakKeyDictionary

_locks: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def lock_of(resource: Any) -> Any:
    """The reentrant lock of an object, always the same one."""
    return _locks.setdefault(resource, threading.RLock())
