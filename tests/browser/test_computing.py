"""Scores that take long: the panel says that they are computed, and answers everything else meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from .conftest import OpenNotebook
from .test_panel import detail, head, token
from .test_views import open_tab

SLOW = """import threading
import torch
from xattn_widget import CrossAttention, CrossAttentionWidget, score
go, calls = threading.Event(), []
@score(direction="higher")
def slow(attention, source_mask, target_mask):
    calls.append(threading.current_thread() is threading.main_thread())
    assert go.wait(120)
    return attention.amax((-1, -2))
weights = torch.rand(2, 3, 3, 3, generator=torch.Generator().manual_seed(0)).mul(4).softmax(-1)
record = CrossAttention.from_tokens(weights, ["das", "Buch", "."], ["the", "book", "."], model="Toy")
widget = CrossAttentionWidget(record, scores=["entropy", slow, "confidence"], heads=[(1, 2)])
widget"""


def test_a_slow_score_is_waited_for_and_the_panel_works_meanwhile(
    open_notebook: OpenNotebook, page: Page, page_errors: list[str], screenshot: Callable[..., Path]
) -> None:
    notebook = open_notebook([SLOW])
    notebook.run_all()
    panel = page.locator(".xattn")
    expect(token(panel, "target", "book")).to_be_visible()
    panel.get_by_label("Score that colors the heads").select_option("slow")
    expect(panel.locator(".xattn-own-score")).to_have_text("computing…")
    # Exact weights come from the kernel, and other scores too.
    token(panel, "target", "book").hover()
    expect(detail(panel)).to_contain_text(re.compile(r"0\.\d{3}"))
    open_tab(panel, "Scores")
    expect(panel.locator(".xattn-scatter .xattn-readout")).to_have_text("computing the scores…")
    rows = panel.locator(".xattn-score-row")
    expect(rows).to_have_count(6)
    expect(rows.first.locator("td").nth(1)).to_have_text(re.compile(r"0\.\d{3}"))
    expect(rows.first.locator("td").nth(2)).to_have_text("…")
    screenshot("computing", panel)
    notebook.expect_printed("print(widget.heads, widget.score_name)", "[[1, 2]] slow")
    notebook.add_and_run("go.set()")
    expect(panel.locator(".xattn-own-score")).to_contain_text("rank")
    expect(panel.locator(".xattn-dot-mark")).to_have_count(6)
    # It was computed once, and not by the thread that answers.
    head(panel, 0, 1).click()
    open_tab(panel, "Lines")
    notebook.expect_printed("print(calls)", "[False]")
    assert page_errors == []
