"""Windows of a long recording: slices of the spectrogram that the feature extractor makes of the whole recording."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from speech_models import RATE, speech_model

from xattn_widget.inputs.audio.families import speech_family
from xattn_widget.inputs.audio.sound_source import SoundSource
from xattn_widget.inputs.audio.windows import WhisperWindows

FRAMES = 200  # of the tiny model's window


class Stored:
    """A recording that refuses to read much more than a window at once."""

    rate = RATE

    def __init__(self, samples):
        self.samples = np.asarray(samples, np.float32)
        self.length = len(self.samples)

    def read(self, start, stop):
        assert 0 <= start < stop <= self.length
        assert stop - start <= 160 * (FRAMES + 5)
        return self.samples[start:stop].copy()


@pytest.fixture(scope="module")
def whisper():
    model, extractor = speech_model("whisper")
    return model, speech_family(model, extractor), extractor


def whole_spectrogram(extractor, samples):
    settings = {"truncation": False, "padding": "longest", "return_tensors": "pt"}
    return extractor(samples, sampling_rate=RATE, **settings)["input_features"][0]


def sounds():
    """Return recordings of noise whose loudness varies, with clicks, also in the first and last samples."""
    return st.builds(
        sound,
        length=st.integers(400, 100_000),
        seed=st.integers(0, 1000),
        clicks=st.lists(st.floats(0, 1), max_size=4),
        quiet=st.sampled_from([0.0, 1e-6, 1e-3, 0.1]),
    )


def sound(length, seed, clicks, quiet):
    random = np.random.default_rng(seed)
    loudness = np.interp(np.arange(length), np.linspace(0, length, 6), np.exp(random.normal(0, 3, 6)))
    samples = random.standard_normal(length) * loudness * quiet
    samples[[round(place * (length - 1)) for place in clicks]] += 0.9
    return samples.clip(-1, 1).astype(np.float32)


@settings(deadline=None, max_examples=50)
@given(samples=sounds(), place=st.floats(0, 1))
def test_a_window_is_a_slice_of_the_whole_spectrogram(whisper, samples, place):
    _, family, extractor = whisper
    expected = whole_spectrogram(extractor, samples)
    windows = WhisperWindows(family, Stored(samples))
    assert windows.frames == expected.shape[1]
    for first in {0, round(place * (windows.frames - 1)), windows.frames - 1}:
        features = windows.features(first)
        valid = min(FRAMES, windows.frames - first)
        assert features.valid == valid
        torch.testing.assert_close(features.values[:, :valid], expected[:, first : first + valid], atol=1e-5, rtol=0)
        assert not features.values[:, valid:].any()
        torch.testing.assert_close(features.picture, features.values[:, :valid])


def test_windows_are_those_that_generate_reads(whisper):
    """The library's long-form generation cuts the same windows, and pads the last one."""
    model, family, extractor = whisper
    samples = sound(75_000, 3, [0.2, 0.99], 0.1)
    windows = WhisperWindows(family, Stored(samples))
    whole = whole_spectrogram(extractor, samples)[None]
    read = []
    hook = model.get_encoder().register_forward_pre_hook(
        lambda module, args, kwargs: read.append(args[0] if args else kwargs["input_features"]), with_kwargs=True
    )
    config = model.generation_config
    config.no_timestamps_token_id, config.is_multilingual = 30, False
    model.generate(whole, return_timestamps=True, max_new_tokens=3)
    hook.remove()
    assert len(read) >= 2
    first = 0
    for features in read:
        ours = windows.features(first).values
        torch.testing.assert_close(ours, features[0], atol=1e-5, rtol=0)
        first += FRAMES


def test_zeros_are_those_of_openai_whisper(whisper):
    """The reference is openai-whisper's formula: 30 seconds of silence are appended to the whole recording."""
    _, family, extractor = whisper
    for samples in (sound(70_077, 1, [0.5], 0.1), sound(70_079, 2, [1.0], 1e-3), sound(64_000, 2, [1.0], 0.0)):
        padded = torch.nn.functional.pad(torch.from_numpy(samples), (0, 480_000))
        spectrum = torch.stft(padded, 400, 160, window=torch.hann_window(400), return_complex=True)[:, :-1]
        mel = (torch.tensor(extractor.mel_filters.T).float() @ spectrum.abs() ** 2).clamp(min=1e-10).log10()
        mel = (torch.maximum(mel, mel.max() - 8) + 4) / 4
        windows = WhisperWindows(family, Stored(samples), mel_padding="zeros")
        for first in (0, 131, 390, windows.frames - 30):
            features = windows.features(first)
            stop = min(windows.frames, first + FRAMES)
            torch.testing.assert_close(features.values[:, : stop - first], mel[:, first:stop], atol=1e-5, rtol=0)
            assert not features.values[:, stop - first :].any()


def test_a_window_is_a_source_with_its_sound(whisper):
    model, family, _ = whisper
    samples = sound(75_001, 3, [], 0.1)
    windows = WhisperWindows(family, Stored(samples))
    source = windows.source(300)
    assert source.sound.offset == 3.0
    np.testing.assert_array_equal(source.sound.samples.numpy(), samples[48_000:])
    assert len(source) == 100
    assert sum(source.special()) == 100 - (75_001 // 160 - 300) // 2
    assert source.axis().places[1] == pytest.approx((0.02, 0.04))  # from the beginning of the window
    np.testing.assert_array_equal(windows.source(0).sound.samples.numpy(), samples[:32_000])
    assert SoundSource.inputs(model, [source, windows.source(0)])["input_features"].shape == (2, 80, FRAMES)


def test_windows_that_do_not_exist_are_refused(whisper):
    model, family, _ = whisper
    windows = WhisperWindows(family, Stored(sound(40_000, 0, [], 0.1)))
    for first in (-1, 250):
        with pytest.raises(ValueError, match=rf"frames 0 to 249.*begins with {first}"):
            windows.features(first)
    with pytest.raises(ValueError, match=r"399 samples.*at least 400"):
        WhisperWindows(family, Stored(np.zeros(399)))
    with pytest.raises(ValueError, match="one of model, zeros, got 'ones'"):
        WhisperWindows(family, Stored(np.zeros(4000)), mel_padding="ones")
    slow = Stored(np.zeros(4000))
    slow.rate = 8000
    with pytest.raises(ValueError, match=r"8000 samples per second.*reads 16000"):
        WhisperWindows(family, slow)
    _, extractor = speech_model("whisper")
    extractor.dither = 0.1
    with pytest.raises(ValueError, match=r"dither=0\.1"):
        WhisperWindows(speech_family(model, extractor), Stored(np.zeros(4000)))


def test_silence_is_the_floor(whisper):
    _, family, _ = whisper
    values = WhisperWindows(family, Stored(np.zeros(40_000))).features(100).values
    assert set(values[:, :150].unique().tolist()) == {-1.5}
