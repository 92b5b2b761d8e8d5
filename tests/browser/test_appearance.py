"""The panel's main states look as their reference pictures do, in both themes and from narrow to wide.

`UPDATE_REFERENCES=1 pytest tests/browser/test_appearance.py` makes the references again; whole pictures for people to
look at are in build/screenshots either way.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, Locator, Page, expect
from widget_messages import record_of_sound

from xattn_widget import CrossAttention, CrossAttentionWidget
from xattn_widget.record.axis import Axis
from xattn_widget.record.timing import Timing

from .appearance import coarse, differences, keep, use_known_font
from .test_panel import LINES_PAINTED, detail, record_of

SENTENCE = ["Gestern", "habe", "ich", "mei", "nen", "alten", "Freund", "in", "der", "Stadt", "getroffen", ".", "</s>"]
TRANSLATION = ["Yes", "ter", "day", "I", "met", "my", "old", "friend", "in", "the", "city", ".", "</s>"]
OTHER = ["I", "met", "an", "old", "friend", "in", "town", "yes", "ter", "day", ".", "</s>"]


def text_axis(labels: list[str], joined: tuple[int, ...] = ()) -> Axis:
    """Subwords with a special token at the end; those at ``joined`` belong to the word before."""
    groups: list[int] = []
    for position, _ in enumerate(labels[:-1]):
        groups.append(groups[-1] if position in joined else (groups[-1] + 1 if groups else 0))
    words = tuple(
        "".join(label for label, group in zip(labels[:-1], groups, strict=True) if group == number)
        for number in range(groups[-1] + 1)
    )
    return Axis(tuple(labels), (*(False,) * (len(labels) - 1), True), (*groups, -1), words)


def aligned(target: list[str], joined: tuple[int, ...], layers: int = 4, heads: int = 8) -> CrossAttention:
    """Heads from spread to sharp along the diagonal, the same numbers on every machine."""
    t = torch.arange(len(target))[:, None] / len(target)
    s = torch.arange(len(SENTENCE))[None] / len(SENTENCE)
    sharpness = torch.linspace(0.5, 14, layers * heads).reshape(layers, heads, 1, 1)
    wave = torch.sin(7 * t + 11 * s + sharpness)
    weights = (-sharpness * (t - s).abs() * 2 + wave).softmax(-1)
    logprobs = torch.linspace(-2.5, -0.05, len(target))
    return CrossAttention(
        weights, text_axis(SENTENCE, (4,)), {"output": text_axis(target, joined)}, logprobs=logprobs, model="Model"
    )


def panel_of(**view: Any) -> CrossAttentionWidget:
    records = [aligned(TRANSLATION, (1, 2)), aligned(OTHER, (8, 9))]
    reference = ["0-0 1-2 2-1 3-3 4-4 5-5 6-6 7p7 8-8", None]
    return CrossAttentionWidget(
        records,
        scores=["coverage_penalty", "entropy", "confidence"],
        names=["first", "second"],
        reference=reference,
        **view,
    )


def long() -> CrossAttentionWidget:
    t = torch.arange(512)[:, None]
    s = torch.arange(512)[None]
    spread = torch.tensor([3.0, 30.0]).reshape(1, 2, 1, 1)
    weights = (-((t - s) ** 2) / spread**2 + torch.sin(t * 0.7 + s * 1.3)).softmax(-1)
    record = CrossAttention.from_tokens(weights, [f"s{i}" for i in range(512)], [f"t{i}" for i in range(512)])
    return CrossAttentionWidget(record, scores=["entropy"], layer=0, head=0)


def scripts() -> CrossAttentionWidget:
    # Right to left on both sides, in letters that the known font has.
    record = record_of(["الولد", "يقرأ", "كتابا", "."], ["הילד", "קורא", "(ספר)", "."])
    return CrossAttentionWidget(record, scores=["entropy"], layer=1, head=1, orientation="rows", target_index=1)


def speech(**view: Any) -> CrossAttentionWidget:
    timing = Timing(((0, 1), (1, 2)), 0.05, "calibrated", "pauses", ((0, 1), (1, 0)))
    record = record_of_sound(
        columns=200, heard=150, words=("and", "so", "my", "fellow", "friends", "ask"), timing=timing
    )
    gold = [(word, start + 0.1, end) for word, start, end, _ in record.word_times()]
    return CrossAttentionWidget(record, scores=["entropy"], reference=gold, target_index=4, **view)


def nothing_left() -> CrossAttentionWidget:
    record = CrossAttention(torch.ones(1, 1, 1, 1), Axis(("</s>",), (True,)), {"output": Axis(("</s>",), (True,))})
    return CrossAttentionWidget(record, scores=["sink_mass"], special="drop")


STATES: dict[str, tuple[Callable[[], CrossAttentionWidget], int]] = {
    "lines-narrow": (lambda: panel_of(words=True, layer=3, head=5), 600),
    "lines-wide": (lambda: panel_of(heads=[(3, 7), (2, 4)], target_index=4), 1600),
    "rows": (lambda: panel_of(orientation="rows", keep="top", top_k=2, layer=3, head=5), 1000),
    "matrix-narrow": (lambda: panel_of(panel="matrix", layer=3, head=5), 600),
    "matrix-wide": (lambda: panel_of(panel="matrix", words=True, layer=3, head=7, target_index=4), 1600),
    "table": (lambda: panel_of(panel="matrix", table=True, words=True, layer=3, head=5), 1000),
    "sentences-narrow": (lambda: panel_of(panel="sentences", words=True, layer=3, head=5), 600),
    "sentences-wide": (lambda: panel_of(panel="sentences", words=True, heads=[(3, 5), (3, 6)]), 1600),
    "lines-combined": (lambda: panel_of(heads=[(3, 5), (3, 6)], combined=True), 1000),
    "compare-narrow": (lambda: panel_of(panel="compare", words=True, layer=3, head=5), 600),
    "compare-wide": (lambda: panel_of(panel="compare", compare={"heads": [(2, 1)]}, layer=3, head=5), 1600),
    "scores-narrow": (lambda: panel_of(panel="scores", second_score="confidence", layer=3, head=5), 600),
    "scores-wide": (lambda: panel_of(panel="scores", second_score="confidence", layer=3, head=5), 1600),
    "heads-narrow": (lambda: panel_of(panel="all", layer=3, head=5), 600),
    "heads-wide": (lambda: panel_of(panel="all", layer=3, head=5), 1600),
    "empty": (nothing_left, 600),
    "error": (lambda: panel_of(layer=3, head=5), 1000),
    "one-token": (lambda: CrossAttentionWidget(record_of(["b"], ["a"], 1, 1), scores=["entropy"]), 600),
    "long-lines": (long, 1000),
    "scripts": (scripts, 600),
    "speech-narrow": (lambda: speech(), 350),
    "speech-wide": (lambda: speech(combined=False, heads=[(0, 1), (1, 0), (1, 2)]), 1280),
    "speech-raw": (lambda: speech(sound_weights="raw", word_times_by="model"), 900),
}


@pytest.fixture
def known_page(chromium: Browser) -> Iterator[Page]:
    """A page that may be given a font."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, bypass_csp=True)
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def settled(page: Page, widget: CrossAttentionWidget) -> Locator:
    """The panel, when all that it asks for is there and painted."""
    panel = page.locator(".xattn")
    expect(panel.locator(".xattn-own-score")).to_contain_text(re.compile("rank|mean of|equal|undefined"))
    shown = str(widget.panel)
    if panel.locator(".xattn-empty").first.is_visible():
        expect(panel.locator(".xattn-loading")).to_be_empty()
    elif shown == "lines":
        page.wait_for_function(LINES_PAINTED)
    elif shown == "scores":
        expect(panel.locator(".xattn-dot-mark").first).to_be_visible()
        expect(panel.locator(".xattn-score-table")).not_to_contain_text("…")
    elif shown == "sentences":
        expect(panel.locator(".xattn-card").first).to_contain_text("Gestern")
    elif shown == "compare":
        expect(panel.locator(".xattn-pane-text").nth(1)).not_to_be_empty()
    elif shown == "sound":
        expect(panel.locator(".xattn-sound-said")).to_contain_text("reference")
        page.wait_for_function("() => document.querySelector('audio').readyState >= 3")
        page.wait_for_timeout(300)  # the samples are decoded
    if widget.target_index is not None and shown != "sound":
        expect(detail(panel)).to_contain_text("Target word (token")
    # The frames in which canvases follow what is known by now.
    page.evaluate(
        """() => new Promise((done) => {
          requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 150)));
        })"""
    )
    return panel


@pytest.mark.parametrize("state", STATES)
def test_it_looks_as_it_did(known_page: Page, tmp_path: Path, state: str, request: pytest.FixtureRequest) -> None:
    make, width = STATES[state]
    widget = make()
    known_page.set_viewport_size({"width": width + 32, "height": 900})
    path = widget.to_html(tmp_path / "page.html")
    if state == "error":  # the page has lost its weights
        path.write_text(
            path.read_text(encoding="utf-8").replace('"layers":[', '"layers":[],"lost":['), encoding="utf-8"
        )
    known_page.goto(path.as_uri())
    use_known_font(known_page)
    if state == "error":
        expect(known_page.get_by_role("alert")).to_contain_text("could not be loaded")
    folder = request.config.rootpath / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for scheme in ("light", "dark"):
        known_page.emulate_media(color_scheme=scheme)
        expect(known_page.locator(".xattn")).to_have_attribute("data-xattn-theme", scheme)
        panel = settled(known_page, widget)
        name = f"{state}-{scheme}"
        panel.screenshot(path=folder / f"{name}.png")
        seen = coarse(panel)
        if os.environ.get("UPDATE_REFERENCES"):
            keep(seen, name)
        found += differences(seen, name)
    assert found == []


def test_a_change_is_seen(known_page: Page, tmp_path: Path) -> None:
    """So that a green test above means something: another color of the lines, and a part that moved."""
    widget = STATES["lines-narrow"][0]()
    known_page.set_viewport_size({"width": 632, "height": 900})
    known_page.goto(widget.to_html(tmp_path / "page.html").as_uri())
    use_known_font(known_page)
    panel = settled(known_page, widget)
    assert differences(coarse(panel), "lines-narrow-light") == []
    panel.locator(".xattn-stage").evaluate("(stage) => { stage.style.filter = 'hue-rotate(150deg)'; }")
    assert differences(coarse(panel), "lines-narrow-light") != []
    panel.locator(".xattn-stage").evaluate(
        "(stage) => { stage.style.filter = ''; stage.style.position = 'relative'; stage.style.left = '24px'; }"
    )
    assert differences(coarse(panel), "lines-narrow-light") != []
