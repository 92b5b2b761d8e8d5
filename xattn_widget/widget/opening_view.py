"""A view over many sentences that opens one of them in the panel: what the corpus and the profile have in common."""

from __future__ import annotations

import base64
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

import anywidget
import traitlets

from xattn_widget.panel.front_end import built_file
from xattn_widget.panel.json_values import error_text
from xattn_widget.panel.protocol import RequestError, request_id
from xattn_widget.widget.cells import connect, disconnect, note_shown
from xattn_widget.widget.comm import allowed_state
from xattn_widget.widget.widget import CrossAttentionWidget

_MARIMO = "marimo makes widgets only while a cell runs: run a cell with view.row = {}"


class OpeningView(anywidget.AnyWidget):
    """A widget whose ``row`` is open below it, as the widget ``opened``.

    A subclass sets ``_from_page`` and overrides the methods that raise ``NotImplementedError``.
    """

    # Strings instead of paths: anywidget would watch a file for each widget, and so keep every widget alive.
    _esm = traitlets.Unicode(built_file("stub.js")).tag(sync=True)
    _code = traitlets.Unicode(built_file("widget.js")).tag(sync=True)
    _css = traitlets.Unicode(built_file("widget.css")).tag(sync=True)

    # Of the class, because ipywidgets closes a widget whose making failed.
    opened: CrossAttentionWidget | None = None
    # The traits that the page may set.
    _from_page: ClassVar[frozenset[str]] = frozenset({"row"})

    info = traitlets.Dict(read_only=True).tag(sync=True)
    row = traitlets.Any(None, allow_none=True).tag(sync=True)
    theme = traitlets.Enum(["auto", "light", "dark"], "auto").tag(sync=True)
    # What the page is told about the open row: its panel, or why there is none.
    _open = traitlets.Dict(read_only=True).tag(sync=True)

    def __init__(self, **settings: Any) -> None:
        """Set traits, and begin to follow them."""
        self._asked_by_page = False
        super().__init__(**settings)
        self._own_layout = self.layout
        self.observe(self._follow_row, "row")
        self.observe(self._follow_theme, "theme")
        self.on_msg(self._receive)

    def _open_row(self, row: int) -> CrossAttentionWidget:
        """The widget of a row."""
        raise NotImplementedError

    def _answer(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """The reply to a request of the page, and its buffers."""
        raise NotImplementedError

    def summary(self) -> str:
        """What the view shows, in words."""
        raise NotImplementedError

    def _picture(self) -> bytes | None:
        """A picture (PNG) for places where no widget runs, if there is something to draw."""
        raise NotImplementedError

    # --- The open sentence.

    def _follow_theme(self, change: Any) -> None:
        if self.opened is not None:
            self.opened.theme = self.theme

    def _follow_row(self, change: Any) -> None:
        """Open the row in place of the one before, and tell the page; an error is told to whoever asked for the row."""
        before, self.opened = self.opened, None
        told = {"row": self.row, "panel": "", "error": ""}
        try:
            if self.row is not None:
                self.opened = self._open_row(self.row)
                told["panel"] = self.opened.model_id
        except Exception as error:
            told["error"] = _MARIMO.format(self.row) if _is_refused_by_marimo(error) else error_text(error)
            if not self._asked_by_page:
                raise
        finally:
            self.set_trait("_open", told)
            if before is not None:  # after the page knows the next one
                before.stop()
                before.close()

    # --- The page.

    def set_state(self, sync_data: Any) -> None:
        """Apply what the page sets. Everything else belongs to the kernel and stays unchanged.

        Raises:
            traitlets.TraitError: an invalid value; everything stays as it was.
        """
        state = allowed_state(self, sync_data, self._from_page)
        self._asked_by_page = True
        try:
            super().set_state(state)
        except Exception:
            self.send_state(sorted(state))  # otherwise the page would keep showing it
            raise
        finally:
            self._asked_by_page = False

    def _receive(self, widget: Any, request: Any, buffers: Any) -> None:
        reply_id: str | int | None = None
        out: list[bytes] = []
        try:
            reply_id = request_id(request)
            reply, out = self._answer(request)
        except RequestError as error:
            reply = {"error": str(error)}
        except Exception as error:
            reply = {"error": error_text(error)}
        self.send({"id": reply_id, **reply}, out)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget, and a text and a picture for places where widgets do not run."""
        connect(self, self._own_layout)
        if self.row is not None and self.opened is None:
            self._follow_row(None)
        note_shown(self)
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        data["text/plain"] = self.summary()
        picture = self._picture()
        if picture is not None:
            data["image/png"] = base64.b64encode(picture).decode()
        return data, metadata

    def let_go(self) -> None:
        """Free the page's copy of the view once nothing shows it; displaying the view opens it again."""
        self._close_sentence()
        disconnect(self, self._own_layout)

    def close(self) -> None:
        """Close the view and the sentence that is open in it."""
        self._close_sentence()
        super().close()

    def _close_sentence(self) -> None:
        opened, self.opened = self.opened, None
        if opened is not None:
            opened.stop()
            opened.close()


def _is_refused_by_marimo(error: Exception) -> bool:
    """Whether marimo stopped a widget from being made by a click: it asserts that a cell is running."""
    return isinstance(error, AssertionError) and "marimo" in sys.modules and str(error) == ""
