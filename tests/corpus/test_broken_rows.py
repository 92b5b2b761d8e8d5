"""score_corpus with rows that cannot be scored, each of which keeps its reason, and with calls that cannot be made."""

from __future__ import annotations

import copy
import logging
import re

import pytest
import torch
from corpus_pool import ENGLISH, EVERYTHING, GERMAN, assert_grid

from xattn_widget import score_corpus
from xattn_widget.corpus import corpus_info, grids

pytestmark = pytest.mark.usefixtures("single_thread")


@pytest.fixture(scope="module")
def broken_corpus():
    sources = ["Ja.", "", "  \t", "Haus " * 300, b"kaputt \xff", "a\udcffb", None, float("nan"), 7, "Nein.", "Gut."]
    targets = ["Yes.", "x", "x", "x", "x", "x", "x", "x", "x", "", "Good."]
    reasons = {
        1: "source is empty",
        2: "source is empty",
        3: "source has .* tokens, the limit is 256 positions",
        4: "source is not valid UTF-8",
        5: "source is not valid UTF-8",
        6: "source is missing",
        7: "source is missing",
        8: "source is not text but int",
        9: "target is empty",
    }
    return sources, targets, reasons


def test_broken_rows_are_there_with_their_reason(demo, alone, broken_corpus, caplog):
    sources, targets, reasons = broken_corpus
    with caplog.at_level(logging.WARNING, logger="xattn_widget"):
        table = score_corpus(*demo, sources, targets, ["entropy"], statistics=["margin"])
    assert table.num_rows == len(sources)
    for row, error in enumerate(table["error"].to_pylist()):
        if row in reasons:
            assert re.match(reasons[row], error), (row, error)
            assert table["entropy"][row].as_py() is None
            assert table["margin"][row].as_py() is None
            assert table["source_length"][row].as_py() is None
        else:
            assert error is None
            assert_grid(grids(table, "entropy")[row], alone(sources[row], targets[row]).score("entropy"))
    info = corpus_info(table)
    assert (info["rows"], info["scored"]) == (11, 2)
    assert sum(info["errors"].values()) == 9
    assert info["errors"]["source is not valid UTF-8"] == 2
    assert "9 of 11 sentences have no scores" in caplog.text


def test_raising_stops_at_the_first_broken_row(demo, broken_corpus):
    sources, targets, _ = broken_corpus
    with pytest.raises(ValueError, match=r"row 1 cannot be scored: source is empty.*on_error='record'"):
        score_corpus(*demo, sources, targets, on_error="raise")


@pytest.mark.parametrize("statistics", [[], ["logprob_sum"]])
def test_nan_in_one_sentence_stays_there(demo, alone, statistics):
    model = copy.deepcopy(demo.model)
    model.model.encoder.embed_tokens = copy.deepcopy(
        model.model.encoder.embed_tokens
    )  # not the decoder's, nor the head's
    with torch.no_grad():
        model.model.encoder.embed_tokens.weight[demo.tokenizer("Hund")["input_ids"][0]] = torch.nan
    table = score_corpus(model, demo.tokenizer, GERMAN, ENGLISH, ["entropy"], statistics=statistics)
    for row, (source, target) in enumerate(EVERYTHING):
        if "Hund" in source:
            assert table["error"][row].as_py() == "NaN in the cross-attention of layer 0"
            assert table["entropy"][row].as_py() is None
        else:
            assert table["error"][row].as_py() is None
            assert_grid(grids(table, "entropy")[row], alone(source, target).score("entropy"))


def test_nan_after_the_last_cross_attention_is_found_too(demo):
    model = copy.deepcopy(demo.model)
    with torch.no_grad():
        model.model.decoder.layers[-1].fc2.bias[0] = torch.nan
    table = score_corpus(model, demo.tokenizer, GERMAN, ENGLISH, ["entropy"])
    assert set(table["error"].to_pylist()) == {"NaN in the decoder's output"}
    table = score_corpus(model, demo.tokenizer, GERMAN, ENGLISH, ["entropy"], statistics=["margin"])
    assert set(table["error"].to_pylist()) == {"NaN in the logits"}


def test_a_score_that_fails_on_one_sentence_fails_there_alone(demo, alone):
    def picky(attention, source_mask, target_mask):
        if attention.shape[-1] == len(demo.tokenizer("Hallo!")["input_ids"]):
            raise RuntimeError("too short for me")
        return attention.amax((-2, -1))

    table = score_corpus(*demo, GERMAN, ENGLISH, [picky])
    for row, pair in enumerate(EVERYTHING):
        if len(demo.tokenizer(pair[0])["input_ids"]) == 3:
            assert table["error"][row].as_py() == "RuntimeError: too short for me"
        else:
            assert_grid(grids(table, "picky")[row], alone(*pair).score(picky))


def test_a_fault_that_is_no_sentences_is_raised(demo):
    def grumpy(attention, source_mask, target_mask):
        if attention.shape[-1] != 7:  # what it is tried on
            raise RuntimeError("never")
        return attention.amax((-2, -1))

    with pytest.raises(RuntimeError, match="never"):
        score_corpus(*demo, ["Ja.", "Hallo!"], ["Yes.", "Hello!"], [grumpy])


def picky(attention, source_mask, target_mask):
    """Refuses sentences of 8 source tokens, all for the same reason."""
    if attention.shape[-1] == 8:
        raise ValueError("not for me")
    return attention.amax((-2, -1))


@pytest.mark.parametrize("batch_tokens", [1, 40, 4096])
@pytest.mark.parametrize("window", [1, 3, 4096])
def test_sentences_that_fail_alike_in_one_batch_do_not_end_the_job(demo, window, batch_tokens):
    sources = ["Ja.", *["Gestern habe ich das Buch gelesen."] * 3, "Hallo!"]  # the first window has one that works
    assert [len(ids) for ids in demo.tokenizer(sources)["input_ids"]].count(8) == 3
    table = score_corpus(*demo, sources, sources, [picky], window=window, batch_tokens=batch_tokens)
    assert table["error"].to_pylist() == [None, *["ValueError: not for me"] * 3, None]


def test_a_fault_of_many_sentences_ends_the_job_soon(demo):
    calls = []

    def grumpy(attention, source_mask, target_mask):
        if attention.shape[-1] != 7:  # what it is tried on
            calls.append(1)
            raise RuntimeError(f"never {len(calls)}")  # a message of its own each time
        return attention.amax((-2, -1))

    sources = [f"Das ist Satz {number} von vielen hier." for number in range(300)]
    with pytest.raises(RuntimeError, match="never"):
        score_corpus(*demo, sources, sources, [grumpy], batch_tokens=10**6)
    assert len(calls) < 100


def test_infinite_logits_are_told(demo):
    model = copy.deepcopy(demo.model)
    model.final_logits_bias[0, 7] = float("inf")
    table = score_corpus(model, demo.tokenizer, GERMAN, ENGLISH, "entropy", statistics=["logprob_mean", "margin"])
    assert set(table["error"].to_pylist()) == {"NaN in the statistics of the output"}
    assert table["margin"].null_count == len(GERMAN)


def test_a_batch_that_does_not_fit_in_memory_is_halved(demo, alone, monkeypatch):
    forward, rows = type(demo.model).forward, []

    def narrow(self, input_ids=None, **rest):
        rows.append(input_ids.shape[0])
        if input_ids.shape[0] > 2:
            raise torch.OutOfMemoryError("out of memory")
        return forward(self, input_ids=input_ids, **rest)

    monkeypatch.setattr(type(demo.model), "forward", narrow)
    table = score_corpus(*demo, GERMAN, ENGLISH, ["entropy"])
    assert table["error"].null_count == len(GERMAN)
    assert 2 in rows  # and not one by one
    monkeypatch.undo()
    for row, pair in enumerate(EVERYTHING):
        assert_grid(grids(table, "entropy")[row], alone(*pair).score("entropy"))


# --- Bad calls.


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scores": "entropie"}, ValueError, "did you mean 'entropy'"),
        ({"scores": ["entropy", "entropy"]}, ValueError, "two columns would be called 'entropy'"),
        ({"scores": []}, ValueError, "nothing to compute"),
        ({"statistics": ["likelihood"]}, ValueError, "there are logprob_sum"),
        ({"special": "fade"}, ValueError, "no policy special='fade'; use 'keep', 'drop' or 'renormalize'"),
        ({"scores": "sink_mass", "special": "renormalize"}, ValueError, "sink_mass measures special tokens"),
        ({"batch_tokens": 0}, ValueError, "batch_tokens must be a positive whole number"),
        ({"window": 0}, ValueError, "window must be"),
        ({"on_error": "ignore"}, ValueError, "on_error must be 'record' or 'raise'"),
        ({"engine": "spark"}, ValueError, "engine must be 'local' or 'ray'"),
        ({"workers": 2}, ValueError, "workers requires engine='ray'"),
        ({"targets": ["one"]}, ValueError, "8 sources and 1 targets"),
        ({"targets": ENGLISH, "generation": {"num_beams": 2}}, ValueError, "generation has no use"),
        ({"source_column": "text"}, ValueError, "a column was named"),
    ],
)
def test_a_bad_call_says_what_to_do(demo, options, error, message):
    with pytest.raises(error, match=message):
        score_corpus(*demo, GERMAN, **options)
