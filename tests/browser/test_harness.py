"""The harness itself, with a trivial widget: what fails here fails for the host's reasons, not the widget's."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from .conftest import OpenNotebook
from .notebooks import CellError

COUNTER = '''
import anywidget, traitlets

class Counter(anywidget.AnyWidget):
    _esm = """
    export default {
      render({model, el}) {
        const button = document.createElement("button");
        const show = () => { button.textContent = `count ${model.get("count")}`; };
        button.addEventListener("click", () => { model.set("count", model.get("count") + 1); model.save_changes(); });
        model.on("change:count", show);
        show();
        el.append(button);
      }
    }
    """
    count = traitlets.Int(0).tag(sync=True)
'''


def test_widget_lives_in_jupyterlab(open_notebook: OpenNotebook, page: Page, screenshot: Callable[..., Path]) -> None:
    notebook = open_notebook([COUNTER, "counter = Counter(); counter"])
    notebook.run_all()
    button = page.get_by_role("button", name="count")
    expect(button).to_have_text("count 0")
    button.click()
    expect(button).to_have_text("count 1")
    assert notebook.text(notebook.add_and_run("print(counter.count)")) == "1\n"
    notebook.add_and_run("counter.count = 41")
    expect(button).to_have_text("count 41")

    notebook.set_theme("dark")
    assert screenshot("harness-dark").stat().st_size > 0

    notebook.reload()
    expect(button).to_have_text("count 41")
    button.click()
    assert notebook.text(notebook.add_and_run("print(counter.count)")) == "42\n"


def test_kernel_is_the_python_under_test(open_notebook: OpenNotebook) -> None:
    import sys

    notebook = open_notebook(["import sys; print(sys.executable)"])
    notebook.run_all()
    assert notebook.text(0).strip() == sys.executable


def test_failing_cell_is_loud(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook(["1 / 0"])
    with pytest.raises(CellError, match="ZeroDivisionError"):
        notebook.run_all()


def test_widget_lives_in_marimo(run_marimo: Callable[[str], str], page: Page) -> None:
    cell = COUNTER.replace("\n", "\n    ")
    page.goto(
        run_marimo(
            "import marimo\napp = marimo.App()\n\n@app.cell\ndef _():\n"
            f"    {cell}\n    Counter()\n    return\n\nif __name__ == '__main__':\n    app.run()\n"
        )
    )
    button = page.get_by_role("button", name="count")
    expect(button).to_have_text("count 0")
    button.click()
    expect(button).to_have_text("count 1")


@pytest.mark.parametrize("scheme", ["file", "http"])
def test_offline_page_has_no_network(
    scheme: str, page: Page, page_errors: list[str], serve: Callable[[Path], str], tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text(
        '<!doctype html><title>t</title><p id=p>before<script>fetch("http://example.com/")'
        '.catch(() => { p.textContent = "no network" })</script>'
    )
    page.goto((tmp_path / "page.html").as_uri() if scheme == "file" else f"{serve(tmp_path)}/page.html")
    expect(page.locator("#p")).to_have_text("no network")
    assert any("ERR_NAME_NOT_RESOLVED" in error for error in page_errors)
