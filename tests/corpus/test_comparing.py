"""compare, against plain recomputation, and to_pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sacrebleu
import scipy.stats
from corpus_pool import ENGLISH, GERMAN
from corpus_tables import POOL, make_table
from families import Pair, one_thread
from hypothesis import given
from hypothesis import strategies as st

from xattn_widget import compare, load_demo, score_corpus
from xattn_widget.corpus import grids, to_pandas
from xattn_widget.corpus.store.columns import average_ranks


@pytest.fixture(scope="module")
def table():
    return make_table()


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40))
def test_ranks_are_scipys(values):
    np.testing.assert_array_equal(average_ranks(np.array(values)), scipy.stats.rankdata(values))


def test_correlations_are_scipys(table):
    quality = np.random.default_rng(1).normal(size=POOL)
    quality[11] = np.nan
    found = compare(table, metric=quality)
    assert found.num_rows == 2 * 6 + 1
    strengths = np.abs(found["correlation"].to_numpy())
    assert (np.diff(strengths) <= 0).all()
    for each in found.to_pylist():
        if each["score"] == "logprob_mean":
            values = np.array([np.nan if v is None else v for v in table["logprob_mean"].to_pylist()])
            assert each["layer"] is each["head"] is None
        else:
            values = grids(table, each["score"])[:, each["layer"], each["head"]]
        known = ~np.isnan(values) & ~np.isnan(quality)
        assert each["rows"] == known.sum()
        expected = scipy.stats.spearmanr(values[known], quality[known]).statistic
        assert each["correlation"] == pytest.approx(expected, abs=1e-12)
        assert each["low"] < each["correlation"] < each["high"]


def test_intervals_contain_the_truth_as_often_as_they_should():
    hits = []
    for seed in range(60):  # the columns are independent: the true correlation is 0
        quality = np.random.default_rng(seed + 1000).normal(size=60)
        hits += [
            each["low"] <= 0 <= each["high"] for each in compare(make_table(60, seed=seed), metric=quality).to_pylist()
        ]
    assert 0.92 < np.mean(hits) < 0.98


def test_the_interval_is_the_published_one(table):
    each = compare(table, metric="logprob_mean", confidence=0.9).to_pylist()[-1]
    rho, rows = each["correlation"], each["rows"]
    reach = scipy.stats.norm.ppf(0.95) * np.sqrt((1 + rho**2 / 2) / (rows - 3))
    assert each["low"] == pytest.approx(np.tanh(np.arctanh(rho) - reach))
    assert each["high"] == pytest.approx(np.tanh(np.arctanh(rho) + reach))


def test_a_column_that_is_the_quality_correlates_fully_and_a_constant_one_not_at_all(table):
    found = {(each["score"], each["layer"]): each for each in compare(table, metric="logprob_mean").to_pylist()}
    assert found["logprob_mean", None]["correlation"] == pytest.approx(1)
    last = compare(table, metric=[1.0] * POOL).to_pylist()[0]
    assert np.isnan([last["correlation"], last["low"], last["high"]]).all()


def test_gold_translations_are_compared_by_chrf_or_a_custom_metric():
    with one_thread():
        table = score_corpus(*Pair(*load_demo()), [*GERMAN, ""], scores=["coverage_penalty"])
    gold = [*ENGLISH, "Nothing."]
    chrf = [sacrebleu.sentence_chrf(t.as_py(), [g]).score for t, g in zip(table["target"], ENGLISH, strict=False)]
    assert compare(table, gold).equals(compare(table, metric=[*chrf, float("nan")]))
    assert compare(table, gold)["rows"].to_pylist() == [8] * 24
    lengths = [abs(len(t.as_py()) - len(g)) for t, g in zip(table["target"], ENGLISH, strict=False)]
    custom = compare(table, gold, lambda target, reference: abs(len(target) - len(reference)))
    assert custom.equals(compare(table, metric=[*lengths, float("nan")]))


def test_references_and_quality_of_any_kind_of_column_are_the_same(table):
    gold = [None if row % 5 == 0 else f"xy {row}" for row in range(POOL)]
    expected = compare(table, gold)
    assert expected["rows"].to_pylist() != compare(table, ["x"] * POOL)["rows"].to_pylist()
    chunked = pa.chunked_array([gold[:50], gold[50:]])
    with_nan = [float("nan") if each is None else each for each in gold]
    with_na = [pd.NA if each is None else each for each in gold]
    for same in (chunked, pa.array(gold), pd.Series(gold), pd.Series(gold, dtype=object), with_nan, with_na):
        assert compare(table, same).equals(expected)
    quality = table["logprob_mean"]
    expected = compare(table, metric="logprob_mean")
    for same in (quality, quality.combine_chunks(), quality.to_pandas(), quality.to_pylist(), quality.to_numpy()):
        assert compare(table, metric=same).equals(expected)
        assert compare(table, same).equals(expected)


def test_an_empty_table_gives_an_empty_frame_with_all_its_columns(table, demo):
    frame = to_pandas(table.slice(0, 0))
    assert len(frame) == 0
    assert list(frame.columns) == list(to_pandas(table).columns)
    assert "coverage_penalty.layer1.head2" in frame.columns
    scored = to_pandas(score_corpus(*demo, [], scores=["coverage_penalty"]))
    assert len(scored) == 0
    assert "coverage_penalty.layer2.head7" in scored.columns


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "pass gold"),
        ({"gold": ["a"]}, ValueError, "one reference per row: the table has 200 rows, gold 1"),
        ({"metric": [1.0]}, ValueError, "one quality per row: the table has 200 rows, got 1"),
        ({"gold": ["a"] * POOL, "metric": "chrf"}, TypeError, "metric must be a function"),
        (
            {"gold": [1.0] * POOL, "metric": max},
            TypeError,
            "gold must be one reference translation per row, text or None",
        ),
        ({"metric": ["good"] * POOL}, ValueError, "the quality must be one number per row, or gold one text per row"),
        ({"gold": [["a"], ["b", "c"]] * 100}, ValueError, "the quality must be one number per row"),
        ({"metric": np.ones((POOL, 2))}, ValueError, "got an array of shape"),
        ({"metric": "chrf"}, ValueError, "no numbers called 'chrf'"),
        ({"metric": "logprob_mean", "confidence": 95}, ValueError, "between 0 and 1"),
    ],
)
def test_a_bad_comparison_says_what_to_do(table, arguments, error, message):
    with pytest.raises(error, match=message):
        compare(table, **arguments)
