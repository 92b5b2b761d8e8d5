"""Let IPython show tables and profiles of this package readably. Every other table looks as it did before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xattn_widget.messages.shell import running_shell

# The entries of a schema's metadata that mark a table as one of this package: a scored one, or one made from it.
SCORED, RESULT = b"xattn_widget", b"xattn_widget_result"
_TABLE = ("pyarrow.lib", "Table")
_PROFILE = ("xattn_widget.corpus.profiles", "HeadProfile")

Write = Callable[[Any], str]


def show_tables(html: Write, text: Write) -> None:
    """Register formatters of ``pyarrow.Table`` for the life of the running IPython, if there is one.

    They act only on tables with this package's metadata. For others, whatever was registered before is used, or else
    what IPython does by itself.

    Args:
        html: writes a table as HTML.
        text: writes a table as plain text.
    """
    shell = running_shell()
    if shell is None:
        return
    formatters = shell.display_formatter.formatters
    pages, texts = formatters["text/html"], formatters["text/plain"]
    page_before, text_before = pages.for_type_by_name(*_TABLE), texts.for_type_by_name(*_TABLE)

    def write_page(table: Any) -> Any:
        if is_ours(table):
            return html(table)
        return page_before(table) if page_before else None

    def write_text(table: Any, printer: Any, cycle: bool) -> None:
        if not is_ours(table) and text_before:
            text_before(table, printer, cycle)
            return
        for number, line in enumerate((text(table) if is_ours(table) else repr(table)).splitlines()):
            if number:
                printer.break_()
            printer.text(line)

    pages.for_type_by_name(*_TABLE, write_page)
    texts.for_type_by_name(*_TABLE, write_text)


def show_profiles(bundle: Callable[[Any], tuple[dict[str, Any], dict[str, Any]]]) -> None:
    """Let the notebook show a profile of heads as its view; a shell in a terminal shows its text.

    Args:
        bundle: makes the data and metadata of what a cell shows.
    """
    shell = running_shell()
    # Only a notebook has a kernel, to which the view can speak.
    if shell is not None and getattr(shell, "kernel", None) is not None:
        shell.display_formatter.mimebundle_formatter.for_type_by_name(*_PROFILE, bundle)


def is_ours(table: Any) -> bool:
    """Whether a table carries this package's metadata."""
    return not {SCORED, RESULT}.isdisjoint(table.schema.metadata or {})
