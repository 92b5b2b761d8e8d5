"""Boxes of words in a picture, the fields of documents, files of boxes, and their agreement with gold."""

import json
import math
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xattn_widget import CrossAttention, box_overlap, write_boxes
from xattn_widget.alignment import Box, WordBoxes
from xattn_widget.record.axis import Axis

NOWHERE = (math.nan,) * 4


def grid_axis(rows, columns, side=10.0, *, special=1):
    """Return an axis of square patches row by row, after special positions without a place."""
    places = [(c * side, r * side, (c + 1) * side, (r + 1) * side) for r in range(rows) for c in range(columns)]
    count = len(places) + special
    return Axis(
        labels=("[CLS]",) * special + tuple(f"{x:.0f}, {y:.0f} px" for x, y, *_ in places),
        special=(True,) * special + (False,) * len(places),
        kinds=("image",) * count,
        places=(NOWHERE,) * special + tuple(places),
    )


def record_of(weights, target, rows, columns, **fields):
    """Return a record of one layer with one head for each [target, source] matrix."""
    weights = torch.stack(list(weights))[None]
    return CrossAttention.from_tokens(weights, grid_axis(rows, columns), target, **fields)


def row(rows, columns, masses, outside=0.0):
    """Return weights of a target position: (row, column) -> mass."""
    grid = torch.zeros(rows, columns)
    for (r, c), mass in masses.items():
        grid[r, c] = mass
    return torch.cat([torch.tensor([outside]), grid.flatten()])


def test_a_box_is_drawn_around_the_patches_that_hold_most():
    first = row(3, 4, {(0, 0): 0.4, (0, 1): 0.3, (2, 3): 0.1}, outside=0.2)
    second = row(3, 4, {(2, 3): 0.3, (0, 0): 0.35, (1, 1): 0.05}, outside=0.3)
    record = record_of([torch.stack([first, second])], ["Total", "12"], 3, 4, logprobs=torch.tensor([0.5, 0.25]).log())
    one, two = record.boxes()
    assert (one.text, one.start, one.stop) == ("Total", 0, 1)
    assert one.boxes == (pytest.approx((0, 0, 10, 10, 0.4)),)  # half of .8 in the picture
    assert (one.score, one.outside, one.confidence) == pytest.approx((0.4, 0.2, 0.5))
    assert [box[:4] for box in two.boxes] == [(0, 0, 10, 10)]
    wide = record.boxes(threshold=0.8)
    assert wide[0].boxes == (pytest.approx((0, 0, 20, 10, 0.7)),)  # neighbors are in one box
    assert wide[1].boxes == (pytest.approx((0, 0, 10, 10, 0.35)), pytest.approx((30, 20, 40, 30, 0.3)))
    # A corner is enough to hang together.
    assert [box[:4] for box in record.boxes(threshold=1.0)[1].boxes] == [(0, 0, 20, 20), (30, 20, 40, 30)]


def test_tokens_and_heads_are_averaged():
    axis = Axis(labels=("To", "tal"), groups=(0, 0), words=("Total",), text="Total", spans=((0, 2), (2, 5)))
    heads = torch.stack(
        [
            torch.stack([row(1, 4, {(0, 0): 1.0}), row(1, 4, {(0, 1): 1.0})]),
            torch.stack([row(1, 4, {(0, 3): 1.0}), row(1, 4, {(0, 3): 1.0})]),
        ]
    )
    record = record_of(heads, axis, 1, 4)
    assert record.boxes()[0].boxes == (pytest.approx((30, 0, 40, 10, 0.5)),)
    assert record.boxes(heads=[(0, 0)], threshold=1)[0].boxes == (pytest.approx((0, 0, 20, 10, 1.0)),)
    assert record.boxes("tal", heads=[(0, 0)])[0].boxes == (pytest.approx((10, 0, 20, 10, 1.0)),)
    assert record.boxes([(0, 1)], heads=[(0, 0)])[0].text == "To"
    with pytest.raises(ValueError, match="layer 1 head 0"):
        record.boxes(heads=[(1, 0)])


def test_the_last_layer_is_the_default():
    first, last = row(1, 2, {(0, 0): 1.0}), row(1, 2, {(0, 1): 1.0})
    weights = torch.stack([first, last])[:, None, None]
    record = CrossAttention.from_tokens(weights, grid_axis(1, 2), ["a"])
    assert record.boxes()[0].boxes[0][:4] == (10, 0, 20, 10)


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 1.0))
def test_boxes_hold_the_share_that_was_asked_for(seed, threshold):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(3, 2, 31, generator=generator).pow(6).softmax(-1)
    record = record_of(weights, ["a", "b"], 5, 6)
    for index, word in enumerate(record.boxes(threshold=threshold)):
        mean = weights[:, index].mean(0).double().numpy()
        inside = np.sort(mean[1:])[::-1]
        fewest = next(n for n in range(1, 31) if inside[:n].sum() >= threshold * inside.sum() * (1 - 1e-6))
        assert word.score == pytest.approx(inside[:fewest].sum(), abs=1e-6)
        assert word.outside == pytest.approx(mean[0], abs=1e-6)
        assert [box.share for box in word.boxes] == sorted((box.share for box in word.boxes), reverse=True)
        # Each chosen patch is inside a box.
        for position in np.argsort(-mean[1:], kind="stable")[:fewest]:
            left, top = position % 6 * 10, position // 6 * 10
            assert any(
                b.left <= left and b.top <= top and b.right >= left + 10 and b.bottom >= top + 10 for b in word.boxes
            )


def test_a_word_that_read_nothing_of_the_picture_has_no_box():
    (word,) = record_of([row(2, 2, {}, outside=1.0)[None]], ["a"], 2, 2).boxes()
    assert (word.boxes, word.score, word.outside) == ((), 0, 1)


def test_bad_questions_are_errors():
    record = record_of([row(2, 2, {(0, 0): 1.0})[None]], ["a"], 2, 2)
    for threshold in (0, -1, 1.5, math.nan):
        with pytest.raises(ValueError, match="threshold must be a share"):
            record.boxes(threshold=threshold)
    for words, match in (
        (3, "texts or"),
        ([3], "texts or"),
        ((0, 5), "not in the target"),
        ([(1, 1)], "not in the target"),
        ("missing", "text of this record's target is unknown"),
    ):
        with pytest.raises(ValueError, match=match):
            record.boxes(words)
    text = CrossAttention.from_tokens(torch.ones(1, 1, 1, 2) / 2, ["a", "b"], ["c"])
    with pytest.raises(ValueError, match="no places in a picture"):
        text.boxes()


def spelled(labels):
    """Return a target axis whose tags spell nothing."""
    text, spans, words, groups = "", [], [], []
    for label in labels:
        if label.startswith("<"):
            spans.append((len(text), len(text)))
            groups.append(-1)
        else:
            text += f" {label}" if text else label
            spans.append((len(text) - len(label), len(text)))
            groups.append(len(words))
            words.append(label)
    special = tuple(label.startswith("<") for label in labels)
    return Axis(tuple(labels), special, tuple(groups), tuple(words), text=text, spans=tuple(spans))


DOCUMENT = [
    *("<s_cord-v2>", "<s_menu>", "<s_nm>", "Hot", "Latte", "</s_nm>", "<s_price>", "3.50", "</s_price>", "<sep/>"),
    *("<s_nm>", "Bun", "</s_nm>", "</s_menu>", "<s_total>", "<s_cash>", "5.00", "</s_cash>", "</s_total>"),
    *("<s_empty>", "</s_empty>", "<s_open>", "lost", "</s>"),
]


def test_fields_are_found_by_their_tags():
    weights = torch.zeros(len(DOCUMENT), 5)
    weights[:, 0] = 1
    place = DOCUMENT.index("3.50")
    weights[place] = row(2, 2, {(1, 1): 1.0})
    record = record_of(weights[None], spelled(DOCUMENT), 2, 2)
    fields = record.fields()
    assert [(field.name, field.text) for field in fields] == [
        ("menu[0].nm", "Hot Latte"),
        ("menu[0].price", "3.50"),
        ("menu[1].nm", "Bun"),
        ("total.cash", "5.00"),
    ]
    assert all(DOCUMENT[field.start - 1].startswith("<s_") for field in fields)
    price = record.boxes(fields)[1]
    assert (price.name, price.text, price.boxes) == ("menu[0].price", "3.50", (Box(10, 10, 20, 20, 1.0),))
    assert record.boxes(["Latte", "5.00"])[1].start == DOCUMENT.index("5.00")
    with pytest.raises(ValueError, match=r"the target has no 'Tea'; it is '.*Latte"):
        record.boxes("Tea")


@pytest.mark.parametrize("labels", [["</s_a>"], ["<s_a>"], ["<s_a>", "<s_b>", "x", "</s_a>"], ["<sep/>"], ["x"]])
def test_tags_that_do_not_match_make_no_error(labels):
    record = CrossAttention.from_tokens(torch.ones(1, 1, len(labels), 1), ["s"], spelled(labels))
    assert all(field.name != "b" for field in record.fields())


# --- Gold.

RECTANGLES = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(1, 6), st.integers(1, 6)).map(
    lambda r: (r[0], r[1], r[0] + r[2], r[1] + r[3])
)


def words_with(*boxes):
    return WordBoxes("w", 0, 1, tuple(Box(*map(float, box), share=0.5) for box in boxes), 0.5, 0.0)


@given(st.lists(RECTANGLES, min_size=1, max_size=4), st.lists(RECTANGLES, min_size=1, max_size=4))
def test_the_overlap_is_that_of_painted_pixels(found, true):
    painted = []
    for boxes in (found, true):
        grid = np.zeros((16, 16), dtype=bool)
        for left, top, right, bottom in boxes:
            grid[top:bottom, left:right] = True
        painted.append(grid)
    expected = (painted[0] & painted[1]).sum() / (painted[0] | painted[1]).sum()
    overlap = box_overlap([words_with(*found)], [true])
    assert overlap.iou == pytest.approx(expected)
    assert overlap.at_half == (expected >= 0.5)


def test_the_overlap_is_a_mean_over_words_with_gold():
    words = [words_with((0, 0, 2, 2)), words_with((0, 0, 2, 2)), words_with(), words_with((5, 5, 6, 6))]
    overlap = box_overlap(words, [(0, 0, 2, 2), (1, 0, 3, 2), (0, 0, 1, 1), None])
    assert overlap.words == 3
    assert overlap.iou == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert overlap.at_half == pytest.approx(1 / 3)
    assert overlap.hits == pytest.approx(2 / 3)
    assert math.isnan(box_overlap([words_with()], [None]).iou)
    with pytest.raises(ValueError, match="need as many gold boxes"):
        box_overlap(words, [None])
    for bad in ((1, 2, 3), (3, 0, 1, 1), ("a", 0, 1, 1), (0, 0, math.nan, 1)):
        with pytest.raises(ValueError, match="left, top, right, bottom"):
            box_overlap([words_with()], [bad])


# --- Files.

HOSTILE = '<script>"&\u202e\n'


@pytest.fixture
def words():
    return [
        WordBoxes("Total", 0, 1, (Box(1.5, 2, 10.25, 20, 0.5), Box(30, 2, 40, 9, 0.25)), 0.75, 0.1, 0.875, "sum"),
        WordBoxes(HOSTILE, 1, 2, (Box(0, 0, 5, 5, 1.0),), 1.0, 0.0),
        WordBoxes("nowhere", 2, 3, (), 0.0, 1.0),
    ]


def test_json_keeps_everything(words, tmp_path):
    path = write_boxes(words, tmp_path / "words.json", image=(100, 50), name="scan.png")
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["image"] == {"name": "scan.png", "width": 100, "height": 50}
    read = [WordBoxes(**{**word, "boxes": tuple(Box(**box) for box in word["boxes"])}) for word in content["words"]]
    assert read == words


def test_coco_has_an_annotation_for_each_box(words, tmp_path):
    content = json.loads(write_boxes(words, tmp_path / "words.coco", image=(100, 50)).read_text(encoding="utf-8"))
    assert content["images"] == [{"id": 1, "file_name": "image", "width": 100, "height": 50}]
    found = [(a["word"], a["text"], a["bbox"], a["area"], a["score"]) for a in content["annotations"]]
    assert found == [
        (0, "Total", [1.5, 2, 8.75, 18], 157.5, 0.5),
        (0, "Total", [30, 2, 10, 7], 70, 0.25),
        (1, HOSTILE, [0, 0, 5, 5], 25, 1.0),
    ]
    assert [a["id"] for a in content["annotations"]] == [1, 2, 3]
    assert {a["category_id"] for a in content["annotations"]} == {content["categories"][0]["id"]}


def test_hocr_is_a_page_with_the_words(words, tmp_path):
    path = write_boxes(words, tmp_path / "words.txt", "hocr", image=(100, 50), name='a"<b>.png')
    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            values = dict(attributes)
            assert tag != "script"
            if values.get("class") in ("ocr_page", "ocrx_word"):
                found.append([values["class"], values["title"], ""])

        def handle_data(self, data):
            if found and found[-1][0] == "ocrx_word":
                found[-1][2] += data

    Reader().feed(path.read_text(encoding="utf-8"))
    assert found[0][:2] == ["ocr_page", 'image "a<b>.png"; bbox 0 0 100 50; ppageno 0']
    assert [(title, text.strip()) for _, title, text in found[1:]] == [
        ("bbox 1 2 11 20; x_wconf 88", "Total"),
        ("bbox 0 0 5 5", '<script>"&⟨U+202E⟩'),
    ]


def test_another_suffix_is_an_error(words, tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.json, \.coco, \.hocr"):
        write_boxes(words, tmp_path / "words.xml", image=(1, 1))
    with pytest.raises(ValueError, match="image must be record"):
        write_boxes(words, tmp_path / "words.json", image="scan.png")
    assert not list(tmp_path.iterdir())
