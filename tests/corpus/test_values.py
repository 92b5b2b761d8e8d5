"""score_corpus: each number is that of the sentence alone, whatever it is batched with."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from corpus_pool import ENGLISH, EVERYTHING, GERMAN, assert_grid, assert_same_tables, made_up
from families import PAIRS, state_of
from hypothesis import given, settings
from hypothesis import strategies as st

from xattn_widget import extract, score, score_corpus
from xattn_widget.corpus import corpus_info, grids
from xattn_widget.scores import BUILTIN
from xattn_widget.scores.inputs import INPUTS

STATISTICS = ["logprob_sum", "logprob_mean", "logprob_min", "margin", "output_entropy"]
SIX = ["coverage_penalty", "entropy", "confidence", "sink_mass", "ignored_source", "marginal_divergence"]

pytestmark = pytest.mark.usefixtures("single_thread")


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
    needs = {name: [INPUTS[need] for need in score.needs] for name, score in BUILTIN.items()}
    names = [
        name
        for name, kinds in needs.items()
        if not any(kind.outside_jobs or kind.of_sound or kind.of_image for kind in kinds)
    ]
    table = score_corpus(*demo, GERMAN, ENGLISH, names)
    for row, pair in enumerate(EVERYTHING):
        record = extract(*demo, *pair, value_norms=True)
        for name in names:
            assert_grid(grids(table, name)[row], record.score(name))
    with pytest.raises(ValueError, match="importance needs a backward pass"):
        score_corpus(*demo, GERMAN, ENGLISH, "importance")
    with pytest.raises(ValueError, match="silence_mass needs source_loudness, which only sound has"):
        score_corpus(*demo, GERMAN, ENGLISH, "silence_mass")


def test_long_sentences_whose_layers_are_scored_in_several_turns(demo):
    """The weights of all layers are too many to wait for the last one."""
    pairs = [("Haus " * count, "house " * (count - 3)) for count in range(243, 249)]
    names, shapes = [*SIX, "alignment_norm"], []

    @score
    def strongest(attention, source_mask, target_mask):
        shapes.append(tuple(attention.shape))
        return attention.amax((-2, -1))

    table = score_corpus(*demo, *map(list, zip(*pairs, strict=True)), [*names, strongest])
    assert [shape[0] for shape in shapes if shape[-1] > 200] == [2] * len(pairs) + [1] * len(pairs)
    for row, pair in enumerate(pairs):
        record = extract(*demo, *pair)
        for name in [*names, strongest]:
            assert_grid(grids(table, name if isinstance(name, str) else name.name)[row], record.score(name))


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
        if len(args[0]) > 2:  # a model is tried with one or two pairs
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


def test_many_sentences_in_small_batches_equal_one_by_one(demo):
    sources = made_up(60)
    options = {"scores": SIX, "statistics": STATISTICS, "generation": {"max_new_tokens": 12}}
    together = score_corpus(*demo, sources, **options)
    apart = score_corpus(*demo, sources, batch_tokens=1, **options)
    assert together["target"].equals(apart["target"])
    for name in SIX:
        assert_grid(grids(together, name), grids(apart, name))


def test_another_thread_may_run_the_model_meanwhile(demo):
    """Two jobs of one model, one of which needs the logits and the other not even the LM head."""
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


def is_article(text):
    return text.lower() in ("der", "die", "das", "the")


@pytest.mark.parametrize("special", ["drop_punctuation", "renormalize_punctuation", is_article, ("drop", is_article)])
def test_policies_leave_out_what_they_leave_out_of_records(demo, special):
    """Punctuation, or what a function says, in sentences of different lengths."""
    sources = ["Ja, gern!", "Die Frau, die das Buch liest, ist meine Schwester.", "Wo ist der Hund?"]
    records = extract(*demo, sources)
    names = ["entropy", "coverage_penalty", "alignment_norm", "agreement"]
    names += ["sink_mass", "punctuation_mass"] if special == "drop_punctuation" else []
    table = score_corpus(*demo, sources, scores=names, special=special)
    for name in names:
        for row, record in enumerate(records):
            assert_grid(grids(table, name)[row], record.score(name, special=special))
    assert corpus_info(table)["signatures"]["entropy"] == records[0].score("entropy", special=special).signature
