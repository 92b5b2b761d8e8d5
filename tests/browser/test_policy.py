"""The page under policies: its own, those of strict hosts, without scripts, and in the sandbox of a frame."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Locator, Page, expect

from xattn_widget import CrossAttention, CrossAttentionWidget
from xattn_widget.scores import Score

from .conftest import OpenNotebook
from .test_panel import detail, head, token
from .test_views import open_tab, save

BLOCKED = re.compile("does not run here")


def peak(attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor) -> torch.Tensor:
    return attention.amax((-1, -2))


def broken(attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor) -> torch.Tensor:
    raise ZeroDivisionError("nothing to divide by </script><script>window.pwned=1</script>")


def make(**view: object) -> CrossAttentionWidget:
    weights = torch.rand(2, 3, 3, 3, generator=torch.Generator().manual_seed(0)).mul(4).softmax(-1)
    record = CrossAttention.from_tokens(weights, ["das", "Buch", "."], ["the", "book", "."], model="Toy")
    return CrossAttentionWidget(record, heads=[(1, 2)], **view)  # type: ignore[arg-type]


def policy_of(page: str) -> dict[str, list[str]]:
    found = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', page)
    assert found
    directives = [directive.split() for directive in found[1].split(";")]
    return {name: values for name, *values in directives}


def test_the_page_allows_its_own_script_and_nothing_else(page: Page, page_errors: list[str], tmp_path: Path) -> None:
    path = make().to_html(tmp_path / "page.html")
    policy = policy_of(path.read_text(encoding="utf-8"))
    assert {name: policy[name] for name in ("default-src", "base-uri", "form-action")} == {
        "default-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    assert [value[:8] for value in policy["script-src"] + policy["style-src"]] == ["'sha256-", "'sha256-"]
    page.goto(path.as_uri())
    panel = page.locator(".xattn")
    token(panel, "target", "book").hover()
    expect(detail(panel)).to_contain_text("Buch")
    expect(page.locator(".xattn-fallback")).to_have_count(0)
    assert save(page, panel, "PNG").read_bytes().startswith(b"\x89PNG")
    assert save(page, panel, "CSV").read_text(encoding="utf-8").startswith("heads,")
    assert page_errors == []
    # A script that somebody manages to put in does not run.
    page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.pwned = 1";
          document.body.append(script);
        }"""
    )
    assert page.evaluate("() => window.pwned") is None
    assert "violates" in page_errors[0]


@pytest.mark.parametrize(
    "policy",
    [
        "default-src 'self'",
        "default-src 'none'",
        "script-src 'none'",
        "sandbox",
        "sandbox allow-same-origin",
        "default-src 'self'; style-src 'none'",
        "script-src 'strict-dynamic' 'nonce-abc'",
    ],
)
def test_under_a_hosts_policy_that_blocks_it_the_page_says_so(
    serve: Callable[..., str], page: Page, tmp_path: Path, screenshot: Callable[..., Path], policy: str
) -> None:
    widget = make()
    path = widget.to_html(tmp_path / "page.html")
    page.goto(f"{serve(tmp_path, policy)}/page.html")
    expect(page.get_by_text(BLOCKED)).to_be_visible()
    expect(page.get_by_text("highest by alignment_norm")).to_be_visible()
    (allowed,) = policy_of(path.read_text(encoding="utf-8"))["script-src"]
    expect(page.get_by_text(allowed)).to_be_visible()
    expect(page.locator(".xattn")).to_have_count(0)
    screenshot(f"blocked-{re.sub(r'[^a-z]+', '-', policy)}")


def test_a_host_that_names_the_script_by_its_hash_lets_it_run(
    serve: Callable[..., str], page: Page, tmp_path: Path
) -> None:
    path = make().to_html(tmp_path / "page.html")
    (allowed,) = policy_of(path.read_text(encoding="utf-8"))["script-src"]
    page.goto(f"{serve(tmp_path, f'script-src {allowed}')}/page.html")
    expect(token(page, "target", "book")).to_be_visible()
    expect(page.get_by_text(BLOCKED)).to_have_count(0)


def test_with_scripts_turned_off_the_page_says_so(chromium: Browser, tmp_path: Path) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(make().to_html(tmp_path / "page.html").as_uri())
    expect(page.get_by_text(BLOCKED)).to_be_visible()
    context.close()


@pytest.fixture
def embedded(page: Page, tmp_path: Path) -> Locator:
    """The frame of an embedded page in a notebook's saved page, with what a notebook might have to lose."""
    html = make(words=True).embed()._repr_html_()
    notebook = tmp_path / "notebook.html"
    notebook.write_text(f"<!doctype html><title>notebook</title><body><p>before</p>{html}<p>after</p></body>", "utf-8")
    page.goto(notebook.as_uri())
    return page.locator("iframe")


def test_an_embedded_page_is_sandboxed_and_works(page: Page, page_errors: list[str], embedded: Locator) -> None:
    expect(embedded).to_have_attribute("sandbox", "allow-scripts allow-downloads")
    panel = page.frame_locator("iframe").locator(".xattn")
    token(panel, "target", "book").hover()
    expect(detail(panel)).to_contain_text("Buch")
    head(panel, 0, 1).click()
    expect(head(panel, 0, 1)).to_have_attribute("aria-pressed", "true")
    # It is as high as what it shows.
    inside = embedded.element_handle().content_frame()
    assert inside is not None
    for name in ("Scores", "Lines"):
        open_tab(panel, name)
        page.wait_for_timeout(200)
        needed, given = inside.evaluate("() => [document.documentElement.scrollHeight, window.innerHeight]")
        assert given - 40 <= needed <= given + 1
    # It saves files, and copies.
    assert save(page, panel, "PNG").read_bytes().startswith(b"\x89PNG")
    assert save(page, panel, "CSV").read_text(encoding="utf-8").startswith("heads,")
    token(panel, "target", "book").click()
    panel.get_by_role("button", name="Copy row").click()
    expect(panel.locator(".xattn-loading")).to_contain_text("copied", ignore_case=True)
    # It can neither read nor change the notebook.
    assert inside.evaluate("() => { try { return parent.document.title } catch { return null } }") is None
    assert inside.evaluate("() => self.origin") == "null"
    assert page_errors == []


def test_an_embedded_page_is_as_high_as_it_is_in_jupyterlab(
    open_notebook: OpenNotebook, page: Page, screenshot: Callable[..., Path]
) -> None:
    notebook = open_notebook(
        [
            "import torch\nfrom xattn_widget import CrossAttention, CrossAttentionWidget\n"
            "record = CrossAttention.from_tokens(torch.eye(3)[None, None], list('abc'), list('xyz'))\n"
            "CrossAttentionWidget(record).embed()"
        ]
    )
    notebook.run_all()
    panel = page.frame_locator("iframe[title='Cross-attention']").locator(".xattn")
    token(panel, "target", "y").hover()
    expect(detail(panel)).to_contain_text("1.00")
    expect(page.locator("iframe[title='Cross-attention']")).not_to_have_css("height", "700px")
    screenshot("embedded-jupyterlab")


def test_an_embedded_page_follows_the_readers_preference(chromium: Browser, tmp_path: Path) -> None:
    html = make().embed()._repr_html_()
    (tmp_path / "notebook.html").write_text(f"<!doctype html><body>{html}</body>", "utf-8")
    for scheme in ("light", "dark"):
        context = chromium.new_context(color_scheme=scheme)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto((tmp_path / "notebook.html").as_uri())
        panel = page.frame_locator("iframe").locator(".xattn")
        expect(panel).to_have_attribute("data-xattn-theme", scheme)
        context.close()


HOSTILE = {
    "markup": "a & b < c",
    "script": "</text><script>window.pwned=1</script>",
    "quotes": "\"'><svg onload=window.pwned=1>",
    "cdata": "]]> <!-- --",
    "controls": "a\x00b\x1b\u202ec\ufeff\uffff",
    "surrogate": "a\ud83db",
}


def test_hostile_names_are_text_in_every_drawing(page: Page, page_errors: list[str], tmp_path: Path) -> None:
    texts = list(HOSTILE.values())
    weights = torch.full((2, 2, len(texts), len(texts)), 1 / len(texts))
    record = CrossAttention.from_tokens(weights, texts, texts, model=" ".join(texts))
    for name in texts:
        scores = [Score(peak, name, description=name), Score(peak, f"{name} 2")]
        widget = CrossAttentionWidget(record, names=[name], scores=scores, heads=[(0, 0)], reference="0-0")
        page.goto(widget.to_html(tmp_path / "page.html").as_uri())
        panel = page.locator(".xattn")
        for view in ("Scores", "Lines") if name != texts[1] else ("Lines", "Matrix", "Scores", "All heads"):
            open_tab(panel, view)
            if view == "Scores":
                expect(panel.locator(".xattn-dot-mark")).to_have_count(4)
            tree = ElementTree.fromstring(save(page, panel, "SVG").read_bytes())
            assert not tree.findall(".//{*}script")
            assert not [key for element in tree.iter() for key in element.attrib if key.startswith("on")]
    assert page.evaluate("() => window.pwned") is None
    assert page_errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [420, 1280])
def test_a_score_that_fails_is_named_and_the_others_show(
    chromium: Browser, tmp_path: Path, request: pytest.FixtureRequest, scheme: str, width: int
) -> None:
    widget = make(scores=[broken, "entropy", peak], panel="scores")
    path = widget.to_html(tmp_path / "page.html")
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(path.as_uri())
    panel = page.locator(".xattn")
    expect(panel.get_by_role("alert")).to_contain_text("ZeroDivisionError: nothing to divide by")
    expect(panel.locator(".xattn-own-score")).to_contain_text("could not be computed: ZeroDivisionError")
    expect(panel.locator(".xattn-scatter .xattn-readout")).to_contain_text("broken could not be computed")
    # The heads stand in their order, with the scores that there are.
    rows = panel.locator(".xattn-score-row")
    expect(rows).to_have_count(6)
    expect(rows.first).to_contain_text("–L0 H0failed")
    value = float(widget.scores("entropy")[0, 0])
    expect(rows.first).to_contain_text(f"{value:.3f}")
    folder = request.config.rootpath / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"failed-{scheme}-{width}.png")
    panel.get_by_label("Score that colors the heads").select_option("entropy")
    expect(panel.locator(".xattn-own-score")).to_contain_text(re.compile("rank|mean of"))
    panel.get_by_label("Vertical axis").select_option("peak")
    expect(panel.locator(".xattn-dot-mark")).to_have_count(6)
    saved = save(page, panel, "JSON").read_text(encoding="utf-8")
    assert "ZeroDivisionError" in saved
    assert page.evaluate("() => window.pwned") is None
    context.close()
