"""Run the example notebooks and save them with outputs that every viewer can show.

    python examples/execute.py             # over the committed ones
    python examples/execute.py FOLDER      # into another folder

Widget state is left out, because a saved widget is dead without its kernel and some viewers reject the state. The
static picture of the widget is kept instead.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from xattn_widget.files.writing import whole_file

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run all cells in ``folder``; an error in a cell is raised."""
    resources = {"metadata": {"path": str(folder)}}
    # Printed text comes in pieces that depend on the moment; together they are the same in each run.
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources, coalesce_streams=True).execute()


def strip_widgets(notebook: nbformat.NotebookNode) -> None:
    """Keep the picture and the text of each widget, and nothing that identifies this run."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.pop("id", None)
        cell.metadata.clear()
        for output in cell.get("outputs", []):
            if "data" in output:
                output.data.pop(WIDGET_VIEW, None)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }


def save(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Save an executed notebook without widget state."""
    strip_widgets(notebook)
    notebook.nbformat_minor = 4  # without cell ids, which would change in every run
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write((nbformat.writes(notebook) + "\n").encode())


def main() -> None:
    examples = Path(__file__).parent
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else examples
    for path in sorted(examples.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        execute(notebook, examples)
        save(notebook, folder / path.name)
        print(folder / path.name)


if __name__ == "__main__":
    main()
