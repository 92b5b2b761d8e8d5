"""Errors as one line on stderr with an exit code, in terms of the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from xattn_widget.messages.quiet import quiet_warnings


class Interrupted(click.ClickException):
    """The user interrupted the command."""

    exit_code = 130


class Commands(click.Group):
    """A group of commands that reports a truncated file as such, which click takes for an interrupt."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except EOFError as error:
            raise click.ClickException(str(error) or "a file is cut short") from error
        except KeyboardInterrupt:
            click.echo(err=True)  # below the ^C
            resumable = "; the same call resumes it" if ctx.invoked_subcommand == "score" else ""
            raise Interrupted(f"interrupted{resumable}") from None


@contextmanager
def naming_options() -> Iterator[None]:
    """Rename arguments in errors as the command line does: ``--source-column de`` for ``source_column='de'``."""
    parameters = click.get_current_context().command.params
    # Names without an underscore are ordinary words as well.
    options = {parameter.name: parameter.opts[0] for parameter in parameters if "_" in (parameter.name or "")}
    # Not within quotes or a longer word.
    argument = re.compile(
        rf"(?<![\w'\"./-])(?P<name>{'|'.join(map(str, options))})\b(?:=(?P<value>'[^']*'|\w+))?(?!['\"]|\.\w)"
    )

    def option(match: re.Match[str]) -> str:
        value = (match["value"] or "").strip("'")
        return f"{options[match['name']]} {value}".rstrip()

    try:
        yield
    except (TypeError, ValueError) as error:
        raise click.ClickException(argument.sub(option, str(error))) from error


def run(commands: click.Group, arguments: list[str] | None) -> int:
    """Run a command; returns the exit code."""
    try:
        with quiet_warnings():
            code = commands.main(args=arguments, prog_name="xattn-widget", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", 130)
    except Exception as error:
        return _fail(str(error) or type(error).__name__, 1)
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int) -> int:
    click.echo(f"xattn-widget: {' '.join(message.split())}", err=True)
    return code
