"""Trying things in the panel, with a kernel: other targets and tokens, muted heads, hypotheses; stop and errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import torch
from playwright.sync_api import Locator, Page, expect

from xattn_widget import CrossAttention

from .conftest import OpenNotebook
from .test_panel import head, token

SHOW = [
    "from xattn_widget import load_demo, show_cross_attention\nmodel, tokenizer = load_demo()",
    "widget = show_cross_attention(model, tokenizer, 'Ich habe das Buch gelesen.',\n"
    "                              generation={'num_beams': 3, 'num_return_sequences': 3})\nwidget",
]


def bar(panel: Page | Locator) -> Locator:
    return panel.get_by_role("region", name="Experiment")


def press(panel: Page | Locator, name: str) -> None:
    bar(panel).get_by_role("button", name=name, exact=True).click()


def test_a_session_of_experiments(
    open_notebook: OpenNotebook, page: Page, page_errors: list[str], screenshot: Callable[..., Path]
) -> None:
    notebook = open_notebook(SHOW)
    notebook.run_all()
    panel = page.locator(".xattn")
    targets = panel.get_by_label("Target", exact=True)
    expect(targets.get_by_role("option")).to_have_count(3)

    # Another hypothesis of the n-best list.
    targets.select_option(index=1)
    notebook.expect_printed("print(widget.sentence)", "1")
    targets.select_option(index=0)

    # The target edited in place, and read by teacher forcing.
    press(panel, "Edit target")
    area = bar(panel).get_by_label("Another target")
    expect(area).to_have_value("I read the book.")
    area.fill("I bought the book.")
    press(panel, "Show attention")
    expect(token(panel, "target", "bought")).to_be_visible()
    expect(area).to_be_hidden()
    notebook.expect_printed("print(widget.sentence, widget.record.generated)", "3 False")

    # Another token in the place of the pinned one, and the rest generated.
    expect(bar(panel).get_by_role("button", name="Other tokens", exact=True)).to_be_disabled()
    token(panel, "target", "bought").click()
    press(panel, "Other tokens")
    choices = bar(panel).get_by_role("button", name=re.compile("probability"))
    expect(choices).to_have_count(5)
    screenshot("live-choices", panel)
    bar(panel).get_by_role("button", name=re.compile("^have, probability")).click()
    expect(token(panel, "target", "have")).to_be_visible()
    notebook.expect_printed(
        "print(widget.record.target_tokens[:3], widget.record.generated)", "['I', 'have', 'read'] True"
    )

    # Heads muted: by Alt-click, by the mode, and by the keyboard.
    head(panel, 2, 5).click(modifiers=["Alt"])
    expect(head(panel, 2, 5)).to_have_attribute("aria-label", re.compile("muted"))
    expect(bar(panel)).to_contain_text(re.compile("The same target: log-probability .* → .*"))
    press(panel, "Mute heads")
    # The mode is off while the kernel does not answer, as on a busy machine.
    expect(bar(panel).get_by_role("button", name="Mute heads", exact=True)).to_have_attribute("aria-pressed", "true")
    head(panel, 1, 3).click()
    expect(head(panel, 1, 3)).to_have_attribute("aria-label", re.compile("muted"))
    head(panel, 0, 1).focus()
    page.keyboard.press("m")
    expect(head(panel, 0, 1)).to_have_attribute("aria-label", re.compile("muted"))
    notebook.expect_printed("print(widget.muted)", "[[0, 1], [1, 3], [2, 5]]")
    # What the panel says is what the library says of the same.
    said = notebook.text(
        notebook.add_and_run(
            "from xattn_widget import ablate, extract\n"
            "base = widget.records[widget.live['effect']['base']]\n"
            "with ablate(model, [(0, 1), (1, 3), (2, 5)]):\n"
            "    anew = extract(model, tokenizer, 'Ich habe das Buch gelesen.', generation={'num_beams': 3})\n"
            "print(anew.target.preview(), '|', f'{float(anew.logprobs.sum()):.2f}'.replace('-', '−'))"
        )
    ).strip()
    text, number = said.split(" | ")
    expect(bar(panel)).to_contain_text(number[:-1])
    screenshot("live-muted", panel)
    # The sentence written anew can be looked at, and the two compared.
    targets.select_option(index=5)
    for piece in text.split()[:2]:
        expect(token(panel, "target", piece)).to_be_visible()
    press(panel, "Compare")
    expect(panel.get_by_role("tab", name="Compare")).to_have_attribute("aria-selected", "true")
    screenshot("live-compare", panel)
    panel.get_by_role("tab", name="Lines").click()

    # Unmuting puts everything back.
    press(panel, "Unmute all")
    expect(panel.get_by_role("button", name=re.compile(", muted"))).to_have_count(0)
    expect(targets.get_by_role("option")).to_have_count(4)
    notebook.expect_printed("print(widget.muted, widget.live['effect'], widget.sentence)", "[] None 3")

    # Python mutes, and the panel follows; a reload keeps it.
    notebook.add_and_run("widget.muted = [(2, 0)]")
    expect(head(panel, 2, 0)).to_have_attribute("aria-label", re.compile("muted"))
    notebook.reload()
    expect(head(page.locator(".xattn"), 2, 0)).to_have_attribute("aria-label", re.compile("muted"))
    assert page_errors == []


SLOW = """import time
from transformers import LogitsProcessor, LogitsProcessorList
class Wait(LogitsProcessor):
    def __call__(self, input_ids, scores):
        time.sleep(0.1)
        return scores
# A generation that would take half a minute.
generation = {'max_new_tokens': 300, 'min_new_tokens': 299, 'logits_processor': LogitsProcessorList([Wait()])}
"""


def test_a_long_call_tells_how_far_it_is_and_can_be_stopped(open_notebook: OpenNotebook, page: Page) -> None:
    notebook = open_notebook(
        [
            SHOW[0] + "\n" + SLOW,
            "from xattn_widget import CrossAttentionWidget, extract\n"
            "from xattn_widget.widget.live_model import LiveModel\n"
            "record = extract(model, tokenizer, 'Ich habe das Buch gelesen.')\n"
            "widget = CrossAttentionWidget(record, live=LiveModel(model, tokenizer, generation))\nwidget",
        ]
    )
    notebook.run_all()
    panel = page.locator(".xattn")
    head(panel, 2, 5).click(modifiers=["Alt"])
    expect(bar(panel)).to_contain_text(re.compile(r"Generating: \d+ tokens"))
    # A cell uses the model meanwhile, and never meets the muted head.
    again = "extract(model, tokenizer, 'Ich habe das Buch gelesen.').weights"
    cell = notebook.add_and_run(f"import torch\nprint(torch.equal({again}, record.weights), widget.live['busy'] != '')")
    assert notebook.text(cell) == "True True\n"
    press(panel, "Stop")
    expect(bar(panel).get_by_role("button", name="Stop", exact=True)).to_be_hidden()
    # Nothing has changed, and the model has all of its heads.
    expect(panel.get_by_role("button", name=re.compile(", muted"))).to_have_count(0)
    notebook.expect_printed("print(widget.muted, len(widget.records))", "[] 1")


def test_errors_are_told_in_words_and_the_panel_lives_on(open_notebook: OpenNotebook, page: Page) -> None:
    notebook = open_notebook(SHOW)
    notebook.run_all()
    panel = page.locator(".xattn")
    press(panel, "Edit target")
    bar(panel).get_by_label("Another target").fill("   ")
    press(panel, "Show attention")
    expect(bar(panel)).to_contain_text("target[0] is empty")
    press(panel, "Edit target")
    bar(panel).get_by_label("Another target").fill("I saw it.")
    page.keyboard.press("Enter")
    expect(token(panel, "target", "saw")).to_be_visible()
    expect(bar(panel)).not_to_contain_text("is empty")


def test_experiments_in_marimo(run_marimo: Callable[[str], str], page: Page) -> None:
    page.goto(
        run_marimo(
            "import marimo\napp = marimo.App()\n\n@app.cell\ndef _():\n"
            "    from xattn_widget import load_demo, show_cross_attention\n"
            "    model, tokenizer = load_demo()\n"
            "    widget = show_cross_attention(model, tokenizer, 'Ich habe das Buch gelesen.')\n"
            "    widget\n    return\n\nif __name__ == '__main__':\n    app.run()\n"
        )
    )
    expect(token(page, "target", "read")).to_be_visible(timeout=60_000)
    head(page, 2, 5).click(modifiers=["Alt"])
    expect(bar(page)).to_contain_text(re.compile("The same target: log-probability .* → .*"), timeout=20_000)
    press(page, "Edit target")
    bar(page).get_by_label("Another target").fill("I bought the book.")
    press(page, "Show attention")
    expect(token(page, "target", "bought")).to_be_visible(timeout=20_000)


def test_without_kernel_or_model_the_controls_are_off_and_say_why(page: Page, tmp_path: Path) -> None:
    record = CrossAttention.from_tokens(torch.full((1, 2, 2, 2), 0.5), ["a", "b"], ["x", "y"])
    page.goto(record.to_html(tmp_path / "page.html").as_uri())
    panel = page.locator(".xattn")
    expect(bar(panel)).to_contain_text("Off: this page works without a kernel.")
    for name in ("Edit target", "Other tokens", "Mute heads"):
        expect(bar(panel).get_by_role("button", name=name, exact=True)).to_be_disabled()
    head(panel, 0, 1).click(modifiers=["Alt"])
    expect(head(panel, 0, 1)).to_have_attribute("aria-pressed", "true")  # a plain pick


def test_a_widget_of_records_says_that_it_has_no_model(open_notebook: OpenNotebook, page: Page) -> None:
    notebook = open_notebook(
        [
            "import torch\nfrom xattn_widget import CrossAttention, CrossAttentionWidget\n"
            "record = CrossAttention.from_tokens(torch.full((1, 2, 2, 2), 0.5), ['a', 'b'], ['x', 'y'])\n"
            "CrossAttentionWidget(record)"
        ]
    )
    notebook.run_all()
    expect(bar(page)).to_contain_text("holds records and no model")
    expect(bar(page).get_by_role("button", name="Edit target", exact=True)).to_be_disabled()
