"""Reads the windows of long recordings in a thread: one ahead of the shown window, or up to a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

from xattn_widget.extraction.windows import WindowRecords
from xattn_widget.panel.background import Background
from xattn_widget.panel.entries import Window
from xattn_widget.panel.held_windows import HeldWindows
from xattn_widget.panel.json_values import error_text
from xattn_widget.panel.state import PanelState

# One thread for the recordings of all widgets. It starts before any block of the user that captures or mutes, since
# such a block affects threads that start inside it.
_threads = Background("xattn-widget-windows")


def hold_windows(found: Any) -> Any:
    """Records, with the windows of long recordings as what the panel holds of them."""
    if isinstance(found, WindowRecords):
        return HeldWindows(found)
    if isinstance(found, (list, tuple)):
        return [HeldWindows(item) if isinstance(item, WindowRecords) else item for item in found]
    return found


class Host(Protocol):
    """What reading needs from a widget."""

    @property
    def state(self) -> PanelState:
        """The panel as it is now."""

    def list_window(self, windows: HeldWindows) -> None:
        """List the window that has been read, and show the page."""

    def tell_reading(self, reading: bool, error: str) -> None:
        """Tell the page whether windows are being read, and why reading has failed."""


class Reading:
    """Reads windows for a widget; one job at a time."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._state = threading.Lock()
        self._wanted: list[tuple[HeldWindows, Callable[[], bool]]] = []
        self._is_running = False
        _threads.start()

    def read_ahead(self, sentence: int) -> None:
        """Read the window after a shown one, if it has not been read."""
        content = self._host.state.entries[sentence].content
        if isinstance(content, Window):
            windows, number = content.windows, content.number
            self._want(windows, lambda: windows.ready > number + 1)

    def read_until(self, sentence: int, seconds: float) -> None:
        """Read the windows of a sentence's recording up to a time, or to the end.

        Raises:
            ValueError: the sentence is no window of a long recording.
        """
        windows = self._host.state.windows_at(sentence)
        if windows is None:
            raise ValueError("this sentence is not a window of a long recording")
        # The last window may end where the recording does, and still leave words for another one.
        self._want(windows, lambda: windows.end >= seconds < windows.seconds)

    def stop(self) -> None:
        """Stop after the window that is being read."""
        with self._state:
            self._wanted.clear()

    def _want(self, windows: HeldWindows, is_enough: Callable[[], bool]) -> None:
        if windows.is_complete or is_enough():
            return
        with self._state:
            self._wanted.append((windows, is_enough))
            starts = not self._is_running
            self._is_running = True
        if starts:
            self._host.tell_reading(True, "")
            _threads.put(self._run)

    def _run(self) -> None:
        error = ""
        try:
            while (windows := self._next()) is not None:
                if windows.read_next():
                    self._host.list_window(windows)
        except Exception as failure:  # nobody would see it in a thread
            error = f"The next window could not be transcribed: {error_text(failure)}"
            self.stop()
            with self._state:
                self._is_running = False
        self._host.tell_reading(False, error)

    def _next(self) -> HeldWindows | None:
        """The recording to read on; None, and the job ends, if nothing is wanted any more."""
        with self._state:
            self._wanted = [want for want in self._wanted if not (want[0].is_complete or want[1]())]
            self._is_running = bool(self._wanted)
            return self._wanted[-1][0] if self._wanted else None
