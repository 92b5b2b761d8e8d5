"""The results of a benchmark: printed, and with ``--write`` put into docs/bench/, which the documentation includes."""

import argparse
import datetime
import re
from collections.abc import Sequence
from pathlib import Path

import torch
import transformers

NO_BREAK = "\N{NO-BREAK SPACE}"
_UNIT = re.compile(r"(?<=\d) (?=(ms|s|MB)\b)")
FOLDER = Path(__file__).parents[2] / "docs" / "bench"


def add_write_option(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the option ``--write`` to a benchmark that writes ``docs/bench/NAME.md``."""
    parser.add_argument(
        "--write", nargs="?", const=name, metavar="NAME", help=f"write docs/bench/NAME.md, by default {name}.md"
    )


def libraries(*more: str) -> str:
    """The versions that a result depends on, and the CPU's instructions and threads that torch uses."""
    threads = torch.get_num_threads()
    versions = [f"torch {torch.__version__.partition('+')[0]}", f"transformers {transformers.__version__}", *more]
    cpu = torch.backends.cpu.get_cpu_capability()
    return ", ".join([*versions, f"{threads} thread{'' if threads == 1 else 's'} on a CPU with {cpu}"])


class Results:
    """Lines of Markdown, printed as they come and written to a file at the end."""

    def __init__(self, name: str | None, facts: str) -> None:
        """Begin with the facts that the results depend on.

        Args:
            name: the name of the file in docs/bench/, without ``.md``; None to print only.
            facts: what was measured with what, without a period at the end.
        """
        self._name = name
        self._lines: list[str] = []
        self.say(f"Measured on {datetime.date.today().isoformat()}: {facts}.")

    def say(self, line: str = "") -> None:
        """Add a line, and print it."""
        self._lines.append(line)
        print(line, flush=True)

    def table(self, header: Sequence[str]) -> None:
        """Add the head of a table."""
        self.say()
        self.row(header)
        self.row(["---"] * len(header))

    def row(self, cells: Sequence[str]) -> None:
        """Add a row of the table; a number and its unit stay on one line."""
        self.say(f"| {' | '.join(_UNIT.sub(NO_BREAK, cell) for cell in cells)} |")

    def save(self) -> None:
        """Write the file, if there is to be one."""
        if self._name is None:
            return
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / f"{self._name}.md").write_text("\n".join(self._lines) + "\n", encoding="utf-8")
