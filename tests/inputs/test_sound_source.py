"""Sounds as sources: the same weights in a batch, what comes after the end, precision, and the processor's output."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch
import transformers as tf
from families import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from speech_models import RATE, SPEECH, WINDOW, speech_model

from xattn_widget import capture
from xattn_widget.inputs.audio.families import reads_sound, speech_family
from xattn_widget.inputs.audio.sound_source import SoundSource

LENGTHS = (16_001, 31_999, 5000, 20_480, 20_479)
ROWS = torch.randint(4, 40, (len(LENGTHS), 6), generator=torch.Generator().manual_seed(0))


def noise(length, seed=0):
    return (np.random.default_rng(seed).standard_normal(length) * 0.1).astype(np.float32)


def weights(model, inputs, rows=ROWS[:1]):
    """Return ``[layers, batch, heads, target, source]`` cross-attention."""
    with torch.no_grad(), capture(model) as captured:
        model(**inputs, decoder_input_ids=rows)
    return torch.stack(list(captured.cross_attentions))


# Padding changes what these encoders compute: a norm over time, or a convolution over what is made of padding.
CHANGED_BY_PADDING = {
    "moonshine",
    "moonshine_streaming",
    "speech_to_text",
    "speecht5",
    "seamless_m4t",
    "seamless_m4t_v2",
    "wav2vec2 with group norm",
    "wav2vec2 with adapters",
    "wav2vec2_bert with adapters",
}


@pytest.fixture(params=SPEECH, scope="module")
def speech(request):
    """A model, its family, and its feature extractor."""
    model, extractor = speech_model(request.param)
    return model, speech_family(model, extractor), extractor


@pytest.fixture(scope="module")
def whisper():
    model, extractor = speech_model("whisper")
    return model, speech_family(model, extractor), extractor


def test_weights_are_those_of_the_processors_output(speech):
    model, family, extractor = speech
    for length in LENGTHS[:3]:
        settings = {"padding": True, "pad_to_multiple_of": 80} if family.multiple > 1 else {}
        found = extractor(noise(length), sampling_rate=RATE, return_tensors="pt", **settings)
        inputs = {name: found[name] for name in (family.argument, "attention_mask") if name in found}
        source = SoundSource.from_samples(family, noise(length))
        ours = SoundSource.inputs(model, [source])
        torch.testing.assert_close(weights(model, ours), weights(model, inputs), atol=1e-6, rtol=0)
        assert weights(model, ours).shape[-1] == len(source) == len(source.axis())


def test_a_batch_gives_the_weights_of_single_sounds(speech, request):
    model, family, _ = speech
    sources = [SoundSource.from_samples(family, noise(length, length)) for length in LENGTHS]
    assert family.batches == (request.node.callspec.params["speech"] not in CHANGED_BY_PADDING)
    if not family.batches:  # the next test has the reason
        with pytest.raises(ValueError, match=r"different lengths .* batch_size=1"):
            SoundSource.inputs(model, sources)
        sources = [SoundSource.from_samples(family, noise(16_001, seed)) for seed in range(len(LENGTHS))]
    together = weights(model, SoundSource.inputs(model, sources), ROWS)
    for index, source in enumerate(sources):
        alone = weights(model, SoundSource.inputs(model, [source]), ROWS[index : index + 1])
        torch.testing.assert_close(together[:, index, ..., : len(source)], alone[:, 0], atol=1e-5, rtol=0)
        assert not together[:, index, ..., len(source) :].any()


@pytest.mark.parametrize("name", sorted(CHANGED_BY_PADDING))
def test_families_that_do_not_batch_have_other_weights_when_padded(name):
    model, extractor = speech_model(name)
    family = dataclasses.replace(speech_family(model, extractor), batches=True)
    sources = [SoundSource.from_samples(family, noise(length, length)) for length in LENGTHS]
    together = weights(model, SoundSource.inputs(model, sources), ROWS)
    alone = [
        weights(model, SoundSource.inputs(model, [source]), ROWS[index : index + 1])[:, 0]
        for index, source in enumerate(sources)
    ]
    differences = [
        (together[:, index, ..., : single.shape[-1]] - single).abs().max() for index, single in enumerate(alone)
    ]
    assert max(differences) > 1e-3


def test_positions_after_the_end_are_special_and_keep_their_times(speech):
    model, family, _ = speech
    for length in LENGTHS:
        source = SoundSource.from_samples(family, noise(length))
        axis = source.axis()
        assert axis.kind == "audio"
        assert axis.outside == tuple(source.special())
        assert list(axis.special) == sorted(axis.special)
        starts = [start for start, _ in axis.places]
        assert starts == sorted(starts)
        assert axis.labels == tuple(f"{start:.2f} s" for start in starts)
        assert all(word.stop - word.start == 1 and not axis.special[word.start] for word in axis.word_spans())
        outside = weights(model, SoundSource.inputs(model, [source]))[..., np.array(axis.outside)]
        assert family.name == "whisper" or not outside.any()  # all but Whisper mask them


def test_half_precision_and_silence(speech):
    model, family, _ = speech
    model = copy.deepcopy(model).to(torch.bfloat16)
    inputs = SoundSource.inputs(model, [SoundSource.from_samples(family, noise(16_000))])
    assert inputs[family.argument].dtype == torch.bfloat16
    assert weights(model, inputs).isfinite().all()
    silence = np.zeros(16_000, np.float32)
    if family.name == "speech_to_text":
        with pytest.raises(ValueError, match=r"not finite.*silence"):
            SoundSource.from_samples(family, silence)
    else:
        assert SoundSource.from_samples(family, silence).features.values.isfinite().all()


def test_the_sound_is_kept_for_playback(speech):
    _, family, _ = speech
    source = SoundSource.from_samples(family, noise(16_001), offset=30.0)
    sound = source.sound
    np.testing.assert_array_equal(sound.samples.numpy(), noise(16_001))
    source.samples[:] = 0
    np.testing.assert_array_equal(sound.samples.numpy(), noise(16_001))
    assert (sound.rate, sound.offset) == (RATE, 30.0)
    if family.argument == "input_values":
        assert sound.features is None
    else:
        bins, frames = sound.features.shape
        assert bins in (80, 128)
        assert abs(frames * 0.01 - sound.seconds) < 0.03


def test_a_processors_output_is_split_into_its_sounds(speech):
    model, family, extractor = speech
    lengths = LENGTHS[:3] if family.batches else (16_000,) * 3
    sounds = [noise(length, length) for length in lengths]
    settings = {} if family.name == "whisper" else {"padding": True}
    batch = extractor(sounds, sampling_rate=RATE, return_tensors="pt", return_attention_mask=True, **settings)
    sources = SoundSource.from_features(family, batch)
    rows = ROWS[: len(lengths)]
    together = weights(model, SoundSource.inputs(model, sources), rows)
    for index, sound in enumerate(sounds):
        source = sources[index]
        assert source.sound is None
        known = SoundSource.from_samples(family, sound)
        alone = weights(model, SoundSource.inputs(model, [known]), rows[index : index + 1])[:, 0]
        count = min(len(source), len(known))  # positions that only the mask's end separates
        assert max(len(source), len(known)) - count <= 1
        torch.testing.assert_close(together[:, index, ..., :count], alone[..., :count], atol=1e-5, rtol=0)
        assert family.name == "whisper" or not alone[..., count:].any()
        assert abs(sum(source.special()) - sum(known.special())) <= 1


def test_without_a_mask_everything_is_sound(whisper):
    _, family, extractor = whisper
    batch = extractor(noise(5000), sampling_rate=RATE, return_tensors="pt")
    (source,) = SoundSource.from_features(family, batch)
    assert not any(source.special())
    assert len(source) == 100


@settings(deadline=None, max_examples=30)
@given(length=st.integers(320, WINDOW))
def test_whispers_sound_ends_where_openai_whisper_crops(whisper, length):
    _, family, _ = whisper
    source = SoundSource.from_samples(family, noise(length))
    assert len(source) == 100
    assert source.special() == [position >= length // 160 // 2 for position in range(100)]
    assert source.axis().places[7] == pytest.approx((0.14, 0.16))


def test_whisper_pads_with_zeros_as_openai_whisper_does(whisper):
    """The reference is openai-whisper's formula; its pad_or_trim adds zeros to the log-mel spectrogram."""
    _, family, extractor = whisper
    for length in (401, 16_001, WINDOW - 1, WINDOW):
        for samples in (noise(length), np.eye(1, length, length - 1, dtype=np.float32)[0]):
            frames = length // 160
            padded = torch.nn.functional.pad(torch.from_numpy(samples), (0, 480_000))
            spectrum = torch.stft(padded, 400, 160, window=torch.hann_window(400), return_complex=True)[:, :-1]
            mel = (torch.tensor(extractor.mel_filters.T).float() @ spectrum.abs() ** 2).clamp(min=1e-10).log10()
            mel = (torch.maximum(mel, mel.max() - 8) + 4) / 4
            features = family.features(samples, mel_padding="zeros")
            torch.testing.assert_close(features.values[:, :frames], mel[:, :frames], atol=1e-4, rtol=0)
            assert not features.values[:, frames:].any()
            assert features.values.shape == (80, 200)
            assert features.valid == frames


def test_other_families_do_not_pad_a_spectrogram_with_zeros():
    model, extractor = speech_model("moonshine")
    family = speech_family(model, extractor)
    with pytest.raises(ValueError, match=r"mel_padding='zeros'.*moonshine.*not Whisper"):
        family.features(noise(5000), mel_padding="zeros")
    with pytest.raises(ValueError, match="one of model, zeros, got 'ones'"):
        family.features(noise(5000), mel_padding="ones")


def test_only_moonshine_hides_single_positions(speech):
    model, family, _ = speech
    source = SoundSource.from_samples(family, noise(16_001))
    inputs = SoundSource.inputs(model, [source])
    if family.name != "moonshine":
        with pytest.raises(ValueError, match=r"cannot be hidden .*" + family.name):
            source.hide(inputs, 0, 3)
        return
    assert weights(model, inputs).all()
    for position in (0, 7, len(source) - 1):
        inputs = SoundSource.inputs(model, [source])
        source.hide(inputs, 0, position)
        found = weights(model, inputs)
        assert not found[..., position].any()
        assert found[..., np.arange(len(source)) != position].all()


def test_sounds_that_do_not_fit_are_refused(whisper):
    _, family, _ = whisper
    with pytest.raises(ValueError, match=r"2\.00 s.*at most 2 s"):
        SoundSource.from_samples(family, noise(WINDOW + 1))
    with pytest.raises(ValueError, match=r"319 samples.*at least 320 \(0\.020 s\)"):
        SoundSource.from_samples(family, noise(319))
    with pytest.raises(ValueError, match=r"one channel, got shape \[2, 16000\]"):
        SoundSource.from_samples(family, noise(32_000).reshape(2, -1))
    with pytest.raises(ValueError, match="150 frames, and Whisper reads 200"):
        SoundSource.from_features(family, {"input_features": torch.zeros(1, 80, 150)})
    with pytest.raises(ValueError, match="reads input_features, and the processor's output has input_values"):
        SoundSource.from_features(family, {"input_values": torch.zeros(1, 16_000)})
    with pytest.raises(ValueError, match=r"3 dimensions.*\[80, 200\]"):
        SoundSource.from_features(family, {"input_features": torch.zeros(80, 200)})
    mask = torch.ones(1, 200)
    mask[:, :10] = 0
    with pytest.raises(ValueError, match="padding before the sound"):
        SoundSource.from_features(family, {"input_features": torch.zeros(1, 80, 200), "attention_mask": mask})
    with pytest.raises(ValueError, match=r"attention_mask is \[1, 150\]"):
        SoundSource.from_features(family, {"input_features": torch.zeros(1, 80, 200), "attention_mask": mask[:, :150]})


def test_a_processor_of_another_model_is_refused(whisper):
    model, _, extractor = whisper
    with pytest.raises(ValueError, match=r"makes 128 values per frame.*whisper.*reads 80"):
        speech_family(model, tf.WhisperFeatureExtractor(feature_size=128, chunk_length=2))
    with pytest.raises(ValueError, match=r"makes 3000 frames.*reads 200"):
        speech_family(model, tf.WhisperFeatureExtractor())
    with pytest.raises(ValueError, match=r"Wav2Vec2FeatureExtractor.*another model"):
        speech_family(model, tf.Wav2Vec2FeatureExtractor())
    with pytest.raises(ValueError, match=r"WhisperFeatureExtractor.*makes input_features.*reads input_values"):
        speech_family(speech_model("moonshine").model, extractor)
    with pytest.raises(TypeError, match=r"processor, or with a feature extractor.*got str"):
        speech_family(model, "openai/whisper-tiny")
    assert not reads_sound(tiny("bart"))
    with pytest.raises(ValueError, match=r"BartForConditionalGeneration.*not a speech model"):
        speech_family(tiny("bart"), extractor)


def test_a_processor_gives_its_feature_extractor(whisper):
    model, _, extractor = whisper

    class Processor:
        feature_extractor = extractor

    assert reads_sound(model)
    assert speech_family(model, Processor()).extractor is extractor
