"""The example notebooks run, and every viewer can show the committed outputs."""

from pathlib import Path

import nbformat
import pytest
from scripts import load_script

EXAMPLES = Path(__file__).parent.parent / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


@pytest.fixture(scope="module")
def runner():
    """Import examples/execute.py, which is not in a package."""
    return load_script("execute.py")


@pytest.mark.notebook
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs_and_shows_a_widget(path, runner):
    notebook = nbformat.read(path, as_version=4)
    runner.execute(notebook, EXAMPLES)
    kinds = {kind for cell in notebook.cells for output in cell.get("outputs", []) for kind in output.get("data", {})}
    assert runner.WIDGET_VIEW in kinds
    runner.save(notebook, EXAMPLES.parent / "build/notebooks" / path.name)  # for the documentation


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_committed_notebook_has_pictures_and_no_widget_state(path, runner):
    notebook = nbformat.read(path, as_version=4)
    assert "widgets" not in notebook.metadata
    outputs = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in data for data in outputs)
    assert not any(runner.WIDGET_VIEW in data for data in outputs)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
