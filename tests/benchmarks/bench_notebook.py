"""Time from the end of a cell to the first picture of the demo, in a real JupyterLab, beside BertViz 1.4.1.

    python tests/benchmarks/bench_notebook.py [--rounds N] [--ours] [--write]

In each round, each tool shows the same sentence in a new cell of one notebook with one kernel, in turn. "The end" is
the kernel's reply to the cell, and the picture is there in the frame after its first lines. What the cell itself takes,
with the static picture of the widget, is given beside it. All are wall-clock times.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import jupyterlab
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks.bertviz import SCRATCH, prepare_bertviz, serve_libraries  # noqa: E402
from tests.benchmarks.results import Results, add_write_option  # noqa: E402
from tests.browser.conftest import FLAGS  # noqa: E402
from tests.browser.find_chromium import find_or_fail  # noqa: E402
from tests.browser.notebooks import Notebook  # noqa: E402
from tests.browser.servers import jupyter_server  # noqa: E402

SETUP = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
sys.path.append({str(SCRATCH / "python")!r})
from xattn_widget import load_demo, show_cross_attention, extract
model, tokenizer = load_demo()
record = extract(model, tokenizer, "Ich habe das Buch gelesen.")
"""
OURS = "show_cross_attention(model, tokenizer, 'Ich habe das Buch gelesen.')"
BERTVIZ = (
    "from bertviz import head_view\n"
    "record = extract(model, tokenizer, 'Ich habe das Buch gelesen.')\n"
    "head_view(cross_attention=[layer[None] for layer in record.weights], encoder_tokens=record.source_tokens, "
    "decoder_tokens=record.target_tokens, html_action='return')"
)

RUN = """async ([source, painted]) => {
  const {content} = window.jupyterapp.shell.currentWidget;
  const index = content.model.cells.length;
  content.model.sharedModel.insertCell(index, {cell_type: "code", source, metadata: {trusted: true}});
  content.activeCellIndex = index;
  content.deselectAll();
  const cell = content.widgets[index];
  cell.node.scrollIntoView();
  const check = new Function("node", `return ${painted}`);
  const seen = new Promise((resolve) => {
    const look = () => check(cell.node) ? requestAnimationFrame(() => resolve(performance.now()))
      : requestAnimationFrame(look);
    look();
  });
  const began = performance.now();
  await window.jupyterapp.commands.execute("notebook:run-cell");
  const ended = performance.now();
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("no picture within 15 s")), 15000));
  return [ended - began, Math.max(0, await Promise.race([seen, late]) - ended)];
}"""
PAINTED = {
    "xattn-widget": "node.querySelector('.xattn-base')?.width > 50 && node.querySelector('.xattn [role=option]')"
    " && !node.querySelector('.xattn-waiting') && node.querySelector('.xattn-head')?.style.backgroundColor",
    "BertViz 1.4.1": "node.querySelectorAll('#attention line').length > 0",
}


def quantiles(times: list[float]) -> str:
    times = sorted(times)
    return f"{statistics.median(times):,.0f} / {times[min(len(times) - 1, int(0.95 * len(times)))]:,.0f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10, help="cells of each tool, in turn")
    parser.add_argument("--ours", action="store_true", help="measure only the panel")
    add_write_option(parser, "notebook")
    arguments = parser.parse_args()
    missing = "skipped" if arguments.ours else prepare_bertviz()
    tools = {"xattn-widget": OURS, "BertViz 1.4.1": BERTVIZ}
    if missing:
        print(f"BertViz: {missing}")
        del tools["BertViz 1.4.1"]
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in tools}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_or_fail(), headless=True, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        serve_libraries(page)
        with jupyter_server(Path(folder), "jupyterlab") as server:
            notebook = Notebook(page, server, [SETUP], name="bench")
            notebook.open()
            notebook.run_all()
            if "BertViz 1.4.1" in tools:
                # JupyterLab runs its script before the library that the script loads is there: only later cells work.
                notebook.add_and_run(BERTVIZ)
                page.wait_for_timeout(3000)
            for _ in range(arguments.rounds):
                for name, source in list(tools.items()):
                    try:
                        measured: Any = page.evaluate(RUN, [source, PAINTED[name]])
                    except PlaywrightError as error:
                        print(f"{name}: {str(error).splitlines()[0]}")
                        del tools[name]
                        continue
                    times[name].append((measured[0], measured[1]))
                    page.wait_for_timeout(300)
            notebook.close()
        version = browser.version
        browser.close()
    facts = f"JupyterLab {jupyterlab.__version__}, Chromium {version} without a GPU"
    results = Results(arguments.write, f"{facts}; median / 95th percentile of {arguments.rounds} cells of each tool")
    results.table(["", *times])
    for label, which in (("first paint after the cell finishes", 1), ("the cell itself", 0)):
        results.row([label, *(quantiles([pair[which] for pair in of]) if of else "-" for of in times.values())])
    firsts = [f"{pairs[0][0]:,.0f} ms, then {pairs[0][1]:,.0f} ms" if pairs else "-" for pairs in times.values()]
    results.row(["the first cell: itself, then its first paint", *firsts])
    results.save()


if __name__ == "__main__":
    main()
