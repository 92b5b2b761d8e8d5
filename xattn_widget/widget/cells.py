"""Which cells show a widget: once all its cells have run again without it, the page and the kernel let it go.

ipywidgets keeps each widget until it is closed, and IPython keeps each result of a cell in ``Out``. A cell that shows a
widget and runs a hundred times would leave a hundred widgets, with their weights.
"""

from __future__ import annotations

import contextlib
import re
import weakref
from typing import Any, Protocol

# The place of a widget in no known cell, such as in an Output widget: it is never let go automatically.
ELSEWHERE = ""
_RESULT_NAME = re.compile(r"_\d*|__|___")


class Shown(Protocol):
    """What this module needs of a widget."""

    def let_go(self) -> None:
        """Close the connection to the page; a later display opens it again."""


# For each widget the cells that show it, each with the execution that did.
_places: weakref.WeakKeyDictionary[Any, dict[str, str]] = weakref.WeakKeyDictionary()
_watched: weakref.WeakSet[Any] = weakref.WeakSet()


def is_shown(widget: Shown) -> None:
    """Note that the running cell shows ``widget``; outside of IPython this does nothing."""
    shell = _shell()
    if shell is None:
        return
    if shell not in _watched:
        _watched.add(shell)
        shell.events.register("post_run_cell", lambda result: _sweep(shell))
    cell, execution = _running_cell(shell)
    _places.setdefault(widget, {})[cell] = execution


def _sweep(shell: Any) -> None:
    """Let go of widgets that the cell which has just run showed the last time, and no cell shows now."""
    cell, execution = _running_cell(shell)
    if cell == ELSEWHERE:
        return
    for widget, places in list(_places.items()):
        if places.get(cell, execution) == execution:
            continue
        del places[cell]
        if not places:
            del _places[widget]
            _forget_results(shell, widget)
            widget.let_go()


def _forget_results(shell: Any, widget: Any) -> None:
    """Remove a widget from the earlier results that IPython keeps; variables of the user stay."""
    results = shell.user_ns.get("_oh", {})
    for number in [number for number, result in results.items() if result is widget]:
        del results[number]
    for names in (shell.user_ns, shell.user_ns_hidden):
        for name in [name for name, value in names.items() if value is widget and _RESULT_NAME.fullmatch(name)]:
            names[name] = ""
    for name in ("_", "__", "___"):
        if getattr(shell.displayhook, name, None) is widget:
            setattr(shell.displayhook, name, "")


def _running_cell(shell: Any) -> tuple[str, str]:
    """The ids that the front end gives to the running cell and to this execution of it."""
    parent: dict[str, Any] = {}
    with contextlib.suppress(AttributeError, LookupError):  # a terminal has no parent message
        parent = shell.get_parent()
    header = parent.get("header", {})
    execution = header.get("msg_id", "")
    if header.get("msg_type") != "execute_request" or _is_captured(execution):
        return ELSEWHERE, execution
    return parent.get("metadata", {}).get("cellId") or ELSEWHERE, execution


def _is_captured(execution: str) -> bool:
    """Whether an Output widget captures what this execution shows, which then outlives the outputs of the cell."""
    from ipywidgets import Output
    from ipywidgets.widgets.widget import _instances

    return any(isinstance(each, Output) and each.msg_id == execution != "" for each in list(_instances.values()))


def _shell() -> Any:
    try:
        from IPython import get_ipython
    except ImportError:
        return None
    return get_ipython()
