"""Figures of detectors on labeled rows, compared with counting, scipy and hand-made tables."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from xattn_widget import evaluate_detectors, load_demo, score_corpus
from xattn_widget.corpus import combine_transport

# Few different values, so that ties are many. A log-probability may be infinite.
values_with_ties = st.sampled_from([-math.inf, -2.0, -1.0, 0.0, 1.0, 2.0, math.inf])
rows = st.lists(st.tuples(values_with_ties, st.booleans()), min_size=2, max_size=40)


def by_counting(values, labels, recall):
    """The figures from their definitions."""
    found = [value for value, label in zip(values, labels, strict=True) if label]
    others = [value for value, label in zip(values, labels, strict=True) if not label]
    auroc = np.mean([(a > b) + 0.5 * (a == b) for a in found for b in others])
    for threshold in sorted(set(values), reverse=True):
        hits = sum(value >= threshold for value in found)
        alarms = sum(value >= threshold for value in others)
        if hits / len(found) >= recall - 1e-12:
            return auroc, hits / (hits + alarms), alarms / len(others)
    raise AssertionError


@settings(deadline=None)
@given(rows, st.sampled_from([0.5, 0.9, 1.0]))
def test_figures_are_those_of_counting(cases, recall):
    values, labels = map(list, zip(*cases, strict=True))
    table = pa.table({"badness": pa.array(values, pa.float64())})
    [figures] = evaluate_detectors(table, labels, recall=recall, samples=0).to_pylist()
    assert figures["rows"] == len(cases)
    assert figures["labeled"] == sum(labels)
    if all(labels) or not any(labels):
        assert math.isnan(figures["auroc"])
        return
    expected = by_counting(values, labels, recall)
    found = [figures[name] for name in ("auroc", "precision", "false_positive_rate")]
    assert found == pytest.approx(expected)
    # The order alone decides, and scipy before 1.14 takes -inf beside inf for NaN.
    finite = np.clip(values, -9.0, 9.0)
    split = [finite[np.array(labels) == flag] for flag in (True, False)]
    statistic = mannwhitneyu(*split).statistic / (len(split[0]) * len(split[1]))
    assert figures["auroc"] == pytest.approx(statistic)


def test_scores_are_read_by_layer_in_their_direction():
    model, tokenizer = load_demo()
    good = [("Ich habe das Buch gelesen.", "I read the book."), ("Er kommt morgen.", "He is coming tomorrow.")]
    swapped = [(good[0][0], good[1][1]), (good[1][0], good[0][1])]
    sources, targets = map(list, zip(*good, *swapped, strict=True))
    table = score_corpus(
        model, tokenizer, sources, targets, scores=["coverage_penalty", "confidence"], statistics=["logprob_mean"]
    )
    labels = [False, False, True, True]
    figures = {row["detector"]: row for row in evaluate_detectors(table, labels, samples=50).to_pylist()}
    layers = [f"{name}.layer{layer}" for name in ("coverage_penalty", "confidence") for layer in range(3)]
    assert set(figures) >= {"coverage_penalty", "confidence", *layers, "logprob_mean", "source_length"}
    assert figures["logprob_mean"]["auroc"] == 1.0  # a high log-probability is good
    grid = np.stack([np.array(cell).reshape(3, 8) for cell in table["confidence"].to_pylist()])
    means = -grid.mean((1, 2))  # so is a high confidence
    assert figures["confidence"]["auroc"] == pytest.approx(by_counting(means, labels, 0.9)[0])
    # A detector is named as select names it, and one head is a detector too.
    [head] = evaluate_detectors(table, labels, ["confidence.layer2.head4"]).to_pylist()
    assert head["auroc"] == pytest.approx(by_counting(-grid[:, 2, 4], labels, 0.9)[0])
    assert evaluate_detectors(table, labels, "confidence.layer2.head4").to_pylist() == [head]


def test_intervals_hold_the_true_value_about_as_often_as_they_say():
    random = np.random.default_rng(0)
    inside = 0
    for seed in range(100):
        labels = np.arange(120) % 4 == 0
        # Normal distributions one deviation apart: the AUROC is Phi(1 / sqrt(2)) = .760.
        values = random.standard_normal(120) + labels
        [row] = evaluate_detectors(pa.table({"x": values}), labels, samples=200, seed=seed).to_pylist()
        assert row["auroc_low"] <= row["auroc"] <= row["auroc_high"]
        inside += row["auroc_low"] <= 0.7602 <= row["auroc_high"]
    assert 85 <= inside <= 100


def test_rows_without_a_value_or_a_label_do_not_count():
    table = pa.table({"x": [1.0, math.nan, 3.0, 2.0, None], "bad": [True, True, None, False, False]})
    [row] = evaluate_detectors(table, "bad", samples=20).to_pylist()
    assert (row["rows"], row["labeled"], row["auroc"]) == (2, 1, 0.0)
    numbers = table.set_column(1, "bad", pa.array([1, 1, None, 0, 0]))
    assert [row["detector"] for row in evaluate_detectors(numbers, "bad").to_pylist()] == ["x"]
    with_path = evaluate_detectors(table, [1, 1, None, 0, 0], samples=20)
    assert with_path["auroc"].to_pylist() == [0.0]


def test_the_same_seed_gives_the_same_intervals():
    random = np.random.default_rng(3)
    table = pa.table({"x": random.standard_normal(50), "y": random.standard_normal(50)})
    labels = random.random(50) < 0.3
    first, again = (evaluate_detectors(table, labels, seed=1) for _ in range(2))
    assert first.equals(again)
    assert not first.equals(evaluate_detectors(table, labels, seed=2))


def test_a_large_table_is_drawn_in_parts(monkeypatch):
    random = np.random.default_rng(3)
    table = pa.table({"x": random.standard_normal(300)})
    labels = random.random(300) < 0.3
    whole = evaluate_detectors(table, labels, samples=64)
    monkeypatch.setattr("xattn_widget.corpus.detecting._MOST_NUMBERS", 1000)  # 3 samples at once
    assert evaluate_detectors(table, labels, samples=64).equals(whole)


def test_errors_say_what_was_expected():
    table = pa.table({"x": [1.0, 2.0]})
    with pytest.raises(ValueError, match="the table has 2 rows, got 3 labels"):
        evaluate_detectors(table, [True, False, True])
    with pytest.raises(ValueError, match=r"must be True or False, 1 or 0, or None .* got 'yes'"):
        evaluate_detectors(table, ["yes", "no"])
    with pytest.raises(TypeError, match="labels must be a label for each row or the name of a column, got True"):
        evaluate_detectors(table, True)
    with pytest.raises(ValueError, match="no column 'bad'; it has x"):
        evaluate_detectors(table, "bad")
    with pytest.raises(ValueError, match="no numbers called 'entropy'"):
        evaluate_detectors(table, [True, False], ["entropy"])
    with pytest.raises(ValueError, match="recall must be a number between 0 and 1, got 0"):
        evaluate_detectors(table, [True, False], recall=0)
    with pytest.raises(ValueError, match="recall must be a number between 0 and 1, got 'x'"):
        evaluate_detectors(table, [True, False], recall="x")
    with pytest.raises(ValueError, match=r"samples must be a whole number of at least 0, got 2\.5"):
        evaluate_detectors(table, [True, False], samples=2.5)
    with pytest.raises(TypeError, match="path of a Parquet file, got list"):
        evaluate_detectors([1.0, 2.0], [True, False])


def test_transport_is_combined_as_in_the_paper():
    trusted = np.linspace(0.1, 0.4, 100), np.linspace(1.0, 5.0, 100)
    combined = combine_transport([0.2, 0.45, math.nan], [3.0, 2.0, 1.5], trusted)
    # .2 is ordinary. .45 is extreme, and as far beyond the trusted range on the other scale.
    assert combined[0] == 3.0
    assert combined[1] == pytest.approx(1.0 + (0.45 - 0.1) / 0.3 * 4.0)
    assert combined[2] == 1.5
    with pytest.raises(ValueError, match="both distances of each row"):
        combine_transport([0.2], [3.0, 2.0], trusted)
    with pytest.raises(ValueError, match="quantile must be from 0 to 1, got 2"):
        combine_transport([0.2], [3.0], trusted, quantile=2)
