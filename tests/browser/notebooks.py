"""A notebook in a real JupyterLab or Notebook, as a test drives it: open, run, add a cell, read outputs."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

import nbformat
from playwright.sync_api import Locator, Page

from .servers import JupyterServer

# Waits until the kernel of the notebook in front has said what it is, and makes room for it.
READY = """async () => {
  const app = window.jupyterapp;
  await app.restored;
  app.shell.collapseLeft?.();  // the file browser takes a quarter of the window
  const panel = app.shell.currentWidget;
  if (!panel || !panel.sessionContext) throw new Error("no notebook is in front");
  await panel.context.ready;
  await panel.sessionContext.ready;
  const kernel = panel.sessionContext.session && panel.sessionContext.session.kernel;
  if (!kernel) throw new Error("the notebook has no kernel");
  await kernel.info;
}"""

# JupyterLab's own commands: typing Shift+Enter was flaky.
RUN_ALL = """() => window.jupyterapp.commands.execute("notebook:run-all-cells")"""

ADD_AND_RUN = """async (source) => {
  const {content} = window.jupyterapp.shell.currentWidget;
  const index = content.model.cells.length;
  content.model.sharedModel.insertCell(index, {cell_type: "code", source, metadata: {trusted: true}});
  content.activeCellIndex = index;
  content.deselectAll();
  await window.jupyterapp.commands.execute("notebook:run-cell");
  return index;
}"""

RUN_ONE = """async (index) => {
  const {content} = window.jupyterapp.shell.currentWidget;
  content.activeCellIndex = index;
  content.deselectAll();
  await window.jupyterapp.commands.execute("notebook:run-cell");
}"""

OUTPUTS = """() => Array.from(window.jupyterapp.shell.currentWidget.content.model.cells).map(
  (cell) => (cell.type === "code" ? cell.outputs.toJSON() : []))"""

SHUT_DOWN = """() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()"""


# Seconds that a change may take from the panel to Python.
PATIENCE = 20


class CellError(AssertionError):
    """A cell raised; the message is its traceback."""


class Notebook:
    """One notebook, open in JupyterLab or Notebook, with its own kernel."""

    def __init__(
        self, page: Page, server: JupyterServer, cells: Sequence[str] | nbformat.NotebookNode, name: str
    ) -> None:
        self.page = page
        self.server = server
        self.path = server.notebooks / f"{name}-{uuid.uuid4().hex[:8]}.ipynb"
        if not isinstance(cells, nbformat.NotebookNode):
            cells = nbformat.v4.new_notebook(
                cells=[nbformat.v4.new_code_cell(source) for source in cells],
                # Without a kernel's name JupyterLab asks for one.
                metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
            )
        nbformat.write(cells, self.path)

    def open(self) -> None:
        """Opens the notebook and waits for its kernel."""
        self.page.goto(self.server.address(self.path))
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Waits for the notebook in front and its kernel."""
        self.page.wait_for_function(
            "() => window.jupyterapp && window.jupyterapp.shell.currentWidget?.sessionContext", timeout=60_000
        )
        self.page.evaluate(READY)
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        self.wait_for_splash()

    def wait_for_splash(self) -> None:
        """Waits until the moons that JupyterLab draws over everything at a start or a change of theme are gone."""
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")

    def run_all(self) -> None:
        """Runs all cells; raises CellError with the traceback of the first that fails."""
        self.page.evaluate(RUN_ALL)
        self.raise_errors()

    def add_and_run(self, source: str) -> int:
        """Adds a cell at the end and runs it; returns its index. Raises CellError if it fails."""
        index: int = self.page.evaluate(ADD_AND_RUN, source)
        self.raise_errors(first=index)
        return index

    def outputs(self, cell: int) -> list[dict[str, Any]]:
        """The outputs of a cell as the notebook format has them."""
        found: list[dict[str, Any]] = self.page.evaluate(OUTPUTS)[cell]
        return found

    def text(self, cell: int) -> str:
        """What a cell printed, and the plain text of its results."""
        parts = []
        for output in self.outputs(cell):
            part = output.get("text", "") if output["output_type"] == "stream" else output["data"].get("text/plain", "")
            parts.append("".join(part))
        return "".join(parts)

    def expect_printed(self, source: str, text: str) -> None:
        """Runs `source` in new cells until one prints `text`; raises AssertionError if none does in time.

        What a gesture changes reaches Python a moment later, and not in the order of cells: JupyterLab sends the
        messages of widgets over a channel of their own (a subshell).
        """
        deadline = time.monotonic() + PATIENCE
        while (printed := self.text(self.add_and_run(source)).strip()) != text:
            if time.monotonic() > deadline:
                raise AssertionError(f"{source!r} printed {printed!r} after {PATIENCE} s, expected {text!r}")
            time.sleep(0.1)

    def raise_errors(self, first: int = 0) -> None:
        """Raises CellError if a cell from `first` on ended with an exception."""
        for index, outputs in enumerate(self.page.evaluate(OUTPUTS)):
            for output in outputs:
                if index >= first and output["output_type"] == "error":
                    raise CellError(f"cell {index}:\n" + "\n".join(output["traceback"]))

    def cell(self, index: int) -> Locator:
        """A cell's element, to look for things in its output."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def save(self) -> None:
        """Saves the notebook, as the reader does before a reload."""
        self.page.evaluate("""() => window.jupyterapp.commands.execute("docmanager:save")""")

    def reload(self) -> None:
        """Saves and reloads the page; the kernel goes on living, and its widgets come back from it."""
        self.save()
        self.page.reload()
        self.wait_until_ready()

    def restart_kernel(self) -> None:
        """Restarts the kernel, without a question, and waits for the new one."""
        self.page.evaluate("""() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()""")
        self.page.evaluate(READY)

    def run_cell(self, index: int) -> None:
        """Runs a cell again; raises CellError if it fails."""
        self.page.evaluate(RUN_ONE, index)
        self.raise_errors()

    def set_theme(self, theme: str) -> None:
        """Switches JupyterLab to its "light" or "dark" theme."""
        name = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}[theme]
        self.page.evaluate("""(theme) => window.jupyterapp.commands.execute("apputils:change-theme", {theme})""", name)
        self.page.wait_for_function(
            "(light) => document.body.dataset.jpThemeLight === light", arg=str(theme == "light").lower()
        )
        self.wait_for_splash()

    def close(self) -> None:
        """Ends the kernel: a model that one holds would stay in memory until the last test."""
        self.page.evaluate(SHUT_DOWN)
