"""CSV and JSON that every reader takes: cells of any text, and numbers that JSON has."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable
from typing import IO, Any

from xattn_widget.messages.characters import well_formed

# A cell that begins so is a formula to a spreadsheet; the wide forms are, where keyboards have them.
_FORMULA = re.compile("[=+\\-@\t\r\n＝＋－＠]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def csv_writer(file: IO[str], spreadsheet: bool = False) -> Callable[[Iterable[Any]], object]:
    """A function that writes a row of cells as CSV (RFC 4180, lines end with CR LF).

    Args:
        file: where to, opened with ``newline=""``.
        spreadsheet: write an apostrophe before each text that a spreadsheet would take for a formula (one that begins
            with ``=``, ``+``, ``-``, ``@``, a tab or a line break), and every text in quotes. Such cells do not read
            back as they were.
    """
    # With this line end the module quotes cells that hold CR or LF; with a bare LF it leaves CR as it is.
    writer = csv.writer(file, lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC if spreadsheet else csv.QUOTE_MINIMAL)

    def cell(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        text = well_formed(value)
        return f"'{text}" if spreadsheet and _FORMULA.match(text) else text

    return lambda row: writer.writerow([cell(value) for value in row])


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON of a value; lone surrogates are escaped, since UTF-8 has no bytes for them.

    Raises:
        ValueError: a number that JSON does not have.
    """
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
