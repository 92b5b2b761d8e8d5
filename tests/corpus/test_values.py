"""score_corpus: each number is that of the sentence alone, whatever it is batched with, and broken rows are told."""

from __future__ import annotations

import copy
import logging
import re
import threading
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
import torch
from corpus_pool import ENGLISH, GERMAN, assert_same_tables, made_up
from families import PAIRS, state_of
from hypothesis import given, settings
from hypothesis import strategies as st

from xattn_widget import extract, score, score_corpus
from xattn_widget.corpus import corpus_info, grids, to_pandas
from xattn_widget.scores import BUILTIN

STATISTICS = ["logprob_sum", "logprob_mean", "logprob_min", "margin", "output_entropy"]
SIX = ["coverage_penalty", "entropy", "confidence", "sink_mass", "ignored_source", "marginal_divergence"]
EVERYTHING = list(zip(GERMAN, ENGLISH, strict=True))


pytestmark = pytest.mark.usefixtures("single_thread")


@pytest.fixture(scope="module")
def alone(demo):
    """The record of one pair by itself."""
    return cache(lambda source, target: extract(*demo, source, target))


def assert_grid(actual, expected):
    np.testing.assert_allclose(actual, np.asarray(expected), atol=1e-5, rtol=0)


# --- Right values.


@settings(deadline=None, max_examples=12)
@given(
    order=st.lists(st.sampled_from(range(len(GERMAN))), min_size=1, max_size=12),
    batch_tokens=st.sampled_from([1, 40, 100, 4096]),
    window=st.sampled_from([1, 3, 4096]),
    generated=st.booleans(),
    special=st.sampled_from(["keep", "drop"]),
)
def test_a_value_is_that_of_the_sentence_alone(demo, alone, order, batch_tokens, window, generated, special):
    sources = [GERMAN[index] for index in order]
    targets = None if generated else [ENGLISH[index] for index in order]
    table = score_corpus(
        *demo, sources, targets, SIX, statistics=STATISTICS, special=special, batch_tokens=batch_tokens, window=window
    )
    assert table["id"].to_pylist() == list(range(len(order)))
    assert table["source"].to_pylist() == sources
    for row, index in enumerate(order):
        record = alone(GERMAN[index], None if generated else ENGLISH[index])
        for name in SIX:
            assert_grid(grids(table, name)[row], record.score(name, special=special))
        assert table["logprob_sum"][row].as_py() == pytest.approx(float(record.logprobs.sum()), abs=1e-4)
        assert table["logprob_mean"][row].as_py() == pytest.approx(float(record.logprobs.mean()), abs=1e-5)
        assert table["logprob_min"][row].as_py() == pytest.approx(float(record.logprobs.min()), abs=1e-5)
        assert table["source_length"][row].as_py() == len(record.source)
        assert table["target_length"][row].as_py() == len(record.target)


def test_every_built_in_score_can_be_computed(demo):
    names = [name for name in BUILTIN if name != "importance"]
    table = score_corpus(*demo, GERMAN, ENGLISH, names)
    for row, pair in enumerate(EVERYTHING):
        record = extract(*demo, *pair, value_norms=True)
        for name in names:
            assert_grid(grids(table, name)[row], record.score(name))
    with pytest.raises(ValueError, match="importance needs a backward pass"):
        score_corpus(*demo, GERMAN, ENGLISH, "importance")


def test_renormalising_is_that_of_the_sentence_alone(demo, alone):
    names = ["coverage_penalty", "entropy", "confidence"]
    table = score_corpus(*demo, GERMAN, ENGLISH, names, special="renormalize")
    for row, pair in enumerate(EVERYTHING):
        for name in names:
            assert_grid(grids(table, name)[row], alone(*pair).score(name, special="renormalize"))


@pytest.mark.parametrize("name", PAIRS)
def test_every_family_is_scored_without_its_vocabulary_head(name, tmp_path):
    pair = PAIRS[name](tmp_path)
    before = state_of(pair.model)
    table = score_corpus(*pair, GERMAN, ENGLISH, ["coverage_penalty", "sink_mass"])
    generated = score_corpus(*pair, GERMAN, None, ["coverage_penalty"], generation={"max_new_tokens": 8})
    assert state_of(pair.model) == before
    for row, (source, target) in enumerate(EVERYTHING):
        record = extract(*pair, source, target)
        assert_grid(grids(table, "coverage_penalty")[row], record.score("coverage_penalty"))
        assert_grid(grids(table, "sink_mass")[row], record.score("sink_mass"))
        record = extract(*pair, source, generation={"max_new_tokens": 8})
        assert_grid(grids(generated, "coverage_penalty")[row], record.score("coverage_penalty"))


def test_the_vocabulary_head_runs_only_for_statistics(demo):
    calls = []

    def count(head, args, output):
        if args[0].shape[1] > 1:  # one position is what the model is tried with
            calls.append(output.shape)

    hook = demo.model.get_output_embeddings().register_forward_hook(count)
    try:
        score_corpus(*demo, GERMAN, ENGLISH, "entropy")
        assert calls == []
        score_corpus(*demo, GERMAN, ENGLISH, "entropy", statistics="margin")
        assert calls
    finally:
        hook.remove()


def test_margin_and_entropy_are_of_the_output_distribution(demo):
    table = score_corpus(*demo, GERMAN, ENGLISH, [], statistics=["margin", "output_entropy"])
    for row, (source, target) in enumerate(EVERYTHING):
        labels = demo.tokenizer(text_target=target, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            logits = demo.model(**demo.tokenizer(source, return_tensors="pt"), labels=labels).logits[0]
        probabilities = logits.double().softmax(-1).numpy()
        ordered = np.sort(probabilities, axis=-1)
        assert table["margin"][row].as_py() == pytest.approx((ordered[:, -1] - ordered[:, -2]).mean(), abs=1e-5)
        entropies = -(probabilities * np.log(probabilities)).sum(-1)
        assert table["output_entropy"][row].as_py() == pytest.approx(entropies.mean(), abs=1e-4)


def test_a_score_of_ones_own_is_called_batched_alone_or_over_all_layers(demo, alone):
    @score(direction="lower")
    def first_token(attention, source_mask, target_mask):
        return attention[..., 0].mean(-1)

    @score(batched=True)
    def rows(attention, source_mask, target_mask):
        return target_mask.sum(-1)[..., None, None].expand(attention.shape[:-2]).float()

    def beside_other_layers(attention, source_mask, target_mask):
        top = attention.amax((-2, -1))
        return top / top.sum(0)

    own = [first_token, rows, beside_other_layers]
    table = score_corpus(*demo, GERMAN, ENGLISH, [*own, "entropy"])
    for row, pair in enumerate(EVERYTHING):
        for each in own:
            name = getattr(each, "name", "beside_other_layers")
            assert_grid(grids(table, name)[row], alone(*pair).score(each))
    assert "code:" in corpus_info(table)["signatures"]["first_token"]


def test_generated_targets_are_kept_and_their_settings_told(demo):
    table = score_corpus(*demo, GERMAN, None, "entropy", generation={"num_beams": 3, "num_return_sequences": 2})
    for row, source in enumerate(GERMAN):
        record = extract(*demo, source, generation={"num_beams": 3})
        assert table["target"][row].as_py() == demo.tokenizer.decode(list(record.target.ids), skip_special_tokens=True)
        assert_grid(grids(table, "entropy")[row], record.score("entropy"))
    assert '"num_beams": 3' in corpus_info(table)["job"]["targets"]


def test_sampled_targets_are_the_same_again_and_leave_the_generator_alone(demo):
    options = {"generation": {"do_sample": True}, "window": 3}
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = score_corpus(*demo, GERMAN, None, "entropy", **options)
    assert torch.equal(torch.get_rng_state(), before)
    assert_same_tables(score_corpus(*demo, GERMAN, None, "entropy", **options), first)


# --- The table.


def test_the_columns_and_what_makes_them_again(demo):
    table = score_corpus(*demo, GERMAN, ENGLISH, ["coverage_penalty"], statistics=["logprob_mean"])
    assert table.column_names == [
        *["id", "source", "target", "source_length", "target_length"],
        *["coverage_penalty", "logprob_mean", "error"],
    ]
    kind = table.schema.field("coverage_penalty").type
    assert (kind.value_type, kind.shape) == (pa.float32(), [3, 8])
    info = corpus_info(table)
    signature = extract(*demo, GERMAN[0]).score("coverage_penalty").signature
    assert info["signatures"] == {"coverage_penalty": signature}
    assert table.schema.field("coverage_penalty").metadata[b"signature"].decode() == signature
    assert info["job"]["model"].startswith("MarianMTModel ")
    assert (info["rows"], info["scored"], info["errors"]) == (8, 8, {})


def test_plain_columns_for_pandas(demo):
    table = score_corpus(*demo, [*GERMAN, ""], [*ENGLISH, "x"], ["entropy"])
    frame = to_pandas(table)
    assert len(frame) == 9
    assert list(frame["source"][:8]) == GERMAN
    values = grids(table, "entropy")
    for layer in range(3):
        for head in range(8):
            np.testing.assert_array_equal(frame[f"entropy.layer{layer}.head{head}"], values[:, layer, head])
    assert frame["entropy.layer2.head7"].isna().tolist() == [False] * 8 + [True]


def test_a_slice_of_a_table_gives_its_own_numbers(demo):
    table = score_corpus(*demo, [*GERMAN, ""], [*ENGLISH, "x"], ["entropy"])
    np.testing.assert_array_equal(grids(table.slice(3, 6), "entropy"), grids(table, "entropy")[3:])
    np.testing.assert_array_equal(grids(table.take([8, 2]), "entropy"), grids(table, "entropy")[[8, 2]])
    assert grids(table.slice(0, 0), "entropy").shape == (0, 3, 8)
    with pytest.raises(ValueError, match="no score 'entrop'; it has entropy"):
        grids(table, "entrop")


def test_the_fingerprint_tells_models_apart(demo):
    other = copy.deepcopy(demo.model)
    with torch.no_grad():
        other.model.decoder.layers[2].fc1.bias[3] += 1e-3
    models = [
        corpus_info(score_corpus(model, demo.tokenizer, GERMAN, ENGLISH))["job"]["model"]
        for model in (demo.model, copy.deepcopy(demo.model), other)
    ]
    assert models[0] == models[1] != models[2]


# --- Rows that cannot be scored.


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


def test_another_thread_may_run_the_model_meanwhile(demo):
    """Two jobs of one model, one of which needs the logits and the other not even the vocabulary head."""
    sources = targets = made_up(60)
    found = {}

    def score_with(statistics):
        found[statistics] = score_corpus(*demo, sources, targets, "entropy", statistics=statistics, batch_tokens=200)

    threads = [threading.Thread(target=score_with, args=(each,)) for each in ((), ("logprob_mean",))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for table in found.values():
        assert table["error"].null_count == 60
    np.testing.assert_allclose(grids(found[()], "entropy"), grids(found["logprob_mean",], "entropy"), atol=1e-5)


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


def test_an_empty_corpus_gives_an_empty_table(demo):
    table = score_corpus(*demo, [])
    assert table.num_rows == 0
    assert "coverage_penalty" in table.column_names


# --- Bad calls.


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scores": "entropie"}, ValueError, "did you mean 'entropy'"),
        ({"scores": ["entropy", "entropy"]}, ValueError, "two columns would be called 'entropy'"),
        ({"scores": []}, ValueError, "nothing to compute"),
        ({"statistics": ["likelihood"]}, ValueError, "there are logprob_sum"),
        ({"special": "fade"}, ValueError, "special must be 'keep', 'drop' or 'renormalize'"),
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


def test_many_sentences_in_small_batches_equal_one_by_one(demo):
    sources = made_up(60)
    options = {"scores": SIX, "statistics": STATISTICS, "generation": {"max_new_tokens": 12}}
    together = score_corpus(*demo, sources, **options)
    apart = score_corpus(*demo, sources, batch_tokens=1, **options)
    assert together["target"].equals(apart["target"])
    for name in SIX:
        assert_grid(grids(together, name), grids(apart, name))
