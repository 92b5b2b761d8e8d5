"""Make the README's pictures again: the panel on the demo model, in a browser, light and dark (`make pictures`)."""

from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from xattn_widget import load_demo, show_cross_attention

from .conftest import FLAGS
from .find_chromium import find_or_fail

FOLDER = Path(__file__).parents[2] / "examples" / "pictures"
SENTENCE = "Gestern habe ich meinen alten Freund in der Stadt getroffen."


def main() -> None:
    model, tokenizer = load_demo()
    widget = show_cross_attention(model, tokenizer, SENTENCE, words=True)
    widget.target_index = next(word.start for word in widget.record.target_words if word.text == "met")
    FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        address = widget.to_html(Path(folder) / "page.html").as_uri()
        browser = playwright.chromium.launch(executable_path=find_or_fail(), headless=True, args=FLAGS)
        for scheme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": 1100, "height": 900}, color_scheme=scheme, device_scale_factor=2
            )
            page = context.new_page()
            page.goto(address)
            panel = page.locator(".xattn")
            panel.locator(".xattn-pinned").wait_for()
            page.wait_for_timeout(300)  # the canvases' next frames
            path = FOLDER / f"panel-{scheme}.png"
            panel.screenshot(path=path)
            print(path)
        browser.close()


if __name__ == "__main__":
    main()
