"""Measure the panel on a page of 512 words in Chromium: bytes, the first picture, and hovers over words and patches.

    python tests/benchmarks/bench_image.py [--hovers N] [--write]

The panel runs as in bench_browser.py. All heads of a layer are picked. A hover over a word draws its weights over the
picture, and one over a patch marks the words that read it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

from widget_pictures import patch_axis  # noqa: E402

from tests.benchmarks.bench_browser import BOXES, Hovers, Server, host_page, serving, show, spread  # noqa: E402
from tests.benchmarks.results import Results, add_write_option  # noqa: E402
from tests.browser.conftest import FLAGS  # noqa: E402
from tests.browser.find_chromium import find_or_fail  # noqa: E402
from xattn_widget import CrossAttention, CrossAttentionWidget  # noqa: E402
from xattn_widget.record.axis import Axis  # noqa: E402
from xattn_widget.record.picture import Picture  # noqa: E402

LAYERS, HEADS, WORDS = 2, 16, 512
GRIDS = (24, 64)  # patches on each side
_LINE = 16  # words in a line
_SIDE = 1280  # pixels of the page

# Resolves in the frame after the one in which the picture is drawn.
PAINTED = """() => new Promise((resolve) => {
  const check = () => {
    const canvas = document.querySelector(".xattn-image-pane canvas");
    if (window.pictures > 0 && canvas.width > 50) requestAnimationFrame(() => resolve(performance.now()));
    else requestAnimationFrame(check);
  };
  check();
})"""
COUNT_PICTURES = """window.pictures = 0;
const draw = CanvasRenderingContext2D.prototype.drawImage;
CanvasRenderingContext2D.prototype.drawImage = function (...args) {
  if (this.canvas.closest(".xattn-image-pane")) window.pictures += 1;
  return draw.apply(this, args);
};"""


def page_of_words(grid: int) -> CrossAttention:
    """A record of a page of numbers in lines; each word looks at its own place, more sharply the higher the head."""
    image = Image.new("RGB", (_SIDE, _SIDE), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    step_x, step_y = _SIDE / _LINE, _SIDE / (WORDS / _LINE)
    middles = []
    for word in range(WORDS):
        line, place = divmod(word, _LINE)
        x, y = (place + 0.1) * step_x, (line + 0.15) * step_y
        draw.text((x, y), str(10_000 + word), fill=(20, 20, 20), font_size=22)
        middles.append(((place + 0.5) * step_x, (line + 0.5) * step_y))
    source = patch_axis((_SIDE, _SIDE), grid, grid)
    places = torch.tensor(source.places)[1:]
    far = torch.cdist(torch.tensor(middles), (places[:, :2] + places[:, 2:]) / 2) / step_x
    noise = torch.randn(LAYERS, HEADS, WORDS, 1 + len(places), generator=torch.Generator().manual_seed(0))
    scores = torch.cat([torch.ones(WORDS, 1), -(far**2)], -1)
    weights = (scores * torch.linspace(0.5, 4, HEADS)[:, None, None] + noise).softmax(-1)
    words = tuple(str(10_000 + word) for word in range(WORDS))
    target = Axis(words, special=(False,) * WORDS, groups=tuple(range(WORDS)), words=words)
    return CrossAttention(weights=weights, source=source, targets={"output": target}, image=Picture.from_image(image))


def measure(page: Page, record: CrossAttention, hovers: int) -> dict[str, Any]:
    widget = CrossAttentionWidget(record, heads=[[1, head] for head in range(HEADS)], combined=True)
    host = host_page(widget)
    page.add_init_script(COUNT_PICTURES)
    with serving(Server(widget, host)) as address:
        page.goto(address)
        page.wait_for_function("() => window.ready")
        page.evaluate("() => window.start()")
        painted = page.evaluate(PAINTED)
        result: dict[str, Any] = {
            "picture": len(record.image.data) if record.image else 0,
            "received": page.evaluate("() => window.received"),
            "first paint": painted - page.evaluate("() => window.began"),
        }
        page.wait_for_timeout(1000)
        meter = Hovers(page)
        boxes = page.evaluate(BOXES, ".xattn-image-word")
        result["word p50"], result["word p95"] = meter.measure(spread(boxes, hovers), (3, 3))
        (pane,) = page.evaluate(BOXES, ".xattn-image-pane")
        steps = [(((7 * step) % 23 + 0.5) / 23, ((5 * step) % 19 + 0.5) / 19) for step in range(hovers)]
        places = [(pane["x"] + x * pane["width"], pane["y"] + y * pane["height"]) for x, y in steps]
        result["patch p50"], result["patch p95"] = meter.measure(places, (3, 3))
        return result


ROWS = [
    ("the picture", "picture", "bytes"),
    ("sent until it is drawn", "received", "bytes"),
    ("first picture", "first paint", "ms"),
    ("a hover over a word, median", "word p50", "ms"),
    ("a hover over a word, 95th percentile", "word p95", "ms"),
    ("a hover over a patch, median", "patch p50", "ms"),
    ("a hover over a patch, 95th percentile", "patch p95", "ms"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hovers", type=int, default=100, help="number of hovers over words, and over patches")
    add_write_option(parser, "image")
    arguments = parser.parse_args()
    with sync_playwright() as playwright:
        measured = []
        for grid in GRIDS:
            browser = playwright.chromium.launch(executable_path=find_or_fail(), headless=True, args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            measured.append(measure(page, page_of_words(grid), arguments.hovers))
            version = browser.version
            browser.close()
    results = Results(
        arguments.write,
        f"Chromium {version} without a GPU, window of 1280 x 900; {arguments.hovers} hovers of each kind",
    )
    results.table([f"{HEADS} heads, {WORDS} words", *(f"{grid} x {grid} patches" for grid in GRIDS)])
    for label, key, unit in ROWS:
        results.row([label, *(show(result[key], unit) for result in measured)])
    results.save()


if __name__ == "__main__":
    main()
