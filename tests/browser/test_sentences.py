"""Many sentences in a real browser: all of them in one view, and going from one to the next."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from xattn_widget import CrossAttention, CrossAttentionWidget

from .test_panel import detail, token

# The entries of the cards whose drawing has been painted.
PAINTED = """() => [...document.querySelectorAll(".xattn-card")].filter((card) => {
  const {width, height} = card.querySelector("canvas");
  if (width < 50) return false;
  const {data} = card.querySelector("canvas").getContext("2d").getImageData(0, 0, width, height);
  return data.some((channel) => channel > 0);
}).map((card) => Number(card.dataset.entry))"""


def sentence(number: int, length: int) -> CrossAttention:
    weights = torch.randn(2, 3, length, length, generator=torch.Generator().manual_seed(number)).mul(2).softmax(-1)
    labels = [[f"{letter}{number}.{i}" for i in range(length)] for letter in "st"]
    return CrossAttention.from_tokens(weights, *labels)


@pytest.fixture
def panel(page: Page, tmp_path: Path) -> Locator:
    """Sentences of 3 to 22 tokens."""
    records = [sentence(number, length) for number, length in enumerate([3, 22, 5, 8, 4, 12, 6, 9, 13, 7])]
    widget = CrossAttentionWidget(
        records, heads=[(0, 0)], score_name="entropy", words=False, keep="threshold", special="show", reading="output"
    )
    page.set_viewport_size({"width": 1000, "height": 900})
    page.goto(widget.to_html(tmp_path / "page.html").as_uri())
    panel = page.locator(".xattn")
    expect(token(panel, "source", "s0.0")).to_be_visible()
    return panel


def test_one_head_over_ten_sentences_takes_two_clicks(
    page: Page, panel: Locator, page_errors: list[str], screenshot: Callable[..., Path]
) -> None:
    panel.get_by_role("tab", name="Sentences").click()
    panel.locator('.xattn-head[data-layer="1"][data-head="2"]').click()
    cards = panel.locator(".xattn-card")
    expect(cards).to_have_count(10)
    expect(panel.locator(".xattn-sentences-heading")).to_contain_text("layer 1, head 2 · entropy")
    values = [float(text) for text in panel.locator(".xattn-card-score").all_inner_texts()]
    assert values == sorted(values, reverse=True)
    cards.last.scroll_into_view_if_needed()
    last = int(cards.last.get_attribute("data-entry") or -1)
    page.wait_for_function(f"(last) => ({PAINTED})().includes(last)", arg=last)
    screenshot("sentences", panel)
    # By keyboard to the second one, which opens in Lines.
    cards.first.focus()
    page.keyboard.press("ArrowRight")
    second = cards.nth(1).get_attribute("data-entry")
    page.keyboard.press("Enter")
    expect(panel.get_by_role("tab", name="Lines")).to_have_attribute("aria-selected", "true")
    expect(token(panel, "source", f"s{second}.0")).to_be_visible()
    assert page_errors == []


def test_a_walk_along_the_tokens_goes_on_in_the_next_sentence_inside_a_shadow_root(page: Page, panel: Locator) -> None:
    """As in marimo, where the page itself sees only the host of the root that has the focus."""
    panel.evaluate("""(panel) => {
      const host = document.createElement("div");
      document.body.append(host);
      host.attachShadow({mode: "open"}).append(panel);
    }""")
    token(panel, "source", "s0.0").focus()
    page.keyboard.press("]")
    expect(token(panel, "source", "s1.0")).to_be_focused()


def test_the_panel_keeps_its_height_from_one_sentence_to_the_next(page: Page, panel: Locator) -> None:
    for view in ("Lines", "Matrix"):
        panel.get_by_role("tab", name=view).click()
        heights = []
        for number in range(1, 4):
            page.keyboard.press("]")
            expect(panel.locator(".xattn-sentence")).to_contain_text(f"{number + 1} of 10")
            page.wait_for_timeout(150)
            box = detail(panel).bounding_box()
            assert box is not None
            heights.append(round(box["y"]))
        assert len(set(heights)) == 1, (view, heights)
        for _ in range(3):
            page.keyboard.press("[")
        expect(panel.locator(".xattn-sentence")).to_contain_text("1 of 10")


def test_a_sentence_among_many_is_found_by_words(page: Page, tmp_path: Path, page_errors: list[str]) -> None:
    widget = CrossAttentionWidget([sentence(number, 2) for number in range(130)], heads=[(0, 0)])
    page.goto(widget.to_html(tmp_path / "page.html").as_uri())
    panel = page.locator(".xattn")
    field = panel.get_by_role("combobox", name="Sentence", exact=True)
    field.click()
    expect(panel.get_by_role("listbox", name="Matches").get_by_role("option")).to_have_count(12)
    page.keyboard.type("s77.1")
    panel.get_by_role("option", name=re.compile(r"^78\.")).click()
    expect(token(panel, "source", "s77.0")).to_be_visible()
    expect(panel.locator(".xattn-sentence")).to_contain_text("78 of 130")
    # The keys of the panel go on from there.
    token(panel, "source", "s77.0").focus()
    page.keyboard.press("]")
    expect(token(panel, "source", "s78.0")).to_be_focused()
    # Of so many, only those in view are drawn.
    panel.get_by_role("tab", name="Sentences").click()
    expect(panel.locator(".xattn-card")).to_have_count(130)
    page.wait_for_function(f"() => ({PAINTED})().length >= 6")
    page.wait_for_timeout(300)
    assert len(page.evaluate(PAINTED)) < 100
    assert page_errors == []
