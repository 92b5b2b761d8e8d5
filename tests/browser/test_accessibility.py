"""The panel keeps the rules that axe-core checks (WCAG 2.2 A and AA, contrast among them) in each of its states."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

from xattn_widget import CrossAttention, CrossAttentionWidget
from xattn_widget.record.axis import Axis

AXE = Path(__file__).parents[2] / "js" / "node_modules" / "axe-core" / "axe.min.js"
# What axe needs to know of each fault to find it again.
RUN = """async () => {
  const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const {violations} = await axe.run(".xattn", {runOnly: rules});
  const words = ({html, failureSummary}) => `${html}: ${failureSummary}`;
  return violations.flatMap(({id, nodes}) => nodes.map((node) => `${id}: ${words(node)}`));
}"""


def sentence(labels: str, special: tuple[bool, ...] = ()) -> Axis:
    words = labels.split()
    return Axis(tuple(words), special or (*(False,) * (len(words) - 1), True))


@pytest.fixture
def widget() -> CrossAttentionWidget:
    source, target = sentence("Ich habe das Buch gelesen . </s>"), sentence("I read the book . </s>")
    shape = (3, 8, len(target), len(source))
    weights = torch.randn(shape, generator=torch.Generator().manual_seed(0)).mul(2).softmax(-1)
    weights[0, 0] = torch.nan  # a head without a score, and a note
    logprobs = torch.linspace(-3, -0.1, len(target))
    record = CrossAttention(weights, source, {"output": target}, logprobs=logprobs)
    return CrossAttentionWidget([record, record], layer=2, head=1)


def violations(page: Page) -> list[str]:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[str] = page.evaluate(RUN)
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [420, 1280])
def test_axe_finds_nothing(page: Page, tmp_path: Path, widget: CrossAttentionWidget, scheme: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 1400})
    page.emulate_media(color_scheme=scheme)
    page.goto(widget.to_html(tmp_path / "page.html").as_uri())
    panel = page.locator(".xattn")
    expect(panel.get_by_role("option", name="book", exact=True)).to_be_visible()
    found = {"lines": violations(page)}
    panel.get_by_role("option", name="book", exact=True).click()
    expect(panel.get_by_label("Token and its partners")).to_contain_text("book")
    found["a pinned token"] = violations(page)
    panel.get_by_role("button", name="Export").click()
    found["the list of exports"] = violations(page)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(panel.get_by_role("dialog", name="Keys")).to_be_focused()
    found["the list of keys"] = violations(page)
    page.keyboard.press("Escape")
    for name in ("Matrix", "Sentences", "Compare", "Scores", "All heads"):
        panel.get_by_role("tab", name=name).click()
        expect(panel.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
        if name == "Scores":
            expect(panel.locator(".xattn-dot-mark").first).to_be_visible()
        if name == "Sentences":
            expect(panel.locator(".xattn-card-score")).not_to_contain_text(["…"] * 2)
        found[name] = violations(page)
    panel.get_by_role("tab", name="Matrix").click()
    panel.get_by_role("button", name="As a table").click()
    expect(panel.get_by_role("table", name="Weights")).to_be_visible()
    found["a table"] = violations(page)
    assert [f"{state}: {fault}" for state, faults in found.items() for fault in faults] == []


def test_axe_finds_a_fault_that_is_there(page: Page, tmp_path: Path, widget: CrossAttentionWidget) -> None:
    """So that a green test above means something."""
    page.goto(widget.to_html(tmp_path / "page.html").as_uri())
    page.locator(".xattn").evaluate("(panel) => panel.append(document.createElement('button'))")
    assert any("button-name" in fault for fault in violations(page))
