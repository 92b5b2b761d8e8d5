"""Make the README's pictures again: the panel on the demo model in JupyterLab, light and dark (`make pictures`)."""

from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from .conftest import FLAGS
from .find_chromium import find_or_fail
from .notebooks import Notebook
from .servers import jupyter_server

FOLDER = Path(__file__).parents[2] / "examples" / "pictures"
CELL = """from xattn_widget import load_demo, show_cross_attention

model, tokenizer = load_demo()
sentence = "Gestern habe ich meinen alten Freund in der Stadt getroffen."
widget = show_cross_attention(model, tokenizer, sentence, words=True)
widget.target_index = next(word.start for word in widget.record.target_words if word.text == "met")
widget"""


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with (
        TemporaryDirectory() as folder,
        jupyter_server(Path(folder), "jupyterlab") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=find_or_fail(), headless=True, args=FLAGS)
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 1260, "height": 1100}, device_scale_factor=2)
            notebook = Notebook(page, server, [CELL], name=f"pictures-{scheme}")
            notebook.open()
            notebook.set_theme(scheme)
            notebook.run_all()
            panel = page.locator(".xattn")
            panel.locator(".xattn-pinned").wait_for()
            page.mouse.move(0, 0)
            page.wait_for_timeout(1000)  # exact numbers from the kernel, and the canvases' next frames
            path = FOLDER / f"panel-{scheme}.png"
            panel.screenshot(path=path)
            print(path)
            notebook.close()
        browser.close()


if __name__ == "__main__":
    main()
