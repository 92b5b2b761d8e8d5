"""Write CSV and JSON that any reader accepts, whatever the text and numbers are."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable
from typing import IO, Any

from xattn_widget.messages.characters import well_formed

# Spreadsheets treat a cell that starts with one of these as a formula. Some accept the full-width forms too.
_FORMULA = re.compile("[=+\\-@\t\r\n＝＋－＠]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def csv_writer(file: IO[str], spreadsheet: bool = False) -> Callable[[Iterable[Any]], object]:
    """A function that writes one row of cells as CSV (RFC 4180, lines end with CR LF).

    Args:
        file: the file to write to, opened with ``newline=""``.
        spreadsheet: put an apostrophe before text that a spreadsheet would take for a formula (text that starts with
            ``=``, ``+``, ``-``, ``@``, a tab or a line break), and quote all text. Such cells cannot be read back
            unchanged.
    """
    # With this line terminator the csv module quotes cells that hold CR or LF; with a bare LF it would not quote CR.
    writer = csv.writer(file, lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC if spreadsheet else csv.QUOTE_MINIMAL)

    def cell(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        text = well_formed(value)
        return f"'{text}" if spreadsheet and _FORMULA.match(text) else text

    return lambda row: writer.writerow([cell(value) for value in row])


def json_text(value: Any, indent: int | None = None) -> str:
    """A value as JSON. Lone surrogates are escaped, because UTF-8 cannot encode them.

    Raises:
        ValueError: a number that JSON cannot represent (NaN or infinity).
    """
    separators = (",", ":") if indent is None else None
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
