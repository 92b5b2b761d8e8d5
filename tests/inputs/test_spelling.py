"""Targets spelled by character: one token per character, and nothing else changes."""

from types import SimpleNamespace

import pytest
from families import byte_level_tokenizer, unigram_tokenizer

from xattn_widget import spell


def test_each_character_and_each_space_is_a_token_of_its_own():
    tokenizer = byte_level_tokenizer()
    text = "die Stadt"
    before = tokenizer.tokenize(text)
    spelled = spell(tokenizer)
    assert spelled.tokenize(text) == [character.replace(" ", "Ġ") for character in text]
    assert len(before) < len(text)
    assert tokenizer.tokenize(text) == before
    ids = spelled(text, add_special_tokens=False).input_ids
    assert tokenizer.decode(ids) == text
    assert spelled.get_vocab() == tokenizer.get_vocab()


def test_a_processor_is_copied_with_its_other_parts():
    processor = SimpleNamespace(tokenizer=byte_level_tokenizer(), feature_extractor=object())
    spelled = spell(processor)
    assert spelled.feature_extractor is processor.feature_extractor
    assert spelled.tokenizer is not processor.tokenizer
    assert len(spelled.tokenizer.tokenize("Stadt")) == 5


def test_a_vocabulary_of_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"byte pairs \(BPE\), such as Whisper, .* got T5Tokenizer with Unigram"):
        spell(unigram_tokenizer())
    with pytest.raises(ValueError, match="got object with no fast tokenizer"):
        spell(object())
