"""What scores ask for: declared once, read by scores, records, checks and corpus jobs."""

import pytest
import torch
from corpus_pool import ENGLISH, GERMAN
from score_formulas import FORMULAS, MEASURED_NAMES, NAMES, random_attention, record_of

from xattn_widget import check_score, extract, score, score_corpus, scores
from xattn_widget.capturing.calls import CrossAttentionCall
from xattn_widget.corpus import grids
from xattn_widget.panel.score_entries import list_scores
from xattn_widget.scores.inputs import INPUTS, ScoreInput

EVERY_POLICY = ("keep", "drop", "renormalize")


def test_every_built_in_score_has_a_formula_here():
    assert set(FORMULAS) == set(NAMES)


def test_a_score_says_what_it_needs_and_which_policies_make_sense():
    without_renormalizing = (
        *("sink_mass", "end_mass", "language_mass", "punctuation_mass"),
        *("value_norm", "outside_mass"),
    )
    restricted = dict.fromkeys(without_renormalizing, ("keep", "drop")) | dict.fromkeys(MEASURED_NAMES, ("keep",))
    needs = {
        "sink_mass": ("source_special",),
        "end_mass": ("source_ends",),
        "language_mass": ("source_languages",),
        "punctuation_mass": ("source_punctuation",),
        "value_norm": ("value_norms",),
        "importance": ("importance",),
        "faithfulness": ("saliency",),
        "masking_drop": ("masking_drop",),
        "sound_coverage": ("source_seconds",),
        "silence_mass": ("source_loudness",),
        "rereading": ("source_seconds", "spoken_words"),
        "outside_mass": ("outside",),
        "unsupported_words": ("source_loudness", "spoken_words"),
        "spatial_spread": ("source_centers",),
        "reading_jump": ("source_centers", "spoken_words"),
        "blank_mass": ("source_blank",),
    }
    for name, built_in in scores.BUILTIN.items():
        assert built_in.policies == restricted.get(name, EVERY_POLICY)
        assert built_in.needs == needs.get(name, ())

    @score
    def several(attention, source_mask, target_mask, importance, source_special):
        return importance["gradient"] + source_special.sum()

    assert several.needs == ("source_special", "importance")
    assert several.policies == ("keep",)
    with pytest.raises(ValueError, match=r"several does not look at tokens: .*'drop' .* use 'keep'$"):
        several.signature(special="drop")
    with pytest.raises(ValueError, match=r"several measures special tokens: .*'renormalize' .* use 'keep'$"):
        several.signature(special="renormalize")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {"value_norms": torch.ones(2, 3, 4, 4)},
            r"value_norms must be \[..., layers, heads, target, source\] = \[2",
        ),
        ({"value_norms": torch.ones(5)}, r"value_norms must be .* = \[2, 3, 4, 5\] as the attention, got \[5\]"),
        ({"value_norms": torch.ones(7, 2, 3, 4, 5)}, r"value_norms must be .*, got \[7, 2, 3, 4, 5\]"),
        ({"importance": {"gradient": torch.ones(3, 2)}}, r"importance must be \[..., layers, heads\] = \[2, 3\]"),
        ({"source_special": torch.ones(4)}, "source_special covers 4 positions, the attention has 5"),
        ({}, "needs (value_norms|importance|source_special): "),
    ],
)
def test_inputs_that_do_not_fit_the_attention_are_named(inputs, message):
    for name in ("value_norm", "importance", "sink_mass"):
        if not inputs or set(scores.BUILTIN[name].needs) & set(inputs):
            with pytest.raises(ValueError, match=message):
                scores.BUILTIN[name](random_attention((2, 3, 4, 5), 0), **inputs)


def test_inputs_of_a_users_score_are_copies():
    record = record_of(random_attention((2, 3, 4, 5), 0))

    @score(batched=True)
    def writes(attention, source_mask, target_mask, value_norms, importance):
        return value_norms.zero_().sum((-1, -2)) + importance["gradient"].zero_()

    assert not record.score(writes).any()
    assert record.value_norms.all()
    assert record.importance["gradient"].all()


# --- A new kind of input is one entry of the table.


@pytest.fixture
def logprobs(monkeypatch):
    """The log-probabilities of the target, which records hold and scores cannot ask for yet."""
    kind = ScoreInput(
        axes=("target",),
        missing="use a record with logprobs",
        from_record=lambda record: record.logprobs,
        outside_jobs="needs the logits, which a corpus job does not keep",
    )
    monkeypatch.setitem(INPUTS, "logprobs", kind)


@pytest.fixture
def largest(monkeypatch):
    """Something that a forward gives: twice the weights."""
    kind = ScoreInput(
        axes=("layers", "heads", "target", "source"),
        missing="pass doubled",
        from_record=lambda record: 2 * record.weights,
        captured=True,
    )
    monkeypatch.setitem(INPUTS, "doubled", kind)
    monkeypatch.setattr(CrossAttentionCall, "doubled", property(lambda call: 2 * call.weights), raising=False)


def surprise(attention, source_mask, target_mask, logprobs):
    return (attention.amax(-1) * logprobs).mean(-1)


def doubled_peak(attention, source_mask, target_mask, doubled):
    return doubled.amax(-1).mean(-1)


def test_a_record_gives_a_new_input_and_policies_cut_its_rows(logprobs, demo):
    record = extract(*demo, GERMAN[0], ENGLISH[0])
    rows = ~record.target_special
    columns = ~record.source_special
    assert score(surprise).needs == ("logprobs",)
    assert "logprobs" not in score(surprise).parameters
    expected = record.weights[:, :, rows][..., columns].amax(-1) * record.logprobs[rows]
    torch.testing.assert_close(record.score(surprise, special="drop").values, expected.mean(-1))


def test_a_new_input_is_checked_and_listed_where_records_hold_it(logprobs, demo, monkeypatch):
    check_score(surprise)
    monkeypatch.setitem(scores.BUILTIN, "surprise", score(surprise))
    record = extract(*demo, GERMAN[0], ENGLISH[0])
    without = record_of(random_attention((2, 3, 4, 5), 0))
    assert score(surprise).missing(without) == "logprobs"
    with pytest.raises(ValueError, match="surprise needs logprobs: use a record with logprobs"):
        without.score(surprise)
    assert "surprise" in list_scores(None, [record])
    assert "surprise" not in list_scores(None, [record, without])


def test_a_corpus_job_captures_a_new_input_or_says_why_not(logprobs, largest, demo):
    @score(scope="model")
    def doubled_share(attention, source_mask, target_mask, doubled):
        return doubled.amax((-1, -2)) / doubled.amax((-1, -2)).sum()

    with pytest.raises(ValueError, match="surprise needs the logits, which a corpus job does not keep"):
        score_corpus(*demo, GERMAN, ENGLISH, surprise)
    table = score_corpus(*demo, GERMAN, ENGLISH, [doubled_peak, doubled_share], special="drop")
    for row, pair in enumerate(zip(GERMAN, ENGLISH, strict=True)):
        record = extract(*demo, *pair)
        for function in (doubled_peak, doubled_share):
            name = getattr(function, "name", "doubled_peak")
            expected = record.score(function, special="drop").values
            torch.testing.assert_close(torch.tensor(grids(table, name)[row]), expected, atol=1e-5, rtol=0)
