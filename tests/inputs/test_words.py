"""Words found in the text that tokens stand for, for any script and tokenizer, with visible labels."""

import unicodedata

import families
import pytest
import regex
import small_tokenizers
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from small_tokenizers import TOKENIZERS, tokenizer_of
from tokenizers import AddedToken
from tokenizers import pre_tokenizers as p

from xattn_widget import extract
from xattn_widget.inputs.text.assigning import assign_words
from xattn_widget.inputs.text.tokens import special_ids, text_axis


@pytest.fixture(autouse=True, scope="module")
def _quick():
    with families.one_thread():
        yield


def axis_of(tokenizer, text, *, known=True, target=False):
    ids = tokenizer(text)["input_ids"]
    return text_axis(tokenizer, ids, special_ids(tokenizer), target=target, text=text if known else None)


def words_of(axis):
    return [word.text for word in axis.word_spans()]


def content(axis):
    return [position for position, special in enumerate(axis.special) if not special]


def covered(axis):
    return [position for word in axis.word_spans() for position in range(word.start, word.stop)]


def squeezed(text):
    return "".join(text.split())


CLUSTERS = ["👩‍👩‍👧", "🇩🇪", "👍🏽", "❤️", "1️⃣", "e\u0301", "각", "ﬁ", "क्षि", "กำ", "ខ្ញុំ", "ལེགས", "\u00a0", "\u3000", "  "]
LETTERS = "aeinrst  .,'-?!()0123ÄÖäéñß漢字日本のカがไทย่กาเแำ한국ལེགསབོད་།ខ្ញុំကြာက္ကꦧꦤ꧀ꦱꀀ😀☃…½ıİﷺ１Ａ，。\u0308\u0301"
texts = st.lists(st.sampled_from([*LETTERS, *CLUSTERS, *families.SENTENCES[:4]]), min_size=1, max_size=12).map("".join)


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(derandomize=True, database=None, deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(text=texts)
def test_words_contain_the_text_in_order_and_split_no_grapheme_cluster(name, text):
    # A lone mark at the beginning is shown on a dotted circle.
    assume(text.strip() and unicodedata.category(text.strip()[0])[0] != "M")
    axis = axis_of(tokenizer_of(name), text)
    words = words_of(axis)
    assert covered(axis) == content(axis)
    assert all(text[start:stop].strip() or start == stop for start, stop in axis.spans)
    assert not any(unicodedata.category(word[0])[0] == "M" for word in words)
    assert assign_words(axis, words) == axis
    decoded = axis_of(tokenizer_of(name), text, known=False)
    assert covered(decoded) == content(decoded)
    assert assign_words(decoded, words_of(decoded)) == decoded
    stripped = unicodedata.normalize("NFD", text) != text and name in ("BPE without accents", "uncased WordPiece")
    if not content(axis) or stripped:
        return  # what such a tokenizer drops may be all there is after a space
    assert squeezed("".join(words)) == squeezed(text)
    ends = set()
    for word in words:
        ends.add(max(ends, default=0) + len(squeezed(word)))
    position = 0
    for cluster in map(squeezed, regex.findall(r"\X", text)):
        assert not ends & set(range(position + 1, position + len(cluster)))
        position += len(cluster)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x à 3", ["x", "à", "3"]),
        ("Das war…gut, à la carte", ["Das", "war…gut", ",", "à", "la", "carte"]),
        ("a\u00a0b\u3000c\u0085d", ["a", "b", "c", "d"]),
        ("Ach ją, łąka!", ["Ach", "ją", ",", "łąka", "!"]),
        ("don't 3.14 e-mail (x).", ["don't", "3.14", "e-mail", "(", "x", ")."]),
        ("བོད་སྐད་ཡིག་ཆ།", ["བོད་", "སྐད་", "ཡིག་", "ཆ", "།"]),
        ("ខ្ញុំ ស្រី", ["ខ្ញុំ", "ស្រី"]),
        ("ភាសា\u200bខ្មែរ", ["ភា", "សា", "ខ្មែ", "រ"]),
        ("ที่ไทย น้ำ", ["ที่", "ไท", "ย", "น้ำ"]),
        ("မြန်မာ", ["မြ", "န်", "မာ"]),
        ("ꦧꦱꦗꦮ ꀀꀁ", ["ꦧ", "ꦱ", "ꦗ", "ꦮ", "ꀀ", "ꀁ"]),
        ("用iPhone，iPad。", ["用", "iPhone", "，", "iPad", "。"]),
        ("ＡＢＣ ３．５", ["ＡＢＣ", "３．５"]),
        ("तुम है।वह क्षत्रिय", ["तुम", "है", "।", "वह", "क्षत्रिय"]),
        ("ሰላም፡ለዓለም", ["ሰላም", "፡", "ለዓለም"]),
        ("하늘 각 ㅋㅋ", ["하늘", "각", "ㅋㅋ"]),
        ("I ❤️ 👩‍👩‍👧🇩🇪🇫🇷 👍🏽1️⃣!", ["I", "❤️", "👩‍👩‍👧", "🇩🇪", "🇫🇷", "👍🏽", "1️⃣", "!"]),
    ],
)
@pytest.mark.parametrize("known", [True, False], ids=["text given", "text decoded"])
@pytest.mark.parametrize("name", ["ByT5", "byte fallback of letters"])
def test_words_of_bytes_are_those_of_the_text(name, text, words, known):
    if name != "ByT5":
        text = " ".join(text.split())
        words = [word for word in words if word in squeezed(text)]
    axis = axis_of(tokenizer_of(name), text, known=known)
    assert words_of(axis) == words
    assert all(regex.search(r"[^\p{C}\p{Z}\p{M}\p{Default_Ignorable_Code_Point}]", label) for label in axis.labels)


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (["བོད", "་སྐ", "ད", "་ཡིག", "།"], ["བོད", "་སྐད", "་ཡིག", "།"]),
        (["བོ", "ད་ས", "ྐད", "་ཡ", "ིག"], ["བོ", "ད་སྐད", "་ཡིག"]),
        (["บ", "้าน", "เ", "ก่า"], ["บ้าน", "เก่า"]),
        (["ស្", "រី", "ល"], ["ស្រី", "ល"]),
        (["❤", "\ufe0f", "gut"], ["❤️", "gut"]),
        (["👩", "\u200d", "👧", "👦"], ["👩\u200d👧", "👦"]),
    ],
)
def test_pieces_that_end_inside_a_cluster_or_syllable_are_joined(pieces, words):
    tokenizer = small_tokenizers.unigram(more=pieces)
    ids = tokenizer.convert_tokens_to_ids(pieces)
    for text in ("".join(pieces), None):
        assert words_of(text_axis(tokenizer, ids, set(), text=text)) == words


@pytest.mark.parametrize("name", [name for name in TOKENIZERS if name not in ("whole words", "BPE across spaces")])
def test_an_unknown_sign_is_a_word_after_a_space_and_belongs_to_the_word_that_it_stands_in(name):
    words = words_of(axis_of(tokenizer_of(name), "Der ☃ liѫbt ihn."))
    assert words == ["Der", "☃", "liѫbt", "ihn", "."]


def test_unknown_tokens_of_a_decoded_text_are_words():
    tokenizer = tokenizer_of("unigram")
    pieces = ["▁Der", "<unk>", "▁s", "ag", "<unk>"]
    axis = text_axis(tokenizer, tokenizer.convert_tokens_to_ids(pieces), special_ids(tokenizer))
    assert words_of(axis) == ["Der", "<unk>", "sag", "<unk>"]


@pytest.mark.parametrize("options", [{}, {"lstrip": True}, {"rstrip": True}, {"normalized": True}])
@pytest.mark.parametrize(
    "make", [families.byte_level_tokenizer, small_tokenizers.unigram, families.wordpiece_tokenizer]
)
def test_added_tokens_are_in_the_word_that_the_text_says(make, options):
    tokenizer = make()
    tokenizer.add_tokens([AddedToken("[ENT]", **options)])
    assert words_of(axis_of(tokenizer, "Sie [ENT] hat[ENT] gut")) == ["Sie", "[ENT]", "hat[ENT]", "gut"]
    decoded = words_of(axis_of(tokenizer, "Sie [ENT] hat[ENT] gut", known=False))
    assert decoded.count("[ENT]") == 2
    assert "hat" in decoded


def test_pieces_without_marks_are_joined_by_the_text_in_a_record():
    tokenizer = small_tokenizers.bpe(p.Whitespace())
    model = families.tiny("bart", vocab_size=len(tokenizer), pad_token_id=0, eos_token_id=1, decoder_start_token_id=1)
    source, target = "Größere zählten nicht, sagten Köche.", "I don't read 3.5 tables."
    record = extract(model, tokenizer, source, target)
    assert [word.text for word in record.source_words] == ["Größere", "zählten", "nicht", ",", "sagten", "Köche", "."]
    assert [word.text for word in record.target_words] == ["I", "don't", "read", "3.5", "tables", "."]
    assert len(record.source_tokens) > len(record.source_words)
    assert record.read_as("input").target_words[0].text == "I"
    assert {column for column, _ in record.align()} <= set(range(7))
    words = record.words()
    assert words.source.text == source
    assert [source[start:stop] for start, stop in words.source.spans] == words.source_tokens


def test_an_unknown_word_shifts_no_number_of_the_words_after_it():
    tokenizer = tokenizer_of("WordPiece")
    axis = axis_of(tokenizer, "Der Hund liebt ☃ und Buch ☃.")
    assert words_of(axis) == ["Der", "Hund", "liebt", "☃", "und", "Buch", "☃", "."]
    assert axis.labels.count("[UNK]") == 2
    assert axis.words[axis.groups[axis.labels.index("[UNK]")]] == "☃"


def test_a_cut_text_gives_the_words_of_the_remainder():
    tokenizer = tokenizer_of("unigram")
    text = "Der Hund schläft unter dem Tisch."
    ids = tokenizer(text)["input_ids"]
    for part in (ids[: len(ids) // 2], ids[len(ids) // 2 :]):
        axis = text_axis(tokenizer, part, special_ids(tokenizer), text=text)
        assert "".join(words_of(axis)) == squeezed(text[axis.spans[0][0] : axis.spans[-1][1]])


def test_marian_knows_the_span_of_each_piece_without_offsets():
    tokenizer = tokenizer_of("Marian, not fast")
    assert not tokenizer.is_fast
    text = "Der  Zahnarzthelfer aß \u00a0ﬁnnische ☃☂ Köche…"
    axis = axis_of(tokenizer, text)
    assert words_of(axis) == ["Der", "Zahnarzthelfer", "aß", "ﬁnnische", "☃☂", "Köche", "…"]
    for position in content(axis):
        start, stop = axis.spans[position]
        label = axis.labels[position]
        if label not in (tokenizer.unk_token, "␣"):
            assert label in unicodedata.normalize("NFKC", text[start:stop])


UNSEEN = "\u0301\u0e34\ufe0f\u200d\u3164\u115f\uffa0\U000e0067\u2800\ufeff\u2066\u202e\u200b\u00ad\u034f\u2028\u0007"


@pytest.mark.parametrize("unseen", UNSEEN, ids=lambda character: f"U+{ord(character):04X}")
@pytest.mark.parametrize("known", [True, False])
def test_every_label_and_word_is_visible(unseen, known):
    tokenizer = small_tokenizers.word_level([unseen])
    axis = text_axis(tokenizer, [tokenizer.convert_tokens_to_ids(unseen)], set(), text=unseen if known else None)
    for shown in (*axis.labels, *axis.words, *axis.merge_words().labels):
        assert regex.search(r"[^\p{C}\p{Z}\p{M}\p{Default_Ignorable_Code_Point}\u2800]", shown)
    assert len(axis.words) == 1


def test_a_letter_that_looks_like_a_mark_is_a_letter():
    # Maltese words begin with Ġ; a vocabulary of Latin letters is not a vocabulary of bytes.
    tokenizer = small_tokenizers.word_level(["Ġurnata ta' Ġunju äöü"])
    axis = axis_of(tokenizer, "Ġurnata ä")
    assert axis.labels[0] == "Ġ"
    assert words_of(axis) == ["Ġurnata", "ä"]
