"""The directive ``panel``: runs Python, and shows the widget that its last line makes as a live panel in the page.

A page runs its panels in order and in one namespace, so that a later one can use what an earlier one has made. The
panel is the widget's offline page in a frame, one file for each panel.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FOLDER = "_panels"


class LivePanel(SphinxDirective):
    """Shows the code and the panel below it."""

    has_content = True
    option_spec: ClassVar = {"height": directives.positive_int, "hide-code": directives.flag}

    def run(self) -> list[nodes.Node]:
        """Make the nodes of the page."""
        code = "\n".join(self.content)
        namespace = self.env.temp_data.setdefault("live_panel_names", {})
        count = self.env.temp_data["live_panel_count"] = self.env.temp_data.get("live_panel_count", 0) + 1
        name = f"{self.env.docname.replace('/', '-')}-{count}.html"
        folder = Path(self.env.app.outdir, FOLDER)
        folder.mkdir(parents=True, exist_ok=True)
        evaluate(code, namespace).to_html(folder / name)
        shown: list[nodes.Node] = []
        if "hide-code" not in self.options:
            shown.append(nodes.literal_block(code, code, language="python"))
        height = self.options.get("height", 640)
        depth = "../" * self.env.docname.count("/")
        frame = (
            f'<iframe class="xattn-live" title="Cross-attention panel" loading="lazy" src="{depth}{FOLDER}/{name}" '
            f'style="height: {height}px" sandbox="allow-scripts allow-downloads allow-popups"></iframe>'
        )
        shown.append(nodes.raw("", frame, format="html"))
        return shown


def evaluate(code: str, namespace: dict[str, Any]) -> Any:
    """Run the code; returns the value of its last line."""
    *statements, last = ast.parse(code).body
    if not isinstance(last, ast.Expr):
        raise ValueError(f"the last line of a panel must be a widget: {code}")
    exec(compile(ast.Module(statements, []), "<panel>", "exec"), namespace)
    return eval(compile(ast.Expression(last.value), "<panel>", "eval"), namespace)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("panel", LivePanel)
    return {"parallel_read_safe": False}
