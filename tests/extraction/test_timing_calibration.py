"""Calibrations of word times: saved next to a model, found again, and read from generation configs."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from families import byte_level_tokenizer
from sounds import sound
from speech_models import speech_model
from transformers import WhisperConfig, WhisperForConditionalGeneration

from xattn_widget import extract
from xattn_widget.extraction.model_timing import model_timing
from xattn_widget.extraction.timing_calibration import HeadCalibration, calibrate_heads
from xattn_widget.record.timing import Timing

LAYERS, HEADS = 2, 2
TIMING = Timing(((1, 0), (0, 1)), -0.049, "calibrated", "pauses")


@pytest.fixture
def whisper():
    """A Whisper model of the smallest size, with random weights."""
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=60,
        encoder_layers=1,
        decoder_layers=LAYERS,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        d_model=8,
        encoder_ffn_dim=8,
        decoder_ffn_dim=8,
        max_source_positions=10,
        max_target_positions=10,
        **dict.fromkeys(["pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"], 1),
    )
    return WhisperForConditionalGeneration(config).eval()


def test_a_model_loaded_from_the_folder_has_the_calibration(whisper, tmp_path):
    whisper.generation_config.alignment_heads = [[0, 0]]
    whisper.save_pretrained(tmp_path)
    assert model_timing(whisper, LAYERS, HEADS) == Timing(((0, 0),), 0.0, "model")
    path = HeadCalibration(TIMING, 0.0321, whisper).save(tmp_path)
    assert json.loads(path.read_text(encoding="utf-8"))["timing"]["error"] == 0.0321
    again = WhisperForConditionalGeneration.from_pretrained(tmp_path)
    assert model_timing(again, LAYERS, HEADS) == replace(TIMING, model_heads=((0, 0),))
    assert again.generation_config.alignment_heads == [[1, 0], [0, 1]]
    assert again.generation_config.decoder_start_token_id == 1  # the rest stays


def test_a_second_calibration_keeps_the_heads_of_the_model_itself(whisper, tmp_path):
    whisper.generation_config.alignment_heads = [[0, 0]]
    whisper.save_pretrained(tmp_path)
    HeadCalibration(TIMING, 0.03, whisper).save(tmp_path)
    again = WhisperForConditionalGeneration.from_pretrained(tmp_path)
    other = Timing(((1, 1),), 0.02, "calibrated")
    HeadCalibration(other, 0.02, again).save(tmp_path)
    last = WhisperForConditionalGeneration.from_pretrained(tmp_path)
    assert model_timing(last, LAYERS, HEADS) == replace(other, model_heads=((0, 0),))


def test_a_file_of_an_earlier_version_leaves_the_heads_to_the_configuration(whisper, tmp_path):
    whisper.save_pretrained(tmp_path)
    path = HeadCalibration(TIMING, 0.03, whisper).save(tmp_path)
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["timing"]["model_heads"]
    path.write_text(json.dumps(content), encoding="utf-8")
    again = WhisperForConditionalGeneration.from_pretrained(tmp_path)
    assert model_timing(again, LAYERS, HEADS) == TIMING
    again.generation_config.alignment_heads = [[0, 0]]
    assert model_timing(again, LAYERS, HEADS) == replace(TIMING, model_heads=((0, 0),))


def test_without_the_file_the_generation_config_names_the_heads(whisper, tmp_path):
    whisper.save_pretrained(tmp_path)
    path = HeadCalibration(TIMING, 0.0321, whisper).save(tmp_path)
    path.unlink()
    again = WhisperForConditionalGeneration.from_pretrained(tmp_path)
    assert model_timing(again, LAYERS, HEADS) == Timing(TIMING.heads, 0.0, "model")


def test_a_folder_without_a_generation_config_gets_the_models(whisper, tmp_path):
    whisper.save_pretrained(tmp_path)
    (tmp_path / "generation_config.json").unlink()
    HeadCalibration(TIMING, 0.0321, whisper).save(tmp_path)
    again = WhisperForConditionalGeneration.from_pretrained(tmp_path)
    assert again.generation_config.alignment_heads == [[1, 0], [0, 1]]
    assert again.generation_config.decoder_start_token_id == 1


@pytest.mark.parametrize("content", [b"{", b'{"format": 9}', None])
def test_a_file_that_does_not_fit_is_ignored_with_a_warning(content, whisper, tmp_path, caplog):
    whisper.save_pretrained(tmp_path)
    path = HeadCalibration(TIMING, 0.0321, whisper).save(tmp_path)
    if content is None:  # a file of another model
        with torch.no_grad():
            for parameter in whisper.parameters():
                parameter += 1
        file = path.read_bytes()
        shutil.rmtree(tmp_path)
        whisper.save_pretrained(tmp_path)
        content = file
    path.write_bytes(content)
    again = WhisperForConditionalGeneration.from_pretrained(tmp_path)
    with caplog.at_level(logging.WARNING, "xattn_widget"):
        timing = model_timing(again, LAYERS, HEADS)
    assert timing is None or timing.source == "model"
    assert "is ignored, and the heads of the generation config time words" in caplog.text


@pytest.mark.parametrize("heads", [None, [], [[5, 0]], "all"])
def test_a_model_without_usable_heads_has_no_timing(heads, whisper):
    whisper.generation_config.alignment_heads = heads
    assert model_timing(whisper, LAYERS, HEADS) is None


def test_a_calibration_needs_its_folder_and_its_recordings(whisper, tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        HeadCalibration(TIMING, 0.0321, whisper).save(tmp_path / "missing")
    with pytest.raises(ValueError, match="1 recordings and 0 lists"):
        calibrate_heads(whisper, None, [torch.zeros(16_000)], [])


def test_records_of_the_loaded_model_have_the_words_times_of_the_calibration(tmp_path):
    tokenizer = byte_level_tokenizer()
    model, extractor = speech_model("whisper", len(tokenizer))
    processor = SimpleNamespace(feature_extractor=extractor, tokenizer=tokenizer)
    recordings = [sound(1.5, seed) for seed in range(3)]
    gold = [("ab", 0.2, 0.5), ("cd", 0.7, 0.9), ("ba", 0.9, 1.3)]
    calibration = calibrate_heads(model, processor, recordings, [gold] * 3)

    records = [extract(model, processor, recording, "ab cd ba") for recording in recordings]
    times = [record.word_times(calibration.heads, calibration.lag, calibration.timing.method) for record in records]
    found = np.array([[word[1:3] for word in words] for words in times])
    expected = np.array([word[1:] for word in gold])
    assert calibration.error == pytest.approx(np.abs(found - expected).mean(), abs=1e-3)  # the lag is rounded

    model.save_pretrained(tmp_path)
    calibration.save(tmp_path)
    again = WhisperForConditionalGeneration.from_pretrained(tmp_path).eval()
    record = extract(again, processor, recordings[0], "ab cd ba")
    assert record.timing == calibration.timing
    assert record.timing.source == "calibrated"
    assert record.word_times() == times[0]
