"""Tokens as a reader sees them: labels, special tokens and words, for each kind of tokenizer."""

import tempfile
import unicodedata
from functools import cache, partial
from pathlib import Path

import families
import pytest
import torch
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xattn_widget import extract, load_demo
from xattn_widget.inputs.text.tokens import special_ids, text_axis


@pytest.fixture(autouse=True, scope="module")
def _quick():
    with families.one_thread():
        yield


TOKENIZERS = {
    "byte-level BPE": lambda folder: families.byte_level_tokenizer(),
    "byte fallback": lambda folder: families.byte_fallback_tokenizer(),
    "unigram": lambda folder: families.unigram_tokenizer(),
    "mBART": lambda folder: families.mbart_tokenizer(),
    "NLLB": lambda folder: families.nllb_tokenizer(),
    "M2M100": families.m2m_tokenizer,
    "Marian with language codes": lambda folder: families.marian_tokenizer(folder, separate=False),
    "Marian of two vocabularies": lambda folder: families.marian_tokenizer(folder, separate=True),
    "WordPiece": lambda folder: families.wordpiece_tokenizer(),
    "BPE with </w>": lambda folder: families.word_end_tokenizer(),
}
every_tokenizer = pytest.mark.parametrize("name", TOKENIZERS)
LOSSLESS = ["byte-level BPE", "byte fallback"]


@cache
def tokenizer_of(name):
    with tempfile.TemporaryDirectory() as folder:  # read into memory: the files are not needed afterwards
        return TOKENIZERS[name](Path(folder))


def axis_of(name, text, *, target=False):
    tokenizer = tokenizer_of(name)
    ids = tokenizer(text_target=text)["input_ids"] if target else tokenizer(text)["input_ids"]
    return text_axis(tokenizer, ids, special_ids(tokenizer), target=target)


def words_of(axis):
    return [word.text for word in axis.word_spans()]


def covered(axis):
    return [position for word in axis.word_spans() for position in range(word.start, word.stop)]


def content(axis):
    return [position for position, special in enumerate(axis.special) if not special]


def visible(text):
    return any(unicodedata.category(character)[0] not in "CZ" for character in text)


def pieces_axis(*pieces):
    """The axis of exactly these SentencePiece pieces and the end of the sentence."""
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -9.0)]
    vocabulary += [(piece, -9.0) for piece in dict.fromkeys(pieces) if piece != "▁"]
    tokenizer = transformers.T5Tokenizer(vocab=vocabulary, extra_ids=0)
    ids = [*tokenizer.convert_tokens_to_ids(list(pieces)), tokenizer.eos_token_id]
    assert tokenizer.unk_token_id not in ids
    return text_axis(tokenizer, ids, special_ids(tokenizer))


# --- Words.

# The same texts in each run, for reproducible failures. Raise max_examples to try more.
random_text = partial(settings, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))

# The scripts and signs of real corpora, and what breaks naive code.
alphabet = st.one_of(
    st.sampled_from("aeinrst' .,-?!\"()[]<>&\\/0123456789"),
    st.sampled_from("äöüßéñœÄÖÜçş"),
    st.sampled_from("漢字你好日本のカタ한국ไทย"),
    st.sampled_from("العربيةעברית"),
    st.sampled_from("😀👩‍👩‍👧🇩🇪☃"),
    st.sampled_from("\t\n\r\x00\x07\x1f\x7f\u00a0\u00ad\u200b\u200d\u2028\u3000\ufeff\ufffd▁Ġ"),
    st.characters(exclude_categories=["Cs"]),
)
fragments = st.sampled_from(
    ["</s>", "<unk>", "<pad>", ">>fra<<", "__en__", "deu_Latn", "##", "</w>", "@@", "</script>"]
)
texts = st.lists(st.one_of(alphabet, fragments, *[st.sampled_from(families.SENTENCES)]), max_size=25).map("".join)


@every_tokenizer
@random_text(max_examples=60)
@given(text=texts)
def test_every_piece_that_is_not_special_is_in_one_word_in_order_and_no_label_is_empty(name, text):
    for axis in (axis_of(name, text), axis_of(name, text, target=True)):
        assert covered(axis) == content(axis)
        assert all(word.start < word.stop and word.text for word in axis.word_spans())
        assert all(axis.labels)
        assert [position for unit in axis.units() for position in unit] == list(range(len(axis)))
        assert len(axis.merge_words()) == len(axis.word_spans()) + sum(axis.special)


@pytest.mark.parametrize("name", LOSSLESS)
@random_text(max_examples=150)
@given(
    parts=st.lists(st.text("aeinrstäöüßéñœ漢字你好ไทยالعربية😀☃.,'0", min_size=1, max_size=6), min_size=1, max_size=6)
)
def test_words_of_a_lossless_tokenizer_contain_the_text_with_no_character_split(name, parts):
    assert "".join(words_of(axis_of(name, " ".join(parts)))) == "".join(parts)


@pytest.mark.parametrize("name", LOSSLESS)
@random_text(max_examples=150)
@given(parts=st.lists(st.text("aeinrstäöüßéñœШщ", min_size=1, max_size=6), min_size=1, max_size=6))
def test_letters_split_over_several_pieces_do_not_split_a_word(name, parts):
    assert words_of(axis_of(name, " ".join(parts))) == parts


@pytest.mark.parametrize(
    "name", [name for name in TOKENIZERS if name not in {"WordPiece", "Marian of two vocabularies"}]
)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ich habe das Buch gelesen.", ["Ich", "habe", "das", "Buch", "gelesen", "."]),
        ("I don't think it costs 3.5 euros!", ["I", "don't", "think", "it", "costs", "3.5", "euros", "!"]),
        ("Größe zählt, sagte die Köchin?", ["Größe", "zählt", ",", "sagte", "die", "Köchin", "?"]),
        ("  Der   Hund  ", ["Der", "Hund"]),
    ],
)
def test_words_are_between_spaces_without_the_punctuation_at_their_ends(name, text, words):
    found = [word for word in words_of(axis_of(name, text)) if word.strip("▁␣ ")]
    assert found == words


def test_wordpieces_are_joined_and_what_bert_splits_off_stays_a_word():
    axis = axis_of("WordPiece", "Die Köchin schläft, don't.")
    assert words_of(axis) == ["Die", "Köchin", "schläft", ",", "don", "'", "t", "."]
    assert not any(label.startswith("##") for label in axis.labels)
    assert len(axis) > len(axis.word_spans()) + 2


def test_a_sign_in_a_run_of_its_own_and_signs_at_both_ends_are_words():
    axis = pieces_axis(
        "▁", '"', "Der", "▁Hu", "nd", "!", '"', "▁—", "▁(", "gut", ")", ".", "▁3", ".", "5", "▁wie", "-", "der"
    )
    words = words_of(axis)
    assert [word for word in words if word[0].isalnum()] == ["Der", "Hund", "gut", "3.5", "wie-der"]
    assert "".join(words) == '"DerHund!"—(gut).3.5wie-der'
    assert covered(axis) == content(axis) == list(range(18))


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (["▁我们", "去", "北京", "。"], ["我们", "去", "北京", "。"]),
        (["▁", "我们", "去", "北京"], ["我们", "去", "北京"]),
        (["▁私", "は", "カレー", "を", "▁食べ", "ます"], ["私", "は", "カレー", "を", "食べ", "ます"]),
        (["▁ฉัน", "กิน", "ข้าว"], ["ฉัน", "กิน", "ข้าว"]),
        (["▁i", "Phone", "手机", "▁gut", "."], ["iPhone", "手机", "gut", "."]),
    ],
)
def test_pieces_of_scripts_without_spaces_are_words(pieces, words):
    assert words_of(pieces_axis(*pieces)) == words


@pytest.mark.parametrize("text", ["الكتاب على الطاولة", "הספר על השולחן", "한국어 문장", "книга на столе"])
@pytest.mark.parametrize("name", LOSSLESS)
def test_scripts_with_spaces_have_the_words_between_them_even_in_single_bytes(name, text):
    assert words_of(axis_of(name, text)) == text.split(" ")


# --- Labels.


def test_sentencepiece_and_word_end_marks_are_not_shown():
    for name in ("unigram", "mBART", "NLLB", "M2M100", "Marian with language codes", "BPE with </w>", "byte-level BPE"):
        axis = axis_of(name, "Der Hund schläft unter dem Tisch.")
        shown = "".join(axis.labels[position] for position in content(axis)).replace("␣", "")
        assert shown == "DerHundschläftunterdemTisch."


def test_an_emoji_in_several_pieces_is_one_word_and_each_piece_has_a_label_of_its_own():
    for name in LOSSLESS:
        axis = axis_of(name, "gut 😀 so")
        assert words_of(axis) == ["gut", "😀", "so"]
        (emoji,) = [word for word in axis.word_spans() if word.text == "😀"]
        assert emoji.stop - emoji.start >= 4
        labels = axis.labels[emoji.start : emoji.stop]
        assert not any("\ufffd" in label for label in labels)
        assert all(visible(label) for label in labels)


def test_html_and_marks_in_the_text_are_shown_as_they_are():
    axis = axis_of("byte-level BPE", "a</script> &amp; <b>")
    assert "".join(word.text for word in axis.word_spans()) == "a</script>&amp;<b>"
    assert not any(axis.special[1:-1])


def test_leading_spaces_and_line_breaks_have_visible_labels_and_are_in_a_word():
    axis = axis_of("byte-level BPE", "  Hund\n\n\t Tisch")
    assert covered(axis) == content(axis)
    assert all(visible(label) for label in axis.labels)
    assert {"Hund", "Tisch"} <= set(words_of(axis))


BLANK = "\u00a0\u3000\u2009\r\x0b\x1f\x07\x00\u200b\u00ad\ufeff\u202e"


@pytest.mark.parametrize("blank", BLANK, ids=lambda character: f"U+{ord(character):04X}")
def test_a_piece_that_shows_nothing_has_a_visible_label(blank):
    axis = pieces_axis("▁Hund", blank, "▁Tisch")
    assert visible(axis.labels[1])
    assert all(visible(word) for word in words_of(axis))


# --- Special tokens.


@pytest.mark.parametrize(
    ("name", "text", "specials"),
    [
        ("byte-level BPE", "Der Hund", ["<s>", "</s>"]),
        ("unigram", "Der Hund", ["</s>"]),
        ("mBART", "Der Hund", ["</s>", "de_DE"]),
        ("NLLB", "Der Hund", ["deu_Latn", "</s>"]),
        ("M2M100", "Der Hund", ["__de__", "</s>"]),
        ("Marian with language codes", ">>fra<< Der Hund", [">>fra<<", "</s>"]),
        ("Marian of two vocabularies", "Der Hund", ["</s>"]),
        ("WordPiece", "Der Hund", ["[CLS]", "[SEP]"]),
        ("BPE with </w>", "Der Hund", ["</s>"]),
    ],
)
def test_end_of_sentence_and_language_codes_are_special_and_in_no_word(name, text, specials):
    axis = axis_of(name, text)
    assert [label for label, special in zip(axis.labels, axis.special, strict=True) if special] == specials
    assert words_of(axis) == ["Der", "Hund"]
    assert [word.text for word in axis.merge_words().word_spans()] == ["Der", "Hund"]


@pytest.mark.parametrize(("name", "code"), [("mBART", "en_XX"), ("NLLB", "eng_Latn"), ("M2M100", "__en__")])
def test_the_language_code_of_a_target_is_special(name, code):
    axis = axis_of(name, "The dog", target=True)
    assert [label for label, special in zip(axis.labels, axis.special, strict=True) if special].count(code) == 1
    assert words_of(axis) == ["The", "dog"]


def test_a_special_token_amid_a_text_ends_the_word_before_it():
    for name in ("unigram", "mBART", "byte-level BPE"):
        tokenizer = tokenizer_of(name)
        hund = tokenizer("Hund", add_special_tokens=False)["input_ids"]
        axis = text_axis(tokenizer, [*hund, tokenizer.eos_token_id, *hund], special_ids(tokenizer))
        assert words_of(axis) == ["Hund", "Hund"]
        assert covered(axis) == content(axis)


def test_the_models_start_symbol_is_special_even_if_the_tokenizer_does_not_say_so():
    tokenizer = tokenizer_of("unigram")
    start = tokenizer.convert_tokens_to_ids("▁Der")
    config = transformers.T5Config(decoder_start_token_id=start, pad_token_id=0, eos_token_id=1)
    assert start not in special_ids(tokenizer)
    assert special_ids(tokenizer, config) == special_ids(tokenizer) | {start}
    several = transformers.T5Config(eos_token_id=[1, start])
    assert start in special_ids(tokenizer, several)


@pytest.mark.parametrize("name", [name for name in TOKENIZERS if name not in LOSSLESS])
def test_an_unknown_token_is_content(name):
    tokenizer = tokenizer_of(name)
    axis = axis_of(name, "Hund ☃ Hund")
    unknown = [position for position, index in enumerate(axis.ids) if index == tokenizer.unk_token_id]
    assert unknown
    assert tokenizer.unk_token_id not in special_ids(tokenizer)
    assert not any(axis.special[position] for position in unknown)
    assert set(unknown) <= set(covered(axis))
    assert all(axis.labels[position] == tokenizer.unk_token for position in unknown)


# --- In a record.


def test_a_record_carries_tokens_masks_and_words_of_both_sides():
    model, tokenizer = load_demo()
    source, target = "Der Hund schläft nicht, sagte sie.", "The dog doesn't sleep, she said."
    record = extract(model, tokenizer, source, target)
    for tokens, special, words, text in (
        (record.source_tokens, record.source_special, record.source_words, source),
        (record.target_tokens, record.target_special, record.target_words, target),
    ):
        assert special.tolist() == [False] * (len(tokens) - 1) + [True]
        assert tokens[-1] == "</s>"
        assert [word.text for word in words] == text.replace(",", " ,").replace(".", " .").split()
        for word in words:
            assert "".join(tokens[word.start : word.stop]).replace("▁", "") == word.text
    start = record.read_as("input")
    assert start.target_tokens[0] == "<pad>"
    assert start.target_special.tolist() == [True] + [False] * (len(start.target_tokens) - 1)


def test_the_target_goes_through_the_target_vocabulary(tmp_path):
    pair = families.PAIRS["Marian of two vocabularies"](tmp_path)
    tokenizer = pair.tokenizer
    assert len(tokenizer.target_encoder) > len(tokenizer.encoder)
    target = "When do you get up tomorrow?"
    record = extract(*pair, "Wann stehst du morgen auf?", target)
    assert [word.text for word in record.source_words] == ["Wann", "stehst", "du", "morgen", "auf", "?"]
    assert [word.text for word in record.target_words] == ["When", "do", "you", "get", "up", "tomorrow", "?"]
    assert list(record.target.ids) == tokenizer(text_target=target)["input_ids"] != tokenizer(target)["input_ids"]
    generated = extract(*pair, "Wann stehst du morgen auf?", generation={"max_new_tokens": 12})
    vocabulary = {index: piece for piece, index in tokenizer.target_encoder.items()}
    pieces = [vocabulary[index].replace("▁", "") or "▁" for index in generated.target.ids]
    assert generated.target_tokens == pieces


def test_a_forced_language_code_is_part_of_the_target_and_special(tmp_path):
    pair = families.PAIRS["NLLB"](tmp_path)
    code = pair.tokenizer.convert_tokens_to_ids("eng_Latn")
    record = extract(*pair, "Ich habe das Buch gelesen.", generation={"forced_bos_token_id": code, "max_new_tokens": 6})
    assert record.target_tokens[0] == "eng_Latn"
    assert bool(record.target_special[0])
    assert record.source_tokens[0] == "deu_Latn"
    assert bool(record.source_special[0])


def test_a_generated_id_beyond_the_tokenizers_vocabulary_is_shown():
    # T5 and mT5 embed more ids than their tokenizers know.
    tokenizer = families.unigram_tokenizer()
    model = families.tiny("t5", vocab_size=len(tokenizer) + 60)
    model.generation_config.max_new_tokens = 40
    torch.manual_seed(0)
    record = extract(model, tokenizer, "Ich habe", generation={"do_sample": True, "temperature": 90.0})
    assert max(record.target.ids) >= len(tokenizer)
    assert all(record.target_tokens)


def test_the_tokens_of_a_vocabulary_of_whole_words_are_words():
    axis = text_axis(families.word_level_tokenizer(), [3, 4, 5, 6], set())
    assert axis.labels == ("Ich", "Menü", "gut", ".")
    assert words_of(axis) == ["Ich", "Menü", "gut", "."]


def test_a_token_that_the_user_added_is_written_literally():
    tokenizer = families.byte_level_tokenizer()
    tokenizer.add_tokens(["größe"])
    axis = text_axis(tokenizer, tokenizer("größe", add_special_tokens=False)["input_ids"], set())
    assert axis.labels == ("größe",)


def test_an_unknown_token_is_a_separate_word_if_words_are_marked_by_their_end():
    axis = axis_of("BPE with </w>", "Ich ☃ habe")
    assert words_of(axis)[-2:] == ["<unk>", "habe"]
