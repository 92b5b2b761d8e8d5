"""The HTML document of a page that works offline: the front end, its state, and words for where no script runs."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from xattn_widget.files.csv_json import json_text
from xattn_widget.panel.front_end import built_file
from xattn_widget.panel.markup import element, source_element

_PAGE_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; padding: 16px; max-width: 1600px; }
.xattn-fallback { font: 14px/1.5 system-ui, sans-serif; max-width: 48rem; }
.xattn-fallback pre { white-space: pre-wrap; }
"""
_BLOCKED = (
    "The interactive view does not run here: scripts are turned off in this browser, or the policy of the site that "
    "serves this page blocks them. Download the page and open the file itself. Whoever runs the site can allow this "
    "one script in its Content-Security-Policy: script-src "
)


def document(title: str, state: str, summary: str) -> str:
    """The whole page; ``state`` is JSON for the panel, ``summary`` is shown where the script does not run."""
    style = _PAGE_STYLE + built_file("widget.css")
    script = f"\n{built_file('page.js')}\n".replace("</script", "<\\/script")
    allowed = _hash(script)
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; img-src data: blob:; media-src blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    head = element(
        "head",
        {},
        element("meta", {"charset": "utf-8"}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        element("title", {}, title),
        source_element("style", {}, style),
    )
    # The script removes it before anyone sees it; without the script it stays.
    fallback = element(
        "div",
        {"class": "xattn-fallback", "role": "alert"},
        element("p", {}, _BLOCKED, element("code", {}, allowed)),
        element("pre", {}, summary),
    )
    body = element(
        "body",
        {},
        element("div", {"class": "xattn-page"}),
        source_element("script", {"type": "application/json", "class": "xattn-state"}, state),
        source_element("script", {}, script),
        fallback,
    )
    return f"<!doctype html>\n{element('html', {'lang': 'en'}, head, body)}\n"


def _hash(source: str) -> str:
    """The hash of a script or style, as a Content-Security-Policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def script_json(value: Any) -> str:
    """JSON for inside a script element: "<" is written as an escape, since it could end the element."""
    return json_text(value).replace("<", "\\u003c")
