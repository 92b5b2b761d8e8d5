"""Pictures in the panel, in a real browser: words and patches, boxes, zoom, keys, files, sizes and themes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from widget_pictures import RECEIPT, patch_axis, printed, record_of_picture

from xattn_widget import CrossAttention, CrossAttentionWidget, box_overlap, position_sinks
from xattn_widget.alignment import WordBoxes
from xattn_widget.record.axis import Axis
from xattn_widget.record.picture import Picture

from .bridge import show
from .test_accessibility import violations
from .test_views import save

Shot = Callable[..., Path]


@pytest.fixture
def panel(page: Page, tmp_path: Path) -> Locator:
    page.goto(CrossAttentionWidget(record_of_picture()).to_html(tmp_path / "page.html").as_uri())
    panel = page.locator(".xattn")
    expect(word(panel, "Total")).to_be_visible()
    return panel


def word(panel: Locator, text: str) -> Locator:
    return panel.locator(".xattn-image-word", has_text=text).first


def pane(panel: Locator) -> Locator:
    return panel.get_by_role("application", name="Picture with attention by patch")


def said(panel: Locator) -> Locator:
    return panel.locator(".xattn-image-said")


def place(panel: Locator, x: float, y: float, side: float = 384) -> tuple[float, float]:
    """Where a pixel of the picture is on the screen, while the whole picture is shown."""
    box = pane(panel).bounding_box()
    assert box is not None
    scale = box["height"] / side
    return box["x"] + (box["width"] - side * scale) / 2 + x * scale, box["y"] + y * scale


def color_at(panel: Locator, x: float, y: float) -> tuple[int, ...]:
    """The color of a pixel of the picture with what is drawn over it."""
    shown = Image.open(io.BytesIO(pane(panel).screenshot()))
    box = pane(panel).bounding_box()
    assert box is not None
    left, top = place(panel, x, y)
    return shown.convert("RGB").getpixel((round(left - box["x"]), round(top - box["y"])))  # type: ignore[return-value]


def test_words_and_patches_answer_to_each_other(
    page: Page, panel: Locator, page_errors: list[str], screenshot: Shot
) -> None:
    expect(panel.get_by_role("tab", selected=True)).to_have_text("Image")
    expect(said(panel)).to_contain_text("The mean of 6 words was read")
    word(panel, "Total").hover()
    expect(said(panel)).to_contain_text("Total")
    expect(said(panel)).to_contain_text("% from outside it (CLS)")
    # A patch beside the letters is colored, and the same place for another word is not.
    colored = color_at(panel, 75, 285)
    word(panel, "Coffee").hover()
    expect(said(panel)).to_contain_text("Coffee")
    assert color_at(panel, 75, 286) != colored
    page.mouse.move(*place(panel, 75, 278))
    expect(said(panel)).to_contain_text("The patch 64, 272 to 80, 288 px was read by")
    marked = panel.locator(".xattn-image-word[style]")
    expect(marked.first).to_have_text("Total")
    page.mouse.click(*place(panel, 75, 278))
    page.mouse.move(2, 2)
    expect(said(panel)).to_contain_text("The patch 64, 272 to 80, 288 px")
    page.mouse.move(*place(panel, 30, 50))
    page.mouse.down()
    page.mouse.move(*place(panel, 200, 90))
    page.mouse.move(*place(panel, 350, 110))
    page.mouse.up()
    expect(said(panel)).to_contain_text("The box 30, 50 to 350, 110 px was read by")
    screenshot("image-box", panel)
    for text in ("Coffee", "2.40"):
        expect(said(panel)).to_contain_text(text)
    pane(panel).focus()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(said(panel)).to_contain_text("The mean of 6 words")
    word(panel, "Bread").click()
    expect(panel.get_by_role("button", name="Bread", pressed=True)).to_be_visible()
    assert violations(page) == []
    assert page_errors == []


def test_keys_zoom_and_settings(page: Page, panel: Locator, screenshot: Shot) -> None:
    word(panel, "Coffee").click()
    page.keyboard.press("ArrowRight")
    expect(word(panel, "2.40")).to_be_focused()
    expect(said(panel)).to_contain_text("2.40")
    page.keyboard.press("Escape")
    pane(panel).focus()
    page.keyboard.press("ArrowDown")
    expect(said(panel)).to_contain_text("The patch")
    for _ in range(2):
        page.keyboard.press("+")
    whole = panel.get_by_role("button", name="Whole")
    expect(whole).to_be_enabled()
    before = said(panel).inner_text()
    page.keyboard.press("ArrowRight")
    expect(said(panel)).not_to_have_text(before)
    page.keyboard.press("0")
    expect(whole).to_be_disabled()
    page.mouse.move(*place(panel, 75, 278))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    expect(whole).to_be_enabled()
    screenshot("image-zoom", panel)
    whole.click()
    word(panel, "Total").click()
    strong = color_at(panel, 75, 282)
    panel.get_by_role("slider", name="Opacity").fill("0")
    panel.get_by_role("checkbox", name="Grid").uncheck()
    panel.get_by_role("combobox", name="Outline").select_option("none")
    page.mouse.move(2, 2)
    page.wait_for_timeout(100)
    assert color_at(panel, 10, 10) == (255, 255, 255) != strong
    # Without the picture its letters are gone.
    assert max(color_at(panel, 75, 285)) < 100
    panel.get_by_label("Picture", exact=True).uncheck()
    page.wait_for_timeout(100)
    assert min(color_at(panel, 75, 285)) > 200


def test_files_hold_the_picture_and_the_boxes(page: Page, panel: Locator) -> None:
    word(panel, "Total").click()
    drawing = save(page, panel, "SVG").read_text(encoding="utf-8")
    assert 'href="data:image/png;base64,' in drawing
    assert "was read" in drawing
    with Image.open(save(page, panel, "PNG")) as picture:
        assert min(picture.size) > 600
    with save(page, panel, "CSV").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == (len(RECEIPT) + 1) * (1 + 24 * 24)
    by_patch = {(row["left"], row["top"]): row for row in rows if row["target_token"] == "Total" and row["left"]}
    strongest = max(by_patch.values(), key=lambda row: float(row["weight"]))
    assert 40 <= float(strongest["left"]) <= 120
    assert 250 <= float(strongest["top"]) <= 290


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_boxes_have_labels_and_are_compared_with_the_reference(
    page: Page, tmp_path: Path, theme: str, screenshot: Shot, page_errors: list[str]
) -> None:
    hostile = "<img src=x onerror=alert(1)>&" * 9
    words = (("Coffee", 40, 60), ("2.40", 250, 60), ("Bread", 40, 130), (hostile, 60, 260))
    record = record_of_picture(words, dark=theme == "dark")
    _, boxes = printed(words)
    heads = [(1, 0), (1, 2)]
    widget = CrossAttentionWidget(record, reference=boxes, theme=theme, heads=heads, image_outline="boxes")
    page.goto(widget.to_html(tmp_path / "page.html").as_uri())
    panel = page.locator(".xattn")
    expect(word(panel, "Coffee")).to_be_visible()
    page.wait_for_timeout(200)
    screenshot(f"image-reference-{theme}", panel)
    predicted = record.boxes(heads=heads)
    for text, found, true in zip(["Coffee", "2.40", "Bread", "onerror"], predicted, boxes, strict=True):
        word(panel, text).hover()
        iou = box_overlap([found], [true]).iou
        expect(said(panel)).to_contain_text(f"IoU with its reference box {iou:.2f}")
    word(panel, "onerror").click()
    page.mouse.move(2, 2)
    page.wait_for_timeout(200)
    screenshot(f"image-reference-pinned-{theme}", panel)
    drawing = save(page, panel, "SVG").read_text(encoding="utf-8")
    assert "&lt;img src=x" in drawing
    assert "<img" not in drawing
    assert drawing.count("stroke-dasharray") == len(boxes)
    panel.get_by_role("checkbox", name="Reference").uncheck()
    expect(said(panel)).not_to_contain_text("IoU")
    assert "stroke-dasharray" not in save(page, panel, "SVG").read_text(encoding="utf-8")
    assert violations(page) == []
    assert page_errors == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_and_shows_every_head(
    page: Page, tmp_path: Path, theme: str, screenshot: Shot, page_errors: list[str]
) -> None:
    record = record_of_picture(dark=theme == "dark", heads=4)
    page.goto(CrossAttentionWidget(record, theme=theme, target_index=4).to_html(tmp_path / "page.html").as_uri())
    panel = page.locator(".xattn")
    for width in (400, 900, 1600):
        page.set_viewport_size({"width": width, "height": 1000})
        expect(word(panel, "Total")).to_be_visible()
        page.wait_for_timeout(300)
        screenshot(f"image-{theme}-{width}", panel)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert violations(page) == []
    page.get_by_role("tab", name="All heads").click()
    page.wait_for_timeout(500)
    screenshot(f"image-all-heads-{theme}", panel)
    panel.locator(".xattn-multiple").first.dblclick()
    expect(panel.get_by_role("tab", selected=True)).to_have_text("Image")
    assert page_errors == []


def test_unusual_records(page: Page, tmp_path: Path, screenshot: Shot, page_errors: list[str]) -> None:
    """A picture of one pixel and one token, a large one with 512 tokens, none at all, and a line of text."""
    many = Axis(tuple(f"word{index}" for index in range(512)))
    large = Picture.from_image(Image.linear_gradient("L").resize((3000, 4000)).convert("RGB"))
    generator = torch.Generator().manual_seed(0)
    source = patch_axis((3000, 4000), 24, 24, ("[CLS]", "[register 0]", "[register 1]"))
    weights = (3 * torch.randn(1, 2, 512, len(source), generator=generator)).softmax(-1)
    dot = CrossAttention.from_tokens(
        torch.tensor([[[[0.25, 0.75]]]]),
        patch_axis((1, 1), 1, 1),
        ["dot"],
        image=Picture.from_image(Image.new("RGB", (1, 1), "red")),
    )
    records = [
        dot,
        CrossAttention.from_tokens(weights, source, many, image=large),
        record_of_picture(image=False),
        record_of_picture((("Rechnung", 10, 10), ("4711", 400, 10)), size=(600, 60), grid=(4, 40)),
    ]
    texts = ["dot was read 75%", "The mean of 512 words", "The mean of 6 words", "The mean of 2 words"]
    page.goto(CrossAttentionWidget(records).to_html(tmp_path / "page.html").as_uri())
    panel = page.locator(".xattn")
    for number, text in enumerate(texts):
        expect(panel.locator(".xattn-image-said")).to_contain_text(text.split(" was")[0])
        page.wait_for_timeout(400)
        screenshot(f"image-unusual-{number}", panel)
        if number == 2:
            expect(panel).to_contain_text("This record holds no picture: only its patches are drawn.")
        pane(panel).focus()
        page.keyboard.press("]")
    assert page_errors == []


def test_two_heads_are_compared_over_the_picture(
    page: Page, tmp_path: Path, page_errors: list[str], screenshot: Shot
) -> None:
    record = record_of_picture()
    widget = CrossAttentionWidget(record, panel="compare", heads=[[1, 0]], compare={"heads": [[0, 2]]}, target_index=4)
    page.goto(widget.to_html(tmp_path / "page.html").as_uri())
    panel = page.locator(".xattn")
    pictures, readout = panel.locator(".xattn-picture-pane"), panel.locator(".xattn-compare .xattn-readout")
    expect(pictures).to_have_count(3)
    box = pictures.first.bounding_box()
    assert box is not None
    # The patch in the 6th column and the 18th row, in which "Total" is printed.
    page.mouse.move(box["x"] + box["width"] * 5.5 / 24, box["y"] + box["height"] * 17.5 / 24)
    patch = 1 + 17 * 24 + 5
    one, other = float(record.weights[1, 0, 4, patch]), float(record.weights[0, 2, 4, patch])
    expect(readout).to_have_text(
        f"Patch 80, 272 to 96, 288 px · A {one:.2f} · B {other:.2f} · A − B {one - other:+.2f}".replace("-", "−")
    )
    screenshot("image-compare", panel)
    panel.get_by_label("Word", exact=True).select_option(label="Coffee")
    pictures.nth(2).focus()
    page.keyboard.press("ArrowDown")
    expect(readout).to_contain_text("Patch ")
    drawing = save(page, panel, "SVG").read_text(encoding="utf-8")
    assert drawing.count("<image") == 3
    assert "A − B (blue: more in A)" in drawing
    assert violations(page) == []
    assert page_errors == []


def test_weights_are_divided_by_sinks_in_every_view(
    page: Page, tmp_path: Path, page_errors: list[str], screenshot: Shot
) -> None:
    """One patch is bright in every picture; the switch takes it out, as Python does."""
    records = []
    for seed in range(10):
        record = record_of_picture(seed=seed, layers=1, heads=2)
        weights = record.weights.clone()
        weights[..., 100] += 0.5
        image = Picture.from_image(Image.new("RGB", (384, 384), (255, 255, 200 + seed)))
        records.append(replace(record, weights=weights / weights.sum(-1, keepdim=True), image=image))
    divided = position_sinks(records).divide(records[0])
    widget = CrossAttentionWidget(records, heads=[(0, 1)], target_index=4, image_outline="boxes")
    show(page, widget, tmp_path)
    panel = page.locator(".xattn")
    heading, switch = panel.locator(".xattn-picked"), panel.get_by_role("checkbox", name="Divide by sinks")
    expect(switch).to_be_enabled()
    (before,), (after,) = (one.boxes((4, 5), heads=[(0, 1)]) for one in (records[0], divided))
    expect(said(panel)).to_contain_text(corner(before))
    switch.check()
    expect(heading).to_contain_text("each weight divided by the mean of its position over the 10 pictures")
    expect(said(panel)).to_contain_text(corner(after))
    assert corner(before) != corner(after)
    assert widget.divide_sinks
    screenshot("image-sinks", panel)
    panel.get_by_role("tab", name="All heads").click()
    page.wait_for_timeout(300)
    screenshot("image-sinks-all-heads", panel)
    assert page_errors == []


def corner(word: WordBoxes) -> str:
    """The box of a word as the panel says it."""
    left, top, right, bottom = (round(side) for side in word.boxes[0][:4])
    return f"from the box {left}, {top} to {right}, {bottom} px"
