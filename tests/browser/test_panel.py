"""The panel in a real JupyterLab with a real kernel, and as an offline page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from xattn_widget import CrossAttention, CrossAttentionWidget, extract, load_demo
from xattn_widget.panel.dropping import dropped_positions
from xattn_widget.record.token_kinds import is_punctuation

from .conftest import OpenNotebook

SHOW = [
    "from xattn_widget import load_demo, score, show_cross_attention\nmodel, tokenizer = load_demo()",
    "widget = show_cross_attention(\n"
    "    model, tokenizer, ['Ich habe das Buch gelesen.', 'Das Kind ist mein Sohn.']\n)\nwidget",
]


LINES_PAINTED = """() => {
  const canvas = document.querySelector(".xattn-base");
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.some((value, index) => index % 4 === 3 && value > 0);
}"""


def head(panel: Page | Locator, layer: int, index: int) -> Locator:
    return panel.locator(".xattn-heads").get_by_role("button", name=f"layer {layer}, head {index},").first


def token(panel: Page | Locator, side: str, text: str) -> Locator:
    return panel.get_by_role("listbox", name=f"{side} tokens").get_by_role("option", name=text, exact=True)


def detail(panel: Page | Locator) -> Locator:
    return panel.get_by_label("Token and its partners")


def test_a_notebook_session(
    open_notebook: OpenNotebook, page: Page, page_errors: list[str], screenshot: Callable[..., Path]
) -> None:
    """What a researcher does: show, hover, pick heads, change the score, add one in the next cell, reload."""
    notebook = open_notebook(SHOW)
    notebook.run_all()
    panel = page.locator(".xattn")
    expect(panel).to_be_visible()

    # Hover shows the five strongest partners; the weights of the sentence are those of Python.
    token(panel, "target", "read").hover()
    expect(detail(panel)).to_contain_text("gelesen")
    text = notebook.text(
        notebook.add_and_run(
            "from xattn_widget import saved_head_set\n"
            "rows = []\n"
            "for layer, head, reading in saved_head_set(model).heads:  # with which the panel opens\n"
            "    record = widget.record.read_as(reading).words()\n"
            "    rows.append(record.weights[layer, head, record.target_tokens.index('read')])\n"
            "print(f'{(sum(rows) / len(rows)).max():.3f}')"
        )
    )
    token(panel, "target", "read").hover()
    expect(detail(panel)).to_contain_text(text.strip())  # exact, three decimals: fetched from the kernel

    # A click picks a head, a shift-click adds one, and Python sees both.
    head(panel, 0, 1).click()
    head(panel, 2, 4).click(modifiers=["Shift"])
    notebook.expect_printed("print(widget.heads, widget.layer, widget.head)", "[[0, 1], [2, 4]] 2 4")
    # A row's label picks the layer.
    panel.get_by_role("button", name="layer 1, all heads").click()
    notebook.expect_printed("print(len(widget.heads), widget.layer)", "8 1")

    # Python sets traits, and the panel follows.
    notebook.add_and_run("widget.heads = [(2, 3)]\nwidget.target_index = 1")
    expect(detail(panel)).to_have_class(re.compile("xattn-pinned"))
    expect(head(panel, 2, 3)).to_have_attribute("aria-pressed", "true")

    # Another score, then one from the next cell.
    panel.get_by_label("Score that colors the heads").select_option("entropy")
    signature = panel.get_by_role("button", name="Copy signature")
    expect(signature).to_have_attribute("title", re.compile(r"entropy\|special:keep\|v:"))
    notebook.add_and_run(
        "@score(direction='lower')\n"
        "def first_column(attention, source_mask, target_mask):\n"
        "    return attention[..., 0].mean(-1)\n"
        "widget.add_score(first_column)"
    )
    expect(panel.get_by_label("Score that colors the heads")).to_have_value("first_column")
    expect(signature).to_have_attribute("title", re.compile(r"first_column\|special:keep\|code:"))
    expect(head(panel, 0, 0)).to_have_attribute("aria-label", re.compile("first_column"))

    # Another sentence.
    panel.get_by_label("Sentence").select_option(index=1)
    expect(token(panel, "source", "Sohn")).to_be_visible()
    screenshot("jupyterlab-light", panel)

    notebook.set_theme("dark")
    expect(token(panel, "source", "Sohn")).to_be_visible()
    page.wait_for_function(LINES_PAINTED)
    screenshot("jupyterlab-dark", panel)
    assert brightness(panel) < 80

    # A reload of the page: the kernel is alive, and the panel comes back as it was.
    notebook.reload()
    panel = page.locator(".xattn")
    expect(token(panel, "source", "Sohn")).to_be_visible()
    expect(panel.get_by_label("Score that colors the heads")).to_have_value("first_column")
    assert page_errors == []


def brightness(panel: Locator) -> float:
    """Mean of the background's red, green and blue, 0 to 255."""
    color = panel.evaluate("(element) => getComputedStyle(element).backgroundColor")
    return sum(float(part) for part in color.strip("rgba()").split(",")[:3]) / 3


def test_keys_do_not_reach_jupyterlab(open_notebook: OpenNotebook, page: Page) -> None:
    """JupyterLab's command mode takes arrow keys and letters: walking along tokens must not move its cells."""
    notebook = open_notebook(SHOW)
    notebook.run_all()
    panel = page.locator(".xattn")
    token(panel, "target", "I").click()
    before = page.evaluate("() => window.jupyterapp.shell.currentWidget.content.activeCellIndex")
    for key in ("ArrowDown", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    expect(token(panel, "target", "read")).to_be_focused()
    assert page.evaluate("() => window.jupyterapp.shell.currentWidget.content.activeCellIndex") == before
    # Letters are JupyterLab's too: x would cut the cell with the panel, a and b insert cells.
    for key in ("x", "a", "b"):
        page.keyboard.press(key)
    expect(panel).to_be_visible()
    slider = panel.get_by_label("Hide weights below")
    slider.focus()
    value = float(slider.input_value())
    page.keyboard.press("ArrowRight")
    assert float(slider.input_value()) > value
    special = panel.get_by_label("Special tokens")
    special.focus()
    page.keyboard.press("ArrowDown")
    expect(special).to_have_value("drop")
    notebook.expect_printed("print(widget.layer, widget.special)", "0 drop")
    token(panel, "target", "read").focus()
    page.keyboard.press("PageDown")
    notebook.expect_printed("print(widget.layer)", "1")


def test_the_panel_lives_in_marimos_shadow_root(run_marimo: Callable[[str], str], page: Page) -> None:
    page.goto(
        run_marimo(
            "import marimo\napp = marimo.App()\n\n@app.cell\ndef _():\n"
            "    import torch\n    from xattn_widget import CrossAttention, CrossAttentionWidget\n"
            "    weights = torch.eye(3)[None, None].repeat(2, 2, 1, 1)\n"
            "    record = CrossAttention.from_tokens(weights, list('abc'), list('xyz'))\n"
            "    widget = CrossAttentionWidget(record)\n    widget\n    return\n\n"
            "if __name__ == '__main__':\n    app.run()\n"
        )
    )
    token(page, "target", "y").hover()
    expect(detail(page)).to_contain_text("b")
    expect(detail(page)).to_contain_text("1.000")
    head(page, 1, 1).click()
    expect(head(page, 1, 1)).to_have_attribute("aria-pressed", "true")


def offline(tmp_path: Path, widget: CrossAttentionWidget | CrossAttention, **view: object) -> str:
    return widget.to_html(tmp_path / "page.html", **view).as_uri()


def record_of(target: list[str], source: list[str], layers: int = 2, heads: int = 3) -> CrossAttention:
    shape = (layers, heads, len(target), len(source))
    weights = torch.randn(shape, generator=torch.Generator().manual_seed(0)).mul(2).softmax(-1)
    return CrossAttention.from_tokens(weights, source, target)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [420, 1000])
def test_the_page_works_offline_in_both_themes(
    page: Page, page_errors: list[str], tmp_path: Path, scheme: str, width: int, screenshot: Callable[..., Path]
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    page.goto(offline(tmp_path, record_of(["I", "read", "it"], ["Ich", "las", "es", "."])))
    panel = page.locator(".xattn")
    token(panel, "target", "read").hover()
    expect(detail(panel).get_by_role("listitem")).to_have_count(4)
    for name in ("Matrix", "All heads", "Lines"):
        panel.get_by_role("tab", name=name).click()
        expect(panel.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
    assert (brightness(panel) < 80) == (scheme == "dark")
    # Nothing sticks out at the side.
    assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    screenshot(f"page-{scheme}-{width}")
    assert page_errors == []


def test_hostile_tokens_are_shown_as_text(page: Page, page_errors: list[str], tmp_path: Path) -> None:
    hostile = ["</script><script>window.pwned=1</script>", "<img src=x onerror=window.pwned=1>", "a\u202eb", "🙂"]
    page.goto(offline(tmp_path, record_of(hostile, [*hostile, "x" * 10_000])))
    panel = page.locator(".xattn")
    expect(token(panel, "source", hostile[1])).to_be_visible()
    token(panel, "target", hostile[0]).hover()
    panel.get_by_role("tab", name="Matrix").click()
    assert page.evaluate("() => window.pwned") is None
    assert page.locator("img").count() == 0
    assert page_errors == []


def test_one_token_each(page: Page, page_errors: list[str], tmp_path: Path) -> None:
    page.goto(offline(tmp_path, CrossAttention.from_tokens(torch.ones(1, 1, 1, 1), ["a"], ["b"])))
    token(page, "source", "a").hover()
    expect(detail(page)).to_contain_text("1.00")
    assert page_errors == []


def test_five_hundred_tokens_stay_in_their_panel(page: Page, page_errors: list[str], tmp_path: Path) -> None:
    record = record_of([f"t{i}" for i in range(512)], [f"s{i}" for i in range(512)], layers=1, heads=2)
    page.goto(offline(tmp_path, record))
    panel = page.locator(".xattn")
    token(panel, "target", "t0").click()
    page.keyboard.press("End")
    expect(token(panel, "target", "t511")).to_be_focused()
    assert panel.bounding_box()["height"] < 1200
    panel.get_by_role("tab", name="Matrix").click()
    expect(panel.get_by_label("Heat map of attention")).to_be_visible()
    assert page_errors == []


def test_nan_weights_are_named(page: Page, tmp_path: Path) -> None:
    weights = torch.full((1, 2, 2, 2), 0.5)
    weights[0, 0] = torch.nan
    page.goto(offline(tmp_path, CrossAttention.from_tokens(weights, ["a", "b"], ["x", "y"])))
    expect(page.locator(".xattn")).to_contain_text("Layer 0 holds NaN weights")
    expect(head(page, 0, 0)).to_have_attribute("aria-label", re.compile("undefined"))


def test_dropped_special_tokens_are_gone_and_said(page: Page, tmp_path: Path) -> None:
    record = record_of(["I", "</s>"], ["Ich", "</s>"])
    special = CrossAttention(
        record.weights,
        type(record.source)(record.source.labels, (False, True)),
        {"output": type(record.target)(record.target.labels, (False, True))},
    )
    page.goto(offline(tmp_path, special, special="drop"))
    panel = page.locator(".xattn")
    expect(panel).to_contain_text(re.compile(r"special tokens \(\d+% of the weight\) dropped, rows renormalized"))
    expect(token(panel, "source", "</s>")).to_have_count(0)
    token(panel, "target", "I").hover()
    expect(detail(panel)).to_contain_text("1.00")


def test_punctuation_is_dropped_by_keyboard_and_scored_as_in_python(
    page: Page, screenshot: Callable[..., Path], tmp_path: Path
) -> None:
    record = extract(*load_demo(), "Gestern, am Abend, habe ich gelesen.", "Yesterday, in the evening, I read.")
    page.goto(offline(tmp_path, record, special="drop", heads=[(2, 4)], reading="output", score_name="entropy"))
    panel = page.locator(".xattn")
    expect(token(panel, "source", ",")).to_have_count(2)
    special = panel.get_by_label("Special tokens")
    special.focus()
    page.keyboard.press("ArrowDown")
    expect(special).to_have_value("drop_punctuation")
    for side, axis in (("source", record.source), ("target", record.target)):
        expect(token(panel, side, ",")).to_have_count(0)
        words = len(axis.units()) - sum(axis.special) - sum(map(is_punctuation, axis.words))
        expect(panel.locator(f".xattn-{side} .xattn-token")).to_have_count(words)
    axes = (record.target, record.source)
    rows, columns = (~torch.tensor(dropped_positions(axis, "drop_punctuation")) for axis in axes)
    held = float(record.weights[2, 4][rows][:, ~columns].sum(-1).mean())
    expect(panel).to_contain_text(f"special tokens and punctuation ({100 * held:.0f}% of the weight) dropped")
    panel.get_by_role("button", name="Score the rows as shown").click()
    value = float(record.score("entropy", special="renormalize_punctuation")[1, 3])
    expect(head(panel, 1, 3)).to_have_attribute("aria-label", re.compile(f"entropy {value:.3f}"))
    shown = record.drop_special(also="punctuation").words()
    row, column = shown.target_tokens.index("evening"), shown.source_tokens.index("Abend")
    token(panel, "target", "evening").hover()
    expect(detail(panel)).to_contain_text("of its weight was on special tokens and punctuation")
    weight = float(shown.weights[2, 4, row, column])
    expect(detail(panel).get_by_role("listitem").filter(has_text="Abend")).to_contain_text(f"{weight:.2f}")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        screenshot(f"punctuation-{scheme}")


def test_a_page_of_limited_size_says_what_it_lacks(page: Page, page_errors: list[str], tmp_path: Path) -> None:
    record = record_of([f"t{i}" for i in range(40)], [f"s{i}" for i in range(40)], layers=3, heads=4)
    path = tmp_path / "page.html"
    limit = record.to_html(path, heads=[(2, 3)]).stat().st_size - 8_000
    page.goto(record.to_html(path, heads=[(2, 3)], max_bytes=limit).as_uri())
    panel = page.locator(".xattn")
    expect(panel).to_contain_text(f"This page was limited to {limit:,} bytes")
    token(panel, "target", "t3").hover()
    expect(detail(panel).get_by_role("listitem")).to_have_count(5)
    absent = panel.get_by_role("button", name=re.compile("left out")).first
    absent.click()
    expect(panel.get_by_role("alert")).to_contain_text("was left out to save space")
    panel.get_by_role("tab", name="All heads").click()
    expect(panel.locator(".xattn-multiple.xattn-absent").first).to_be_visible()
    panel.locator('.xattn-multiple[data-layer="2"][data-head="3"]').click()
    panel.get_by_role("tab", name="Lines").click()
    expect(panel.get_by_role("alert")).to_be_empty()
    expect(token(panel, "target", "t3")).to_be_visible()
    assert page_errors == []
