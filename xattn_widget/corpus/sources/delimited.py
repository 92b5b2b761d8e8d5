"""Read lines, and records of CSV and TSV, in time linear in the file's size and in constant memory.

The csv module is not up to this: its limit on the size of a cell is global to the process, it reports an oversized
record only after reading it, and after a quote that is never closed, the rest of the file would have to be read again
for each line.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import IO

from xattn_widget.corpus.sources.cells import Broken, oversized

_BOM = b"\xef\xbb\xbf"
_SKIPPED = 2**16

# The text inside quotes, up to the closing quote or the end. Quantifiers are possessive, so nothing is tried twice.
_QUOTED = rb'[^"]*+(?:""[^"]*+)*+'
_CELL = rb'(?:"' + _QUOTED + rb'"|[^",\r\n][^,\r\n]*+|)'
_FIRST_CELL, _MORE_CELLS = re.compile(_CELL), re.compile(rb"(?:," + _CELL + rb")*+")
_TO_QUOTE = re.compile(_QUOTED)
_END = re.compile(rb"\r*\n?\Z")
_CELLS = re.compile(rb',(?:"(' + _QUOTED + rb')"|([^,\r\n]*+))')

_COMPLETE, _GOES_ON = "complete", "goes on"
_UNEXPECTED_END = Broken("broken record: unexpected end of data")
_NO_COMMA = Broken("broken record: ',' expected after '\"'")
_RETURN = Broken("broken record: carriage return in a cell without quotes")


def read_lines(file: IO[bytes], limit: int) -> Iterator[bytes | Broken]:
    """The lines of a file with their line ends, and a note instead of each line of more than ``limit`` bytes."""
    first = True
    while line := file.readline(limit + 2):
        if first:
            first = False
            line = line.removeprefix(_BOM)
            if not line:
                continue
        if len(line) > limit and len(line_content(line)) > limit:
            while not line.endswith(b"\n") and line:
                line = file.readline(_SKIPPED)
            yield oversized(limit)
        else:
            yield line


def line_content(line: bytes) -> bytes:
    """A line without its line end, which is LF or CR LF."""
    return line.removesuffix(b"\n").removesuffix(b"\r")


def read_tsv(lines: Iterable[bytes | Broken]) -> Iterator[list[bytes] | Broken]:
    """The cells of each line. Quotes are plain text, as in the files of translation tools."""
    for line in lines:
        if isinstance(line, Broken):
            yield line
            continue
        content = line.rstrip(b"\r\n")
        if b"\r" in content:
            yield _RETURN
        else:
            yield content.split(b"\t") if content else []


def read_csv(lines: Iterator[bytes | Broken], limit: int) -> Iterator[list[bytes] | Broken]:
    """The cells of each record, read strictly: text inside quotes is kept unchanged.

    An unclosed or misplaced quote could swallow the rest of the file. Therefore, if a record is broken or larger than
    ``limit``, only its first line is skipped, and reading resumes at the next line.

    Each line is scanned at most twice: as the first line of a record, and as a line that begins inside quotes. The
    second result does not depend on where the quotes were opened, so it is remembered until the line is done.
    """
    waiting = deque[bytes | Broken]()  # lines that were read but do not belong to a finished record yet
    inside = 0  # how many of them, after the first, are known to leave a quote open
    size = 0  # the bytes of the first line and of these
    last: str | None = None  # the result of scanning the line after these, if known
    ended = False

    def drop_first() -> None:
        nonlocal inside, size, last
        size -= len(waiting.popleft())
        if inside:
            inside -= 1
        else:
            last = None
            size = len(waiting[0]) if waiting else 0

    while True:
        if not waiting:
            line = next(lines, None)
            if line is None:
                return
            waiting.append(line)
            size = len(line)
        first = waiting[0]
        outcome = first if isinstance(first, Broken) else _scan_start(first)
        if outcome is not _GOES_ON:
            yield _cells(first) if outcome is _COMPLETE else Broken(outcome)  # type: ignore[arg-type]
            drop_first()
            continue
        while last is None and size <= limit and not ended:
            if len(waiting) == inside + 1:
                line = next(lines, None)
                if line is None:
                    ended = True
                    break
                waiting.append(line)
            line = waiting[inside + 1]
            result = oversized(limit) if isinstance(line, Broken) else _scan_quote(line)
            if result is _GOES_ON:
                inside += 1
                size += len(line)
            else:
                last = result
        if last is _COMPLETE and size + len(waiting[inside + 1]) <= limit:
            record = [waiting.popleft() for _ in range(inside + 2)]
            inside, last = 0, None
            size = len(waiting[0]) if waiting else 0
            yield _cells(b"".join(record))  # type: ignore[arg-type]
            continue
        if size > limit or last is _COMPLETE:
            yield oversized(limit)
        else:
            yield Broken(last or _UNEXPECTED_END)
        drop_first()


def _scan_start(line: bytes) -> str:
    """Scan a line as the first of a record: it is complete, leaves a quote open, or is broken for the reason given."""
    return _scan_cells(line, _end(_FIRST_CELL, line, 0))


def _scan_quote(line: bytes) -> str:
    """Scan a line that begins inside quotes; the results are the same kinds."""
    end = _end(_TO_QUOTE, line, 0)
    return _GOES_ON if end == len(line) else _scan_cells(line, end + 1)


def _scan_cells(line: bytes, start: int) -> str:
    end = _end(_MORE_CELLS, line, start)
    if _END.match(line, end):
        return _COMPLETE
    if line[end : end + 1] == b'"':  # if it were closed, it would have matched as a cell
        return _GOES_ON
    return _RETURN if line[end : end + 1] == b"\r" else _NO_COMMA


def _end(pattern: re.Pattern[bytes], line: bytes, start: int) -> int:
    match = pattern.match(line, start)
    return match.end() if match else start


def _cells(record: bytes) -> list[bytes]:
    if not record.strip(b"\r\n"):
        return []
    matches = _CELLS.finditer(b"," + record)
    return [plain if quoted is None else quoted.replace(b'""', b'"') for quoted, plain in map(re.Match.groups, matches)]
