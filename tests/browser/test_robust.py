"""What nobody should pass and somebody will: hostile tokens, weights that are none, traits set wrongly."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

from xattn_widget import CrossAttention

from .conftest import OpenNotebook
from .test_panel import detail, head, token

HOSTILE = [
    "</script><script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    '"><svg onload=window.pwned=1>',
    "' onmouseover='window.pwned=1",
    "<!--",
    "{{constructor.constructor('window.pwned=1')()}}",
    "a\u202eb\u202c",
    "\u200b\u200d\ufeff",
    "שלום",
    "\x00\x07",
    "\u2028",
    "x" * 10_000,
]
VIEWS = ("Lines", "Matrix", "Compare", "Scores", "All heads")


def hostile_record() -> CrossAttention:
    size = len(HOSTILE)
    weights = torch.rand(2, 2, size, size, generator=torch.Generator().manual_seed(0)).softmax(-1)
    return CrossAttention.from_tokens(weights, HOSTILE, HOSTILE, model=HOSTILE[0], logprobs=torch.full((size,), -1.0))


@pytest.mark.parametrize("setting", [{}, {"orientation": "rows"}, {"table": True}])
def test_hostile_tokens_are_text_in_every_view(
    page: Page, page_errors: list[str], tmp_path: Path, setting: dict[str, object]
) -> None:
    page.goto(hostile_record().to_html(tmp_path / "page.html", **setting).as_uri())
    panel = page.locator(".xattn")
    before = page.evaluate("() => document.querySelectorAll('script, img, svg, style').length")
    for name in VIEWS:
        panel.get_by_role("tab", name=name).click()
        expect(panel.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
        # Over everything that shows a token, as a reader would.
        box = panel.locator(".xattn-view").bounding_box()
        assert box is not None
        for part in range(1, 6):
            page.mouse.move(box["x"] + box["width"] * part / 6, box["y"] + min(box["height"], 500) * part / 6)
    panel.get_by_role("tab", name="Lines").click()
    for index in (0, 1, 2, 5):
        panel.get_by_role("listbox", name="target tokens").get_by_role("option").nth(index).hover()
        expect(detail(panel)).to_contain_text(re.compile(rf"^Target (word \()?token {index}\b"))
        panel.get_by_role("listbox", name="source tokens").get_by_role("option").nth(index).click()
    assert page.evaluate("() => window.pwned") is None
    assert page.evaluate("() => document.querySelectorAll('script, img, svg, style').length") == before
    # Nothing as wide as ten kilobytes of text.
    assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page_errors == []


def test_hostile_tokens_are_text_among_the_experiments(open_notebook: OpenNotebook, page: Page) -> None:
    """A tokenizer may call its tokens what it likes: the choices for another token show them as they are."""
    notebook = open_notebook(
        [
            "from xattn_widget import load_demo, show_cross_attention\nmodel, tokenizer = load_demo()",
            "import xattn_widget.widget.live_model as live\n"
            "Choice = live.Choice\n"
            "image = '<img src=x onerror=window.pwned=1>'\n"
            "live.Choice = lambda id, label, logprob: Choice(id, image + label, logprob)\n"
            "widget = show_cross_attention(model, tokenizer, 'Ich habe das Buch gelesen.', target_index=1)\nwidget",
        ]
    )
    notebook.run_all()
    panel = page.locator(".xattn")
    panel.get_by_role("button", name="Other tokens").click()
    expect(panel.get_by_role("button", name="<img src=x onerror=window.pwned=1>have")).to_be_visible()
    assert panel.locator("img").count() == 0
    assert page.evaluate("() => window.pwned") is None


def test_weights_that_are_no_distribution_are_shown_with_a_note(
    page: Page, page_errors: list[str], tmp_path: Path
) -> None:
    weights = torch.full((3, 2, 3, 3), 1 / 3)
    weights[0, 0, 1] = torch.nan
    weights[1, 1, 2] = 0.9
    weights[2, 0, 0, 0] = torch.inf
    page.goto(CrossAttention.from_tokens(weights, list("abc"), list("xyz")).to_html(tmp_path / "page.html").as_uri())
    panel = page.locator(".xattn")
    expect(panel).to_contain_text("Layer 0 holds NaN weights, shown as 0")
    expect(panel).to_contain_text("Rows of layer 1 do not sum to 1")
    expect(panel).to_contain_text("Rows of layer 2 do not sum to 1 (up to inf off)")
    for name in VIEWS:
        panel.get_by_role("tab", name=name).click()
        if name == "All heads":  # its thumbnails are the grid
            continue
        for layer in range(3):
            head(panel, layer, 0).click()
    panel.get_by_role("tab", name="Lines").click()
    head(panel, 0, 0).click()
    token(panel, "target", "y").hover()
    expect(detail(panel)).to_contain_text("Target word (token 1)")
    assert page_errors == []


def test_traits_set_wrongly_raise_there_and_leave_the_panel_alive(open_notebook: OpenNotebook, page: Page) -> None:
    wrong = [
        ("heads", "[(9, 9)]", "no layer 9 head 9"),
        ("heads", "'all'", "(layer, head) pair"),
        ("layer", "'two'", "layer"),
        ("sentence", "5", "sentence must be 0 to 0"),
        ("target_index", "-1", "target_index must be 0 to"),
        ("score_name", "'nope'", "no score 'nope' is listed"),
        ("threshold", "7", "threshold"),
        ("special", "'hide'", "special"),
        ("panel", "'pie'", "panel"),
        ("aggregate", "'median'", "aggregate"),
        ("words", "'yes'", "words"),
        ("muted", "[(0, 0)]", "no model"),
        ("live", "{}", "read-only"),
        ("info", "{}", "read-only"),
    ]
    notebook = open_notebook(
        [
            "import torch\nfrom xattn_widget import CrossAttention, CrossAttentionWidget\n"
            "weights = torch.eye(3)[None, None].repeat(2, 2, 1, 1)\n"
            "record = CrossAttention.from_tokens(weights, list('abc'), list('xyz'))\n"
            "widget = CrossAttentionWidget(record)\nwidget"
        ]
    )
    notebook.run_all()
    panel = page.locator(".xattn")
    expect(token(panel, "target", "y")).to_be_visible()
    cell = notebook.add_and_run(
        f"for name, value, words in {[(name, f'<{value}>', words) for name, value, words in wrong]!r}:\n"
        "    before = getattr(widget, name)\n"
        "    try:\n        setattr(widget, name, eval(value[1:-1]))\n"
        "    except Exception as error:\n"
        "        assert words in str(error), (name, str(error))\n"
        "        assert getattr(widget, name) == before\n"
        "    else:\n        raise AssertionError(name)\n"
        "print('all refused')"
    )
    assert notebook.text(cell) == "all refused\n"
    token(panel, "target", "y").hover()
    expect(detail(panel)).to_contain_text("1.000")
    head(panel, 0, 1).click()
    notebook.expect_printed("print(widget.heads)", "[[0, 1]]")


GONE = "The kernel is gone. Everything loaded so far still works"


@pytest.mark.parametrize("end", ["shut down", "restarted"])
def test_the_picture_outlives_the_kernel(
    open_notebook: OpenNotebook, page: Page, screenshot: Callable[..., Path], end: str
) -> None:
    """All that a small widget shows is in the page soon after its first picture; only experiments need a kernel."""
    notebook = open_notebook(
        [
            "import xattn_widget.widget.comm as comm\n"
            "answer, ahead = comm.answer, []\n"
            "def counted(*arguments):\n"
            "    reply = answer(*arguments)\n"
            "    ahead.append(1)\n"
            "    return reply\n"
            "comm.answer = counted",
            "from xattn_widget import load_demo, show_cross_attention\n"
            "sources = ['Ich habe das Buch gelesen.', 'Der Hund schläft im Garten.']\n"
            "widget = show_cross_attention(*load_demo(), sources, layer=2, words=False, heads=[(2, 0)])\nwidget",
        ]
    )
    notebook.run_all()
    panel = page.locator(".xattn")
    expect(token(panel, "target", "book")).to_be_visible()
    notebook.expect_printed("print(len(ahead))", "2")
    if end == "shut down":
        notebook.close()
    else:
        notebook.restart_kernel()
    expect(panel.get_by_role("alert")).to_contain_text(GONE)
    edit = panel.get_by_role("button", name="Edit target")
    expect(edit).to_be_disabled()
    expect(edit).to_have_accessible_description("Off: the kernel is gone. Run the cell again.")
    for layer, index in ((0, 0), (1, 3)):
        head(panel, layer, index).click()
        expect(head(panel, layer, index)).to_have_attribute("aria-pressed", "true")
        expect(panel.locator(".xattn-base")).to_be_visible()
        token(panel, "target", "book").hover()
        expect(detail(panel)).to_contain_text("book")
    scores = panel.get_by_label("Score", exact=True)
    names = scores.locator("option").evaluate_all("(options) => options.map((option) => option.value)")
    for name in names[1:4]:
        scores.select_option(name)
        expect(head(panel, 0, 0)).to_have_attribute("aria-label", re.compile(f"{name} [0-9]"))
    # A pointer left where a target token was would point at one of the new sentence, and the name of each source token
    # would then end in its share.
    page.mouse.move(0, 0)
    panel.get_by_label("Sentence", exact=True).select_option(index=1)
    expect(token(panel, "source", "Hund")).to_be_visible()
    for view in VIEWS:
        panel.get_by_role("tab", name=view).click()
        expect(panel.get_by_role("tab", name=view)).to_have_attribute("aria-selected", "true")
    expect(panel.locator(".xattn-alert-box > div")).to_have_text(re.compile(f"^{re.escape(GONE)}[^.]*experiments. *$"))
    screenshot(f"kernel-gone-{end.split()[0]}", panel)
    expect(panel.get_by_role("button", name="Retry")).to_be_hidden()
