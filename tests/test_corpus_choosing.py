"""select and compare, against plain recomputation."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sacrebleu
import scipy.stats
from corpus_pool import ENGLISH, GERMAN, made_up
from families import Pair, one_thread
from hypothesis import given
from hypothesis import strategies as st

from xattn_widget import compare, load_demo, score_corpus, select
from xattn_widget.corpus import grids
from xattn_widget.corpus.columns import average_ranks
from xattn_widget.corpus.duplicates import Chosen, normalize, trigrams

POOL = 200


def make_table(count=POOL, *, seed=0, sources=None, **columns):
    """A scored table of made-up numbers, with some rows that have none."""
    chance = np.random.default_rng(seed)
    sources = sources or [f"{text} {number}" for number, text in enumerate(made_up(count, seed=seed))]
    failed = np.arange(count) % 17 == 3
    values = chance.normal(size=(2, count, 2, 3)).astype(np.float32)
    values[0, 5:6] = np.nan  # undefined
    data = {
        "id": pa.array([f"s{number}" for number in range(count)]),
        "source": pa.array(sources),
        "target": pa.array(["x"] * count),
        "source_length": pa.array([len(text.split()) for text in sources], pa.int32()),
    }
    for name, value in zip(["coverage_penalty", "entropy"], values, strict=True):
        storage = pa.FixedSizeListArray.from_arrays(pa.array(value.ravel()), 6, mask=pa.array(failed))
        data[name] = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float32(), (2, 3)), storage)
    data["logprob_mean"] = pa.array(chance.normal(size=count), mask=failed)
    data["error"] = pa.array(["source is empty" if bad else None for bad in failed])
    return pa.table(data | columns)


@pytest.fixture(scope="module")
def table():
    return make_table()


def rows_of(chosen):
    return chosen["row"].to_pylist()


def best(values, count):
    """The rows of the highest values, highest first."""
    known = [row for row in range(len(values)) if not np.isnan(values[row])]
    return sorted(known, key=lambda row: -values[row])[:count]


@pytest.mark.parametrize(
    ("by", "value"),
    [
        ("coverage_penalty", lambda grid: grid.mean((1, 2))),
        ("coverage_penalty.layer1", lambda grid: grid[:, 1].mean(1)),
        ("coverage_penalty.head2", lambda grid: grid[:, :, 2].mean(1)),
        ("coverage_penalty.layer1.head0", lambda grid: grid[:, 1, 0]),
    ],
)
@pytest.mark.parametrize("order", ["highest", "lowest"])
def test_the_most_wanted_come_first(table, by, value, order):
    chosen = select(table, by, 25, order=order)
    values = value(grids(table, "coverage_penalty").astype(float))
    assert rows_of(chosen) == best(values if order == "highest" else -values, 25)
    np.testing.assert_allclose(chosen["value"].to_numpy(), values[rows_of(chosen)])
    assert chosen["rank"].to_pylist() == list(range(1, 26))
    assert chosen["id"].to_pylist() == [f"s{row}" for row in rows_of(chosen)]
    assert chosen["source"].equals(table["source"].take(chosen["row"]))
    first = chosen["value"][0].as_py()
    assert chosen["reason"][0].as_py() == f"{order} {by} {first:.4g}, place 1 of 187 sentences"


def test_a_set_of_heads_and_a_column_of_numbers(table):
    chosen = select(table, "entropy", 10, heads=[(0, 1), (1, 2)])
    grid = grids(table, "entropy").astype(float)
    assert rows_of(chosen) == best((grid[:, 0, 1] + grid[:, 1, 2]) / 2, 10)
    assert "mean of 2 heads" in chosen["reason"][0].as_py()
    numbers = np.array([np.nan if each is None else each for each in table["logprob_mean"].to_pylist()])
    assert rows_of(select(table, "logprob_mean", 10, order="lowest")) == best(-numbers, 10)


def test_a_combination_goes_by_the_mean_rank(table):
    chosen = select(table, {"coverage_penalty.layer0.head0": "highest", "logprob_mean": "lowest"}, 15)
    first = grids(table, "coverage_penalty").astype(float)[:, 0, 0]
    second = np.array([np.nan if each is None else each for each in table["logprob_mean"].to_pylist()])
    good = ~np.isnan(first) & ~np.isnan(second)
    ranks = (scipy.stats.rankdata(first[good]) + scipy.stats.rankdata(-second[good])) / 2
    combined = np.full(len(first), np.nan)
    combined[good] = ranks / good.sum()
    assert rows_of(chosen) == best(combined, 15)
    assert "mean rank of highest coverage_penalty.layer0.head0 and lowest logprob_mean" in chosen["reason"][0].as_py()


def test_a_file_is_read_by_its_columns(table, tmp_path):
    pq.write_table(table, tmp_path / "scored.parquet")
    chosen = select(str(tmp_path / "scored.parquet"), "entropy.layer1", 12)
    assert chosen.equals(select(table, "entropy.layer1", 12))


def test_within_length_bins_each_has_its_part(table):
    chosen = select(table, "entropy", 40, length_bins=4)
    lengths = table["source_length"].to_numpy()
    eligible = np.flatnonzero(np.array(table["error"].is_null()))
    edges = np.quantile(lengths[eligible], [0.25, 0.5, 0.75])
    bins = np.searchsorted(edges, lengths, side="left")
    values = grids(table, "entropy").astype(float).mean((1, 2))
    expected = []
    for each in range(4):
        members = eligible[bins[eligible] == each]
        taken = [row for row in rows_of(chosen) if bins[row] == each]
        assert abs(len(taken) - 40 * len(members) / len(eligible)) < 1
        expected += sorted(members, key=lambda row: -values[row])[: len(taken)]
        low, high = lengths[members].min(), lengths[members].max()
        reasons = [why for row, why in zip(rows_of(chosen), chosen["reason"].to_pylist(), strict=True) if row in taken]
        assert all(f"sentences with {low} to {high} tokens" in why for why in reasons)
    assert sorted(rows_of(chosen)) == sorted(expected)


def test_strata_get_their_shares(table):
    domains = ["news" if row % 4 else "web" for row in range(POOL)]
    chosen = select(table, "entropy", 40, strata=domains, shares={"news": 0.25, "web": 0.75})
    assert sum(domains[row] == "news" for row in rows_of(chosen)) == 10
    with_column = table.append_column("domain", pa.array(domains))
    assert select(with_column, "entropy", 40, strata="domain", shares={"news": 0.25, "web": 0.75}).equals(chosen)
    even = select(with_column, "entropy", 40, strata="domain")
    assert sum(domains[row] == "news" for row in rows_of(even)) == 30
    assert "in news" in " ".join(chosen["reason"].to_pylist())
    with pytest.raises(ValueError, match="no row of stratum 'sport' can be chosen; there are 'web', 'news'"):
        select(table, "entropy", 40, strata=domains, shares={"news": 0.5, "sport": 0.5})


def test_random_draws_are_made_again_by_their_seed(table):
    first, again, other = (rows_of(select(table, "random", 50, seed=seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert len(set(first)) == 50
    failed = set(np.flatnonzero(np.array(table["error"].is_valid())))
    assert not failed & set(first)
    often = [row for seed in range(60) for row in rows_of(select(table, "random", 20, seed=seed))]
    counts = np.bincount(often, minlength=POOL)[sorted(set(range(POOL)) - failed)]
    # Each of the 188 rows is expected 6.4 times; no row is left out or favoured beyond chance.
    assert scipy.stats.chisquare(counts).pvalue > 1e-4


def test_matched_random_sentences_have_the_lengths_of_the_choice(table):
    choice = select(table, "coverage_penalty", 40, order="lowest")
    matched = select(table, "random", 40, match=choice, seed=3)
    assert sorted(matched["source_length"].to_pylist()) == sorted(choice["source_length"].to_pylist())
    assert rows_of(matched) != rows_of(choice)
    assert len(set(rows_of(matched))) == 40
    assert rows_of(select(table, "random", 40, match=choice, seed=4)) != rows_of(matched)
    short = choice.set_column(
        choice.column_names.index("source_length"), "source_length", pa.array([1] * 40, pa.int32())
    )
    nearest = select(table, "random", 40, match=short)
    lengths = np.sort(table["source_length"].to_numpy()[np.array(table["error"].is_null())])
    assert sorted(nearest["source_length"].to_pylist()) == lengths[:40].tolist()


# --- Duplicates.


def test_duplicates_are_left_out_as_asked():
    sources = [
        "Der Hund schläft unter dem Tisch.",
        "der Hund schläft unter dem Tisch!",
        "Der Hund schläft unter dem Tische.",
        "Ich habe das Buch gelesen.",
    ]
    table = make_table(4, sources=sources).drop_columns("error")
    table = table.append_column("value", pa.array([4.0, 3.0, 2.0, 1.0]))
    assert rows_of(select(table, "value", 2)) == [0, 3]
    assert rows_of(select(table, "value", 3, duplicates="exact")) == [0, 2, 3]
    assert rows_of(select(table, "value", 4, duplicates="keep")) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="asks for 3 sentences, and 2 can be chosen of 4 without duplicates: lower it"):
        select(table, "value", 3)


@given(
    st.lists(
        st.lists(st.sampled_from(["der", "die", "Hund", "hund", "Katze", "ist", "!", "da"]), max_size=6), max_size=30
    ),
    st.sampled_from([0.3, 0.5, 0.8, 1.0]),
)
def test_near_duplicates_are_those_of_a_comparison_of_all_pairs(word_lists, similarity):
    texts = [" ".join(words) for words in word_lists]
    kept = []
    for text in texts:
        elements = trigrams(normalize(text))
        others = [trigrams(normalize(other)) for other in kept]
        if all(len(elements & other) < similarity * len(elements | other) for other in others):
            kept.append(text)
    chosen = Chosen(similarity, texts[:5])
    assert [text for text in texts if chosen.add_new(text)] == kept


# --- Bad calls.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"by": "coverage"},
            "no numbers called 'coverage'; it has coverage_penalty, entropy, source_length, logprob_mean",
        ),
        ({"by": "entropy.layer2"}, "entropy has no layer 2 head 0: layers are 0 to 1, heads are 0 to 2"),
        ({"by": "entropy.layer0", "heads": [(0, 0)]}, "names its heads already"),
        ({"by": "entropy", "heads": [(0, 7)]}, "no layer 0 head 7"),
        ({"by": "source"}, "column 'source' holds no numbers"),
        ({"by": ["random", "entropy"]}, "'random' alone"),
        ({"by": []}, "by must name a column"),
        ({"order": "high"}, "order must be 'highest' or 'lowest'"),
        ({"budget": 0}, "budget must be a positive number"),
        ({"budget": 189}, "asks for 189 sentences, and 18. can be chosen"),
        ({"duplicates": "drop"}, "duplicates must be 'near', 'exact' or 'keep'"),
        ({"similarity": 0}, "similarity must be above 0"),
        ({"length_bins": 0}, "length_bins must be a positive"),
        ({"shares": {"a": 1}}, "shares are of strata"),
        ({"strata": ["a"] * POOL, "shares": {"a": 0.4}}, "sum to 1"),
        ({"strata": ["a"]}, "strata must have a value a row"),
        ({"match": pa.table({"source_length": [1]})}, "match goes with by='random'"),
    ],
)
def test_a_bad_choice_says_what_to_do(table, options, message):
    with pytest.raises(ValueError, match=message):
        select(**({"table": table, "by": "entropy", "budget": 5} | options))


# --- compare.


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


def test_intervals_hold_the_truth_as_often_as_they_say():
    held = []
    for seed in range(60):  # of independent columns the truth is 0
        quality = np.random.default_rng(seed + 1000).normal(size=60)
        held += [
            each["low"] <= 0 <= each["high"] for each in compare(make_table(60, seed=seed), metric=quality).to_pylist()
        ]
    assert 0.92 < np.mean(held) < 0.98


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


def test_gold_translations_are_compared_by_chrf_or_a_metric_of_ones_own():
    with one_thread():
        table = score_corpus(*Pair(*load_demo()), [*GERMAN, ""], scores=["coverage_penalty"])
    gold = [*ENGLISH, "Nothing."]
    chrf = [sacrebleu.sentence_chrf(t.as_py(), [g]).score for t, g in zip(table["target"], ENGLISH, strict=False)]
    assert compare(table, gold).equals(compare(table, metric=[*chrf, float("nan")]))
    assert compare(table, gold)["rows"].to_pylist() == [8] * 24
    lengths = [abs(len(t.as_py()) - len(g)) for t, g in zip(table["target"], ENGLISH, strict=False)]
    own = compare(table, gold, lambda target, reference: abs(len(target) - len(reference)))
    assert own.equals(compare(table, metric=[*lengths, float("nan")]))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "pass gold"),
        ({"gold": ["a"]}, ValueError, "one reference a row: the table has 200 rows, gold 1"),
        ({"metric": [1.0]}, ValueError, "one quality a row: the table has 200 rows, got 1"),
        ({"gold": ["a"] * POOL, "metric": "chrf"}, TypeError, "metric is a function"),
        ({"metric": "chrf"}, ValueError, "no numbers called 'chrf'"),
        ({"metric": "logprob_mean", "confidence": 95}, ValueError, "between 0 and 1"),
    ],
)
def test_a_bad_comparison_says_what_to_do(table, arguments, error, message):
    with pytest.raises(error, match=message):
        compare(table, **arguments)
