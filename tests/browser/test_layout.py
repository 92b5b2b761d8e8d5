"""Where the parts of the panel are, from narrow to wide, on large models, and on paper."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from xattn_widget import CrossAttention, CrossAttentionWidget

from .test_panel import record_of, token
from .test_views import open_tab

SOURCE = ["Gestern", "habe", "ich", "meinen", "alten", "Freund", "in", "der", "Stadt", "getroffen", "."]
TARGET = ["Yesterday", "I", "met", "my", "old", "friend", "in", "town", "."]
OTHER = ["I", "am", "sorry", "to", "hear", "that", "."]
# Left, top, right and bottom of the panel's parts, from its own corner.
PLACES = """([root, names]) => names.map((name) => [...root.querySelectorAll(name)].map((part) => {
  const [own, box] = [root.getBoundingClientRect(), part.getBoundingClientRect()];
  return [box.left - own.left, box.top - own.top, box.right - own.left, box.bottom - own.top];
}))"""


def shown(page: Page, tmp_path: Path, record: CrossAttention | list[CrossAttention], **view: object) -> Locator:
    page.goto(CrossAttentionWidget(record, words=False, **view).to_html(tmp_path / "page.html").as_uri())
    panel = page.locator(".xattn")
    expect(panel.locator(".xattn-own-score")).not_to_be_empty()
    return panel


def places(panel: Locator, *names: str) -> list[list[list[float]]]:
    found: list[list[list[float]]] = panel.evaluate(f"(root, names) => ({PLACES})([root, names])", list(names))
    return found


@pytest.mark.parametrize("width", [600, 900, 1085, 1400])
def test_the_open_view_comes_first(page: Page, tmp_path: Path, width: int) -> None:
    page.set_viewport_size({"width": width + 32, "height": 900})
    records = [record_of(target, SOURCE, layers=3, heads=8) for target in (TARGET, OTHER)]
    panel = shown(page, tmp_path, records, layer=2, head=1)
    expect(token(panel, "target", "met")).to_be_visible()
    [lines], [grid], [options], [bar] = places(
        panel, ".xattn-lines-body", ".xattn-heads", ".xattn-options", ".xattn-experiments"
    )
    assert lines[1] < 160
    assert bar[1] >= lines[3]
    if width == 600:
        assert min(grid[1], options[1]) >= bar[3]
    else:
        assert min(grid[0], options[0]) >= lines[2]
        # The heads stay where they are, whatever options the view has.
        assert grid[1] < options[1]
    choices = places(panel, ".xattn-options select")[0]
    assert max(choice[2] for choice in choices) <= options[2] + 0.5
    assert panel.evaluate("(root) => root.scrollWidth <= root.clientWidth")


@pytest.mark.parametrize("width", [318, 358, 700])
@pytest.mark.parametrize("view", ["lines", "sentences", "scores"])
def test_nothing_is_cut_on_a_phone(page: Page, tmp_path: Path, width: int, view: str) -> None:
    """With every tab: all of them lie inside, and so do the numbers and the hint below the lines."""
    page.set_viewport_size({"width": width + 32, "height": 900})
    panel = shown(page, tmp_path, [record_of(target, SOURCE) for target in (TARGET, OTHER)], panel=view)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(panel.get_by_role("tab", name="All heads")).to_be_visible()
    right = panel.evaluate("(root) => root.clientWidth")
    tabs = places(panel, ".xattn-tab")[0]
    assert all(box[2] <= right for box in tabs)
    heights = {round(box[3] - box[1]) for box in tabs} - {0}  # of those that are not hidden
    assert len(heights) == 1
    if view == "lines":
        numbers, [hint], [detail] = places(panel, ".xattn-least .xattn-number", ".xattn-hint", ".xattn-detail")
        assert all(box[2] <= detail[2] for box in numbers)
        assert hint[3] <= detail[3]
        cut = "(all) => all.some((each) => each.scrollWidth > each.clientWidth)"
        assert not panel.locator(".xattn-least .xattn-number").evaluate_all(cut)


@pytest.mark.parametrize("width", [600, 898, 1248])
def test_who_reads_a_word_has_room_for_a_word(page: Page, tmp_path: Path, width: int) -> None:
    page.set_viewport_size({"width": width + 32, "height": 900})
    panel = shown(page, tmp_path, record_of(TARGET, SOURCE))
    room = "(all) => all.filter((e) => e.offsetWidth > 0).map((e) => [e.scrollWidth, e.clientWidth, e.textContent])"
    shown_names = panel.locator(".xattn-most").evaluate_all(room)
    assert len(shown_names) == 3
    for needed, has, text in shown_names:
        assert needed <= has, text


@pytest.mark.parametrize("width", [636, 700, 1248])
def test_every_column_of_a_comparison_has_its_label(page: Page, tmp_path: Path, width: int) -> None:
    page.set_viewport_size({"width": width + 32, "height": 1000})
    panel = shown(page, tmp_path, record_of([*TARGET, "<pad>"], [*SOURCE, "und", "</s>"]), panel="compare")
    [frames] = places(panel, ".xattn-pane .xattn-heat-frame")
    assert len(frames) == 3
    for left, _, right, _ in frames:
        assert right - left >= 15 * (len(SOURCE) + 2) + 50


def test_no_column_of_the_scores_is_covered_in_part(page: Page, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 900})
    panel = shown(page, tmp_path, record_of(TARGET, SOURCE), panel="scores", score_name="sink_mass")
    for name in ("sink_mass", "entropy", "confidence"):
        panel.get_by_role("columnheader", name=name).get_by_role("button").evaluate("(button) => button.click()")
        expect(panel.locator(".xattn-sorted").first).to_be_visible()
        page.wait_for_timeout(300)
        heads, *_ = places(panel, ".xattn-score-table .xattn-heads-column")[0]
        columns = places(panel, ".xattn-score-table th[aria-sort]")[0]
        assert not [box for box in columns if box[0] < heads[2] - 1 < box[2] - 2], name


def test_three_maps_share_their_rows(page: Page, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 1085 + 32, "height": 1000})
    records = [record_of(TARGET, SOURCE), record_of([*OTHER, "I", "met"], [*SOURCE[:4], "Zusammenhang"])]
    panel = shown(page, tmp_path, records, panel="compare", layer=1, head=1)
    expect(panel.locator(".xattn-pane-text").nth(2)).to_contain_text("in both")
    [panes] = places(panel, ".xattn-pane")
    assert len({pane[1] for pane in panes}) == 1
    assert panes[0][2] <= panes[1][0]
    assert panes[1][2] <= panes[2][0]
    [body] = places(panel, ".xattn-main")
    assert panes[2][2] <= body[0][2] + 1
    # Both have nine rows, and labels of different lengths above them.
    heights = panel.locator(".xattn-pane .xattn-heat-frame").evaluate_all(
        "(frames) => frames.map((frame) => frame.offsetHeight)"
    )
    assert heights[0] == heights[1]


def test_all_heads_of_a_large_model_fit(page: Page, tmp_path: Path) -> None:
    record = record_of([f"t{i}" for i in range(6)], [f"s{i}" for i in range(6)], layers=12, heads=16)
    for width in (600, 1085):
        page.set_viewport_size({"width": width + 32, "height": 900})
        panel = shown(page, tmp_path, record, panel="all", layer=0, head=0)
        scroller = panel.locator(".xattn-multiples-scroll")
        assert scroller.evaluate("(element) => element.scrollWidth <= element.clientWidth")
        # The pictures are the grid of heads; the score and its legend stay.
        expect(panel.locator(".xattn-heads")).to_be_hidden()
        expect(panel.locator(".xattn-ranking")).to_be_hidden()
        expect(panel.get_by_label("Score that colors the heads")).to_be_visible()
        expect(panel.locator(".xattn-legend")).to_be_visible()
        [pictures] = places(panel, ".xattn-multiple")
        assert min(right - left for left, _, right, _ in pictures) > (25 if width == 600 else 50)


def test_the_sorted_column_is_in_sight(page: Page, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 632, "height": 900})
    panel = shown(page, tmp_path, record_of(TARGET, SOURCE), panel="scores", layer=0, head=0)
    table = panel.get_by_role("table", name="Heads and their scores")
    expect(table).not_to_contain_text("…")
    names = table.get_by_role("columnheader").all_inner_texts()
    for name in (names[-1], names[3]):
        panel.get_by_label("Score that colors the heads").select_option(name.split(" ")[0])
        column = table.get_by_role("columnheader", name=name)
        expect(column).not_to_have_attribute("aria-sort", "none")
        expect(column).to_be_in_viewport(ratio=0.9)
        expect(table.get_by_role("rowheader").first).to_be_in_viewport(ratio=0.9)
    # Pressing a name turns the order around, and the focus stays on it.
    table.get_by_role("button", name=names[3]).focus()
    page.keyboard.press("Enter")
    expect(table.locator("button:focus")).to_contain_text(names[3])


def test_paper_has_the_picture_alone(page: Page, tmp_path: Path) -> None:
    page.emulate_media(color_scheme="dark")
    record = record_of([f"t{i}" for i in range(60)], [f"s{i}" for i in range(60)])
    panel = shown(page, tmp_path, record, layer=1, head=1, threshold=0.2, keep="threshold", target_index=2)
    expect(panel.get_by_label("Token and its partners")).to_contain_text("t2")
    page.emulate_media(media="print", color_scheme="dark")
    expect(panel).to_have_attribute("data-xattn-theme", "light")
    assert panel.evaluate("(root) => getComputedStyle(root).backgroundColor") == "rgb(255, 255, 255)"
    expect(panel.get_by_role("button")).to_have_count(0)
    expect(panel.get_by_role("combobox")).to_have_count(0)
    expect(panel.get_by_role("tab")).to_have_count(0)
    expect(panel.get_by_label("Token and its partners")).to_contain_text("t2")
    # All 60 rows, and lines down to the last of them.
    lines = panel.locator(".xattn-lines-scroll")
    assert lines.evaluate("(element) => element.scrollHeight <= element.clientHeight + 1")
    assert lines.evaluate("(element) => element.querySelector('.xattn-base').offsetHeight") >= 60 * 24
    page.emulate_media(media="screen", color_scheme="dark")
    expect(panel).to_have_attribute("data-xattn-theme", "dark")
    expect(panel.get_by_role("tab", name="Lines")).to_be_visible()
    open_tab(panel, "Matrix")


def test_a_sheet_holds_the_width_of_the_panel(page: Page, tmp_path: Path) -> None:
    """The browser's own printing, whose events come before it lays out the sheets."""
    page.emulate_media(color_scheme="dark")
    shown(page, tmp_path, record_of(TARGET, SOURCE), layer=1, head=1)
    page.evaluate(
        """() => matchMedia("print").addEventListener("change", ({matches}) => {
          const panel = document.querySelector(".xattn");
          if (matches) window.printed = [panel.dataset.xattnTheme, panel.offsetWidth];
        })"""
    )
    page.pdf()
    assert page.evaluate("() => window.printed") == ["light", 680]
