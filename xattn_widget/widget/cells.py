"""Remember which cells show a widget, and close its connection when all of them have run again without it.

ipywidgets keeps every widget until it is closed, and IPython keeps the result of every cell in ``Out``. Without this, a
cell that shows a widget and is run a hundred times would leave a hundred of them, with their weights.

IPython's event ``post_run_cell`` gets a handler when the first widget is shown, and keeps it until the kernel ends.
"""

from __future__ import annotations

import weakref
from typing import Any, Protocol

from xattn_widget._compat import forget_results, open_widgets, parent_message
from xattn_widget.messages.shell import running_shell

# The place of widgets that are shown outside a known cell, such as in an Output widget: they are never closed here.
ELSEWHERE = ""


class Shown(Protocol):
    """What this module needs from a widget."""

    def let_go(self) -> None:
        """Close the connection to the page; a later display opens it again."""


# For each widget, the cells that show it, each with the last execution that showed it.
_places: weakref.WeakKeyDictionary[Any, dict[str, str]] = weakref.WeakKeyDictionary()
_watched: weakref.WeakSet[Any] = weakref.WeakSet()


def note_shown(widget: Shown) -> None:
    """Note that the running cell shows ``widget``. Outside IPython this does nothing."""
    shell = running_shell()
    if shell is None:
        return
    if shell not in _watched:
        _watched.add(shell)
        shell.events.register("post_run_cell", lambda result: _sweep(shell))
    cell, execution = _running_cell(shell)
    _places.setdefault(widget, {})[cell] = execution


def connect(widget: Any, layout: Any) -> None:
    """Open the connection of a widget again if it was closed; ``layout`` is the layout that the widget came with."""
    if widget.comm is None:
        layout.open()
        widget.open()


def disconnect(widget: Any, layout: Any) -> None:
    """Close the connection to the page, which frees the page's copy; :func:`connect` opens it again."""
    if widget.comm is None:
        return
    for part in (widget, layout):
        comm, part.comm = part.comm, None
        open_widgets().pop(comm.comm_id, None)
        comm.close()


def _sweep(shell: Any) -> None:
    """Close widgets that the cell showed in its previous execution and that no cell shows anymore."""
    cell, execution = _running_cell(shell)
    if cell == ELSEWHERE:
        return
    for widget, places in list(_places.items()):
        if places.get(cell, execution) == execution:
            continue
        del places[cell]
        if not places:
            del _places[widget]
            forget_results(shell, widget)
            widget.let_go()


def _running_cell(shell: Any) -> tuple[str, str]:
    """The running cell and its execution, by the ids that the front end gives them."""
    parent = parent_message(shell)
    header = parent.get("header", {})
    execution = header.get("msg_id", "")
    if header.get("msg_type") != "execute_request" or _is_captured(execution):
        return ELSEWHERE, execution
    return parent.get("metadata", {}).get("cellId") or ELSEWHERE, execution


def _is_captured(execution: str) -> bool:
    """Whether an Output widget takes what this execution shows; it may outlive the outputs of the cell."""
    from ipywidgets import Output

    widgets = list(open_widgets().values())
    return any(isinstance(widget, Output) and widget.msg_id == execution != "" for widget in widgets)
