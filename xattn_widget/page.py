"""A page that shows the widget without Jupyter: one file, offline, the same front end."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xattn_widget.widget import CrossAttentionWidget

_STATIC = Path(__file__).parent / "static"

# Nothing is loaded from anywhere, whatever the page is given.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"

_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0 auto; padding: 16px; max-width: 1600px; }}
{style}
</style>
</head>
<body>
<div class="xattn-page"></div>
<script type="application/json" class="xattn-state">{state}</script>
<noscript><pre>{summary}</pre></noscript>
<script>
{script}
</script>
</body>
</html>
"""


def write_page(widget: CrossAttentionWidget, path: str | Path) -> Path:
    """Write ``widget`` as it is now to an HTML file with everything inside, and return the path."""
    from xattn_widget.widget import VIEW_SETTINGS

    traits = {name: getattr(widget, name) for name in ("info", "score_list", *VIEW_SETTINGS)}
    traits["info"] = traits["info"] | {"live": False}
    state = {"traits": traits, "replies": [_reply(widget, request) for request in _requests(widget)]}
    # "<" inside JSON strings may be written as an escape; as itself it could end the script element.
    encoded = json.dumps(state, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    sentence = traits["info"]["sentences"][widget.sentence]
    path = Path(path)
    path.write_text(
        _TEMPLATE.format(
            policy=_POLICY,
            title=html.escape(f"Cross-attention: {sentence['source']}"),
            style=(_STATIC / "widget.css").read_text(encoding="utf-8"),
            state=encoded,
            summary=html.escape(widget.summary()),
            script=(_STATIC / "page.js").read_text(encoding="utf-8").replace("</script", "<\\/script"),
        ),
        encoding="utf-8",
    )
    return path


def _requests(widget: CrossAttentionWidget) -> list[dict[str, Any]]:
    """All that the panel may ask for, but exact rows: there the bytes must do."""
    requests: list[dict[str, Any]] = []
    for sentence, entry in enumerate(widget.info["sentences"]):
        requests.append({"kind": "sentence", "sentence": sentence})
        for score in widget.score_list:
            requests.append({"kind": "scores", "sentence": sentence, "name": score["name"]})
        for layer in range(entry["layers"]):
            requests.append({"kind": "layer", "sentence": sentence, "layer": layer})
        if widget.reference(sentence) is not None:
            requests += _alignment_requests(widget, sentence, entry)
    return requests


def _alignment_requests(widget: CrossAttentionWidget, sentence: int, entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Each head by itself, and those picked: a page cannot work out others."""
    picks = [[[layer, head]] for layer in range(entry["layers"]) for head in range(entry["heads"])]
    whole = [[[layer, head] for head in range(entry["heads"])] for layer in range(entry["layers"])]
    more = [widget.heads] if sentence == widget.sentence and widget.heads not in picks + whole else []
    return [
        {"kind": "alignment", "sentence": sentence, "heads": heads, "aggregate": aggregate, "reading": reading}
        for heads in picks + whole + more
        for aggregate in ("mean", "max")
        for reading in ("output", "input")
    ]


def _reply(widget: CrossAttentionWidget, request: dict[str, Any]) -> dict[str, Any]:
    reply, buffers = widget.answer(request)
    return {
        "request": request,
        "reply": reply,
        "buffers": [base64.b64encode(buffer).decode() for buffer in buffers],
    }
