"""Sound in the panel: its file, its picture, its word times and its pages, against other readers and formulas."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
import sys
import wave
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from widget_messages import ask, record, record_of_sound

from xattn_widget import CrossAttentionWidget, load
from xattn_widget.panel.page import page_bytes
from xattn_widget.panel.state import PanelState
from xattn_widget.panel.static_picture import summary_picture
from xattn_widget.record.sound import Sound
from xattn_widget.record.timing import Timing


def with_samples(samples, rate=16_000):
    return replace(record_of_sound(), sound=Sound(torch.as_tensor(samples, dtype=torch.float32), rate))


def file_of(sounding):
    reply, (content,) = PanelState(sounding).answer({"kind": "sound", "sentence": 0})
    return reply["mime"], content


def page_state(page: bytes):
    text = re.search(r'<script[^>]*class="xattn-state"[^>]*>(.*?)</script>', page.decode(), re.DOTALL)
    assert text is not None
    return json.loads(text.group(1))


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
def test_the_sound_is_a_file_that_others_read(rate):
    soundfile = pytest.importorskip("soundfile")
    samples = np.sin(np.arange(rate) / 20).astype(np.float32)
    mime, content = file_of(with_samples(samples, rate))
    assert mime == "audio/flac"
    read, read_rate = soundfile.read(io.BytesIO(content), dtype="float32")
    assert read_rate == rate
    np.testing.assert_allclose(read, samples, atol=2**-14)


def test_without_soundfile_the_sound_is_a_wav_file(monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    samples = np.linspace(-1, 1, 1000, dtype=np.float32)
    mime, content = file_of(with_samples(samples))
    assert mime == "audio/wav"
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        read = np.frombuffer(file.readframes(2000), dtype="<i2") / (2**15 - 1)
    np.testing.assert_allclose(read, samples, atol=2**-15)


def test_samples_out_of_range_are_clipped_and_nan_is_silence(monkeypatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    _, content = file_of(with_samples([2.0, -3.0, float("nan"), float("inf"), 0.5]))
    with wave.open(io.BytesIO(content)) as file:
        read = np.frombuffer(file.readframes(5), dtype="<i2")
    largest = 2**15 - 1
    assert read.tolist() == [largest, -largest, 0, largest, round(0.5 * largest)]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1, 1, width=32), max_size=2000))
def test_peaks_are_the_largest_amplitudes_of_equal_shares(samples):
    told = PanelState(with_samples(samples)).describe_entries()["sentences"][0]["sound"]
    peaks = np.frombuffer(base64.b64decode(told["peaks"]), dtype=np.uint8)
    count = min(600, len(samples))
    assert len(peaks) == count
    assert told["seconds"] == len(samples) / 16_000
    if not samples:
        return
    amplitudes = np.abs(np.array(samples, dtype=np.float32))
    starts = [len(samples) * share // count for share in range(count)] + [len(samples)]
    expected = [amplitudes[start:stop].max() for start, stop in itertools.pairwise(starts)]
    top = max(expected)
    np.testing.assert_allclose(peaks, np.array(expected) / top * 255 if top else np.zeros(count), atol=0.51)


def test_the_features_are_a_gray_picture_with_the_first_bin_at_the_bottom():
    sounding = record_of_sound()
    reply, (content,) = PanelState(sounding).answer({"kind": "features", "sentence": 0})
    assert reply == {"mime": "image/png"}
    picture = Image.open(io.BytesIO(content))
    assert picture.mode == "L"
    features = sounding.sound.features.numpy()
    low, high = features.min(), features.max()
    expected = (features[::-1] - low) / (high - low) * 255
    np.testing.assert_allclose(np.asarray(picture), expected, atol=0.51)


def test_a_record_without_features_or_sound_says_so():
    silent = replace(record_of_sound(), sound=None)
    assert "sound" not in PanelState(silent).describe_entries()["sentences"][0]
    with pytest.raises(ValueError, match="holds no sound"):
        PanelState(silent).answer({"kind": "sound", "sentence": 0})
    state = PanelState(with_samples([0.0, 0.1]))
    assert state.describe_entries()["sentences"][0]["sound"]["features"] is None
    with pytest.raises(ValueError, match="reads the samples"):
        state.answer({"kind": "features", "sentence": 0})


def test_the_first_message_about_thirty_seconds_is_small():
    samples = np.random.default_rng(0).normal(0, 0.1, 480_000).clip(-1, 1)
    state = PanelState(with_samples(samples))
    assert len(json.dumps(state.describe_entries())) < 4000


# Word times


@pytest.mark.parametrize("offset", [0.0, 12.5])
def test_word_times_are_those_of_the_record_counted_from_its_own_sound(offset):
    sounding = record_of_sound(offset=offset)
    reply, _ = PanelState(sounding).answer({"kind": "word_times", "sentence": 0, "heads": []})
    expected = sounding.word_times()
    assert [word["text"] for word in reply["words"]] == ["one", "two", "three"]
    assert [word["rows"] for word in reply["words"]] == [[1, 2], [2, 3], [3, 4]]
    for word, time in zip(reply["words"], expected, strict=True):
        assert (word["start"], word["end"]) == pytest.approx((time.start - offset, time.end - offset))
        assert word["confidence"] == pytest.approx(time.confidence)
    assert (reply["chosen"], reply["lag"], reply["heads"]) == ("model", 0.05, [[0, 1], [1, 2]])


def test_other_heads_time_words_without_the_lag():
    sounding = record_of_sound()
    reply, _ = PanelState(sounding).answer({"kind": "word_times", "sentence": 0, "heads": [[1, 0]]})
    expected = sounding.word_times(heads=[(1, 0)])
    assert [word["start"] for word in reply["words"]] == pytest.approx([time.start for time in expected])
    assert (reply["chosen"], reply["lag"], reply["heads"]) == ("picked", 0.0, [[1, 0]])


@pytest.mark.parametrize("heads", [[], [[1, 0]]], ids=["guessed", "picked"])
def test_the_path_goes_through_every_row_from_the_first_word_and_never_back(heads):
    sounding = record_of_sound(timing=None)
    reply, _ = PanelState(sounding).answer({"kind": "word_times", "sentence": 0, "heads": heads})
    assert reply["chosen"] == ("picked" if heads else "guessed")
    rows, starts, ends = zip(*reply["path"], strict=True)
    assert rows == (1, 2, 3, 4)
    assert ends[-1] == pytest.approx(0.8)
    assert list(starts) == sorted(starts)
    assert starts[1:] == ends[:-1]
    if heads:
        assert starts[0] == 0
        # Without a lag a word begins where the path reaches its row.
        assert [word["start"] for word in reply["words"]] == pytest.approx(starts[:-1])


def test_a_calibrated_method_is_that_of_the_words():
    timing = Timing(((0, 1), (1, 2)), 0.05, "calibrated", "pauses")
    sounding = record_of_sound(timing=timing)
    reply, _ = PanelState(sounding).answer({"kind": "word_times", "sentence": 0, "heads": []})
    expected = sounding.word_times(method="pauses")
    assert [word["start"] for word in reply["words"]] == pytest.approx([time.start for time in expected])
    assert [word["end"] for word in reply["words"]] == pytest.approx([time.end for time in expected])


def test_the_heads_of_the_model_stand_beside_the_calibrated_set():
    timing = Timing(((0, 1), (1, 2)), 0.05, "calibrated", "pauses", ((1, 0),))
    sounding = record_of_sound(timing=timing)
    state = PanelState(sounding, heads=[(0, 0)])
    marked = state.describe_entries()["sentences"][0]["sound"]["marked"]
    assert marked == {"model": [[1, 0]], "calibrated": [[0, 1], [1, 2]]}
    for heads, chosen, expected in (
        ([], "calibrated", sounding.word_times()),
        ([[1, 2], [0, 1]], "calibrated", sounding.word_times()),
        ([[1, 0]], "model", sounding.word_times(heads=[(1, 0)])),
        ([[0, 0]], "picked", sounding.word_times(heads=[(0, 0)])),
    ):
        reply, _ = state.answer({"kind": "word_times", "sentence": 0, "heads": heads})
        assert reply["chosen"] == chosen
        assert [word["start"] for word in reply["words"]] == pytest.approx([time.start for time in expected])
    (saved,) = page_state(page_bytes(state))["sentences"]
    assert [entry["heads"] for entry in saved["word_times"]] == [[], [[1, 0]], [[0, 0]]]


def test_both_sets_of_heads_are_saved_with_a_record(tmp_path):
    timing = Timing(((0, 1),), 0.05, "calibrated", "pauses", ((1, 0), (1, 2)))
    path = tmp_path / "record.safetensors"
    record_of_sound(timing=timing).save(path)
    assert load(path).timing == timing


def test_a_reference_of_times_is_matched_by_words_in_order():
    gold = [("One,", 10.1, 10.2), ("extra", 10.2, 10.3), ("TWO", 10.3, 10.4), ("tree", 10.4, 10.6)]
    state = PanelState(record_of_sound(offset=10.0), reference=gold)
    reply, _ = state.answer({"kind": "word_times", "sentence": 0, "heads": []})
    assert [entry["word"] for entry in reply["gold"]] == [0, None, 1, 2]
    assert reply["gold"][0]["start"] == pytest.approx(0.1)
    assert state.entry.reference is None  # word times are not a word alignment


def test_references_of_times_and_of_alignments_stand_side_by_side():
    times = [("one", 0.0, 0.2)]
    state = PanelState([record(), record_of_sound(), record_of_sound(seed=1)], reference=["0-0", times, None])
    assert [entry.reference is not None for entry in state.entries] == [True, False, False]
    assert [entry.gold_times for entry in state.entries] == [None, (("one", 0.0, 0.2),), None]
    own = state.answer({"kind": "word_times", "sentence": 1, "heads": []})[0]["words"]
    again = PanelState(record_of_sound(), reference=record_of_sound().word_times())
    reply, _ = again.answer({"kind": "word_times", "sentence": 0, "heads": []})
    assert [entry["start"] for entry in reply["gold"]] == pytest.approx([word["start"] for word in own])


@pytest.mark.parametrize("times", [("one", 0.3, 0.2), ("one", float("nan"), 1.0)])
def test_impossible_times_are_refused(times):
    with pytest.raises(ValueError, match="give start <= end"):
        PanelState(record_of_sound(), reference=[times])


def test_a_widget_answers_word_times_later_and_other_errors_as_text():
    widget = CrossAttentionWidget(record_of_sound())
    content, _ = ask(widget, {"id": "1", "kind": "word_times", "sentence": 0, "heads": []})
    assert len(content["words"]) == 3
    merged = CrossAttentionWidget(record_of_sound().words())
    content, _ = ask(merged, {"id": "1", "kind": "word_times", "sentence": 0, "heads": []})
    assert "before words()" in content["error"]


# The panel


def test_records_of_sound_open_with_their_own_view_and_the_known_heads():
    state = PanelState(record_of_sound())
    assert (state.view.panel, state.view.heads) == ("sound", [[0, 1], [1, 2]])
    assert state.describe_entries()["sentences"][0]["sound"]["marked"] == {"model": [[0, 1], [1, 2]], "calibrated": []}
    assert PanelState(record_of_sound(), panel="all", layer=0).view.panel == "all"
    assert PanelState(record()).view.panel == "lines"


def test_a_sound_is_named_by_its_length_and_where_it_begins():
    assert PanelState(record_of_sound()).entry.source == "0.8 s of sound"
    assert PanelState(record_of_sound(offset=30.0)).entry.source == "0.8 s of sound from 30.0 s"
    assert PanelState(replace(record_of_sound(), sound=None)).entry.source == "0.8 s of sound"


def test_a_layer_comes_with_its_shares_outside_the_sound():
    sounding = record_of_sound()
    for kind in ({"kind": "layer", "layer": 1}, {"kind": "whole", "layers": "all"}):
        reply, _ = PanelState(sounding).answer(kind | {"sentence": 0})
        outside = reply["outside"] if kind["kind"] == "layer" else reply["outside"][1]
        np.testing.assert_allclose(outside, sounding.outside[1].numpy(), atol=5e-5)
    assert "outside" not in PanelState(record()).answer({"kind": "layer", "sentence": 0, "layer": 0})[0]


# Pages and pictures


def test_a_page_holds_the_sound_the_picture_and_the_times():
    sounding = record_of_sound()
    state = PanelState(sounding, heads=[(1, 0)])
    page = page_bytes(state)
    assert b"media-src blob:" in page
    (saved,) = page_state(page)["sentences"]
    for kind in ("sound", "features"):
        reply, (content,) = state.answer({"kind": kind, "sentence": 0})
        assert saved[kind] == reply | {"buffer": base64.b64encode(content).decode()}
    assert [entry["heads"] for entry in saved["word_times"]] == [[], [[1, 0]]]
    assert saved["word_times"][0]["reply"] == state.answer({"kind": "word_times", "sentence": 0, "heads": []})[0]
    np.testing.assert_allclose(saved["layers"][1]["outside"], sounding.outside[1].numpy(), atol=5e-5)


def test_a_page_of_limited_size_leaves_out_heads_and_then_the_sound():
    noise = torch.rand(40_000, generator=torch.Generator().manual_seed(1)) - 0.5
    sounding = replace(record_of_sound(), sound=Sound(noise, 16_000))
    state = PanelState(sounding)
    whole = page_bytes(state)
    sound = len(page_state(whole)["sentences"][0]["sound"]["buffer"])
    for limit, has_sound in ((len(whole), True), (len(whole) - 400, True), (len(whole) - sound, False)):
        page = page_bytes(state, max_bytes=limit)
        assert len(page) <= limit
        held = page_state(page)
        (saved,) = held["sentences"]
        assert ("sound" in saved) == has_sound
        assert any(head for layer in saved["layers"] for head in layer["heads"])
        assert ("the sound" in held["traits"]["info"]["notice"]) == (not has_sound)


def test_a_page_of_text_has_no_sound():
    saved = page_state(page_bytes(PanelState(record())))["sentences"][0]
    assert not {"sound", "features", "word_times"} & set(saved)


def test_the_static_picture_shows_the_attention_along_the_sound():
    weights = torch.zeros(1, 1, 5, 50)
    for row in range(5):
        weights[0, 0, row, 8 * row : 8 * row + 4] = 0.25
    sounding = replace(
        record_of_sound(layers=1, heads=1, timing=None), weights=weights, outside=None, end_row=None, logprobs=None
    )
    picture = np.asarray(Image.open(io.BytesIO(summary_picture(PanelState(sounding)))).convert("RGB")).astype(int)
    # Blue cells, rows downward, each further to the right than the one before.
    blue = (picture[..., 2] - picture[..., 0] > 40) & (np.arange(picture.shape[1]) < 0.65 * picture.shape[1])
    rows = np.flatnonzero(blue.sum(1) > 5)
    centers = [np.flatnonzero(blue[row]).mean() for row in (rows[0], rows[len(rows) // 2], rows[-1])]
    assert centers == sorted(centers)
    assert centers[-1] - centers[0] > 0.3 * picture.shape[1]


def test_saved_weights_are_stored_once():
    state = PanelState(record_of_sound())
    (saved,) = page_state(page_bytes(state))["sentences"]
    bytes_of_head = zlib.decompress(base64.b64decode(saved["layers"][0]["heads"][0]))
    assert len(bytes_of_head) == 5 * 50
