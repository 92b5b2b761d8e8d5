"""select, against plain recomputation."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.stats
from corpus_tables import POOL, make_table
from hypothesis import given
from hypothesis import strategies as st

from xattn_widget import compare, score_corpus, select
from xattn_widget.corpus import corpus_info, grids, to_pandas
from xattn_widget.corpus.duplicates import Chosen, normalize, trigrams


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
def test_rows_come_in_order_of_preference(table, by, value, order):
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


def test_a_combination_uses_the_mean_rank(table):
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


def test_each_length_bin_gets_its_part(table):
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
    with pytest.raises(ValueError, match="no row of stratum 'sport' can be chosen; the strata are 'web', 'news'"):
        select(table, "entropy", 40, strata=domains, shares={"news": 0.5, "sport": 0.5})


def test_random_draws_are_reproduced_by_their_seed(table):
    first, again, other = (rows_of(select(table, "random", 50, seed=seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert len(set(first)) == 50
    failed = set(np.flatnonzero(np.array(table["error"].is_valid())))
    assert not failed & set(first)
    often = [row for seed in range(60) for row in rows_of(select(table, "random", 20, seed=seed))]
    counts = np.bincount(often, minlength=POOL)[sorted(set(range(POOL)) - failed)]
    # Each of the 188 rows is expected 6.4 times; no row is left out or favored beyond chance.
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


def test_match_may_be_the_file_of_a_choice(table, tmp_path):
    choice = select(table, "entropy", 10)
    pq.write_table(choice, tmp_path / "chosen.parquet")
    assert select(table, "random", 10, match=tmp_path / "chosen.parquet").equals(
        select(table, "random", 10, match=choice)
    )


def test_a_budget_may_be_a_numpy_integer(table):
    assert select(table, "entropy", np.uint8(150), length_bins=np.int64(3)).num_rows == 150


def test_strata_of_any_kind_of_column_are_the_same(table):
    labels = ["news" if row % 4 else "web" for row in range(POOL)]
    expected = select(table, "entropy", 40, strata=labels)
    chunked = pa.chunked_array([labels[:50], labels[50:]])
    for strata in (pa.array(labels), chunked, chunked.dictionary_encode(), np.array(labels), pd.Series(labels)):
        assert select(table, "entropy", 40, strata=strata).equals(expected)


@pytest.mark.parametrize("missing", [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT])
def test_rows_without_a_stratum_form_their_own(table, missing):
    labels = ["news" if row % 4 else missing for row in range(POOL)]
    chosen = select(table, "entropy", 40, strata=labels)
    assert sum(row % 4 == 0 for row in rows_of(chosen)) == 10
    reasons = [why for row, why in zip(rows_of(chosen), chosen["reason"].to_pylist(), strict=True) if row % 4 == 0]
    assert all("sentences in no stratum" in why for why in reasons)
    unlabeled = select(table, "entropy", 20, strata=labels, shares={None: 1.0})
    assert all(row % 4 == 0 for row in rows_of(unlabeled))
    column = table.append_column("domain", pa.array([None if row % 4 == 0 else "news" for row in range(POOL)]))
    assert select(column, "entropy", 40, strata="domain").equals(chosen)


def test_heads_apply_to_the_scores_of_a_combination(table):
    chosen = select(table, ["entropy", "logprob_mean"], 10, heads=[(0, 1)])
    assert rows_of(chosen) == rows_of(select(table, ["entropy.layer0.head1", "logprob_mean"], 10))


@pytest.mark.parametrize("duplicates", ["near", "exact", "keep"])
def test_a_row_without_a_source_is_never_chosen(duplicates):
    table = pa.table({"source": ["Der Hund.", None, "Das Buch.", None], "value": [1.0, 4.0, 2.0, 3.0]})
    assert rows_of(select(table, "value", 2, duplicates=duplicates)) == [2, 0]
    with pytest.raises(ValueError, match="but only 2 of the table's 4 can be chosen"):
        select(table, "value", 3, duplicates=duplicates)


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
    with pytest.raises(
        ValueError, match="asks for 3 sentences, but only 2 of 4 can be chosen without duplicates: lower it"
    ):
        select(table, "value", 3)


@given(
    st.lists(
        st.lists(st.sampled_from(["der", "die", "Hund", "hund", "Katze", "ist", "!", "da"]), max_size=6), max_size=30
    ),
    st.sampled_from([0.3, 0.5, 0.8, 1.0]),
)
def test_near_duplicates_are_those_found_by_comparing_all_pairs(word_lists, similarity):
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
        (
            {"by": "entropy.layer0", "heads": [(0, 0)]},
            "name of a score alone .coverage_penalty, entropy., and by names entropy.layer0",
        ),
        ({"by": "logprob_mean", "heads": [(0, 1)]}, "and by names logprob_mean: leave heads out"),
        ({"by": "random", "heads": [(0, 1)]}, "and by names random: leave heads out"),
        ({"heads": []}, r"heads must be .layer, head. pairs, at least one, or None for all, got \[\]"),
        ({"heads": (0, 1)}, "heads must be .layer, head. pairs"),
        ({"by": "entropy", "heads": [(0, 7)]}, "no layer 0 head 7"),
        ({"by": "source"}, "column 'source' holds no numbers"),
        ({"by": ["random", "entropy"]}, "'random' alone"),
        ({"by": []}, "by must name a column"),
        ({"order": "high"}, "order must be 'highest' or 'lowest'"),
        *(({"budget": bad}, "budget must be a positive whole number") for bad in [0, -1, 2.5, "5", None, True]),
        ({"budget": 189}, "asks for 189 sentences, but only 18. of the table's 200 can be chosen"),
        ({"duplicates": "drop"}, "duplicates must be 'near', 'exact' or 'keep'"),
        ({"similarity": 0}, "similarity must be above 0"),
        *(({"length_bins": bad}, "length_bins must be a positive whole number") for bad in [0, 2.5, "3"]),
        ({"shares": {"a": 1}}, "shares belong to strata"),
        ({"strata": ["a"] * POOL, "shares": {"a": 0.4}}, "sum to 1"),
        *(
            ({"strata": ["a", "b"] * 100, "shares": {"a": 0.5, "b": bad}}, "shares must be numbers of 0 or more")
            for bad in [float("nan"), "half", -0.5]
        ),
        ({"strata": ["a"]}, "strata must have one value per row"),
        ({"strata": "entropy"}, "strata must be the name of a column of labels or one value per row, got 'entropy'"),
        ({"strata": "nosuch"}, "got 'nosuch'; the table has id, source, target, source_length, logprob_mean, error"),
        ({"strata": [["a"]] * POOL}, "strata must be labels such as text or whole numbers, got list"),
        ({"match": pa.table({"source_length": [1]})}, "match goes with by='random'"),
    ],
)
def test_a_bad_choice_says_what_to_do(table, options, message):
    with pytest.raises(ValueError, match=message):
        select(**({"table": table, "by": "entropy", "budget": 5} | options))


@pytest.mark.parametrize("options", [{}, {"length_bins": 3}, {"strata": "target"}, {"by": "random"}])
def test_an_empty_table_has_too_few_sentences_however_they_are_chosen(table, demo, options):
    for empty in (table.slice(0, 0), score_corpus(*demo, [], scores="entropy")):
        with pytest.raises(
            ValueError, match=r"asks for 5 sentences, but only 0 of the table's 0 can be chosen .*lower it"
        ):
            select(empty, **({"by": "entropy", "budget": 5} | options))


def test_a_missing_column_of_a_file_is_reported_with_all_its_columns(table, tmp_path):
    path = tmp_path / "scored.parquet"
    pq.write_table(table, path)
    with pytest.raises(ValueError, match="it has coverage_penalty, entropy, source_length, logprob_mean"):
        select(path, "nosuch", 5)
    with pytest.raises(ValueError, match="the table has id, source, target, source_length, logprob_mean, error"):
        select(path, "entropy", 5, strata="nosuch")


def test_files_and_objects_that_are_not_tables_are_refused(table, tmp_path):
    path = tmp_path / "scored.csv"
    path.write_text("a,b")
    for call in (
        lambda: select(path, "entropy", 5),
        lambda: compare(path, metric="logprob_mean"),
        lambda: select(table, "random", 5, match=path),
    ):
        with pytest.raises(ValueError, match=r"scored.csv is not a Parquet file"):
            call()
    with pytest.raises(TypeError, match="match must be an Arrow table or the path of a Parquet file, got list"):
        select(table, "random", 5, match=[3, 4])
    with pytest.raises(TypeError, match="table must be an Arrow table or the path of a Parquet file, got list"):
        compare([1.0], metric="logprob_mean")


def test_a_table_without_sources_has_no_duplicates_to_leave_out(table):
    bare = table.drop_columns("source")
    with pytest.raises(ValueError, match="no sources to compare for duplicates: pass duplicates='keep'"):
        select(bare, "entropy", 5)
    assert rows_of(select(bare, "entropy", 5, duplicates="keep")) == rows_of(select(table, "entropy", 5))


def test_a_file_that_does_not_exist_is_named(table):
    for call in (
        lambda: select("none.parquet", "entropy", 5),
        lambda: select(table, "random", 5, match="none.parquet"),
        lambda: compare("none.parquet", metric="logprob_mean"),
        lambda: corpus_info("none.parquet"),
        lambda: to_pandas("none.parquet"),
    ):
        with pytest.raises(FileNotFoundError, match=r"there is no file none\.parquet: pass the Parquet file"):
            call()


def test_more_bins_than_sentences_take_no_memory(table):
    expected = select(table, "entropy", 20, length_bins=table.num_rows)
    tracemalloc.start()
    assert select(table, "entropy", 20, length_bins=10**9) == expected
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 2**20
