"""What the command ``show`` shows and where it writes: rows of scored tables, picked heads, and the default page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

DEFAULT_PAGE = Path("attention.html")
# This opens the part of a page that the panel fills; it comes after the style sheet.
_MARK = b'class="xattn-page"'
_BEFORE_MARK = 2**18


def page_path(output: Path | None) -> Path:
    """Where to write: ``output``, which is replaced, or the default page, unless another program wrote that file.

    Raises:
        click.UsageError: ``attention.html`` exists and is not a page of this package.
    """
    if output is not None:
        return output
    if DEFAULT_PAGE.exists() and not _is_page(DEFAULT_PAGE):
        raise click.UsageError(
            f"{DEFAULT_PAGE} exists and is not a page that xattn-widget wrote: name another file with --output"
        )
    return DEFAULT_PAGE


def _is_page(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _MARK in file.read(_BEFORE_MARK)
    except OSError:
        return False


def pairs_to_show(
    sentences: tuple[str, ...], targets: tuple[str, ...], table: Path | str | None, row: int | None, prompt: str | None
) -> tuple[Any, Any, Any]:
    """The sentences, or paths of recordings or pictures, their targets and their prompt, as given or from a table.

    Targets are None if the model is to generate them.

    Raises:
        click.UsageError: neither or both are given, or the table has no such row.
    """
    if (table is None) != (row is None):
        given, other = ("--table", "--row N") if row is None else ("--row", "--table FILE")
        raise click.UsageError(f"{given} requires {other}")
    if table is None or row is None:
        if not sentences:
            raise click.UsageError("give sentences to show, or a row of a scored table with --table FILE --row N")
        return list(sentences), list(targets) or None, prompt
    if sentences or targets or prompt is not None:
        given = "--target" if targets else f"the sentence {sentences[0]!r:.40}" if sentences else "--prompt"
        raise click.UsageError(f"--table gives the sentence, its target and its prompt: leave out {given}")
    return _row_of(table, row)


def _row_of(path: Path | str, row: int) -> tuple[Any, Any, Any]:
    from xattn_widget.corpus.opening import opened_source
    from xattn_widget.corpus.store.reading import read_schema, read_table
    from xattn_widget.corpus.store.tables import media_info

    names = read_schema(path).names
    for name in ("source", "target"):
        if name not in names:
            raise click.BadParameter(
                f"{path} has no column {name!r}: pass a table that 'xattn-widget score' wrote",
                param_hint="--table",
            )
    wanted = ("source", "target", "prompt", "offset", "error")
    table = read_table(path, [name for name in wanted if name in names])
    if row >= table.num_rows:
        rows = f"rows 0 to {table.num_rows - 1}" if table.num_rows else "no rows"
        raise click.BadParameter(f"there is no row {row}: {path} has {rows}", param_hint="--row")
    cells = table.slice(row, 1).to_pylist()[0]
    reason = cells.get("error")
    if reason or cells["source"] is None or cells["target"] is None:
        reason = reason or "its source or target is missing"
        raise click.BadParameter(f"row {row} of {path} cannot be shown: {reason}", param_hint="--row")
    return opened_source(cells["source"], media_info(table), cells.get("offset")), cells["target"], cells.get("prompt")


def check_score(name: str | None) -> None:
    """Detect a score that the panel cannot list, before the model is loaded.

    Raises:
        click.BadParameter: no built-in score has this name, or it needs what a record for the panel does not hold.
    """
    if name is None:
        return
    from xattn_widget.scores import find_score
    from xattn_widget.scores.inputs import INPUTS

    try:
        score = find_score(name)
    except ValueError as error:
        raise click.BadParameter(str(error).partition(" Pass your own")[0], param_hint="--score") from None
    for need in score.needs:
        if INPUTS[need].asked_for:
            raise click.BadParameter(
                f"{name} cannot be shown from the command line, because it needs {need}: use extract in Python",
                param_hint="--score",
            )


def pick_heads(widget: Any, layer: int | None, head: int | None) -> None:
    """Pick a head, or all heads of a layer; without either, the panel keeps those that it chose.

    Raises:
        click.BadParameter: the model has no such layer or head.
    """
    if layer is None:
        return
    record = widget.record
    for name, value, count in (("layer", layer, record.layers), ("head", head, record.heads)):
        if value is not None and value >= count:
            raise click.BadParameter(
                f"there is no {name} {value}: this model has {name}s 0 to {count - 1}", param_hint=f"--{name}"
            )
    heads = range(record.heads) if head is None else [head]
    widget.heads = [[layer, number] for number in heads]
    widget.reading = "output"  # the panel chose the reading for other heads
