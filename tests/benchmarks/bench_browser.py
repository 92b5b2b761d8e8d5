"""Compare the panel with BertViz 1.4.1 in Chromium, on the same attention in one run: bytes, paint, hovers, nodes.

    python tests/benchmarks/bench_browser.py [--hovers N] [--limit SECONDS] [--ours] [--write]

The panel runs as in a notebook: its model sends requests to this process, over HTTP instead of a kernel's channel, and
the widget answers them. BertViz's head view is its own page. BertViz (Apache-2.0) and the libraries that its page loads
from the web are downloaded once from PyPI and npm into build/bench/. Without a network only the panel is measured.

"Paint" ends with the frame after the lines are drawn. A hover is a real move of the mouse. Its time is what the
browser's main thread spends on script, layout and paint (TaskDuration in Chromium's metrics, in thread ticks), minus
the time of a move that hits nothing. All other times are wall-clock times, which are longer on a busy machine.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks.bertviz import SCRATCH, prepare_bertviz, serve_libraries  # noqa: E402
from tests.benchmarks.results import Results, add_write_option  # noqa: E402
from tests.browser.conftest import FLAGS  # noqa: E402
from tests.browser.find_chromium import find_or_fail  # noqa: E402
from xattn_widget import CrossAttention, CrossAttentionWidget  # noqa: E402

SIZES = [(6, 8, 256), (24, 16, 512)]  # layers, heads, tokens on each side
# BertViz writes each weight as about 22 bytes of JSON. Larger pages than this are not written at all.
LARGEST_PAGE = 1.5e9

HOST = """<!doctype html><meta charset="utf-8"><style>/*css*/</style>
<body style="margin: 16px; max-width: 1600px"><div id="host"></div>
<script type="module">
const traits = /*traits*/;
const listeners = new Map();
const emit = (event, ...args) => { for (const listener of [...(listeners.get(event) ?? [])]) listener(...args); };
window.received = 0;
window.model = {
  get: (name) => traits[name],
  set(name, value) { traits[name] = value; emit(`change:${name}`); },
  save_changes() {},
  on(event, listener) { listeners.set(event, (listeners.get(event) ?? new Set()).add(listener)); },
  off(event, listener) { listeners.get(event)?.delete(listener); },
  async send(content) {
    const response = await fetch("/answer", {method: "POST", body: JSON.stringify(content)});
    const body = await response.arrayBuffer();
    window.received += body.byteLength;
    const size = Number(response.headers.get("x-json"));
    const reply = JSON.parse(new TextDecoder().decode(new Uint8Array(body, 0, size)));
    emit("msg:custom", reply, body.byteLength > size ? [new DataView(body, size)] : []);
  },
};
const module = await import("/widget.js");
window.start = () => {
  window.began = performance.now();
  module.default.render({model: window.model, el: document.getElementById("host")});
};
window.ready = true;
</script>"""

# Resolves in the frame after the one in which the panel draws its lines for `layer`.
PAINTED = """(layer) => new Promise((resolve) => {
  const check = () => {
    const root = document.querySelector(".xattn");
    const canvas = root?.querySelector(".xattn-base");
    const heads = window.model.get("heads");
    const done = canvas && canvas.width > 50 && !root.classList.contains("xattn-waiting")
      && root.querySelector("[role=option]") && (layer === null || heads.at(-1)[0] === layer)
      && window.drawn !== window.drawnBefore;
    if (done) requestAnimationFrame(() => resolve(performance.now()));
    else requestAnimationFrame(check);
  };
  check();
})"""


def attention(layers: int, heads: int, tokens: int) -> torch.Tensor:
    """``[layers, heads, tokens, tokens]``: rows with a peak near the diagonal plus noise, like trained heads."""
    generator = torch.Generator().manual_seed(0)
    positions = torch.arange(tokens, dtype=torch.float32)
    diagonal = -((positions[:, None] - positions[None, :]).abs() / 3)
    weights = torch.empty(layers, heads, tokens, tokens)
    for layer in range(layers):
        noise = torch.randn(heads, tokens, tokens, generator=generator)
        sharpness = torch.linspace(0.2, 2, heads)[:, None, None]
        weights[layer] = (diagonal * sharpness + noise).softmax(-1)
    return weights


class Server(http.server.ThreadingHTTPServer):
    """Stands in for a kernel: serves the page, the panel's code and the widget's answers."""

    def __init__(self, widget: CrossAttentionWidget, page: str) -> None:
        self.widget, self.page = widget, page.encode()
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        is_code = self.path.startswith("/widget.js")
        body = self.server.widget._code.encode() if is_code else self.server.page
        self.reply(body, "text/javascript" if is_code else "text/html")

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        reply, buffers = self.server.widget.answer(request)
        head = json.dumps({"id": request["id"], **reply}).encode()
        self.reply(head + b"".join(buffers), "application/octet-stream", json_size=len(head))

    def reply(self, body: bytes, kind: str, json_size: int = 0) -> None:
        self.send_response(200)
        for name, value in (("content-type", kind), ("content-length", len(body)), ("x-json", json_size)):
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def serving(server: http.server.ThreadingHTTPServer) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Hovers:
    """Measures hovers on a page with Chromium's metrics."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.session: CDPSession = page.context.new_cdp_session(page)
        # Thread ticks count only the work of this thread, not the other load on the machine.
        self.session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy(self) -> float:
        """Returns how many milliseconds the main thread has worked so far."""
        metrics = self.session.send("Performance.getMetrics")["metrics"]
        return 1000 * next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

    def move(self, x: float, y: float) -> float:
        """Moves the mouse and returns how many milliseconds the main thread works until the next frame is done."""
        before = self.busy()
        self.page.mouse.move(x, y)
        self.page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
        return self.busy() - before

    def measure(self, places: list[tuple[float, float]], empty_place: tuple[float, float]) -> tuple[float, float]:
        """Returns the median and the 95th percentile over the places, in milliseconds."""
        self.move(*empty_place)
        x, y = empty_place
        idle = statistics.median(self.move(x + step % 2, y) for step in range(10))
        times = sorted(max(0.0, self.move(*place) - idle) for place in places)
        return statistics.median(times), times[min(len(times) - 1, int(0.95 * len(times)))]

    def nodes(self) -> int:
        """Returns the number of elements in the page."""
        return int(self.page.evaluate("() => document.querySelectorAll('*').length"))


def spread(boxes: list[dict[str, float]], count: int) -> list[tuple[float, float]]:
    """Returns ``count`` centers of boxes, in an order that jumps back and forth."""
    centers = [(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) for box in boxes]
    return [centers[(step * 7) % len(centers)] for step in range(count)]


BOXES = """(selector) => [...document.querySelectorAll(selector)].map((element) => element.getBoundingClientRect())
  .filter((box) => box.top > 0 && box.bottom < innerHeight && box.width > 0)
  .map(({x, y, width, height}) => ({x, y, width, height}))"""

# The panel paints its lines on a canvas. Counting the paints shows when a new picture is ready.
COUNT_PAINTS = """window.drawn = 0; window.drawnBefore = 0;
const clear = CanvasRenderingContext2D.prototype.clearRect;
CanvasRenderingContext2D.prototype.clearRect = function (...args) {
  if (this.canvas.classList.contains("xattn-base")) window.drawn += 1;
  return clear.apply(this, args);
};"""


def host_page(widget: CrossAttentionWidget) -> str:
    """Return the page that runs a widget's front end, with the state of the widget in it."""
    state = {name: value for name, value in widget.get_state().items() if not name.startswith("_") and name != "layout"}
    return HOST.replace("/*css*/", widget._css).replace("/*traits*/", json.dumps(state).replace("<", "\\u003c"))


def measure_panel(page: Page, weights: torch.Tensor, hovers: int) -> dict[str, Any]:
    layers, _, tokens, _ = weights.shape
    record = CrossAttention.from_tokens(
        weights, [f"source{index}" for index in range(tokens)], [f"target{index}" for index in range(tokens)]
    )
    widget = CrossAttentionWidget(record)
    state_bytes = len(json.dumps(widget.get_state(), default=str).encode())
    host = host_page(widget)
    page.add_init_script(COUNT_PAINTS)
    with serving(Server(widget, host)) as address:
        page.goto(address)
        page.wait_for_function("() => window.ready")
        page.evaluate("() => window.start()")
        painted = page.evaluate(PAINTED, None)
        first_paint = painted - page.evaluate("() => window.began")
        received_bytes = page.evaluate("() => window.received")
        page.wait_for_timeout(500)
        meter = Hovers(page)
        boxes = page.evaluate(BOXES, ".xattn-target [role=option]")
        p50, p95 = meter.measure(spread(boxes, hovers), (3, 3))

        def switch(layer: int) -> float:
            page.mouse.move(3, 3)
            page.wait_for_timeout(200)
            before = meter.busy()
            heads = [[layer, head] for head in range(weights.shape[1])]
            began: float = page.evaluate(
                """([heads, layer]) => { window.drawnBefore = window.drawn;
                  const began = performance.now();
                  for (const [name, value] of Object.entries({heads, layer, head: heads.length - 1}))
                    window.model.set(name, value);
                  return began; }""",
                [heads, layer],
            )
            ended: float = page.evaluate(PAINTED, layer)
            page.wait_for_timeout(100)
            busy_times.append(meter.busy() - before)
            return ended - began

        busy_times: list[float] = []
        requested = [switch(layer) for layer in range(min(8, layers - 1))]
        cached = [switch(layer) for layer in range(min(8, layers - 1))]
        return {
            "before requests": state_bytes,
            "until first picture": state_bytes + received_bytes,
            "all layers": state_bytes + layers * weights[0].numel(),
            "first paint": first_paint,
            "p50": p50,
            "p95": p95,
            "requested": statistics.median(requested),
            "cached": statistics.median(cached),
            "cached p95": sorted(cached)[int(0.95 * len(cached))],
            "cached work": statistics.median(busy_times[len(requested) :]),
            "nodes": meter.nodes(),
        }


def measure_bertviz(page: Page, weights: torch.Tensor, hovers: int, limit: float) -> dict[str, Any]:
    from bertviz import head_view  # type: ignore[import-not-found]

    layers, _, tokens, _ = weights.shape
    page_bytes = len(json.dumps(weights[0, 0].tolist())) * weights.shape[0] * weights.shape[1]
    if page_bytes > LARGEST_PAGE:
        return {"all layers": page_bytes, "note": f"not tried: its page would be {page_bytes / 1e9:.1f} GB"}
    html = head_view(
        cross_attention=[layer[None] for layer in weights],
        encoder_tokens=[f"source{index}" for index in range(tokens)],
        decoder_tokens=[f"target{index}" for index in range(tokens)],
        layer=layers - 1,
        html_action="return",
    ).data
    serve_libraries(page)
    folder = SCRATCH / "page"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(f"<!doctype html><meta charset='utf-8'><body>{html}", encoding="utf-8")
    result: dict[str, Any] = {"before requests": len(html.encode()), "all layers": len(html.encode())}
    handler = functools.partial(QuietFiles, directory=str(folder))
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)) as address:
        page.set_default_timeout(limit * 1000)
        try:
            page.goto(address, wait_until="commit")
            page.wait_for_function("() => document.querySelectorAll('#attention line').length > 0", polling=50)
            result["first paint"] = page.evaluate(
                "() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
                ".then(() => performance.now())"
            )
            meter = Hovers(page)
            result["nodes"] = meter.nodes()
            boxes = page.evaluate(BOXES, "#right .tokenContainer text, #right text, g#right text")
            result["p50"], result["p95"] = meter.measure(spread(boxes, min(hovers, 12)), (600, 5))
            began = time.perf_counter()
            page.evaluate(
                """(layer) => { const select = document.querySelector("#layer");
                  select.value = String(layer); select.dispatchEvent(new Event("change", {bubbles: true}));
                  return new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go))); }""",
                0,
            )
            result["cached"] = 1000 * (time.perf_counter() - began)
        except PlaywrightTimeoutError:
            result["note"] = f"a step did not finish within {limit:.0f} s"
    return result


class QuietFiles(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


ROWS = [
    ("sent before any request", "before requests", "bytes"),
    ("sent until the first picture", "until first picture", "bytes"),
    ("sent for all layers", "all layers", "bytes"),
    ("first paint", "first paint", "ms"),
    ("a hover, median", "p50", "ms"),
    ("a hover, 95th percentile", "p95", "ms"),
    ("another layer, from the kernel", "requested", "ms"),
    ("another layer, from the page's cache, median", "cached", "ms"),
    ("another layer, from the page's cache, 95th percentile", "cached p95", "ms"),
    ("another layer, from the page's cache: script, layout and paint", "cached work", "ms"),
    ("elements in the page", "nodes", "count"),
]


def show(value: Any, unit: str) -> str:
    if value is None:
        return "-"
    if unit == "bytes":
        return f"{value / 1e6:,.2f} MB" if value < 1e8 else f"{value / 1e6:,.0f} MB"
    if unit == "ms":
        return f"{value / 1000:,.3g} s" if value >= 1000 else f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"
    return f"{value:,}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hovers", type=int, default=100, help="number of hovers on the panel (at most 12 on BertViz)")
    parser.add_argument("--limit", type=float, default=150, help="time limit of each step of BertViz, in seconds")
    parser.add_argument("--ours", action="store_true", help="measure only the panel")
    add_write_option(parser, "browser")
    arguments = parser.parse_args()
    missing = "skipped" if arguments.ours else prepare_bertviz()
    if missing:
        print(f"BertViz: {missing}")
    names = ["xattn-widget", "BertViz 1.4.1"][: 1 if missing else 2]
    with sync_playwright() as playwright:

        def launch() -> Browser:
            return playwright.chromium.launch(executable_path=find_or_fail(), headless=True, args=FLAGS)

        browser = launch()
        facts = f"Chromium {browser.version} without a GPU, window of 1280 x 900; {arguments.hovers} hovers"
        browser.close()
        results = Results(arguments.write, facts)
        for layers, heads, tokens in SIZES:
            weights = attention(layers, heads, tokens)
            measured = []
            for name in names:
                browser = launch()
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                if name == "xattn-widget":
                    measured.append(measure_panel(page, weights, arguments.hovers))
                else:
                    measured.append(measure_bertviz(page, weights, arguments.hovers, arguments.limit))
                browser.close()
            results.table([f"{layers} x {heads} heads, {tokens} x {tokens} tokens", *names])
            for label, key, unit in ROWS:
                values = [result.get(key) for result in measured]
                if any(value is not None for value in values):
                    results.row([label, *(show(value, unit) for value in values)])
            for result in measured:
                if "note" in result:
                    results.say()
                    results.say(f"BertViz: {result['note']}.")
    results.save()


if __name__ == "__main__":
    main()
