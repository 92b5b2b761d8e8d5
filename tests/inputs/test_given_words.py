"""Given words are matched with the text, for every script, tokenizer, Unicode form and length."""

import json
import random
import sys
import unicodedata

import families
import pytest
import regex
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from small_tokenizers import TOKENIZERS, tokenizer_of

import xattn_widget
from xattn_widget import CrossAttention, extract, load
from xattn_widget.inputs.text.assigning import assign_words
from xattn_widget.inputs.text.tokens import special_ids, text_axis
from xattn_widget.record.axis import Axis

BYTES = ["ByT5", "byte fallback", "byte fallback of letters", "byte-level BPE", "unigram with byte fallback"]


@pytest.fixture(autouse=True, scope="module")
def _quick():
    with families.one_thread():
        yield


def axis_of(name, text):
    tokenizer = tokenizer_of(name)
    return text_axis(tokenizer, tokenizer(text)["input_ids"], special_ids(tokenizer), text=text)


def spelled(axis, number):
    """The text of the positions of a word."""
    spans = [span for span, group in zip(axis.spans, axis.groups, strict=True) if group == number and span[0] < span[1]]
    return axis.text[spans[0][0] : spans[-1][1]] if spans else ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x à 3", ["x", "à", "3"]),
        ("été là-bas", ["été", "là", "-", "bas"]),
        ("漢字とカナ", ["漢字", "と", "カナ"]),
        ("하늘이 각", ["하늘", "이", "각"]),
        ("книга на столе", ["книга", "на", "столе"]),
        ("ภาษาไทยดี", ["ภาษา", "ไทย", "ดี"]),
        ("gut 😀 👩‍👩‍👧!", ["gut", "😀", "👩‍👩‍👧", "!"]),
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC"])
@pytest.mark.parametrize("name", [*BYTES, "unigram with NFKC", "Marian, not fast"])
def test_words_of_any_script_are_matched_by_the_text(name, text, words, form):
    if name in BYTES[1:]:
        text = " ".join(text.split())
    axis = axis_of(name, text)
    given = assign_words(axis, [unicodedata.normalize(form, word) for word in words])
    if name in BYTES:
        assert [spelled(given, number) for number in range(len(words))] == words
    assert sorted(set(given.groups) - {-1}) == sorted({group for group in given.groups if group >= 0})
    assert [group for group in given.groups if group >= 0] == sorted(group for group in given.groups if group >= 0)


letters = st.sampled_from([*"aeinr '.,3Äéñß漢字カไทยกำ한국ལེགས་😀½", "e\u0301", "👩‍👩‍👧", "ﬁ", "각", "  "])


@pytest.mark.parametrize("name", [name for name in TOKENIZERS if name not in ("whole words", "BPE across spaces")])
@settings(derandomize=True, database=None, deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(text=st.lists(letters, min_size=1, max_size=12).map("".join), seed=st.integers(0, 1000))
def test_a_text_cut_anywhere_gives_each_piece_the_word_that_contains_it(name, text, seed):
    clusters = [match.span() for match in regex.finditer(r"\X", text) if match.group().strip()]
    assume(clusters)
    axis = axis_of(name, text)
    choose = random.Random(seed)
    words = [[clusters[0]]]
    for span in clusters[1:]:
        if choose.random() < 0.4:
            words.append([span])
        else:
            words[-1].append(span)
    given = assign_words(axis, ["".join(text[start:stop] for start, stop in word) for word in words])
    holding = {index: number for number, word in enumerate(words) for span in word for index in range(*span)}
    for position, (start, stop) in enumerate(axis.spans):
        inside = {holding[index] for index in range(start, stop) if index in holding}
        if inside and not axis.special[position]:
            assert given.groups[position] in inside
    assert [word.text for word in given.word_spans()] == [
        given.words[word] for word in sorted(set(given.groups) - {-1})
    ]


def test_words_that_no_piece_spells_keep_their_numbers_in_alignments_too(demo):
    record = extract(*demo, "Der Hund schläft.", "The dog sleeps.")
    words = ["Der", "sehr", "alte", "Hund", "schläft", "."]
    given = record.with_words(source=words)
    assert [word.text for word in given.source_words] == ["Der", "Hund", "schläft", "."]
    assert set(given.source.groups) == {0, 3, 4, 5, -1}
    for part in (given, given.drop_special(), given.words(), given.drop_special().words()):
        assert part.source.words == tuple(words)
        assert {source for source, _ in part.align()} <= {0, 3, 4, 5}
    missing = record.with_words(source=["Hund", "."])
    assert missing.source.groups[missing.source_tokens.index(".")] == 1


@pytest.mark.parametrize("name", ["ByT5", "unigram", "byte-level BPE", "Marian, not fast"])
def test_words_that_are_missing_added_or_respelled_leave_the_others_in_place(name):
    text = "Der Hund schläft unter dem Tisch , sagte die Köchin . Sie hat keine Zeit ."
    words = text.split()
    axis = axis_of(name, text)
    for changed in (
        [word for word in words if word != "unter"],
        [*words[:3], "leider", "immer", *words[3:]],
        ["Koechin" if word == "Köchin" else "schlaeft" if word == "schläft" else word for word in words],
        [word.upper() for word in words],
    ):
        given = assign_words(axis, changed)
        for number, word in enumerate(changed):
            if word in words:
                assert word in spelled(given, number)


def test_words_of_another_text_are_refused(demo):
    sentences = [
        sentence for sentence in families.SENTENCES if sentence.isascii() or "ß" in sentence or "ä" in sentence
    ]
    for text in sentences:
        axis = axis_of("ByT5", text)
        for other in sentences:
            if other != text:
                with pytest.raises(ValueError, match="are not those of"):
                    assign_words(axis, other.split())
    for words in ([], [""], ["☃"], ["", " "]):
        with pytest.raises(ValueError, match="are not those of"):
            assign_words(axis, words)
    record = extract(*demo, "Der Hund schläft.")
    with pytest.raises(TypeError, match=r"\.split\(\)"):
        record.with_words(source="Der Hund schläft .")
    with pytest.raises(TypeError, match="got int for word 1"):
        record.with_words(source=["Der", 1])


def test_without_a_text_words_are_matched_with_the_labels():
    axis = Axis(("x", "<0xC3>", "<0xA0>", "3"))
    assert assign_words(axis, ["x", "à", "3"]).groups == (0, 1, 1, 2)
    record = CrossAttention.from_tokens(torch.ones(1, 1, 1, 2) / 2, ["Hu", "nd"], ["dog"])
    assert record.with_words(source=["Hund"]).source.groups == (0, 0)


def steps(function, *arguments):
    """The number of lines of the package that a call executes."""
    count = 0
    package = xattn_widget.__path__[0]

    def trace(frame, event, argument):
        nonlocal count
        if not frame.f_code.co_filename.startswith(package):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function(*arguments)
    finally:
        sys.settrace(before)
    return count


def changed(words):
    """Every third word respelled, every fifth missing, and one more after every seventh."""
    kept = [word[:-1] + "q" if index % 3 == 0 else word for index, word in enumerate(words) if index % 5]
    return [more for index, word in enumerate(kept) for more in ([word, "neu"] if index % 7 == 0 else [word])]


@pytest.mark.parametrize(
    "sentence", ["Der Hund schläft unter dem Tisch.", "aaaa aaa aa", "ab ab ba", "漢字漢"], ids=lambda text: text[:4]
)
@pytest.mark.parametrize("change", [list, changed])
def test_the_steps_grow_no_faster_than_the_text(sentence, change):
    def count(length):
        text = " ".join([sentence] * (length // len(sentence)))
        axis = axis_of("ByT5", text)
        return steps(lambda words: assign_words(axis, words), change(text.split()))

    assert count(1600) < 2.5 * 2 * count(400)


def test_the_steps_grow_no_faster_than_a_pile_of_marks():
    def count(length):
        text = "e" + "\u0301" * length
        return steps(assign_words, axis_of("ByT5", text), [text[:-1]])

    assert count(1600) < 2.5 * 2 * count(400)


def test_the_text_is_saved_and_files_without_it_load(demo, tmp_path):
    record = extract(*demo, "Größe ﬁndet ☃.", "Size finds it.").with_words(source=["Größe", "ﬁndet", "☃", "."])
    again = load(record.save(tmp_path / "record.safetensors"))
    assert again.source == record.source
    assert again.source.text == "Größe ﬁndet ☃."
    assert again.targets == record.targets
    with safe_open(tmp_path / "record.safetensors", framework="pt") as file:
        metadata = json.loads(file.metadata()["xattn_widget"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    for part in metadata["records"]:
        for axis in (part["source"], *part["targets"].values()):
            del axis["text"], axis["spans"]
    save_file(tensors, tmp_path / "before.safetensors", metadata={"xattn_widget": json.dumps(metadata)})
    before = load(tmp_path / "before.safetensors")
    assert before.source.text is None
    assert before.source.groups == record.source.groups
    assert before.with_words(target=["Size", "finds", "it", "."]).target.groups[-2] == 3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"text": "ab"}, "both text and spans"),
        ({"spans": ((0, 1), (1, 2))}, "both text and spans"),
        ({"text": "ab", "spans": ((0, 1),)}, "got 1 values for 'spans'"),
        ({"text": "ab", "spans": ((0, 1), (1, 3))}, "position 1 is 1 to 3, but the text has 2 characters"),
        ({"text": "ab", "spans": ((0, 1), (2, 1))}, "position 1 is 2 to 1"),
    ],
)
def test_spans_that_do_not_fit_the_text_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Axis(("a", "b"), **fields)
