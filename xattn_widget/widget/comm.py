"""Messages from the page: settings, and requests, each of which gets a reply, if only an error as text."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets

from xattn_widget.messages.characters import brief
from xattn_widget.panel.computations import Outcome, run_later
from xattn_widget.panel.json_values import error_text
from xattn_widget.panel.protocol import RequestError, request_id
from xattn_widget.panel.replies import answer, requested_score
from xattn_widget.panel.settings import VIEW_SETTINGS
from xattn_widget.panel.state import PanelState

logger = logging.getLogger("xattn_widget")

# Heads are muted by a request, so that the model does not run on the thread of messages.
FROM_PAGE = frozenset(VIEW_SETTINGS) - {"muted"}

Send = Callable[[dict[str, Any], list[bytes]], None]
AnswerLive = Callable[[Mapping[str, Any]], dict[str, Any] | None]


def allowed_state(widget: ipywidgets.Widget, state: Any, allowed: frozenset[str] = FROM_PAGE) -> dict[str, Any]:
    """The part of ``state`` that the page may set; where the rest differs, the page is sent the true values.

    Raises:
        TypeError: something other than a dictionary.
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"the page sets traits by a dictionary, got {brief(state)}")
    refused = [name for name in state if name in widget.keys and name not in allowed]
    changed = [name for name in refused if widget.get_state(name)[name] != state[name]]
    if changed:
        logger.warning("the page may not set %s, which only the kernel sets: ignored", ", ".join(changed))
        widget.send_state(changed)
    return {name: value for name, value in state.items() if name in allowed}


def receive(state: PanelState, answer_live: AnswerLive, request: Any, send: Send) -> None:
    """Answer a request of the page. An error is sent as text, because nobody would see it here.

    Args:
        state: what the request is about.
        answer_live: answers a request for an experiment, or returns None where the reply comes later.
        request: the message.
        send: sends a reply with its buffers.
    """
    reply_id: str | int | None = None
    reply: dict[str, Any] | None
    buffers: list[bytes] = []
    try:
        reply_id = request_id(request)
        checked = state.read_request(request) | {"id": reply_id}
        if checked["kind"] == "live":
            reply = answer_live(checked)
        elif checked["kind"] == "scores":
            reply = _scores(state, checked, send)
        elif checked["kind"] in ("whole", "word_times"):
            reply = None
            _later(state, checked, send)
        else:
            reply, buffers = state.answer(request)
    except RequestError as error:
        reply = {"error": str(error)}
    except Exception as error:
        reply = {"error": error_text(error)}
    if reply is not None:
        send({"id": reply_id, **reply}, buffers)


def _scores(state: PanelState, request: Mapping[str, Any], send: Send) -> dict[str, Any] | None:
    """The values of a score; None if they are sent later, after telling the page that they are being computed."""
    record = state.entries[request["sentence"]].record
    computation = requested_score(request, state.scores).computation(record)
    computation.start()
    outcome = computation.wait(0)
    if outcome is not None:
        return outcome.reply()

    def send_later(later: Outcome) -> None:
        send({"id": request["id"], **later.reply()}, [])

    send({"computing": request["id"]}, [])
    computation.then(send_later)
    return None


def _later(state: PanelState, request: Mapping[str, Any], send: Send) -> None:
    """Send the reply later, from a thread for scores: other requests go first, and guessing heads takes seconds."""
    entry, scores = state.entries[request["sentence"]], dict(state.scores)

    def reply_later() -> None:
        buffers: list[bytes] = []
        try:
            reply, buffers = answer(request, entry, scores)
        except Exception as error:
            reply = {"error": error_text(error)}
        send({"id": request["id"], **reply}, buffers)

    if request["kind"] == "word_times" and entry.record.timing is None:
        send({"computing": request["id"]}, [])  # the page then waits as long as it takes
    run_later(reply_later)
