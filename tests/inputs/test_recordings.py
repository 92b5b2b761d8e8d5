"""Recordings in memory: every form that users pass, checked, mixed down, scaled and resampled."""

from __future__ import annotations

import pickle
import sys
import warnings
from array import array
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from xattn_widget.inputs.audio.recordings import open_recording, recordings

RATE = 16_000
RANDOM = np.random.default_rng(0)
NOISE = RANDOM.uniform(-0.9, 0.9, 4000).astype(np.float32)
STEREO = RANDOM.uniform(-0.9, 0.9, (2, 4000)).astype(np.float32)


def sine(frequency, rate, seconds, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)


class Decoder:
    """What torchcodec's AudioDecoder, and that of datasets, offers."""

    def __init__(self, samples, rate):
        self.samples, self.rate = samples, rate

    def get_all_samples(self):
        return SimpleNamespace(data=torch.as_tensor(self.samples), sample_rate=self.rate)


@pytest.mark.parametrize(
    "audio",
    [
        NOISE,
        NOISE.astype(np.float64),
        NOISE[None],
        NOISE[:, None],
        NOISE.tolist(),
        list(NOISE),
        torch.from_numpy(NOISE),
        torch.from_numpy(NOISE).requires_grad_(),
        (NOISE, RATE),
        (NOISE.tolist(), float(RATE)),
        (torch.from_numpy(NOISE), np.int64(RATE)),
        (NOISE, torch.tensor(RATE)),
        {"array": NOISE, "sampling_rate": RATE},
        {"array": NOISE.tolist(), "sampling_rate": RATE, "path": None},
        Decoder(NOISE[None], RATE),
        Decoder(NOISE, RATE),
        array("f", NOISE.tolist()),
        NOISE.astype(">f4"),
        np.repeat(NOISE, 2)[::2],
    ],
    ids=lambda audio: type(audio).__name__,
)
def test_every_form_of_the_same_samples_is_the_same_recording(audio):
    recording = open_recording(audio, RATE)
    assert (recording.rate, recording.length, recording.seconds, recording.name) == (RATE, 4000, 0.25, "")
    samples = recording.read()
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, NOISE)
    np.testing.assert_array_equal(recording.read(7, 99), NOISE[7:99])
    np.testing.assert_array_equal(recording.read(3990), NOISE[3990:])
    assert recording.read(5, 5).shape == (0,)


@pytest.mark.parametrize("dtype", [np.float16, torch.bfloat16, torch.float16])
def test_short_floats_become_float32(dtype):
    audio = torch.from_numpy(NOISE).to(dtype) if isinstance(dtype, torch.dtype) else NOISE.astype(dtype)
    expected = audio.float().numpy() if isinstance(audio, torch.Tensor) else audio.astype(np.float32)
    np.testing.assert_array_equal(open_recording(audio, RATE).read(), expected)


@pytest.mark.parametrize(
    ("dtype", "silence", "one"),
    [(np.int8, 0, 128), (np.uint8, 128, 128), (np.int16, 0, 2**15), (">i2", 0, 2**15), (np.int32, 0, 2**31)],
)
def test_integers_are_scaled_by_their_range(dtype, silence, one):
    limits = np.iinfo(dtype)
    values = np.array([limits.min, silence, limits.max, silence + one // 2], dtype=dtype)
    expected = np.array([-1, 0, (limits.max - silence) / one, 0.5], dtype=np.float32)
    np.testing.assert_array_equal(open_recording(values, RATE).read(), expected)
    if np.dtype(dtype).isnative:
        np.testing.assert_array_equal(open_recording(torch.from_numpy(values), RATE).read(), expected)
    loud = np.full((4000, 2), limits.max, dtype)  # the mean of channels does not overflow
    assert open_recording((loud, RATE), RATE).read().max() == expected[2]


@pytest.mark.parametrize("audio", [STEREO, STEREO.T, torch.from_numpy(STEREO), (STEREO.T, RATE), Decoder(STEREO, RATE)])
def test_channels_are_mixed_down_by_their_mean(audio):
    recording = open_recording(audio, RATE)
    np.testing.assert_allclose(recording.read(10, 50), STEREO.mean(0)[10:50], atol=1e-7)
    assert recording.length == 4000


def test_a_list_of_numbers_is_one_recording_and_other_lists_are_several():
    one, single = recordings([0.0, 0.5, -0.5], RATE)
    assert single
    np.testing.assert_array_equal(one[0].read(), np.array([0, 0.5, -0.5], np.float32))
    several, single = recordings(
        [NOISE, (NOISE[:100], 8000), [0.0, 0.5], {"array": NOISE, "sampling_rate": RATE}], RATE
    )
    assert not single
    assert [recording.length for recording in several] == [4000, 200, 2, 4000]
    for audio in (NOISE, STEREO, (NOISE, RATE), {"array": NOISE, "sampling_rate": RATE}, array("h", [1, 2])):
        assert recordings(audio, RATE)[1]
    assert recordings([], RATE) == ([], False)
    assert [recording.length for recording in recordings(list(STEREO), RATE)[0]] == [4000, 4000]


def test_a_column_of_a_dataset_is_several_recordings():
    rows = [{"array": NOISE[:length].tolist(), "sampling_rate": 8000} for length in (50, 60)]
    several, single = recordings(Dataset.from_list([{"audio": row} for row in rows])["audio"], RATE)
    assert not single
    assert [recording.length for recording in several] == [100, 120]


def test_errors_name_the_recording_in_a_list():
    with pytest.raises(ValueError, match=r"^audio\[1\] has no samples"):
        recordings([NOISE, np.zeros(0)], RATE)


def test_reading_gives_copies_and_opening_none():
    samples = NOISE.copy()
    recording = open_recording(samples, RATE)
    recording.read()[:] = 0
    np.testing.assert_array_equal(recording.read(), NOISE)
    assert np.shares_memory(recording.samples.values, samples)
    tensor = torch.from_numpy(samples)
    assert np.shares_memory(open_recording(tensor, RATE).samples.values, samples)


def test_silence_overshoot_and_single_samples_work():
    assert not open_recording(np.zeros(100), RATE).read().any()
    assert not open_recording((np.zeros(100), 44_100), RATE).read().any()
    np.testing.assert_array_equal(open_recording([1.25, -1.5], RATE).read(), np.array([1.25, -1.5], np.float32))
    assert open_recording([0.5], RATE).length == 1
    assert open_recording(([0.5], 44_100), RATE).length == 1
    assert open_recording(([0.5], 8_000), 48_000).length == 6


@pytest.mark.parametrize(("old", "new"), [(44_100, 16_000), (8_000, 16_000), (48_000, 16_000), (22_050, 16_000)])
@pytest.mark.parametrize("frequency", [100, 440, 3000])
def test_sines_keep_their_frequency_amplitude_and_time(old, new, frequency):
    recording = open_recording((sine(frequency, old, 2.0), old), new)
    assert recording.length == 2 * new
    inside = slice(new // 4, -new // 4)  # away from the edges, beyond which there is silence
    np.testing.assert_allclose(recording.read()[inside], sine(frequency, new, 2.0)[inside], atol=2e-3)


def test_frequencies_that_the_model_cannot_hear_are_removed_instead_of_folded():
    heard = open_recording((sine(12_000, 44_100, 1.0), 44_100), RATE).read()
    assert np.abs(heard[1000:-1000]).max() < 2e-3


@settings(max_examples=60, deadline=None)
@given(
    old=st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 16_001]),
    new=st.sampled_from([16_000, 24_000]),
    length=st.integers(1, 30_000),
    data=st.data(),
)
def test_parts_equal_scipys_resampling_of_the_whole(old, new, length, data):
    samples = np.random.default_rng(length).uniform(-1, 1, length)
    recording = open_recording((samples, old), new)
    whole = samples if old == new else resample_poly(samples, new, old)
    assert recording.length == len(whole)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    parts = [recording.read(start, stop) for start, stop in zip([0, *cuts], [*cuts, None], strict=True)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 4), (0, 4001), (4001, None)])
def test_parts_outside_the_recording_are_errors(start, stop):
    with pytest.raises(ValueError, match="has 4,000 samples"):
        open_recording(NOISE, RATE).read(start, stop)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_errors_with_their_time(value):
    samples = np.zeros((2, 3_000_000), np.float32)
    samples[1, [2_400_000, 2_500_000]] = value
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=rf"audio has the sample {value} at 150 s: .*nan_to_num"):
            open_recording((samples, RATE), RATE)


@pytest.mark.parametrize(
    ("audio", "error", "message"),
    [
        (np.zeros(0), ValueError, "audio has no samples"),
        (np.zeros((2, 0)), ValueError, "audio has no samples"),
        (([], RATE), ValueError, "audio has no samples"),
        ({"array": [], "sampling_rate": RATE}, ValueError, "audio has no samples"),
        (NOISE * 32767, ValueError, "up to 29,.*divide.*32768"),
        (NOISE.astype(np.float64) * 1e300, ValueError, "between -1 and 1"),
        (np.zeros((5, 4)), ValueError, r"shape \[5, 4\], which does not tell channels from samples"),
        (np.zeros((80, 3000)), ValueError, r"shape \[80, 3000\].*not features"),
        (np.zeros((1, 2, 3000)), ValueError, r"shape \[1, 2, 3000\].*as a list"),
        (np.float32(0.5), ValueError, r"shape \[\]"),
        (np.zeros(5, np.int64), TypeError, "type int64, whose scale is unknown"),
        ([0, 0, 0], TypeError, "type int64, whose scale is unknown"),
        (np.zeros(5, bool), TypeError, "type bool"),
        (np.zeros(5, np.complex64), TypeError, "type complex64"),
        (np.array(["a.wav"]), TypeError, "whose scale is unknown"),
        ([0.0, "a"], TypeError, "scale is unknown"),
        ([0.0, [1.0]], TypeError, "is a list that numpy makes no array of"),
        ((RATE, NOISE), ValueError, r"is \(rate, samples\), expected \(samples, rate\): swap"),
        ((0.1, 0.2), ValueError, r"is a tuple, expected \(samples, rate\)"),
        ((NOISE, RATE, 1), ValueError, r"is a tuple, expected \(samples, rate\)"),
        ((NOISE, 16), ValueError, "rate of audio must be between 1,000 and 768,000 samples per second, got 16"),
        ((NOISE, 0), ValueError, "rate of audio must be between"),
        ((NOISE, 4_294_967_291), ValueError, "rate of audio must be between"),
        ((NOISE, 16_000.5), TypeError, "whole number of samples per second, got 16000.5"),
        ((NOISE, "16 kHz"), TypeError, "whole number of samples per second, got '16 kHz'"),
        ((NOISE, True), TypeError, "whole number"),
        ({"array": NOISE}, ValueError, "'array' without a 'sampling_rate'"),
        ({"input_features": NOISE}, ValueError, "dictionary with 'input_features', expected 'array'"),
        ({}, ValueError, "dictionary with nothing"),
        (5, TypeError, "audio has type int, expected the path"),
        (None, TypeError, "audio has type NoneType, expected the path"),
        ({1, 2}, TypeError, "audio has type set"),
        ((sample for sample in [0.1]), TypeError, "audio has type generator"),
    ],
)
def test_errors_say_what_was_passed_and_how_to_fix_it(audio, error, message):
    with pytest.raises(error, match=message):
        recordings(audio, RATE)


def test_resampling_without_scipy_is_an_error_and_the_models_rate_needs_no_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.signal", None)
    np.testing.assert_array_equal(open_recording((NOISE, RATE), RATE).read(), NOISE)
    with pytest.raises(ImportError, match=r"44,100 .*16,000.*pip install 'xattn-widget\[audio\]'"):
        open_recording((NOISE, 44_100), RATE)


def test_recordings_can_be_pickled():
    recording = pickle.loads(pickle.dumps(open_recording((NOISE, 8000), RATE)))
    np.testing.assert_array_equal(recording.read(), open_recording((NOISE, 8000), RATE).read())
