"""The command line: ``xattn-widget score``, ``select`` and ``show``."""

from xattn_widget.cli.commands import cli, main

__all__ = ["cli", "main"]
