"""Drops of the log-probability without the most attended words, against the model run by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sounds import sound
from speech_processors import speech_pair

from xattn_widget import extract, load, measure_faithfulness

pytestmark = pytest.mark.usefixtures("single_thread")

SOURCES = ["Ich habe das Buch gelesen.", "Wann stehst du morgen auf?"]
TARGETS = ["I have read the book.", "When do you get up?"]


def logprobs_without(model, record, words):
    """``[target]`` log-probabilities with some source words masked."""
    ids = torch.tensor([record.source.ids])
    mask = torch.ones_like(ids)
    for word in words:
        span = record.source_words[word]
        mask[0, span.start : span.stop] = 0
    with torch.no_grad():
        read = torch.tensor([record.targets["input"].ids])
        logits = model(input_ids=ids, attention_mask=mask, decoder_input_ids=read).logits[0]
    predicted = torch.tensor(record.targets["output"].ids)
    return logits.log_softmax(-1)[torch.arange(len(predicted)), predicted].double()


def drop_by_hand(model, record, matrix):
    """The drop without each row's most attended word, minus the mean drop without one word."""
    base = logprobs_without(model, record, [])
    words = [base - logprobs_without(model, record, [word]) for word in range(len(record.source_words))]
    rows = [row for row, special in enumerate(record.targets["output"].special) if not special]
    by_word = torch.stack([matrix[:, span.start : span.stop].sum(-1) for span in record.source_words], -1)
    chosen = [float(words[int(by_word[row].argmax())][row]) for row in rows]
    return np.mean(chosen) - np.mean([float(drops[row]) for drops in words for row in rows])


@pytest.mark.parametrize("name", ["demo", "byte-level BART", "unigram T5"])
def test_the_drop_of_each_head_is_that_of_masked_forwards(pairs, name):
    model, tokenizer = pairs(name)
    records = extract(model, tokenizer, SOURCES, TARGETS, faithfulness=True)
    record = records[1]
    drops = record.score("masking_drop")
    assert drops.shape == (record.layers, record.heads)
    for head in [(0, 0), (1, 2), (record.layers - 1, 3)]:
        expected = drop_by_hand(model, record, record.weights[head])
        assert float(drops[head]) == pytest.approx(expected, abs=1e-4)
    alone = extract(model, tokenizer, SOURCES[1], TARGETS[1], faithfulness=True)
    torch.testing.assert_close(alone.score("masking_drop").values, drops.values, atol=1e-4, rtol=0)
    torch.testing.assert_close(alone.faithfulness.values, record.faithfulness.values, atol=1e-4, rtol=0)


def test_several_heads_are_measured_as_one(demo):
    model, tokenizer = demo
    record = extract(model, tokenizer, SOURCES[0], TARGETS[0], faithfulness=True, contributions=["alti"])
    heads = [(2, head) for head in range(record.heads)]
    measured = measure_faithfulness(model, tokenizer, record, heads)
    mean = record.weights[2].mean(0)
    assert measured.drop == pytest.approx(drop_by_hand(model, record, mean), abs=1e-4)
    saliency = record.contributed.maps["gradient"][0, 0]
    inner = [spearmanr(mean[row, :-1], saliency[row, :-1]).statistic for row in range(len(mean) - 1)]
    assert measured.correlation == pytest.approx(np.mean(inner), abs=1e-5)
    single = measure_faithfulness(model, tokenizer, record.read_as("input"), [(1, 3)])
    assert single.correlation == pytest.approx(float(record.faithfulness[1, 3]), abs=1e-5)
    assert single.drop == pytest.approx(float(record.score("masking_drop")[1, 3]), abs=1e-5)
    shown = record.contributions("alti")
    of_alti = measure_faithfulness(model, tokenizer, shown, [(2, 0)])
    assert of_alti.correlation == pytest.approx(float(shown.faithfulness[2, 0]), abs=1e-5)
    plain = measure_faithfulness(model, tokenizer, extract(model, tokenizer, SOURCES[0], TARGETS[0]), heads)
    assert plain.correlation == pytest.approx(measured.correlation, abs=1e-5)
    with pytest.raises(ValueError, match="heads is empty: name at least one"):
        measure_faithfulness(model, tokenizer, record, [])
    with pytest.raises(ValueError, match="pass the record as extract"):
        measure_faithfulness(model, tokenizer, record.words())


def test_more_words_can_be_masked_and_the_draws_are_repeatable(demo):
    first, second = (extract(*demo, SOURCES[0], TARGETS[0], faithfulness=2) for _ in range(2))
    assert torch.equal(first.contributed.masking_drop, second.contributed.masking_drop)
    one = extract(*demo, SOURCES[0], TARGETS[0], faithfulness=True)
    assert not torch.allclose(first.contributed.masking_drop, one.contributed.masking_drop)
    assert extract(*demo, "Hallo", faithfulness=9).score("masking_drop").isnan().all()


@pytest.mark.parametrize("count", [0, -1, 1.5, "yes"])
def test_a_number_of_words_that_makes_no_sense_is_refused(demo, count):
    with pytest.raises(ValueError, match="faithfulness must be True or how many words"):
        extract(*demo, "Hallo!", faithfulness=count)


def test_kept_heads_and_saved_records_keep_the_measures(demo, tmp_path):
    full = extract(*demo, SOURCES[0], TARGETS[0], faithfulness=True)
    record = extract(*demo, SOURCES[0], TARGETS[0], faithfulness=True, heads=[(0, 3), (2, 6)])
    for name in ("faithfulness", "masking_drop"):
        grid = record.score(name)
        for head in record.kept_heads:
            assert float(grid[head]) == pytest.approx(float(full.score(name)[head]), abs=1e-5)
        assert math.isnan(grid[1, 1])
    loaded = load(record.save(tmp_path / "record.safetensors"))
    torch.testing.assert_close(loaded.score("masking_drop"), record.score("masking_drop"), equal_nan=True)
    assert torch.equal(
        record.words().contributed.masking_drop.nan_to_num(), record.contributed.masking_drop.nan_to_num()
    )


def test_sound_has_a_correlation_and_no_words_to_mask():
    model, processor = speech_pair("whisper")
    record = extract(model, processor, sound(0.5), "ab", faithfulness=True)
    assert bool(record.faithfulness.isfinite().all())
    with pytest.raises(ValueError, match="with a model that reads text"):
        record.score("masking_drop")
    measured = measure_faithfulness(model, processor, record, [(0, 1)])
    assert math.isnan(measured.drop)
    assert math.isfinite(measured.correlation)
