"""The widget in its hosts beside JupyterLab: Notebook 7, Voila, marimo, nbconvert's pages; restarts, and many views."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect

from .conftest import OpenNotebook
from .notebooks import Notebook
from .servers import JupyterServer, jupyter_environment
from .test_panel import LINES_PAINTED, SHOW, detail, head, token

# A record of no model: quick to make, and all the panel needs.
RECORD = """import torch
from xattn_widget import CrossAttention, CrossAttentionWidget
weights = torch.eye(3)[None, None].repeat(2, 2, 1, 1)
record = CrossAttention.from_tokens(weights, list("abc"), list("xyz"))
"""


def test_notebook_7(notebook7: JupyterServer, page: Page, page_errors: list[str]) -> None:
    notebook = Notebook(page, notebook7, SHOW, name="notebook7")
    notebook.open()
    page_errors.clear()  # what Notebook itself throws when it starts
    notebook.run_all()
    panel = page.locator(".xattn")
    token(panel, "target", "read").hover()
    expect(detail(panel)).to_contain_text("gelesen")
    expect(detail(panel)).to_contain_text(re.compile(r"0\.\d{3}"))  # exact, from the kernel
    head(panel, 1, 3).click()
    notebook.expect_printed("print(widget.heads)", "[[1, 3]]")
    notebook.add_and_run("widget.target_index = 1")
    expect(detail(panel)).to_have_class(re.compile("xattn-pinned"))
    assert page_errors == []


def test_voila(run_voila: Callable[[Path], str], page: Page, tmp_path: Path) -> None:
    path = tmp_path / "app.ipynb"
    cells = [RECORD + "widget = CrossAttentionWidget(record)\nwidget"]
    # What Python hears of the panel comes out as text, as in any dashboard.
    cells.append(
        "import ipywidgets\nlabel = ipywidgets.Label()\n"
        "widget.observe(lambda change: setattr(label, 'value', f'heads {widget.heads}'), 'heads')\nlabel"
    )
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": kernel}
    )
    nbformat.write(notebook, path)
    page.goto(run_voila(path))
    token(page, "target", "y").hover()
    expect(detail(page)).to_contain_text("1.000", timeout=60_000)
    head(page, 1, 1).click()
    expect(page.get_by_text("heads [[1, 1]]")).to_be_visible()


def test_marimo_both_ways(run_marimo: Callable[[str], str], page: Page) -> None:
    """Traits and messages both ways inside marimo's shadow root."""
    record = RECORD.replace("\n", "\n    ")
    page.goto(
        run_marimo(
            "import marimo\napp = marimo.App()\n\n@app.cell\ndef _():\n    import marimo as mo\n"
            f"    {record}\n"
            "    widget = mo.ui.anywidget(CrossAttentionWidget(record))\n    widget\n    return mo, widget\n\n"
            "@app.cell\ndef _(mo, widget):\n"
            "    mo.md(f'heads {widget.heads}, score {widget.score_name}')\n    return\n\n"
            "if __name__ == '__main__':\n    app.run()\n"
        )
    )
    token(page, "target", "y").hover()
    expect(detail(page)).to_contain_text("1.000")  # three decimals: exact, by a message to the kernel and back
    head(page, 1, 1).click()
    expect(page.get_by_text("heads [[1, 1]], score alignment_norm")).to_be_visible()
    page.get_by_label("Score that colors the heads").select_option("entropy")
    expect(page.get_by_text("heads [[1, 1]], score entropy")).to_be_visible()
    signature = page.get_by_role("button", name="Copy signature")
    expect(signature).to_have_attribute("title", re.compile(r"entropy\|special:keep\|v:"))


@pytest.fixture(scope="module")
def saved_notebook(tmp_path_factory: pytest.TempPathFactory) -> nbformat.NotebookNode:
    """A notebook as nbclient leaves it: run, with the state of its widgets."""
    import nbclient

    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(RECORD + "widget = CrossAttentionWidget(record)\nwidget"),
            nbformat.v4.new_code_cell("widget.embed(max_bytes=1_000_000)"),
        ]
    )
    folder = tmp_path_factory.mktemp("nbclient")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in jupyter_environment(folder).items():
            patch.setenv(name, value)
        nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return notebook


def convert(notebook: nbformat.NotebookNode, folder: Path) -> str:
    """The address of nbconvert's page of a notebook."""
    nbformat.write(notebook, folder / "saved.ipynb")
    command = [sys.executable, "-m", "nbconvert", "--log-level=WARN", "--to", "html", str(folder / "saved.ipynb")]
    subprocess.run(command, check=True, cwd=folder, capture_output=True)
    return (folder / "saved.html").as_uri()


def test_nbconverts_page_of_a_notebook_without_widget_state(
    saved_notebook: nbformat.NotebookNode, page: Page, tmp_path: Path, screenshot: Callable[..., Path]
) -> None:
    """What JupyterLab saves: the picture stands in, and its alternative text says what it shows."""
    notebook = nbformat.from_dict({**saved_notebook, "metadata": {}})
    page.goto(convert(notebook, tmp_path))
    picture = page.locator(".jp-OutputArea img")
    expect(picture).to_be_visible()
    assert picture.evaluate("(image) => image.complete && image.naturalWidth > 300")
    # What was embedded is the panel itself, as high as it is.
    frame = page.frame_locator("iframe[title='Cross-attention']")
    token(frame.locator(".xattn"), "target", "y").hover()
    expect(detail(frame.locator(".xattn"))).to_contain_text("1.00")
    head(frame.locator(".xattn"), 1, 1).click()
    expect(head(frame.locator(".xattn"), 1, 1)).to_have_attribute("aria-pressed", "true")
    overflow = "() => [document.documentElement.scrollHeight, window.innerHeight]"
    inside = page.locator("iframe").element_handle().content_frame()
    assert inside is not None
    page.wait_for_timeout(100)
    needed, given = inside.evaluate(overflow)
    assert needed <= given + 1
    screenshot("nbconvert")
    text = json.dumps(saved_notebook.cells[0].outputs[0].data["text/plain"])
    assert "all heads are equal by alignment_norm" in text


def test_nbconverts_page_with_widget_state_still_has_what_was_embedded(
    saved_notebook: nbformat.NotebookNode, page: Page, tmp_path: Path
) -> None:
    """With the state of widgets nbconvert's page loads them from the web: offline only the embedded page is there."""
    assert saved_notebook.metadata.widgets
    page.goto(convert(saved_notebook, tmp_path))
    token(page.frame_locator("iframe").locator(".xattn"), "target", "y").hover()
    expect(detail(page.frame_locator("iframe").locator(".xattn"))).to_contain_text("1.00")


def test_the_panel_tells_of_a_restarted_kernel_and_works_again(open_notebook: OpenNotebook, page: Page) -> None:
    notebook = open_notebook([RECORD + "widget = CrossAttentionWidget(record)\nwidget"])
    notebook.run_all()
    panel = page.locator(".xattn")
    expect(token(panel, "target", "y")).to_be_visible()
    expect(head(panel, 0, 1)).to_be_visible()  # with its score, which comes later
    notebook.restart_kernel()
    # What the page holds still works; what it has to ask for is told not to be there.
    token(panel, "target", "y").hover()
    expect(detail(panel)).to_contain_text("1.00")
    head(panel, 0, 1).click()
    expect(panel.get_by_role("alert")).to_contain_text("The kernel is gone", timeout=30_000)
    notebook.run_all()
    panel = page.locator(".xattn")
    expect(panel).to_have_count(1)
    head(panel, 0, 1).click()
    notebook.expect_printed("print(widget.heads)", "[[0, 1]]")


def test_several_widgets_and_one_shown_twice(open_notebook: OpenNotebook, page: Page) -> None:
    notebook = open_notebook(
        [
            RECORD
            + "first, second = CrossAttentionWidget(record), CrossAttentionWidget(record, panel='matrix')\nfirst",
            "second",
            "first",
        ]
    )
    notebook.run_all()
    panels = [notebook.cell(index).locator(".xattn") for index in range(3)]
    head(panels[0], 0, 1).click()
    for panel, pressed in zip(panels, ("true", "false", "true"), strict=True):
        expect(head(panel, 0, 1)).to_have_attribute("aria-pressed", pressed)
    # Of the two views of one widget each points for itself.
    token(panels[2], "target", "y").hover()
    expect(detail(panels[2])).to_contain_text("1.000")
    expect(detail(panels[0])).not_to_contain_text("1.000")
    # Running a cell again leaves the other view of its widget alive.
    notebook.run_cell(0)
    head(panels[2], 0, 0).click()
    expect(head(panels[2], 0, 0)).to_have_attribute("aria-pressed", "true")
    notebook.run_cell(2)
    head(panels[2], 0, 0).click()
    expect(head(panels[0], 0, 0)).to_have_attribute("aria-pressed", "true")


# Widgets and records in the kernel, and its open connections.
COUNT = """import gc
from ipywidgets.widgets.widget import _instances
gc.collect()
print(sum(type(each).__name__ == 'CrossAttentionWidget' for each in gc.get_objects()),
      sum(type(each).__name__ == 'CrossAttention' for each in gc.get_objects()), len(_instances))"""


def test_a_cell_run_a_hundred_times_leaves_nothing_behind(open_notebook: OpenNotebook, page: Page) -> None:
    source = (
        "record = CrossAttention.from_tokens(weights, list('abc'), list('xyz'))\n"
        "widget = CrossAttentionWidget(record)\nwidget"
    )
    notebook = open_notebook([RECORD, source])
    notebook.run_all()
    session = page.context.new_cdp_session(page)

    def run(times: int) -> None:
        for _ in range(times):
            notebook.run_cell(1)
        expect(page.locator(".xattn")).to_have_count(1)
        expect(token(page, "target", "y")).to_be_visible()
        page.wait_for_function(LINES_PAINTED)

    def in_the_page() -> tuple[dict[str, int], float]:
        for _ in range(3):
            session.send("HeapProfiler.collectGarbage")
        counters = session.send("Memory.getDOMCounters")
        return counters, page.evaluate("() => performance.memory.usedJSHeapSize / 1e6")

    run(10)  # what JupyterLab keeps of the first runs
    before, heap_before = in_the_page()
    run(100)
    after, heap_after = in_the_page()
    print(f"a hundred runs: {before} and {heap_before:.1f} MB before, {after} and {heap_after:.1f} MB after")
    notebook.expect_printed(COUNT, "1 1 2")  # the last one, its record, and its layout
    # A hundred panels have some 30,000 nodes and 8,000 listeners.
    assert after["nodes"] - before["nodes"] < 3_000
    assert after["jsEventListeners"] - before["jsEventListeners"] < 800
    # JupyterLab itself keeps some 0.08 MB of each closed widget; with a module of its own for each it was 36 MB.
    assert heap_after - heap_before < 20
