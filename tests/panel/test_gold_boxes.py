"""True boxes as a reference of a picture: their forms, what the page receives, and the static picture."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from widget_pictures import RECEIPT, printed, record_of_picture

from xattn_widget.panel.page import page_bytes
from xattn_widget.panel.state import PanelState
from xattn_widget.panel.static_picture import summary_picture
from xattn_widget.plot.palette import PALETTE, rgb

RECORD = record_of_picture()
_, BOXES = printed()
TEXTS = [text for text, *_ in RECEIPT]


def received(reference, record=RECORD, sentence=0):
    reply, _ = PanelState(record, reference=reference).answer({"kind": "sentence", "sentence": sentence})
    return reply["reference_boxes"]


def test_boxes_come_one_for_each_word_or_with_texts_or_as_word_boxes():
    expected = [
        {"text": text, "rows": [row, row + 1], "boxes": [box]}
        for row, (text, box) in enumerate(zip(TEXTS, BOXES, strict=True))
    ]
    assert received(BOXES) == expected
    assert received([[box] for box in BOXES]) == expected
    assert received(list(zip(TEXTS, BOXES, strict=True))) == expected
    predicted = RECORD.boxes()
    assert received(predicted) == [
        {"text": word.text, "rows": [word.start, word.stop], "boxes": [box[:4] for box in word.boxes]}
        for word in predicted
    ]
    assert received([None, *BOXES[1:]]) == expected[1:]
    named = replace(predicted[0], name="menu.name")
    assert received([named])[0]["text"] == "menu.name"


def test_texts_are_found_in_order_and_others_have_no_rows():
    found = received([("coffee 2,40", BOXES[0]), ("nowhere", [BOXES[1], BOXES[2]]), ("Total", BOXES[4])])
    assert [gold["rows"] for gold in found] == [[0, 2], None, [4, 5]]
    assert found[1]["boxes"] == [BOXES[1], BOXES[2]]


def test_each_record_has_its_own_reference_and_alignments_stay():
    state = PanelState([RECORD, RECORD, RECORD], reference=[BOXES, None, "0-0"])
    replies = [state.answer({"kind": "sentence", "sentence": index})[0] for index in range(3)]
    assert [bool(reply["reference_boxes"]) for reply in replies] == [True, False, False]
    assert replies[2]["reference"] == {"links": [[0, 0, True]], "words": True}
    assert received([(0, 0), (1, 1)]) is None


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (BOXES[:2], "there are 2 reference boxes and 6 words in the target"),
        ([("Total", (1, 2, 3))], "reference must have boxes"),
        ([("Total", (9, 2, 3, 4))], "reference must have boxes"),
        ([("Total", None)], "reference must have boxes"),
        ([("Total", BOXES[0]), None], "must all be in one form"),
        ([replace(RECORD.boxes()[0], stop=99)], "positions 0 to 99 of the target, which has 7"),
    ],
)
def test_boxes_in_another_form_are_refused(reference, message):
    with pytest.raises(ValueError, match=message):
        PanelState(RECORD, reference=reference)


def test_a_page_contains_them_as_data():
    page = page_bytes(PanelState(RECORD, reference=[("</script><b>", BOXES[0])])).decode()
    assert "</script><b>" not in page
    assert "\\u003c/script>\\u003cb>" in page


@pytest.mark.parametrize("dark", [False, True])
def test_the_static_picture_draws_them_where_they_are(dark):
    record = record_of_picture(dark=dark)
    settings = {"image_opacity": 0.0, "image_outline": "none"}
    color = rgb(PALETTE["reference"]["dark" if dark else "light"])

    def drawn(**more):
        state = PanelState(record, reference=[("Total", BOXES[4])], **settings | more)
        return np.asarray(Image.open(io.BytesIO(summary_picture(state))).convert("RGB"))

    rows, columns = np.nonzero((drawn() == color).all(-1))
    # The picture of 384 pixels is 320 high and enlarged by 1.5: its corner is at (16, 74).
    scale = 320 / 384 * 1.5
    left, top, right, _ = BOXES[4]
    assert columns.min() == pytest.approx(16 * 1.5 + left * scale, abs=4)
    assert columns.max() == pytest.approx(16 * 1.5 + right * scale, abs=4)
    assert rows.min() == pytest.approx(74 * 1.5 + top * scale, abs=4)
    assert not (drawn(image_reference=False) == color).all(-1).any()
    assert (drawn(image_outline="boxes", target_index=4) != drawn(target_index=4)).any()
