"""The directive ``built-in-scores``: an entry for each built-in score, with the docstring of its function.

A score is an object, so that autodoc would show the docstring of its class.
"""

from __future__ import annotations

import inspect
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.ext.napoleon import GoogleDocstring
from sphinx.util.docutils import SphinxDirective
from sphinx.util.inspect import stringify_signature

from xattn_widget.scores import BUILTIN, Score


class BuiltInScores(SphinxDirective):
    """Documents the scores as functions of the module that exports them."""

    def run(self) -> list[nodes.Node]:
        """Make the nodes of the page."""
        lines = [line for name, score in BUILTIN.items() for line in self._entry(name, score)]
        node = nodes.container()
        self.state.nested_parse(StringList(["```{eval-rst}", *lines, "```"], "built-in scores"), 0, node)
        return node.children

    def _entry(self, name: str, score: Score) -> list[str]:
        signature = stringify_signature(inspect.signature(score.function), show_annotation=False)
        docstring = inspect.getdoc(score.function) or ""
        lines = str(GoogleDocstring(docstring, self.config, self.env.app, "function", name)).splitlines()
        body = [f"   {line}" if line else "" for line in lines]
        return [f".. py:function:: xattn_widget.scores.{name}{signature}", "", *body, ""]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("built-in-scores", BuiltInScores)
    return {"parallel_read_safe": True}
