"""Long recordings: windows as the model's own generate splits them, made when they are asked for."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from families import byte_level_tokenizer, eager
from sounds import RATE, sound
from speech_models import speech_model

from xattn_widget import extract
from xattn_widget.extraction.windows import WindowRecords
from xattn_widget.inputs.evaluating import evaluating

TOKENS = 320
NO_TIMESTAMPS = TOKENS
POSITIONS = 100  # of the tiny Whisper's window of 2 seconds


@pytest.fixture(scope="module")
def whisper():
    """A Whisper with random weights that writes timestamps, its feature extractor and its tokenizer."""
    tokenizer = byte_level_tokenizer()
    assert len(tokenizer) <= TOKENS
    model, extractor = speech_model("whisper", TOKENS + 1 + POSITIONS + 1)
    config = model.generation_config
    config.no_timestamps_token_id = NO_TIMESTAMPS
    config.max_initial_timestamp_index = 50
    config.prev_sot_token_id = 3
    config.is_multilingual = False
    config.max_length = model.config.max_target_positions
    return model, extractor, tokenizer


def windows_of(whisper, samples, **generation):
    model, extractor, tokenizer = whisper
    return extract(model, extractor, samples, target_tokenizer=tokenizer, generation=generation or None)


def long_sound(seed: int) -> np.ndarray:
    """5.3 s in which the loudest place is in a later window."""
    return np.concatenate([sound(2.0, seed) * 0.2, sound(1.5, seed + 1), sound(1.8, seed + 2)])


@pytest.mark.parametrize("seed", range(6))
def test_windows_are_those_of_the_library(whisper, seed):
    model, extractor, _ = whisper
    samples = long_sound(seed)
    records = windows_of(whisper, samples)
    assert isinstance(records, WindowRecords)
    features = extractor(
        samples,
        sampling_rate=RATE,
        return_tensors="pt",
        truncation=False,
        padding="longest",
        return_attention_mask=True,
    )
    settings = {"num_beams": 1, "do_sample": False, "return_timestamps": True, "return_segments": True}
    with evaluating(model), torch.no_grad():
        [segments] = model.generate(**features, **settings)["segments"]
    theirs = [token for segment in segments for token in segment["tokens"].tolist()]
    ours = [token for record in records for token in record.targets["output"].ids if token != 2]
    assert ours == theirs
    assert records[0].sound.offset == 0.0
    for before, after in itertools.pairwise(records):
        assert before.sound.offset < after.sound.offset <= before.sound.offset + 2.0
    assert len(records) > 1


def test_weights_are_those_of_the_window(whisper):
    model, extractor, _ = whisper
    samples = long_sound(0)
    record = windows_of(whisper, samples)[1]
    features = extractor(samples, sampling_rate=RATE, return_tensors="pt", truncation=False, padding="longest")
    first = round(record.sound.offset * 100)
    window = features["input_features"][:, :, first : first + 2 * POSITIONS]
    window = torch.nn.functional.pad(window, (0, 2 * POSITIONS - window.shape[2]))
    with torch.no_grad():
        expected = eager(model)(
            input_features=window,
            decoder_input_ids=torch.tensor([record.targets["input"].ids]),
            output_attentions=True,
        ).cross_attentions
    torch.testing.assert_close(record.weights, torch.stack(expected)[:, 0], atol=2e-5, rtol=0)
    start = round(record.sound.offset * RATE)
    assert torch.equal(record.sound.samples, torch.from_numpy(samples[start : start + 2 * RATE]))
    assert all(
        record.source.special[position] for position in range(len(record.source)) if record.source.outside[position]
    )


def test_windows_are_made_when_they_are_asked_for_and_written_once(whisper, monkeypatch):
    model, _, _ = whisper
    written = []
    generate = model.generate
    monkeypatch.setattr(model, "generate", lambda *args, **settings: written.append(1) or generate(*args, **settings))
    records = windows_of(whisper, long_sound(1))
    assert "0 windows so far" in repr(records)
    assert not written
    first = next(iter(records))
    assert len(written) == 1
    assert [record.sound.offset for record in records[:1]] == [0.0]
    assert len(written) == 1
    assert torch.equal(first.weights, records[0].weights)
    count = len(records)
    assert len(written) == count
    assert len(list(records)) == count
    assert torch.equal(records[-1].weights, records[count - 1].weights)
    assert len(written) == count
    with pytest.raises(IndexError, match=f"{count} windows"):
        records[count]


def test_the_recording_is_read_window_by_window(whisper, monkeypatch):
    from xattn_widget.inputs.audio.recordings import Recording

    most = []
    read = Recording.read

    def counted(recording, start=0, stop=None):
        samples = read(recording, start, stop)
        most.append(len(samples))
        return samples

    monkeypatch.setattr(Recording, "read", counted)
    records = windows_of(whisper, np.concatenate([long_sound(seed) for seed in range(4)]))
    records[0]
    assert max(most) <= 2.1 * RATE


def test_a_list_has_records_and_sequences_of_records_in_its_order(whisper):
    found = windows_of(whisper, [sound(1.0), long_sound(0), sound(1.5)])
    assert [isinstance(item, WindowRecords) for item in found] == [False, True, False]
    assert found[2].sound.seconds == 1.5
    assert found[1].seconds == pytest.approx(5.3)


def test_windows_can_continue_the_text_before_them(whisper):
    records = windows_of(whisper, long_sound(0), condition_on_prev_tokens=True)
    first, second = records[0], records[1]
    text = [token for token, special in zip(first.target.ids, first.target.special, strict=True) if not special]
    ids = second.targets["input"].ids
    assert ids[0] == 3
    assert list(ids[1 : 1 + len(text)]) == text
    # The prompt is special, in no word, and not part of the text.
    assert all(second.targets["input"].special[: 1 + len(text)])
    assert all(group == -1 for group in second.targets["input"].groups[: 1 + len(text)])


@pytest.mark.parametrize("generation", [{"return_timestamps": False}, {"num_beams": 2, "num_return_sequences": 2}])
def test_settings_that_cannot_split_a_recording_are_refused(whisper, generation):
    with pytest.raises(ValueError, match=f"leave out {list(generation)[-1]}"):
        windows_of(whisper, long_sound(0), **generation)


def test_timestamps_are_special_and_in_no_word(whisper):
    record = windows_of(whisper, sound(1.0), return_timestamps=True)
    stamps = [position for position, token in enumerate(record.target.ids) if token > NO_TIMESTAMPS]
    assert stamps
    assert all(record.target.special[position] and record.target.groups[position] == -1 for position in stamps)
