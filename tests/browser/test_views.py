"""The comparison, the scores, reading, files and large sentences, in a real browser."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from xattn_widget import CrossAttentionWidget

from .conftest import OpenNotebook
from .test_panel import detail, head, record_of, token

SOURCE = ["Ich", "las", "es", "."]


@pytest.fixture
def two() -> CrossAttentionWidget:
    """Two hypotheses of one sentence; both have I, it and the full stop."""
    records = [
        record_of(["I", "read", "it", "."], SOURCE),
        record_of(["I", "was", "reading", "it", "."], SOURCE),
    ]
    return CrossAttentionWidget(records, names=["short", "long"], layer=1, head=2, reference=["0-0 1-1 2p2", None])


@pytest.fixture
def panel(page: Page, tmp_path: Path, two: CrossAttentionWidget) -> Locator:
    page.goto(two.to_html(tmp_path / "page.html").as_uri())
    panel = page.locator(".xattn")
    expect(token(panel, "source", "las")).to_be_visible()
    return panel


def open_tab(panel: Locator, name: str) -> None:
    panel.get_by_role("tab", name=name).click()
    expect(panel.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")


def save(page: Page, panel: Locator, label: str) -> Path:
    """The file that the panel's Export gives."""
    panel.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        panel.get_by_role("button", name=label, exact=True).click()
    return Path(download.value.path())


def test_two_hypotheses_side_by_side(page: Page, panel: Locator, page_errors: list[str]) -> None:
    open_tab(panel, "Compare")
    titles = panel.locator(".xattn-pane-text")
    expect(titles).to_have_text(
        [
            "short · layer 1, head 2",
            "long · layer 1, head 2",
            "3 target, 4 source tokens in both",
        ]
    )
    panel.get_by_label("The grid picks the heads of B").check()
    head(panel, 0, 1).click()
    expect(titles.nth(1)).to_have_text("long · layer 0, head 1")
    expect(titles.nth(0)).to_have_text("short · layer 1, head 2")
    # The same cell of all three, by keyboard: row "it", column "las".
    difference = panel.get_by_label(re.compile("^Difference of A and B"))
    difference.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    said = panel.locator(".xattn-compare .xattn-readout")
    expect(said).to_contain_text("it")
    a, b, minus = re.findall(r"[−+]?\d\.\d\d", said.inner_text())
    expected = (
        record_of(["I", "read", "it", "."], SOURCE).weights[1, 2, 2, 1],
        record_of(["I", "was", "reading", "it", "."], SOURCE).weights[0, 1, 3, 1],
    )
    # Two decimals of quantized weights.
    assert float(a) == pytest.approx(float(expected[0]), abs=0.01)
    assert float(b) == pytest.approx(float(expected[1]), abs=0.01)
    assert float(minus.replace("−", "-")) == pytest.approx(float(expected[0] - expected[1]), abs=0.015)
    assert page_errors == []


def test_scores_are_sorted_and_picked(page: Page, panel: Locator, page_errors: list[str]) -> None:
    open_tab(panel, "Scores")
    table = panel.get_by_role("table", name="Heads and their scores")
    expect(table.get_by_role("row")).to_have_count(7)
    table.get_by_role("button", name="confidence").click()
    expect(panel.get_by_label("Score that colors the heads")).to_have_value("confidence")
    expect(table.get_by_role("columnheader", name="confidence")).to_have_attribute("aria-sort", "descending")
    dots = panel.locator(".xattn-dot-mark")
    expect(dots).to_have_count(6)
    # From the picked head to the first row's, without a mouse.
    table.get_by_role("button").nth(-1).focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(table.locator(".xattn-picked-row")).to_have_count(1)
    dots.first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(panel.locator(".xattn-dot-mark:focus")).to_have_attribute("aria-pressed", "true")
    expect(panel.locator(".xattn-own-score")).to_contain_text(re.compile(r"^L\d H\d: \d\.\d+, rank \d of 6$"))
    assert page_errors == []


def test_a_search_pins_what_it_finds(page: Page, panel: Locator) -> None:
    search = panel.get_by_label("Find a token")
    search.fill("IT")
    expect(panel.locator(".xattn-found")).to_have_count(1)
    search.press("Enter")
    expect(detail(panel)).to_have_class(re.compile("xattn-pinned"))
    expect(detail(panel)).to_contain_text("Target word (token 2)")
    search.press("Escape")
    expect(panel.locator(".xattn-found")).to_have_count(0)


def test_a_row_is_copied_as_text(page: Page, panel: Locator) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    token(panel, "target", "read").click()
    panel.get_by_role("button", name="Copy row").click()
    expect(panel).to_contain_text("Row copied.")
    lines = page.evaluate("() => navigator.clipboard.readText()").splitlines()
    assert lines[0] == "# target 1: read, layer 1, head 2"
    weights = [float(line.split("\t")[2]) for line in lines[2:]]
    expected = record_of(["I", "read", "it", "."], SOURCE).weights[1, 2, 1]
    assert weights == pytest.approx(expected.tolist(), abs=0.004)


def test_lines_are_kept_by_rank_and_by_mass(page: Page, panel: Locator) -> None:
    def drawn() -> list[int]:
        """Lines of the drawing that the panel saves."""
        return [save(page, panel, "SVG").read_text(encoding="utf-8").count("stroke-opacity")]

    panel.get_by_label("Show lines").select_option("top")
    slider = panel.get_by_role("slider", name="Lines per row")
    expect(slider).to_be_visible()
    slider.fill("1")
    assert drawn() == [4]
    slider.fill("2")
    assert drawn() == [8]
    panel.get_by_label("Show lines").select_option("mass")
    panel.get_by_role("slider", name="Share of each row").fill("1")
    assert drawn() == [16]


def test_the_reference_and_its_error_rate(page: Page, panel: Locator, two: CrossAttentionWidget) -> None:
    reply, _ = two.answer(
        {"kind": "alignment", "sentence": 0, "heads": [[1, 2]], "aggregate": "mean", "reading": "output"}
    )
    expect(panel.locator(".xattn-aligned")).to_have_text(
        f"AER {reply['aer']:.2f} · precision {reply['precision']:.2f} · recall {reply['recall']:.2f} · "
        f"{reply['links']} links"
    )
    drawing = save(page, panel, "SVG").read_text(encoding="utf-8")
    assert (drawing.count('stroke-dasharray="none"'), drawing.count('stroke-dasharray="4 3"')) == (2, 1)
    panel.get_by_label("Sentence").select_option(index=1)
    expect(panel.locator(".xattn-aligned")).to_be_hidden()


def test_every_view_is_saved_as_drawing_and_picture(page: Page, panel: Locator, page_errors: list[str]) -> None:
    for name in ("Lines", "Matrix", "Compare", "Scores", "All heads"):
        open_tab(panel, name)
        if name == "Scores":
            expect(panel.locator(".xattn-dot-mark")).to_have_count(6)
        if name == "Compare":
            expect(panel.locator(".xattn-pane-text").nth(1)).to_have_text("long · layer 1, head 2")
        drawing = save(page, panel, "SVG").read_text(encoding="utf-8")
        texts = page.evaluate(
            """(text) => {
              const page = new DOMParser().parseFromString(text, "image/svg+xml");
              if (page.querySelector("parsererror")) return null;
              return [...page.querySelectorAll("text")].map((element) => element.textContent);
            }""",
            drawing,
        )
        wanted = {"Scores": "alignment_norm", "All heads": "L1 H2"}.get(name, "las")
        assert texts is not None, name
        assert wanted in texts, name
        picture = save(page, panel, "PNG").read_bytes()
        assert picture.startswith(b"\x89PNG"), name
        size = [int.from_bytes(picture[at : at + 4], "big") for at in (16, 20)]
        assert min(size) > 100, name
    assert page_errors == []


def test_numbers_are_saved_as_shown(page: Page, panel: Locator, tmp_path: Path) -> None:
    weights = record_of(["I", "read", "it", "."], SOURCE).weights[1, 2]
    rows = list(csv.DictReader(save(page, panel, "CSV").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 16
    for row in rows:
        assert float(row["weight"]) == pytest.approx(float(weights[int(row["target"]), int(row["source"])]), abs=0.004)
    data = json.loads(save(page, panel, "JSON").read_text(encoding="utf-8"))
    assert (data["source"], data["heads"], data["name"]) == (SOURCE, [[1, 2]], "short")
    assert data["weights"] == "read from bytes, at most 0.004 off"
    links = save(page, panel, "Pharaoh alignment").read_text(encoding="utf-8").split()
    assert links == [f"{int(source)}-{target}" for target, source in enumerate(weights.argmax(1))]
    open_tab(panel, "Scores")
    expect(panel.locator(".xattn-dot-mark")).to_have_count(6)
    table = list(csv.reader(save(page, panel, "CSV").read_text(encoding="utf-8").splitlines()))
    assert len(table) == 7
    assert any(column.startswith("entropy|special:keep|v:") for column in table[0])


def test_what_the_kernel_saves_is_exact(open_notebook: OpenNotebook, page: Page, page_errors: list[str]) -> None:
    """With a kernel, the panel's files hold the weights themselves, as Python's do; and the view can be made again."""
    notebook = open_notebook(
        [
            "from xattn_widget import CrossAttentionWidget, extract, load_demo\n"
            "records = extract(*load_demo(), ['Ich habe das Buch gelesen.', 'Das Kind ist mein Sohn.'])\n"
            "widget = CrossAttentionWidget(records, heads=[(2, 1), (0, 3)], words=True, names=['a', 'b'])\nwidget"
        ]
    )
    notebook.run_all()
    panel = page.locator(".xattn")
    expect(token(panel, "target", "read")).to_be_visible()
    saved = json.loads(save(page, panel, "JSON").read_text(encoding="utf-8"))
    told = notebook.text(
        notebook.add_and_run(
            "import json, tempfile, pathlib\n"
            "path = widget.export(pathlib.Path(tempfile.mkdtemp()) / 'shown.json')\n"
            "print(path.read_text().replace('\\n', ''))"
        )
    )
    python = json.loads(told)
    assert saved["weights"] == python["weights"] == "exact"
    for key in ("mean", "each"):
        assert torch.allclose(torch.tensor(saved[key]), torch.tensor(python[key]), atol=2e-6)
    assert saved["target"] == python["target"]
    # What the panel sets, Python sees, and makes the very view of again.
    panel.get_by_role("tab", name="Compare").click()
    panel.get_by_label("The grid picks the heads of B").check()
    head(panel, 1, 4).click()
    notebook.expect_printed("print(widget.panel, widget.compare)", "compare {'sentence': 1, 'heads': [[1, 4]]}")
    notebook.expect_printed("print(CrossAttentionWidget(records, **widget.view).view == widget.view)", "True")
    assert page_errors == []


def test_a_long_sentence_is_scrolled_by_its_overview(page: Page, page_errors: list[str], tmp_path: Path) -> None:
    record = record_of([f"t{i}" for i in range(300)], [f"s{i}" for i in range(300)], layers=1, heads=2)
    page.goto(record.to_html(tmp_path / "page.html", layer=0, head=0).as_uri())
    panel = page.locator(".xattn")
    overview = panel.locator(".xattn-overview")
    expect(overview).to_be_visible()
    expect(token(panel, "target", "t299")).not_to_be_in_viewport()
    box = overview.bounding_box()
    assert box is not None
    overview.click(position={"x": 20, "y": box["height"] - 2})
    expect(token(panel, "target", "t299")).to_be_in_viewport()
    # The matrix as a whole, then at a size to read, at the cell that was asked for.
    open_tab(panel, "Matrix")
    plot = panel.get_by_label("Heat map of attention")
    box = plot.bounding_box()
    assert box is not None
    plot.dblclick(position={"x": box["width"] / 2, "y": box["height"] / 2})
    expect(panel.get_by_role("button", name="Whole matrix")).to_be_visible()
    before = plot.evaluate("(element) => [element.scrollWidth > element.clientWidth, element.scrollTop > 100]")
    assert before == [True, True]
    panel.get_by_label("Find a token").fill("t5")
    page.keyboard.press("Enter")
    expect(detail(panel)).to_contain_text("Target word (token 5)")
    page.wait_for_function("() => document.querySelector('.xattn-matrix .xattn-plot').scrollTop < 100")
    assert page_errors == []


def test_nothing_moves_while_pointing(page: Page, panel: Locator) -> None:
    places = """() => [...document.querySelectorAll(
      ".xattn > *, .xattn-main > *, .xattn-stage > *, .xattn-token, .xattn-head, .xattn-ranked, .xattn-plot"
    )].map((element) => {
        const {x, y, width, height} = element.getBoundingClientRect();
        return [x, y, width, height].map(Math.round).join();
      })"""
    for name in ("Lines", "Matrix", "Compare", "Scores"):
        open_tab(panel, name)
        if name == "Scores":
            expect(panel.locator(".xattn-dot-mark")).to_have_count(6)
        elif name == "Compare":
            expect(panel.locator(".xattn-pane-text").nth(1)).not_to_be_empty()
        before = page.evaluate(places)
        spots = {
            "Lines": panel.locator(".xattn-token"),
            "Matrix": panel.locator(".xattn-matrix .xattn-plot"),
            "Compare": panel.locator(".xattn-compare .xattn-plot"),
            "Scores": panel.locator(".xattn-dot-mark"),
        }[name]
        for spot in spots.all()[:6]:
            spot.hover()
            assert page.evaluate(places) == before, name


def test_the_keyboard_goes_through_the_panel_in_order(page: Page, panel: Locator) -> None:
    """From the header over the tabs and the open view to what changes it, as it is seen; each group is one stop."""
    rooms = ["skip", "header", "tabbar", "view", "experiments", "score", "grid-box", "ranking", "options"]
    where = """(rooms) => {
      const room = document.activeElement.closest(rooms.map((name) => `.xattn-${name}`).join());
      return rooms.find((name) => room?.classList.contains(`xattn-${name}`)) ?? "outside";
    }"""
    stops = []
    panel.locator(".xattn-skip").focus()
    expect(panel.locator(".xattn-skip")).to_be_in_viewport()
    while "outside" not in stops and len(stops) < 60:
        stops.append(page.evaluate(where, rooms))
        page.keyboard.press("Tab")
    # The experiments are off without a kernel.
    assert list(dict.fromkeys(stops)) == [room for room in rooms if room != "experiments"] + ["outside"]
    assert stops.index("view") < 10
    assert (stops.count("grid-box"), stops.count("ranking")) == (1, 1)
    assert stops.count("view") == 2  # one stop for the source tokens and one for the target tokens


def test_motion_is_left_out_where_it_is_not_wanted(page: Page, panel: Locator) -> None:
    page.emulate_media(reduced_motion="reduce")
    moving = page.evaluate(
        """() => [...document.querySelectorAll(".xattn, .xattn *")].filter((element) => {
          const {animationName, transitionDuration} = getComputedStyle(element);
          return animationName !== "none" || parseFloat(transitionDuration) > 0;
        }).length"""
    )
    assert moving == 0
