"""extract on sound: every family, given and generated targets, batches, and windows of long recordings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from families import byte_level_tokenizer, eager
from sounds import RATE, sound
from speech_models import SPEECH, WINDOW, speech_model

from xattn_widget import extract

GENERATION = {"max_new_tokens": 6}


@pytest.fixture(scope="module")
def tokenizer():
    return byte_level_tokenizer()


@pytest.fixture(scope="module", params=sorted(SPEECH))
def speech(request, tokenizer):
    # The special ids of the tokenizer, where the defaults of a configuration are different.
    ids = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 0}
    return speech_model(request.param, len(tokenizer), **(ids if request.param in ("canary", "cohere_asr") else {}))


def expected_weights(model, record, samples, extractor):
    """What the library itself gives over the same target, by eager attention."""
    inputs = extractor(samples, sampling_rate=RATE, return_tensors="pt")
    names = ("input_features", "input_values", "attention_mask")
    inputs = {name: value for name, value in inputs.items() if name in names}
    read = torch.tensor([record.targets["input"].ids])
    with torch.no_grad():
        output = eager(model)(**inputs, decoder_input_ids=read, output_attentions=True)
    return torch.stack(output.cross_attentions)[:, 0]


def test_weights_equal_those_of_the_library(speech, tokenizer):
    model, extractor = speech
    record = extract(model, extractor, sound(1.0), "ab cd", target_tokenizer=tokenizer)
    expected = expected_weights(model, record, sound(1.0), extractor)
    torch.testing.assert_close(record.weights, expected, atol=1e-5, rtol=0)
    assert record.source.kind == "audio"
    assert record.target.text.strip() == "ab cd"
    assert record.sound.seconds == 1.0
    assert torch.equal(record.sound.samples, torch.from_numpy(sound(1.0)))
    outside = [flag for flag in record.source.outside if flag]
    torch.testing.assert_close(record.outside, record.weights[..., len(record.source) - len(outside) :].sum(-1))
    torch.testing.assert_close(record.end_row.sum(-1), torch.ones(record.layers, record.heads), atol=1e-4, rtol=0)


def test_targets_are_generated(speech, tokenizer):
    model, extractor = speech
    record = extract(model, extractor, sound(1.0), target_tokenizer=tokenizer, generation=GENERATION)
    assert record.generated
    expected = expected_weights(model, record, sound(1.0), extractor)
    torch.testing.assert_close(record.weights, expected, atol=1e-5, rtol=0)
    read, written = (record.targets[reading].ids for reading in ("input", "output"))
    assert read[1:] == written[:-1]


def test_a_batch_gives_the_same_as_one_sound_at_a_time(speech, tokenizer):
    model, extractor = speech
    sounds = [sound(1.0), sound(0.6, seed=1), sound(1.3, seed=2)]
    targets = ["ab", "abc de", "d"]
    together = extract(model, extractor, sounds, targets, target_tokenizer=tokenizer)
    for samples, target, record in zip(sounds, targets, together, strict=True):
        alone = extract(model, extractor, samples, target, target_tokenizer=tokenizer)
        assert record.source == alone.source
        assert record.target == alone.target
        torch.testing.assert_close(record.weights, alone.weights, atol=2e-5, rtol=0)
        torch.testing.assert_close(record.logprobs, alone.logprobs, atol=1e-4, rtol=0)


def test_what_the_processor_returns_is_read_too(speech, tokenizer):
    model, extractor = speech
    returned = extractor(sound(1.0), sampling_rate=RATE, return_tensors="pt")
    record = extract(model, extractor, returned, "ab", target_tokenizer=tokenizer)
    direct = extract(model, extractor, sound(1.0), "ab", target_tokenizer=tokenizer)
    width = min(record.weights.shape[-1], direct.weights.shape[-1])
    torch.testing.assert_close(record.weights[..., :width], direct.weights[..., :width], atol=1e-5, rtol=0)
    assert record.sound is None


@pytest.fixture(scope="module")
def whisper(tokenizer):
    return speech_model("whisper", len(tokenizer))


def test_an_n_best_list_of_sound(whisper, tokenizer):
    generation = GENERATION | {"num_beams": 3, "num_return_sequences": 2}
    record = extract(whisper.model, whisper.extractor, sound(1.0), target_tokenizer=tokenizer, generation=generation)
    assert len(record.hypotheses) == 2
    assert record.hypotheses[0].sequence_score >= record.hypotheses[1].sequence_score


def test_value_norms_and_importance_of_sound(whisper, tokenizer):
    record = extract(
        whisper.model,
        whisper.extractor,
        sound(1.0),
        "ab",
        target_tokenizer=tokenizer,
        value_norms=True,
        importance="gradient",
    )
    assert record.value_norms.shape == record.weights.shape
    assert record.contributions().cropped().weights.sum(-1).allclose(torch.ones(1), atol=1e-4)
    assert record.score("importance").shape == (record.layers, record.heads)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.zeros(0, np.float32),), ValueError, "no samples"),
        ((np.full(RATE, np.nan, np.float32),), ValueError, "finite"),
        (("missing.wav",), FileNotFoundError, "missing.wav"),
        ((sound(1.0), 3), TypeError, "target"),
        ((sound(1.0), ["a"]), ValueError, "one source.*list of 1"),
        ((sound(2.5), "a"), ValueError, r"2\.5 s.*at most 2 s.*cut the recording"),
        ((3,), TypeError, "int"),
    ],
)
def test_bad_sound_is_refused(whisper, tokenizer, arguments, error, message):
    with pytest.raises(error, match=message):
        extract(whisper.model, whisper.extractor, *arguments, target_tokenizer=tokenizer)


def test_silence_is_read(whisper, tokenizer):
    record = extract(whisper.model, whisper.extractor, np.zeros(RATE, np.float32), "a", target_tokenizer=tokenizer)
    assert record.weights.isfinite().all()


def test_a_processor_without_a_tokenizer_needs_one(whisper):
    with pytest.raises(TypeError, match="target_tokenizer"):
        extract(whisper.model, whisper.extractor, sound(1.0))


def test_text_models_refuse_settings_of_sound(demo):
    with pytest.raises(ValueError, match="mel_padding"):
        extract(*demo, "Ich lese.", mel_padding="zeros")


def test_truncation_reads_the_first_window(whisper, tokenizer):
    samples = sound(3.0)
    cut = extract(whisper.model, whisper.extractor, samples, "a", target_tokenizer=tokenizer, truncation=True)
    direct = extract(whisper.model, whisper.extractor, samples[:WINDOW], "a", target_tokenizer=tokenizer)
    assert torch.equal(cut.weights, direct.weights)


def test_a_long_recording_of_a_model_without_windows_is_refused(tokenizer):
    ids = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 0}
    model, extractor = speech_model("cohere_asr", len(tokenizer), **ids)
    with pytest.raises(ValueError, match=r"reads at most 35 s. Cut the recording"):
        extract(model, extractor, np.zeros(36 * RATE, np.float32), target_tokenizer=tokenizer)
