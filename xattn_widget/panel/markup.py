"""HTML as text: every string is escaped unless this module created it."""

from __future__ import annotations

import html

from xattn_widget.messages.characters import visible, well_formed

_VOID = frozenset({"meta"})


class Markup(str):
    """HTML that :func:`element` made; any other string is text."""

    __slots__ = ()


def element(name: str, attributes: dict[str, str] | None = None, *children: str) -> Markup:
    """An element of HTML.

    Args:
        name: its name.
        attributes: their values as text.
        children: text, or other elements.
    """
    written = "".join(f' {key}="{_escaped(well_formed(value))}"' for key, value in (attributes or {}).items())
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    inside = "".join(child if isinstance(child, Markup) else _escaped(_made_visible(child)) for child in children)
    return Markup(f"<{name}{written}>{inside}</{name}>")


def source_element(name: str, attributes: dict[str, str], source: str) -> Markup:
    """A script or style element, whose contents HTML does not unescape.

    Raises:
        ValueError: the contents would end the element.
    """
    if f"</{name}" in source.lower() or "<!--" in source:
        raise ValueError(f"this source cannot stand in a {name} element: it contains '</{name}' or '<!--'")
    opened = str(element(name, attributes)).removesuffix(f"</{name}>")
    return Markup(f"{opened}{source}</{name}>")


def _escaped(text: str) -> str:
    return html.escape(text, quote=False).replace('"', "&quot;")


def _made_visible(text: str) -> str:
    """The text with invisible characters as code points; line breaks stay."""
    return "\n".join(visible(line) for line in text.split("\n"))
