"""Texts that the vocabulary has no token for stay: in the list of sentences, beside their token, after experiments."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from widget_messages import ask

from xattn_widget import CrossAttentionWidget, extract, load, show_cross_attention
from xattn_widget.record.axis import Axis

SOURCE, TARGET = "Das 🦄 Buch.", "The old 🦄 book."


@pytest.fixture
def widget(demo):
    return show_cross_attention(*demo, SOURCE, TARGET, words=False)


def sentence(widget):
    content, _ = ask(widget, {"id": 1, "kind": "sentence", "sentence": widget.sentence})
    return content


def texts(axis):
    return {axis["labels"][position]: text for position, text in enumerate(axis.get("texts", [])) if text}


def test_the_page_gets_the_text_of_each_unknown_token(widget):
    reply = sentence(widget)
    for axis in (reply["source"], reply["target"]["output"], reply["target"]["input"]):
        assert texts(axis) == {"<unk>": "🦄"}
    assert widget.info["sentences"][0]["source"] == SOURCE
    assert widget.info["sentences"][0]["target"] == TARGET


def test_known_texts_are_not_repeated(demo):
    reply = sentence(show_cross_attention(*demo, "Ich habe das Buch gelesen."))
    assert "texts" not in reply["source"]
    assert "texts" not in reply["target"]["output"]


def test_a_saved_record_keeps_the_text(demo, tmp_path):
    record = load(extract(*demo, SOURCE, TARGET).save(tmp_path / "record.safetensors"))
    assert texts(sentence(CrossAttentionWidget(record))["source"]) == {"<unk>": "🦄"}


def test_typed_text_stays_after_a_token_was_replaced_and_heads_were_muted(widget):
    assert widget.set_target(TARGET).target.preview() == TARGET
    kept = widget.set_token(0, "▁A", rest="keep")
    assert kept.target.preview() == "A old 🦄 book."
    assert kept.read_as("input").target.preview() == "A old 🦄 book."
    widget.muted = [(0, 1)]
    assert widget.record.target.preview() == "A old 🦄 book."
    assert texts(sentence(widget)["target"]["input"]) == {"<unk>": "🦄"}
    widget.muted = []
    position = widget.record.target_tokens.index("book")
    anew = widget.set_token(position, "▁man")
    assert anew.target.preview().startswith("A old 🦄 man")
    assert widget.info["sentences"][-1]["target"] == anew.target.preview()


def test_a_replaced_unknown_token_takes_its_text_with_it(widget):
    record = widget.set_token(widget.record.target_tokens.index("<unk>"), "▁good", rest="keep")
    assert "🦄" not in record.target.preview()
    assert texts(sentence(widget)["target"]["output"]) == {}


@pytest.mark.parametrize(
    ("label", "text", "expected"),
    [
        ("<unk>", "漢", "漢"),
        ("[UNK]", "漢", "漢"),
        ("<unk>", "<unk>", None),  # as decoded
        ("<0xE6>", "漢", None),  # a byte of it
        ("ich", "Ich", None),  # a vocabulary without capitals
    ],
)
def test_only_names_of_tokens_need_their_text(label, text, expected):
    assert Axis((label,), text=text, spans=((0, len(text)),)).unknown_text(0) == expected
    assert Axis((label,)).unknown_text(0) is None
    assert Axis((label,), (True,), text=text, spans=((0, len(text)),)).unknown_text(0) is None


@given(
    words=st.lists(st.sampled_from(["a", "bc", "<unk>"]), min_size=1, max_size=8),
    unknown=st.text(st.characters(categories=["L", "So"]), min_size=1, max_size=3),
    chosen=st.sets(st.integers(0, 7)),
)
def test_texts_move_what_comes_after_them(words, unknown, chosen):
    ends = np.cumsum([len(word) + 1 for word in words]).tolist()
    spans = tuple((end - 1 - len(word), end - 1) for word, end in zip(words, ends, strict=True))
    axis = Axis(tuple(words), text=" ".join(words), spans=spans)
    positions = {position for position in chosen if position < len(words)}
    changed = axis.with_unknown_texts(dict.fromkeys(positions, unknown))
    expected = [unknown if position in positions else word for position, word in enumerate(words)]
    assert changed.text == " ".join(expected)
    assert [changed.text[slice(*span)] for span in changed.spans] == expected
    assert list(changed.words) == expected
    assert changed.labels == axis.labels
