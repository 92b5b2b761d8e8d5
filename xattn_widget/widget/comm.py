"""Messages of the page: what it may set, and requests, each of which gets an answer, at worst an error in words."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xattn_widget.messages.characters import brief
from xattn_widget.panel.protocol import RequestError, request_id
from xattn_widget.panel.score_entries import Outcome, error_text
from xattn_widget.panel.settings import VIEW_SETTINGS

if TYPE_CHECKING:
    from xattn_widget.widget.widget import CrossAttentionWidget

logger = logging.getLogger("xattn_widget")

# Heads are muted by a request, which runs the model beside the message loop.
FROM_PAGE = frozenset(VIEW_SETTINGS) - {"muted"}


def allowed_state(widget: CrossAttentionWidget, state: Any) -> dict[str, Any]:
    """The part of ``state`` that the page may set; whatever else differs from the widget's is sent back as it is here.

    Raises:
        TypeError: no dictionary.
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"the page sets traits by a dictionary, got {brief(state)}")
    refused = [name for name in state if name in widget.keys and name not in FROM_PAGE]
    changed = [name for name in refused if widget.get_state(name)[name] != state[name]]
    if changed:
        logger.warning("the page may not set %s, which belongs to the kernel: ignored", ", ".join(changed))
        widget.send_state(changed)
    return {name: value for name, value in state.items() if name in FROM_PAGE}


def receive(widget: CrossAttentionWidget, request: Any, buffers: Any) -> None:
    """Answer a message of the page. An error is answered in words, since here nobody would see it."""
    reply_id: str | int | None = None
    reply: dict[str, Any] | None
    out: list[bytes] = []
    try:
        reply_id = request_id(request)
        asked = widget.read_request(request) | {"id": reply_id}
        if asked["kind"] == "live":
            reply = widget.answer_live(asked)
        elif asked["kind"] == "scores":
            reply = _scores(widget, asked)
        else:
            reply, out = widget.answer(request)
    except RequestError as error:
        reply = {"error": str(error)}
    except Exception as error:
        reply = {"error": error_text(error)}
    if reply is not None:
        widget.send({"id": reply_id, **reply}, out)


def _scores(widget: CrossAttentionWidget, asked: Mapping[str, Any]) -> dict[str, Any] | None:
    """The values of a score, or None where they are sent later and the page is told that they are being computed."""
    computation = widget.score_entry(asked["name"]).start(widget.records[asked["sentence"]])
    outcome = computation.wait(0)
    if outcome is not None:
        return outcome.reply()

    def send(later: Outcome) -> None:
        widget.send({"id": asked["id"], **later.reply()}, [])

    widget.send({"computing": asked["id"]}, [])
    computation.then(send)
    return None
