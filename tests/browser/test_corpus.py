"""A scored corpus in JupyterLab and marimo: its ranking, the list, and the panel of a sentence; a profile of heads."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from xattn_widget import load_demo, profile_heads, score_corpus, show_corpus, show_profile

from .bridge import show
from .conftest import OpenNotebook
from .test_accessibility import violations
from .test_panel import token

SOURCES = ["Ich habe das Buch gelesen.", "Das Kind ist mein Sohn.", "Wann stehst du morgen auf?", "", "<b>Ja</b>."]
TARGETS = ["I have read the book.", "The child is my son.", "When do you get up tomorrow?", "x", "<i>Yes</i>."]
# Six lines: a score, the table, and the view.
SCORED = f"""from xattn_widget import load_demo, score, score_corpus, show_corpus
model, tokenizer = load_demo()
my_score = score(lambda attention, *masks: attention[..., 0].mean(-1), name="my_score")
table = score_corpus(model, tokenizer, {SOURCES!r}, {TARGETS!r}, [my_score, "entropy"], progress=False)
view = show_corpus(table, model, tokenizer)
view"""
PROFILED = f"""from xattn_widget import load_demo, profile_heads
model, tokenizer = load_demo()
profile_heads(model, tokenizer, {SOURCES[:3]!r}, {TARGETS[:3]!r}, progress=False)"""
PANEL = 'section[aria-label="Cross-attention"]'


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_worst_sentence_opens_by_one_click(
    open_notebook: OpenNotebook, page: Page, page_errors: list[str], screenshot: Callable[..., Path], theme: str
) -> None:
    notebook = open_notebook([SCORED], theme=theme)
    notebook.run_all()
    view = page.locator(".xattn-corpus")
    rows = view.locator(".xattn-sentences tbody tr")
    expect(rows).to_have_count(4)
    expect(view).to_contain_text("1\u20134 of 4 \u00b7 1 without a value")
    expect(view).to_have_attribute("data-xattn-theme", theme)

    rows.first.click()
    panel = page.locator(PANEL)
    expect(panel).to_be_visible()
    expect(panel.get_by_label("Score that colors the heads")).to_have_value("my_score")
    rows.filter(has_text="Das Kind").click()
    expect(token(panel, "source", "Kind")).to_be_visible()
    expect(token(panel, "target", "child")).to_be_visible()
    screenshot(f"corpus-open-{theme}")

    rows.filter(has_text="<b>Ja</b>").click()  # text, and no element
    expect(token(panel, "source", "Kind")).to_have_count(0)
    expect(page.locator(PANEL)).to_have_count(1)
    view.locator('.xattn-spread-head[data-layer="2"][data-head="1"]').click()
    notebook.expect_printed("print(view.head, view.opened.heads)", "(2, 1) [[2, 1]]")
    notebook.add_and_run("view.row = 2")
    expect(token(panel, "source", "morgen")).to_be_visible()
    assert page_errors == []


def test_a_row_that_a_cell_opens_is_shown_in_marimo(run_marimo: Callable[[str], str], page: Page) -> None:
    cell = SCORED.removesuffix("view").replace("\n", "\n    ") + "view.row = 1\n    view"
    page.goto(
        run_marimo(f"import marimo\napp = marimo.App()\n\n@app.cell\ndef _():\n    {cell}\n    return\n\napp.run()\n")
    )
    expect(token(page.locator(PANEL), "source", "Kind")).to_be_visible(timeout=60_000)
    page.locator(".xattn-sentences tbody tr").filter(has_text="Wann").click()
    expect(page.locator(".xattn-open-row")).to_contain_text("run a cell with view.row = 2")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [420, 1280])
def test_axe_finds_nothing(page: Page, tmp_path: Path, scheme: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 1400})
    page.emulate_media(color_scheme=scheme)
    model, tokenizer = load_demo()
    table = score_corpus(model, tokenizer, SOURCES, TARGETS, ["entropy"], statistics="logprob_sum", progress=False)
    show(page, show_corpus(table, model, tokenizer, worst=3), tmp_path)
    rows = page.locator(".xattn-sentences tbody tr")
    expect(rows).to_have_count(3)
    found = {"list": violations(page)}
    rows.first.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(page.locator(PANEL).get_by_role("listbox", name="source tokens")).to_be_visible()
    found["open"] = violations(page)
    page.get_by_label("Rank by").select_option("logprob_sum")
    expect(page.get_by_role("img", name="Histogram of logprob_sum")).to_be_visible()
    found["histogram"] = violations(page)
    assert [f"{state}: {fault}" for state, faults in found.items() for fault in faults] == []


def test_a_profile_shows_itself_in_a_notebook(open_notebook: OpenNotebook, page: Page, page_errors: list[str]) -> None:
    notebook = open_notebook([PROFILED], theme="light")
    notebook.run_all()
    view = page.locator(".xattn-profile")
    expect(view.locator(".xattn-head")).to_have_count(24)
    view.locator('.xattn-head[data-layer="0"][data-head="6"]').click()
    expect(view.get_by_role("heading", name="Layer 0, head 6")).to_be_visible()
    expect(view.locator(".xattn-strongest li")).to_have_count(3)
    assert page_errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_a_profile_is_read_by_keyboard_and_axe_finds_nothing(
    page: Page, tmp_path: Path, page_errors: list[str], screenshot: Callable[..., Path], scheme: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 1400})
    page.emulate_media(color_scheme=scheme)
    model, tokenizer = load_demo()
    profile = profile_heads(model, tokenizer, SOURCES[:3], TARGETS[:3], progress=False)
    view = show_profile(profile, model, tokenizer)
    show(page, view, tmp_path)
    card = page.get_by_role("region", name="The picked head")
    heads = page.locator(".xattn-heads")
    heads.locator('[aria-pressed="true"]').focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(card.get_by_role("heading", name=f"Layer {view.head[0]}, head 1")).to_be_visible()
    assert view.head[1] == 1
    found = {"roles": violations(page)}
    page.get_by_label("Heads colored by").select_option("entropy")
    page.get_by_label("Value").select_option("median")
    expect(heads.locator('[aria-pressed="true"]')).to_have_attribute("aria-label", re.compile("entropy, median"))
    page.get_by_text("Table of all numbers").click()
    page.get_by_text("Shares of single sentences").click()
    page.wait_for_timeout(100)
    found["score"] = violations(page)
    screenshot(f"profile-{width}-{scheme}")
    card.get_by_role("button", name="Ich habe").click()
    expect(page.locator(PANEL).get_by_role("listbox", name="source tokens")).to_be_visible()
    found["open"] = violations(page)
    assert [f"{state}: {fault}" for state, faults in found.items() for fault in faults] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page_errors == []
