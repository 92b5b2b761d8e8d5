"""The image demo model in the package: it reads lines that it has not seen, and looks at what it writes."""

import random

import pytest
import torch
from scripts import load_script

import xattn_widget.demo
from xattn_widget import box_overlap, extract, load_demo

PICTURES = 12  # in each font


@pytest.fixture(scope="module")
def lines():
    """Import examples/image_model/lines.py, which is not in a package."""
    return load_script("image_model/lines.py")


@pytest.fixture(scope="module")
def reader():
    return load_demo("image")


@pytest.fixture(scope="module")
def read(reader, lines):
    """Return pictures whose texts were not in the training data, with the records of what the model read."""
    pictures, order = [], random.Random(7)
    for name in lines.FONTS:
        count = 0
        while count < PICTURES:
            picture = lines.random_picture(order, fonts=(name,))
            if lines.is_held_out(picture.text):
                pictures.append(picture)
                count += 1
    return list(zip(pictures, extract(*reader, [picture.image for picture in pictures]), strict=True))


def test_it_reads_lines_that_it_has_not_seen(read):
    right = [picture.text for picture, record in read if record.target.text == picture.text]
    assert len(right) >= 0.85 * len(read)


def test_the_glyph_read_is_the_glyph_written(read):
    """The most attended patch of the last layer's mean overlaps the box of the character, or the half patch around."""
    hits = []
    for picture, record in read:
        if record.target.text != picture.text:
            continue
        places = torch.tensor(record.source.places)
        best = record.weights[-1].mean(0).argmax(-1)
        for position, box in enumerate(picture.boxes):
            if box is not None:
                left, top, right, bottom = places[best[position]].tolist()
                slack = (right - left) / 2
                hits.append(
                    left < box[2] + slack
                    and right > box[0] - slack
                    and top < box[3] + slack
                    and bottom > box[1] - slack
                )
    assert len(hits) > 150
    assert sum(hits) >= 0.98 * len(hits)


def test_the_boxes_are_those_of_the_words(read):
    picture, record = next((p, r) for p, r in read if r.target.text == p.text and " " in p.text)
    words, start = [], 0
    for text in picture.text.split(" "):
        boxes = [box for box in picture.boxes[start : start + len(text)] if box is not None]
        left, top, right, bottom = zip(*boxes, strict=True)
        words.append((start, start + len(text), (min(left), min(top), max(right), max(bottom))))
        start += len(text) + 1
    overlap = box_overlap(record.boxes([word[:2] for word in words], threshold=0.8), [word[2] for word in words])
    assert overlap.hits == 1
    assert overlap.iou > 0.3


def test_words_and_places_are_those_of_the_picture(reader, lines):
    picture = lines.draw("sum: 12.80")
    record = extract(*reader, picture.image, picture.text)
    assert record.target.text == picture.text
    assert record.source.kind == "image"
    assert [record.source.labels[0], record.source.special[0]] == ["[CLS]", True]
    assert record.source.places[-1] == pytest.approx((416, 64, 448, 96))
    assert (record.image.width, record.image.height) == picture.image.size


def test_the_image_demo_is_small_and_has_a_card():
    files = [path for path in xattn_widget.demo.IMAGE_FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 3_000_000
    card = (xattn_widget.demo.IMAGE_FOLDER / "README.md").read_text(encoding="utf-8")
    for part in ("examples/image_model/train.py", "DejaVu", "exact"):
        assert part in card


def test_loading_it_prints_nothing_and_gives_no_warnings(capfd, recwarn):
    load_demo("image")
    assert capfd.readouterr().err == ""
    assert not recwarn.list


def test_an_unknown_demo_is_an_error():
    with pytest.raises(ValueError, match="kind must be one of 'text', 'image', got 'sound'"):
        load_demo("sound")


def test_the_command_line_shows_a_picture(run, lines, tmp_path):
    lines.draw("sum: 12.80").image.save(tmp_path / "line.png")
    code, out, err = run("show", "--model", "demo-image", "line.png", "--output", "page.html")
    assert (code, err) == (0, ""), out
    assert "12.80" in (tmp_path / "page.html").read_text(encoding="utf-8")
