"""Sound in the panel, in a real browser: playback, words, zoom, selection, kinds of weights and files."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from widget_messages import record_of_sound

from xattn_widget import CrossAttention, CrossAttentionWidget
from xattn_widget.record.timing import Timing

from .test_accessibility import violations
from .test_views import save

WORDS = ("and", "so", "my", "fellow", "friends", "ask")


@pytest.fixture
def sounding() -> CrossAttention:
    """Three seconds of sound, in a window of four."""
    return record_of_sound(columns=200, heard=150, words=WORDS)


@pytest.fixture
def panel(page: Page, tmp_path: Path, sounding: CrossAttention) -> Locator:
    gold = [(word, start + 0.1, end) for word, start, end, _ in sounding.word_times()]
    page.goto(CrossAttentionWidget(sounding, reference=gold).to_html(tmp_path / "page.html").as_uri())
    panel = page.locator(".xattn")
    expect(word(panel, "fellow")).to_be_visible()
    page.wait_for_function("() => document.querySelector('audio').readyState >= 3")
    return panel


def word(panel: Locator, text: str) -> Locator:
    return panel.locator(".xattn-spoken-word", has_text=text).first


def plot(panel: Locator) -> Locator:
    return panel.get_by_role("application", name="Sound and attention over time")


def clock(page: Page) -> float:
    return float(page.evaluate("() => document.querySelector('audio').currentTime"))


def is_paused(page: Page) -> bool:
    return bool(page.evaluate("() => document.querySelector('audio').paused"))


# The clock of the audio and the marked word, read in the same frame.
NOW = """() => new Promise((done) => requestAnimationFrame(() => done([
  document.querySelector("audio").currentTime,
  document.querySelector(".xattn-spoken-word[aria-current]")?.textContent ?? "",
])))"""


def test_records_of_sound_open_with_their_view(panel: Locator, page_errors: list[str]) -> None:
    expect(panel.get_by_role("tab", selected=True)).to_have_text("Sound")
    for name in ("Lines", "Matrix"):
        expect(panel.get_by_role("tab", name=name)).to_be_hidden()
    expect(panel).to_contain_text("Word times by the model's alignment heads (L0 H1, L1 H2), lag of 50 ms removed")
    expect(panel.get_by_text("alignment heads of the model", exact=True)).to_be_visible()
    marked = panel.locator(".xattn-heads .xattn-marked-model")
    expect(marked).to_have_count(2)
    assert "alignment head of the model" in (marked.first.get_attribute("aria-label") or "")
    assert page_errors == []


def test_space_plays_and_the_marked_word_follows_the_clock(
    page: Page, panel: Locator, sounding: CrossAttention, page_errors: list[str]
) -> None:
    times = sounding.word_times()
    plot(panel).focus()
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelector('audio').currentTime > 0.2")
    seen = []
    while not is_paused(page):
        time, marked = page.evaluate(NOW)
        seen.append(marked)
        # The mark was set in this frame or the one before.
        allowed = [entry.word for entry in times if entry.start - 0.02 <= time <= entry.end + 0.1]
        assert marked in ({*allowed, ""} if time >= times[-1].end else allowed), (time, marked)
        if time > 2:
            page.keyboard.press("Space")
            break
    assert is_paused(page)
    assert len(set(seen)) >= 3
    stopped = clock(page)
    page.wait_for_timeout(150)
    assert clock(page) == stopped > 2
    assert page_errors == []


def test_a_click_or_enter_on_a_word_plays_it_to_its_end(page: Page, panel: Locator, sounding: CrossAttention) -> None:
    times = {entry.word: entry for entry in sounding.word_times()}
    for text, act in (("fellow", "click"), ("my", "Enter")):
        if act == "click":
            word(panel, text).click()
        else:
            page.keyboard.press("ArrowLeft")
            expect(word(panel, text)).to_be_focused()
            page.keyboard.press(act)
        page.wait_for_function("() => !document.querySelector('audio').paused")
        page.wait_for_function("() => document.querySelector('audio').paused")
        assert times[text].end - 0.01 <= clock(page) <= times[text].end + 0.2
        expect(panel.locator(".xattn-sound-said")).to_contain_text(f"{times[text].start:.2f}–{times[text].end:.2f} s")
        expect(panel.locator(".xattn-sound-said")).to_contain_text("start −100 ms, end +0 ms")
    label = f"fellow, {times['fellow'].start:.2f} to {times['fellow'].end:.2f} seconds"
    expect(panel.get_by_role("button", name=label)).to_be_visible()


def test_a_drag_selects_a_span_that_is_played_and_shown_alone(page: Page, panel: Locator) -> None:
    box = panel.locator(".xattn-sound-head").bounding_box()
    assert box is not None
    x, y = box["x"] + 0.4 * box["width"], box["y"] + 40
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y)
    page.mouse.move(x + 120, y)
    page.mouse.up()
    chosen = panel.get_by_role("group", name="Selection")
    start, end = map(float, chosen.locator("span").inner_text().removesuffix(" s").split("–"))
    assert 0 < start < end < 3
    plot(panel).focus()
    page.keyboard.press("Space")
    page.wait_for_function("() => !document.querySelector('audio').paused")
    page.wait_for_function("() => document.querySelector('audio').paused")
    assert end - 0.01 <= clock(page) <= end + 0.2
    page.keyboard.press("z")
    overview = panel.locator(".xattn-sound-overview")
    expect(overview).to_be_visible()
    page.keyboard.press("Escape")
    expect(chosen).to_be_hidden()
    page.keyboard.press("0")
    expect(overview).to_be_hidden()


def test_the_axis_is_zoomed_by_wheel_and_keys(page: Page, panel: Locator) -> None:
    overview, whole = panel.locator(".xattn-sound-overview"), panel.get_by_role("button", name="All", exact=True)
    plot(panel).hover()
    page.mouse.wheel(0, -100)
    expect(whole).to_be_disabled()  # the wheel alone scrolls the page
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    expect(whole).to_be_enabled()
    expect(overview).to_be_visible()
    whole.click()
    expect(overview).to_be_hidden()
    plot(panel).focus()
    page.keyboard.press("+")
    expect(overview).to_be_visible()
    page.keyboard.press("-")
    expect(overview).to_be_hidden()


def test_the_weights_are_switched_and_named(page: Page, panel: Locator, page_errors: list[str]) -> None:
    choice = panel.get_by_label("Weights", exact=True)
    expect(panel).to_contain_text("Shown: weights inside the sound, each row divided by its sum")
    for kind, said in (
        ("raw", "also after the end of the sound"),
        ("zscored", "z-scored over the rows"),
        ("filtered", "median of seven positions"),
    ):
        choice.select_option(kind)
        expect(panel).to_contain_text(said)
    assert page_errors == []


def test_the_shares_outside_are_those_of_the_record(page: Page, panel: Locator, sounding: CrossAttention) -> None:
    assert sounding.outside is not None
    plot(panel).focus()
    for _ in WORDS:
        page.keyboard.press("ArrowDown")
    # The first row is that of the prompt, the second that of the first word.
    share = float(sounding.outside[[0, 1], [1, 2], len(WORDS) - 1].mean())
    expect(panel.locator(".xattn-sound-said")).to_contain_text(WORDS[-2])
    if share >= 0.005:
        expect(panel.locator(".xattn-sound-said")).to_contain_text(f"{round(100 * share)}% outside the sound")


def test_the_words_are_saved_as_a_table_and_the_view_as_a_drawing(
    page: Page, panel: Locator, sounding: CrossAttention
) -> None:
    with save(page, panel, "CSV").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    times = sounding.word_times()
    assert [line["word"] for line in lines] == list(WORDS)
    for line, entry in zip(lines, times, strict=True):
        assert (float(line["start"]), float(line["end"])) == pytest.approx((entry.start, entry.end))
        assert float(line["reference_start"]) == pytest.approx(entry.start + 0.1)
        assert line["timed_by"] == "the model's alignment heads (L0 H1, L1 H2), lag of 50 ms removed"
    drawing = save(page, panel, "SVG").read_text(encoding="utf-8")
    assert all(f">{text}</text>" in drawing for text in WORDS)
    assert "Word times by the model" in drawing
    assert save(page, panel, "PNG").read_bytes().startswith(b"\x89PNG")


def test_a_drawing_has_the_zoomed_span_and_says_so(page: Page, panel: Locator) -> None:
    plot(panel).focus()
    for _ in range(3):
        page.keyboard.press("+")
    drawing = save(page, panel, "SVG").read_text(encoding="utf-8")
    found = re.search(r"(\d\.\d\d)–(\d\.\d\d) s", drawing)
    assert found is not None
    start, end = map(float, found.groups())
    assert end - start == pytest.approx(3.0 / 8, abs=0.02)
    ticks = [float(tick) for tick in re.findall(r">(\d\.\d+) s</text>", drawing)]
    assert len(ticks) >= 3
    assert all(start <= tick <= end for tick in ticks)


def test_words_are_timed_by_the_chosen_heads(page: Page, tmp_path: Path, sounding: CrossAttention) -> None:
    timing = Timing(((0, 1), (1, 2)), 0.05, "calibrated", "pauses", ((1, 0),))
    record = replace(sounding, timing=timing)
    widget = CrossAttentionWidget(record, heads=[(0, 0)])
    page.goto(widget.to_html(tmp_path / "page.html").as_uri())
    panel = page.locator(".xattn")
    choice = panel.get_by_label("Word times by")
    for option, times, note in (
        ("calibrated heads", record.word_times(), "Word times by the calibrated heads (L0 H1, L1 H2), lag of 50 ms"),
        ("model's heads", record.word_times(heads=[(1, 0)]), "Word times by the model's alignment heads (L1 H0)"),
        ("picked heads", record.word_times(heads=[(0, 0)]), "Word times by the picked heads (L0 H0)"),
    ):
        choice.select_option(option)
        expect(panel).to_contain_text(note)
        for time in times:
            label = f"{time.word}, {time.start:.2f} to {time.end:.2f} seconds"
            expect(panel.get_by_role("button", name=label, exact=True)).to_be_visible()
        with save(page, panel, "CSV").open(encoding="utf-8", newline="") as file:
            starts = [float(line["start"]) for line in csv.DictReader(file)]
        assert starts == pytest.approx([time.start for time in times], abs=1e-3)
    both = panel.get_by_role("button", name="layer 0, head 1", exact=False)
    expect(both.first).to_have_accessible_name(re.compile("calibrated to time words"))


def test_each_head_has_a_strip_for_the_pointed_word(page: Page, panel: Locator, page_errors: list[str]) -> None:
    head = panel.locator(".xattn-sound-head")
    height = head.evaluate("(head) => head.clientHeight")
    panel.get_by_label("Picked heads", exact=True).select_option("a strip for each")
    expect(panel).to_contain_text("Strips: one scale for all heads")
    assert head.evaluate("(head) => head.clientHeight") > height + 30
    word(panel, "fellow").click()
    drawing = save(page, panel, "SVG").read_text(encoding="utf-8")
    assert all(f">{name}</text>" in drawing for name in ("L0 H1", "L1 H2"))
    plot(panel).focus()
    page.keyboard.press("ArrowDown")
    expect(panel.locator("[aria-live]").filter(has_text="Most weight: layer 0, head 1 at")).to_have_count(1)
    assert page_errors == []


@pytest.mark.parametrize("width", [420, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page: Page, panel: Locator, scheme: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 1400})
    page.emulate_media(color_scheme=scheme)
    word(panel, "so").hover()
    plot(panel).focus()
    page.keyboard.press("Shift+ArrowRight")
    expect(panel.get_by_role("group", name="Selection")).to_be_visible()
    assert violations(page) == []


def test_windows_of_a_recording_are_played_one_after_another(page: Page, tmp_path: Path) -> None:
    windows = [record_of_sound(columns=50, heard=40, words=("one", "two"), offset=0.8 * index) for index in range(3)]
    page.goto(CrossAttentionWidget(windows).to_html(tmp_path / "page.html").as_uri())
    panel = page.locator(".xattn")
    expect(panel.locator(".xattn-sound-overview")).to_be_visible()
    page.wait_for_function("() => document.querySelector('audio').readyState >= 3")
    panel.get_by_role("button", name="Play", exact=True).click()
    expect(panel.locator(".xattn-sentence")).to_contain_text("3 of 3")
    expect(panel.locator(".xattn-clock")).to_have_text("2.40 s / 2.40 s")
