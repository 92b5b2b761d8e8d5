"""Types of options: lists, orders, columns and settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

POSITIVE = click.IntRange(min=1)
COUNTED = click.IntRange(min=0)  # of rows, layers and heads


class Place(click.Path):
    """A path of this machine, or a URI of shared storage."""

    name = "path or URI"

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """The path, or the URI as a string: a path would lose one of its slashes."""
        return value if isinstance(value, str) and "://" in value else super().convert(value, param, ctx)


class Names(click.ParamType):  # type: ignore[type-arg]
    """Names separated by commas."""

    name = "name,name,..."

    def convert(self, value: Any, param: Any, ctx: Any) -> list[str]:
        """The list of names."""
        if isinstance(value, list):
            return value
        names = [part.strip() for part in value.split(",") if part.strip()]
        if not names:
            self.fail(f"{value!r} contains no names: give names separated by commas", param, ctx)
        return names


class Orders(Names):
    """Names separated by commas, each with an optional order: ``name:lowest,name``."""

    name = "name[:order],..."

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """``{name: order}``, with an empty order where none is given."""
        if isinstance(value, dict):
            return value
        orders = {}
        for part in super().convert(value, param, ctx):
            name, _, order = part.partition(":")
            if not name or order not in ("", "highest", "lowest"):
                self.fail(f"{part!r} is not of the form name, name:highest or name:lowest", param, ctx)
            orders[name] = order
        if "random" in orders and len(orders) > 1:
            self.fail(f"random cannot be combined with other names, got {value!r}", param, ctx)
        return orders


class ColumnName(click.ParamType):  # type: ignore[type-arg]
    """A column's name, or its number in a file without a header."""

    name = "column"

    def convert(self, value: Any, param: Any, ctx: Any) -> str | int:
        """The number if the value is one, otherwise the name."""
        text = str(value)
        return int(text) if text.isascii() and text.isdigit() else text


class Setting(click.ParamType):  # type: ignore[type-arg]
    """A setting ``name=value``, with the value in JSON or as plain text."""

    name = "name=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, Any]:
        """The name and the value."""
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not equals:
            self.fail(f"{value!r} is not of the form name=value, such as num_beams=4", param, ctx)
        try:
            return name, json.loads(text.replace("True", "true").replace("False", "false"))
        except json.JSONDecodeError:
            return name, text
