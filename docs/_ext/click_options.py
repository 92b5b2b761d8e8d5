"""The directive ``click-options``: a table of the options of one command, read from the program itself.

``{click-options} score`` lists the options of ``xattn-widget score``. Types and metavariables are those of ``--help``.
"""

from __future__ import annotations

import re
from typing import Any

import click
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from xattn_widget.cli import cli

# "--help" ends with notes in brackets: "[default: 4096; x>=1]", "[required]".
_NOTES = re.compile(r"\s*\[([^\]]*)\]$")


class ClickOptions(SphinxDirective):
    """Writes the table as MyST and parses it."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Make the nodes of the page."""
        name = self.arguments[0]
        command = cli.commands.get(name)
        if command is None:
            raise self.error(f"unknown command {name!r}; use one of {', '.join(cli.commands)}")
        context = click.Context(command, info_name=name, help_option_names=["-h", "--help"])
        options = [option for option in command.get_params(context) if isinstance(option, click.Option)]
        records = [option.get_help_record(context) for option in options]
        lines = ["| option | meaning | default |", "| --- | --- | --- |"]
        lines += [self._row(*record) for record in records if record is not None]
        node = nodes.container(classes=["click-options"])
        self.state.nested_parse(StringList(lines, f"options of {name}"), 0, node)
        return list(node.children)

    def _row(self, option: str, text: str) -> str:
        notes: list[str] = []
        while found := _NOTES.search(text):
            notes = [*re.split(r"; ", found[1]), *notes]
            text = text[: found.start()]
        default = ", ".join(note.removeprefix("default: ").replace("x>=", "at least ") for note in notes)
        # In code, "--by" keeps its two hyphens.
        text = re.sub(r"(--[a-z][a-z-]*)", r"`\1`", text)
        option = option.replace(" INTEGER RANGE", " N").replace("|", "\\|")
        return f"| `{option}` | {text} | {default} |"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("click-options", ClickOptions)
    return {"parallel_read_safe": True}
