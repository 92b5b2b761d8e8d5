"""The prompts of speech models: those of Canary and Cohere-ASR for given targets, and the task of Whisper."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from families import eager
from speech_models import RATE
from speech_processors import prompted_pair, sound, speech_pair

from xattn_widget import extract, score_corpus
from xattn_widget.corpus import corpus_info, grids

pytestmark = pytest.mark.usefixtures("single_thread")

TEXT = "The dog sleeps under the table."


def library_prompt(name, processor, language):
    """Return the first ids that the library's own processor lets the decoder read."""
    if name == "canary":
        request = processor.apply_transcription_request(audio=sound(1.0), source_language=language)
        return request["decoder_input_ids"][0].tolist()
    found = processor(audio=sound(1.0), language=language, sampling_rate=RATE)
    return found["decoder_input_ids"][0].tolist()


@pytest.fixture(scope="module", params=["canary", "cohere_asr"])
def name(request):
    return request.param


@pytest.fixture
def pair(name):
    return prompted_pair(name)


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_given_target_follows_the_prompt_of_the_processor(name, pair, language):
    model, processor = pair
    processor.tokenizer.language = language
    record = extract(model, processor, sound(1.0), TEXT)
    prompt = library_prompt(name, processor, language)
    text = processor.tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    assert list(record.targets["input"].ids) == [*prompt, *text]
    assert list(record.targets["output"].ids) == [*prompt[1:], *text, processor.tokenizer.eos_token_id]
    for reading, rows in (("output", len(prompt) - 1), ("input", len(prompt))):
        axis = record.targets[reading]
        assert all(axis.special[:rows])
        assert not any(axis.special[rows : rows + len(text)])
        assert " ".join(axis.words) == "The dog sleeps under the table ."
    features = processor.feature_extractor(sound(1.0), sampling_rate=RATE, return_tensors="pt")
    inputs = {key: features[key] for key in ("input_features", "attention_mask")}
    with torch.no_grad():
        output = eager(model)(**inputs, decoder_input_ids=torch.tensor([[*prompt, *text]]), output_attentions=True)
    expected = torch.stack(output.cross_attentions)[:, 0]
    torch.testing.assert_close(record.weights, expected, atol=1e-5, rtol=0)


def test_canary_transcribes_english_unless_the_tokenizer_names_a_language():
    model, processor = prompted_pair("canary")
    record = extract(model, processor, sound(1.0), TEXT)
    prompt = processor.apply_transcription_request(audio=sound(1.0))["decoder_input_ids"][0].tolist()
    assert list(record.targets["input"].ids)[: len(prompt)] == prompt
    assert "<|en|>" in record.target_tokens


def test_cohere_asr_needs_a_language():
    pair = prompted_pair("cohere_asr")
    match = r"target\[0\] needs a prompt that names its language: set processor\.tokenizer\.language"
    with pytest.raises(ValueError, match=match):
        extract(*pair, sound(1.0), TEXT)
    table = score_corpus(*pair, [(sound(1.0), RATE)], [TEXT], "entropy", progress=False)
    assert table["error"][0].as_py().startswith("target needs a prompt that names its language")
    pair.tokenizer.tokenizer.language = "xx"
    with pytest.raises(ValueError, match=r"CohereAsrProcessor does not build: Unsupported language: 'xx'"):
        extract(*pair, sound(1.0), TEXT)


def test_a_prompt_in_the_target_is_kept(name, pair):
    model, processor = pair
    prompt = "<|startoftranscript|><|de|><|en|><|nopnc|>"
    record = extract(model, processor, sound(1.0), prompt + TEXT)
    ids = processor.tokenizer(prompt + TEXT)["input_ids"]
    assert list(record.targets["output"].ids) == [
        index for index in ids if index != model.config.decoder_start_token_id
    ]


def test_a_target_is_too_long_together_with_its_prompt(name, pair):
    model, processor = pair
    processor.tokenizer.language = "de"
    text = "a " * 29  # 58 tokens
    with pytest.raises(ValueError, match=r"target\[0\] has \d+ tokens with its prompt, the limit is 64 positions"):
        extract(model, processor, sound(1.0), text)
    record = extract(model, processor, sound(1.0), text, truncation=True)
    assert len(record.target) == 64
    assert record.target.ids[-1] == processor.tokenizer.eos_token_id


def test_a_start_token_that_also_occurs_in_texts_is_content_there():
    model, processor = prompted_pair("cohere_asr")
    processor.tokenizer.language = "de"
    start = model.config.decoder_start_token_id
    text = processor.tokenizer("a b", add_special_tokens=False)["input_ids"]
    assert start in text
    record = extract(model, processor, sound(1.0), "a b")
    prompt = library_prompt("cohere_asr", processor, "de")
    assert list(record.targets["output"].ids) == [*prompt[1:], *text, processor.tokenizer.eos_token_id]
    assert not any(record.target.special[len(prompt) - 1 : -1])
    assert record.target.words == ("a", "b")


@pytest.mark.parametrize("special", ["keep", "drop"])
def test_prompts_are_the_same_in_corpora(name, pair, special):
    model, processor = pair
    processor.tokenizer.language = "de"
    sounds, texts = [(sound(0.7 + index / 2, index), RATE) for index in range(3)], [TEXT, "I have time.", "No."]
    scores = ["entropy", "rereading", "unsupported_words"]
    table = score_corpus(model, processor, sounds, texts, scores, special=special, progress=False)
    for row, (given, text) in enumerate(zip(sounds, texts, strict=True)):
        record = extract(model, processor, given, text)
        assert table["target_length"][row].as_py() == len(record.target)
        for score in scores:
            expected = record.score(score, special=special).numpy()
            np.testing.assert_allclose(grids(table, score)[row], expected, atol=1e-5, err_msg=score)
    assert corpus_info(table)["job"]["prompt"] == library_prompt(name, processor, "de")[1:]


# --- Whisper.


def test_whisper_transcribes_in_the_detected_language_if_nothing_says_what_to_do():
    model, processor = speech_pair("whisper", language=None)
    samples = sound(1.0)
    generated = extract(model, processor, samples, generation={"max_new_tokens": 8})
    features = processor(samples, sampling_rate=RATE, return_tensors="pt")["input_features"]
    settings = {"return_dict_in_generate": True, "force_unique_generate_call": True, "max_new_tokens": 8}
    with torch.no_grad():
        found = model.generate(features, task="transcribe", num_beams=1, do_sample=False, **settings)
    expected = found["sequences"][0].tolist()
    assert list(generated.targets["input"].ids) == expected[:-1]
    given = extract(model, processor, samples, "Ja.")
    assert list(given.targets["output"].ids[:3]) == list(generated.targets["output"].ids[:3])
    assert given.target_tokens[1] == "<|transcribe|>"
    # Settings of the user and of the model decide.
    translated = extract(model, processor, samples, generation={"max_new_tokens": 8, "task": "translate"})
    assert translated.target_tokens[1] == "<|translate|>"
    model.generation_config.task = "translate"
    assert extract(model, processor, samples, generation={"max_new_tokens": 8}).target_tokens[1] == "<|translate|>"


def test_an_english_whisper_has_no_task():
    model, processor = speech_pair("whisper", language=None)
    model.generation_config.is_multilingual = False
    del model.generation_config.lang_to_id
    record = extract(model, processor, sound(1.0), generation={"max_new_tokens": 4})
    assert record.target_tokens[0] == "<|notimestamps|>"


def test_batches_are_generated_with_the_mask_of_the_processor(caplog, monkeypatch):
    from transformers.utils import logging

    model, processor = speech_pair("whisper")
    sounds = [sound(seconds, seed) for seed, seconds in enumerate((0.5, 1.3, 2.0))]
    settings = {"max_new_tokens": 8, "language": "german"}
    logging.warning_once.cache_clear()
    monkeypatch.setattr(logging.get_logger("transformers"), "propagate", True)
    records = extract(model, processor, sounds, generation=settings)
    assert "attention mask" not in caplog.text
    options = {"sampling_rate": RATE, "return_tensors": "pt", "return_attention_mask": True}
    features = processor.feature_extractor(sounds, **options)
    with torch.no_grad():
        found = model.generate(
            **features,
            **settings,
            num_beams=1,
            do_sample=False,
            return_dict_in_generate=True,
            force_unique_generate_call=True,
        )
    for record, single, sequence in zip(records, sounds, found["sequences"].tolist(), strict=True):
        ids = list(record.targets["input"].ids)
        assert ids == sequence[: len(ids)]
        alone = extract(model, processor, single, generation=settings)
        assert list(alone.targets["output"].ids) == list(record.targets["output"].ids)
