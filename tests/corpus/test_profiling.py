"""Profiles of heads: against numpy on the scored table, on both engines, saved and read, and with gold."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_pool import ENGLISH, GERMAN, assert_same_profiles, made_up
from families import one_thread
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot
from widget_messages import ask

from xattn_widget import best_head_set, extract, profile_heads, score, score_corpus, show_profile
from xattn_widget.corpus import HeadProfile, aggregates, grids
from xattn_widget.scores.roles import ROLES

SENTENCES = [*GERMAN, *made_up(30)]
OPTIONS = {"generation": {"max_new_tokens": 8}, "progress": False}
SCORES = ["entropy", "sink_mass"]
SHARES = [share.name for share in ROLES.values()]


@pytest.fixture(scope="module")
def profile(demo):
    with one_thread():
        return profile_heads(*demo, SENTENCES, scores=SCORES, drawn=12, **OPTIONS)


@pytest.fixture(scope="module")
def scored(demo):
    """Return the table of the same job, scored in memory."""
    with one_thread():
        return score_corpus(*demo, SENTENCES, scores=[*SCORES, *ROLES.values()], **OPTIONS)


def column(profile, name):
    return np.array(profile.table[name].to_pylist()).reshape(profile.shape)


@pytest.mark.parametrize("name", [*SCORES, *SHARES])
def test_means_spreads_and_quantiles_are_those_of_the_table(profile, scored, name):
    values = grids(scored, name).astype(np.float64)
    np.testing.assert_allclose(column(profile, f"{name}.mean"), values.mean(0), atol=1e-6)
    np.testing.assert_allclose(column(profile, f"{name}.std"), values.std(0), atol=1e-6)
    np.testing.assert_allclose(profile.quantiles(name), np.quantile(values, profile.levels, axis=0), atol=1e-6)
    assert profile.info["quantile_sentences"] == profile.info["sentences"] == len(SENTENCES)


def test_shares_are_over_the_rows_of_the_corpus(profile, scored):
    lengths = scored["target_length"].to_numpy()
    for share in SHARES:
        expected = (grids(scored, share).astype(np.float64) * lengths[:, None, None]).sum(0) / lengths.sum()
        np.testing.assert_allclose(column(profile, share), expected, atol=1e-6)
        assert ((expected >= 0) & (expected <= 1)).all()
    rules = {role: share.name for role, share in ROLES.items()}
    for entry in profile.table.to_pylist():
        if entry["role"] == "mixed":
            assert all(entry[rules[role]] < least for role, least in profile.info["least_shares"].items())
        else:
            assert entry["share"] == entry[rules[entry["role"]]] >= profile.info["least_shares"][entry["role"]]
    assert profile.roles[0][6] == profile.table["role"][6].as_py()


@pytest.mark.parametrize("name", ["sink_mass", "end_share"])
def test_the_strongest_sentences_come_first(profile, scored, name):
    values = grids(scored, name)
    sign = {"sink_mass": 1, "end_share": -1}[name]  # the first is better if lower
    for layer, head in [(0, 6), (2, 1)]:
        found = profile.strongest(name, layer, head, n=4)
        expected = np.argsort(sign * values[:, layer, head], kind="stable")[:4]
        assert found["row"].to_pylist() == expected.tolist()
        assert found["source"].to_pylist() == [SENTENCES[row] for row in expected]
        assert found["target"].to_pylist() == [scored["target"][row].as_py() for row in expected.tolist()]
        np.testing.assert_allclose(found["value"].to_numpy(), values[expected, layer, head], atol=1e-6)


def test_the_rows_of_a_strongest_sentence(profile, demo):
    model, tokenizer = demo
    [found] = profile.strongest("entropy", 0, 6, n=1, model=model, tokenizer=tokenizer).to_pylist()
    record = extract(*demo, found["source"], found["target"])
    weights = record.weights[0, 6]
    assert len(found["rows"]) == len(weights)
    assert [row["weight"] for row in found["rows"]] == sorted(weights.amax(-1).tolist(), reverse=True)
    best = int(weights.amax(-1).argmax())
    first = (record.target_tokens[best], record.source_tokens[int(weights[best].argmax())])
    assert (found["rows"][0]["target"], found["rows"][0]["source"]) == first


def test_agreement_is_one_minus_the_divergence_of_rows(demo):
    profile = profile_heads(*demo, GERMAN[:3], ENGLISH[:3], scores=[], drawn=3, progress=False)
    rows = np.concatenate(
        [
            np.pad(record.weights.flatten(0, 1).double().numpy(), ((0, 0), (0, 0), (0, 40 - len(record.source))))
            for record in extract(*demo, GERMAN[:3], ENGLISH[:3])
        ],
        axis=1,
    )

    def entropy(p):
        return -np.where(p > 0, p * np.log2(np.where(p > 0, p, 1)), 0).sum(-1)

    for first, second in itertools.product([0, 6, 23], repeat=2):
        p, q = rows[first], rows[second]
        divergence = entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2
        assert profile.agreement[first, second] == pytest.approx(1 - divergence.mean(), abs=1e-6)
    assert profile.agreement.shape == (24, 24)


def test_the_set_of_heads_is_that_of_best_head_set(demo):
    gold = ["0-0 1-1 2-3 3-4 4-2"] + ["0-0"] * (len(GERMAN) - 1)
    with_gold = profile_heads(*demo, GERMAN, ENGLISH, scores="entropy", gold=gold, progress=False)
    records = extract(*demo, GERMAN, ENGLISH)
    assert with_gold.head_set.heads == best_head_set(records, gold).heads
    assert with_gold.head_set.measure == "aer"
    without = profile_heads(*demo, GERMAN, ENGLISH, scores="entropy", progress=False)
    assert without.head_set.heads == best_head_set(records).heads
    nothing = profile_heads(*demo, GERMAN, ENGLISH, scores="entropy", drawn=0, progress=False)
    assert nothing.head_set is nothing.agreement is None


def test_batches_do_not_matter(profile, demo):
    with one_thread():
        other = profile_heads(*demo, SENTENCES, scores=SCORES, drawn=12, batch_tokens=1, window=5, **OPTIONS)
    assert_same_profiles(profile, other)


def test_scores_have_their_policy_and_roles_look_at_whole_rows(demo):
    found = profile_heads(*demo, GERMAN[:2], ENGLISH[:2], scores="entropy", special="renormalize", progress=False)
    signatures = found.info["signatures"]
    assert signatures["entropy"] == "entropy|special:renormalize|v:1"
    assert signatures["end_share"] == "end_share|special:keep|v:1"
    plain = profile_heads(*demo, GERMAN[:2], ENGLISH[:2], scores="entropy", progress=False)
    assert (column(found, "end_share") == column(plain, "end_share")).all()
    assert (column(found, "entropy.mean") != column(plain, "entropy.mean")).all()


def test_sentences_that_cannot_be_scored_are_left_out(demo):
    found = profile_heads(*demo, ["", *GERMAN[:2], ""], ["x", *ENGLISH[:2], "y"], scores="entropy", progress=False)
    assert (found.info["sentences"], found.info["failed"], found.info["drawn"]) == (2, 2, 2)
    assert set(found.strongest("entropy", 0, 0)["row"].to_pylist()) == {1, 2}
    with pytest.raises(ValueError, match="none of the 2 sentences could be scored"):
        profile_heads(*demo, ["", ""], ["x", "y"], progress=False)


def test_own_scores_with_undefined_values(demo):
    @score
    def odd(attention, source_mask, target_mask):
        return attention.amax((-2, -1)) * (float("nan") if len(source_mask) > 8 else 1)

    @score
    def never(attention, source_mask, target_mask):
        return attention.amax((-2, -1)) * float("nan")

    found = profile_heads(*demo, GERMAN, ENGLISH, scores=[odd, never], progress=False)
    values = grids(score_corpus(*demo, GERMAN, ENGLISH, scores=odd, progress=False), "odd").astype(np.float64)
    known = ~np.isnan(values[:, 0, 0])
    assert 0 < known.sum() < len(GERMAN)
    np.testing.assert_allclose(column(found, "odd.mean"), values[known].mean(0), atol=1e-6)
    np.testing.assert_allclose(found.quantiles("odd"), np.quantile(values[known], found.levels, axis=0), atol=1e-6)
    assert len(found.strongest("odd", 0, 0, n=20)) == known.sum()
    assert np.isnan(column(found, "never.mean")).all()
    assert len(found.strongest("never", 0, 0)) == 0


def test_infinite_values_have_a_mean_but_no_spread(demo):
    @score
    def endless(attention, source_mask, target_mask):
        value = attention.amax((-2, -1))
        value[..., 1] = float("inf")
        return value

    found = profile_heads(*demo, GERMAN[:3], ENGLISH[:3], scores=endless, drawn=0, progress=False)
    assert (column(found, "endless.mean")[:, 1] == np.inf).all()
    assert np.isnan(column(found, "endless.std")[:, 1]).all()
    assert np.isfinite(column(found, "endless.std")[:, [0, *range(2, 8)]]).all()
    request = {"id": "1", "kind": "strongest", "name": "endless", "head": [0, 1]}
    assert [row["value"] for row in ask(show_profile(found), request)[0]["rows"]] == ["∞"] * 3


def test_a_profile_without_heads_is_shown(profile, tmp_path):
    info = profile.info | {"shape": [0, 8], "head_set": None, "texts": {}}
    metadata = {b"xattn_widget_profile": json.dumps(info).encode()}
    empty = HeadProfile(profile.data.slice(0, 0).replace_schema_metadata(metadata))
    view = show_profile(empty)
    assert (view.head, view.info["assigned"]) == (None, [])
    assert "image/png" not in view._repr_mimebundle_()[0]
    assert empty.to_html(tmp_path / "page.html").is_file()


@settings(max_examples=25)
@given(
    cuts=st.lists(st.integers(0, 40), max_size=4),
    undefined=st.floats(0, 0.9),
    offset=st.sampled_from([0, 1e6]),
    seed=st.integers(0, 10**6),
)
def test_parts_of_a_table_add_up_to_the_whole(cuts, undefined, offset, seed):
    random = np.random.default_rng(seed)
    values = random.normal(size=(40, 2, 3)) + offset
    values[random.random(values.shape) < undefined] = np.nan
    weights = random.integers(1, 9, 40).astype(float)
    moments = aggregates.Moments.empty((2, 3))
    for first, last in itertools.pairwise([0, *sorted(cuts), 40]):
        moments.add(values[first:last], weights[first:last])
    known = ~np.isnan(values)
    for layer, head in np.ndindex(2, 3):
        some = known[:, layer, head]
        if not some.any():
            assert np.isnan(moments.means()[layer, head])
            continue
        mean = np.average(values[some, layer, head], weights=weights[some])
        spread = np.average((values[some, layer, head] - mean) ** 2, weights=weights[some]) ** 0.5
        assert moments.means()[layer, head] == pytest.approx(mean, rel=1e-9, abs=1e-9)
        assert moments.deviations()[layer, head] == pytest.approx(spread, rel=1e-6, abs=1e-6)


def test_quantiles_of_many_sentences_come_from_some_of_them(monkeypatch):
    monkeypatch.setattr(aggregates, "QUANTILE_ROWS", 500)
    count, kind = 4000, pa.fixed_shape_tensor(pa.float32(), (1, 2), dim_names=["layer", "head"])
    values = np.random.default_rng(1).random((count, 2), np.float32)
    texts = pa.array([str(row) for row in range(count)])
    table = pa.table(
        {
            "id": pa.array(range(count)),
            "source": texts,
            "target": texts,
            "source_length": pa.array([5] * count),
            "target_length": pa.array([5] * count),
            "mine": pa.ExtensionArray.from_storage(kind, pa.FixedSizeListArray.from_arrays(values.ravel(), 2)),
            "error": pa.nulls(count, pa.string()),
        }
    )
    found = aggregates.Aggregates(["mine"], ["higher"], (1, 2), strongest=3, drawn=7, seed=0)
    for first in range(0, count, 300):
        found.add(table.slice(first, 300))
    assert (found.rows, found.scored, found.sampled) == (count, count, 500)
    np.testing.assert_allclose(
        found.quantiles("mine", [0.1, 0.5, 0.9])[:, 0], [[x, x] for x in (0.1, 0.5, 0.9)], atol=0.06
    )
    rows = [text.row for text in found.drawn(10**9)]
    assert len(rows) == 7
    assert rows == sorted(rows)
    assert len(found.drawn(3 * 2 * 25)) == 3  # each has 2 heads of 5 x 5 weights
    assert found.strongest("mine")[1][:, 0, 1].tolist() == np.argsort(-values[:, 1])[:3].tolist()
    assert len(found.texts) <= 6


def test_a_profile_is_saved_read_printed_and_drawn(profile, tmp_path):
    path = tmp_path / "profile.parquet"
    profile.save(path)
    found = HeadProfile.load(path)
    assert found.data.equals(profile.data)
    assert found.info == profile.info
    assert_same_profiles(profile, found)
    assert repr(found) == repr(profile)
    assert repr(profile).startswith(f"HeadProfile({len(SENTENCES)} sentences, 3 layers of 8 heads: ")
    assert "(0, 6) input" in repr(profile)
    assert "<table" in profile._repr_html_()
    assert profile.to_pandas()["role"].tolist() == profile.table["role"].to_pylist()
    backend = pyplot.get_backend()
    pyplot.switch_backend("agg")
    try:
        axes = profile.plot()
        assert [text.get_text() for text in axes.get_legend().get_texts()] == [
            role for role in [*ROLES, "mixed"] if role in profile.table["role"].to_pylist()
        ]
        assert len(axes.texts) == 24
    finally:
        pyplot.switch_backend(backend)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(ValueError, match="holds no profile of heads"):
        HeadProfile.load(path)


def test_sound_has_roles_but_no_words_to_align(whisper, paths):
    found = profile_heads(*whisper, paths, scores="entropy", generation={"max_new_tokens": 4}, progress=False)
    assert found.head_set is found.agreement is None
    assert len(found.table) == np.prod(found.shape)
    assert (column(found, "repeated_share") == 0).all()


def test_recordings_of_a_profile_open_again(whisper, paths):
    found = profile_heads(*whisper, paths, scores="entropy", generation={"max_new_tokens": 4}, progress=False)
    view = show_profile(found, *whisper)
    assert view.info["what"] == "recording"
    request = {"id": "1", "kind": "strongest", "name": "entropy", "head": [0, 0]}
    listed = ask(view, request)[0]["rows"]
    assert {row["source"] for row in listed} == {Path(path).name for path in paths}
    view.row = listed[0]["row"]
    assert view.opened.record.sound is not None
    view.close()


def test_a_file_with_gold_of_another_number_or_generated_targets(demo, tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("de\ten\n" + "\n".join(map("\t".join, zip(GERMAN, ENGLISH, strict=True))), encoding="utf-8")
    columns = {"source_column": "de", "target_column": "en", "scores": "entropy", "progress": False}
    assert profile_heads(*demo, path, **columns).info["sentences"] == len(GERMAN)
    with pytest.raises(ValueError, match="there are 8 sentences and 1 gold alignments"):
        profile_heads(*demo, path, gold=["0-0"], **columns)
    with pytest.raises(ValueError, match="gold links are about given targets"):
        profile_heads(*demo, GERMAN[:1], scores="entropy", gold=["0-0"], **OPTIONS)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"drawn": -1}, ValueError, "drawn must be a whole number of at least 0, got -1"),
        ({"strongest": 0}, ValueError, "strongest must be a positive whole number, got 0"),
        ({"strongest": math.inf}, ValueError, "strongest must be a positive whole number, got inf"),
        ({"drawn": "a"}, ValueError, "drawn must be a whole number of at least 0, got 'a'"),
        ({"least_shares": 0.5}, TypeError, "least_shares must map roles to shares"),
        ({"least_shares": {"uniforn": 0.1}}, ValueError, "there is no role 'uniforn'"),
        ({"least_shares": {"uniform": 2}}, ValueError, "least share of 'uniform' must be above 0 and at most 1"),
        ({"batch_token": 3}, TypeError, "profile_heads has no argument 'batch_token': did you mean 'batch_tokens'"),
        ({"scores": "entropie"}, ValueError, "no built-in score is called 'entropie'"),
    ],
)
def test_wrong_arguments_are_named(demo, arguments, error, message):
    with pytest.raises(error, match=message):
        profile_heads(*demo, GERMAN[:1], ENGLISH[:1], **arguments)


def test_wrong_questions_are_named(profile, demo):
    with pytest.raises(ValueError, match="the profile has no score 'entropi'"):
        profile.quantiles("entropi")
    with pytest.raises(ValueError, match="layer 3"):
        profile.strongest("entropy", 3, 0)
    with pytest.raises(ValueError, match="pass both model and tokenizer"):
        profile.strongest("entropy", 0, 0, model=demo[0])
