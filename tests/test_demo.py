"""The demo model in the package: it translates everyday sentences correctly, and it is small."""

from pathlib import Path

import pytest

import xattn_widget.demo
from xattn_widget import extract, load_demo

# A translation is correct if it contains one of the alternatives from each string.
SENTENCES = {
    "Ich habe das Buch gelesen.": ["i", "read|have read", "the book"],
    "Wann stehst du morgen auf?": ["when", "you", "get up|wake up|getting up|rise", "tomorrow"],
    "Der Hund schläft unter dem Tisch.": ["the dog", "sleeps|is sleeping|sleeping", "under the table"],
    "Gestern habe ich meinen alten Freund in der Stadt getroffen.": [
        "yesterday",
        "i met",
        "my old friend",
        "city|town",
    ],
    "Wenn es morgen regnet, bleiben wir zu Hause.": ["if", "rains", "tomorrow", "stay|be", "home"],
    "Sie hat mir gesagt, dass sie keine Zeit hat.": ["she", "told me", "no time|not have time|n't have time|any time"],
    "Das Kind, das im Garten spielt, ist mein Sohn.": ["child|kid|boy", "play", "garden", "is my son"],
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_demo_model_translates(demo, sentence):
    model, tokenizer = demo
    sequence = model.generate(**tokenizer(sentence, return_tensors="pt"))[0]
    text = tokenizer.decode(sequence, skip_special_tokens=True).lower()
    for choices in SENTENCES[sentence]:
        assert any(choice in text for choice in choices.split("|")), f"{text!r} has none of {choices!r}"


def test_the_last_layer_attends_to_verb_and_noun_across_word_order(demo):
    record = extract(*demo, "Ich habe das Buch gelesen.").words()
    source = record.source_tokens
    for target, expected in (("read", "gelesen"), ("book", "Buch")):
        row = record.weights[-1].mean(0)[record.target_tokens.index(target)]
        assert source[int(row.argmax())] == expected
        assert row.max() > 0.5


def test_the_demo_model_is_small_and_names_its_sources():
    files = [path for path in xattn_widget.demo.FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 9_000_000
    card = Path(xattn_widget.demo.FOLDER, "README.md").read_text(encoding="utf-8")
    for attribution in ("CC BY 2.0", "tatoeba.org", "manythings.org/anki", "BLEU", "chrF"):
        assert attribution in card


def test_loading_the_demo_model_prints_nothing_and_gives_no_warnings(capfd, recwarn):
    load_demo()
    assert capfd.readouterr().err == ""
    assert not recwarn.list
