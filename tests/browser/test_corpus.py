"""A scored corpus in JupyterLab: the list of the worst sentences, and the panel of the one that is clicked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from .conftest import OpenNotebook
from .test_panel import token

SCORED = """from xattn_widget import load_demo, score_corpus, show_corpus
model, tokenizer = load_demo()
sources = ["Ich habe das Buch gelesen.", "Das Kind ist mein Sohn.", "Wann stehst du morgen auf?", "", "<b>Ja</b>."]
targets = ["I have read the book.", "The child is my son.", "When do you get up tomorrow?", "x", "<i>Yes</i>."]
table = score_corpus(model, tokenizer, sources, targets, ["coverage_penalty", "entropy"], progress=False)
view = show_corpus(table, model, tokenizer)
view"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_sentence_of_a_corpus_opens_by_a_click(
    open_notebook: OpenNotebook, page: Page, page_errors: list[str], screenshot: Callable[..., Path], theme: str
) -> None:
    notebook = open_notebook([SCORED], theme=theme)
    notebook.run_all()
    listed = page.locator(".jp-OutputArea-output select option")
    expect(listed.filter(has_text="Wann stehst du")).to_have_count(1)
    expect(
        page.get_by_text("4 worst of 4 sentences, highest coverage_penalty first; 1 without a value")
    ).to_be_visible()
    page.wait_for_function("() => document.querySelector('.jp-OutputArea-output img')?.naturalWidth > 200")
    screenshot(f"corpus-{theme}")

    worst = page.locator(".jp-OutputArea-output select[size]")
    label = listed.filter(has_text="Das Kind").text_content()
    worst.select_option(label=label)
    panel = page.locator(".xattn")
    expect(token(panel, "source", "Kind")).to_be_visible()
    expect(token(panel, "target", "child")).to_be_visible()
    panel.scroll_into_view_if_needed()
    screenshot(f"corpus-open-{theme}")

    worst.select_option(label=listed.filter(has_text="<b>Ja</b>").text_content())  # text, and no element
    expect(token(panel, "source", "Kind")).to_have_count(0)
    expect(page.locator(".xattn")).to_have_count(1)
    page.get_by_label("rank by").select_option(label="layer 2, head 1")  # the list anew, nothing open
    expect(page.locator(".xattn")).to_have_count(0)
    assert page_errors == []
