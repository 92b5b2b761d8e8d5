"""Scores of sound against plain formulas, in batches, on real sound, and refused where there is no sound."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from score_formulas import SOUND_NAMES, random_attention

from xattn_widget import CrossAttention, best_alignment_heads, score_corpus, scores
from xattn_widget.panel.score_entries import list_scores
from xattn_widget.record.axis import Axis
from xattn_widget.record.kept import KeptHeads
from xattn_widget.record.sound import Sound
from xattn_widget.scores.sound_inputs import source_loudness, source_seconds, spoken_words

RATE = 1000
STEP = 0.1


def record_of_sound(weights, amplitudes, *, heard=None, words=("ab", "c", "."), groups=(-1, 0, 0, 1, 2, -1)):
    """A record whose positions last 0.1 s and hold a square wave of these amplitudes."""
    positions = weights.shape[-1]
    heard = positions if heard is None else heard
    source = Axis(
        tuple(f"{position * STEP:.1f} s" for position in range(positions)),
        special=tuple(position >= heard for position in range(positions)),
        kinds=("audio",) * positions,
        places=tuple((position * STEP, (position + 1) * STEP) for position in range(positions)),
    )
    rows = weights.shape[-2]
    target = Axis(
        tuple(f"t{row}" for row in range(rows)),
        special=tuple(group < 0 for group in groups),
        groups=groups,
        words=words,
    )
    samples = torch.tensor(amplitudes).repeat_interleave(int(RATE * STEP))
    samples[1::2] *= -1
    outside = weights[..., heard:].sum(-1)
    return CrossAttention(weights, source, {"output": target}, sound=Sound(samples, RATE), outside=outside)


# --- The formulas in plain numpy, with loops.


def word_rows(head, words):
    """The mean row of each word, in order."""
    numbers = [number for number in dict.fromkeys(words.tolist()) if number >= 0]
    return np.array([head[words == number].mean(0) for number in numbers]).reshape(len(numbers), head.shape[1])


def silent(loudness, below_peak=40, floor=-60):
    known = loudness[~np.isnan(loudness)]
    peak = known.max() if len(known) else -math.inf
    return np.array([not math.isnan(value) and value < max(peak - below_peak, floor) for value in loudness])


def sound_coverage(head, seconds, threshold=0.5, **_):
    if seconds.sum() == 0:
        return math.nan
    even = len(head) * seconds / seconds.sum()
    # The score has this slack, so that rounding does not decide about a head with even attention.
    return seconds[head.sum(0) >= (threshold - 1e-5) * even].sum() / seconds.sum()


def silence_mass(head, loudness, **_):
    return head[:, silent(loudness)].sum(1).mean()


def rereading(head, seconds, words, gap=2, **_):
    rows = word_rows(head, words)
    middles = np.cumsum(seconds) - seconds / 2
    blocks = (middles.astype(np.float32) / np.float32(0.2)).astype(int)
    masses = np.array([[row[blocks == block].sum() for block in range(blocks.max() + 1)] for row in rows])
    overlaps = [
        max([np.minimum(masses[later], masses[earlier]).sum() for earlier in range(later - gap + 1)], default=0)
        for later in range(len(rows))
    ]
    return np.mean(overlaps) if overlaps else math.nan


def supports(head, loudness, words):
    rows = word_rows(head, words)
    sounding = ~silent(loudness)
    return [
        sum(row[s] ** 2 / rows[:, s].sum() for s in range(len(row)) if sounding[s] and rows[:, s].sum() > 0)
        for row in rows
    ]


def unsupported_words(head, loudness, words, threshold=None, **_):
    values = np.array(supports(head, loudness, words))
    if not len(values):
        return math.nan
    return 1 - values.mean() if threshold is None else (values < threshold).mean()


FORMULAS = {
    "sound_coverage": sound_coverage,
    "silence_mass": silence_mass,
    "rereading": rereading,
    "outside_mass": lambda head, outside, **_: outside.mean(),
    "unsupported_words": unsupported_words,
}


def random_inputs(rows, columns, seed):
    """Random attention of one sentence with all inputs of the scores of sound."""
    generator = np.random.default_rng(seed)
    words = np.sort(generator.integers(-1, max(1, rows // 2), rows))
    loudness = generator.uniform(-90, 0, columns)
    loudness[generator.random(columns) < 0.2] = -math.inf
    loudness[generator.random(columns) < 0.2] = math.nan
    # Steps that keep the middles of positions away from the limits of blocks, where rounding would decide.
    seconds = generator.choice([0.0, 0.02, 0.08], columns) + 0.001
    return {
        "attention": random_attention((2, 3, rows, columns), seed),
        "source_loudness": torch.tensor(loudness).float(),
        "source_seconds": torch.tensor(seconds).float(),
        "spoken_words": torch.tensor(words),
        "outside": torch.tensor(generator.random((2, 3, rows))).float(),
    }


def in_numpy(name, inputs, layer, head, **parameters):
    return FORMULAS[name](
        inputs["attention"][layer, head].double().numpy(),
        loudness=inputs["source_loudness"].double().numpy(),
        seconds=inputs["source_seconds"].double().numpy(),
        words=inputs["spoken_words"].numpy(),
        outside=inputs["outside"][layer, head].double().numpy(),
        **parameters,
    )


sizes = st.integers(1, 9)


@settings(max_examples=120, deadline=None)
@given(rows=sizes, columns=st.integers(1, 40), seed=st.integers(0, 10**6), name=st.sampled_from(SOUND_NAMES))
def test_scores_equal_their_formula_in_numpy(rows, columns, seed, name):
    inputs = random_inputs(rows, columns, seed)
    parameters = {"rereading": {"gap": 1 + seed % 3}, "unsupported_words": {"threshold": (None, 0.3)[seed % 2]}}
    chosen = parameters.get(name, {})
    values = scores.BUILTIN[name](**inputs, **chosen)
    for layer in range(2):
        for head in range(3):
            expected = in_numpy(name, inputs, layer, head, **chosen)
            assert float(values[layer, head]) == pytest.approx(expected, abs=1e-5, nan_ok=True)
    assert ((values >= -1e-6) & (values <= 1 + 1e-6) | values.isnan()).all()


@settings(max_examples=80, deadline=None)
@given(
    lengths=st.lists(st.tuples(sizes, sizes), min_size=1, max_size=4),
    seed=st.integers(0, 10**6),
    name=st.sampled_from(SOUND_NAMES),
    special=st.sampled_from(["keep", "drop"]),
)
def test_padding_and_batching_do_not_change_a_score(lengths, seed, name, special):
    rows, columns = (max(length[side] for length in lengths) + 2 for side in (0, 1))
    padded = [random_inputs(rows, columns, seed + 100 + index) for index in range(len(lengths))]
    source_mask = torch.zeros(len(lengths), columns, dtype=torch.bool)
    target_mask = torch.zeros(len(lengths), rows, dtype=torch.bool)
    target_special = torch.rand(len(lengths), rows, generator=torch.Generator().manual_seed(seed)) < 0.3
    nothing_special = torch.zeros(columns, dtype=torch.bool)
    alone = []
    for index, (height, width) in enumerate(lengths):
        sentence = random_inputs(height, width, seed + index)
        source_mask[index, :width], target_mask[index, :height] = True, True
        for key, value in sentence.items():
            padded[index][key][tuple(map(slice, value.shape))] = value
        alone.append(
            scores.BUILTIN[name](
                **sentence,
                special=special,
                source_special=nothing_special[:width],
                target_special=target_special[index, :height],
            )
        )
    batched = scores.BUILTIN[name](
        source_mask=source_mask,
        target_mask=target_mask,
        source_special=nothing_special,
        target_special=target_special,
        special=special,
        **{key: torch.stack([inputs[key] for inputs in padded]) for key in padded[0]},
    )
    torch.testing.assert_close(batched.values, torch.stack([grid.values for grid in alone]), equal_nan=True)


# --- Known answers.

ROWS = 6  # a prompt, two pieces of "ab", "c", a period, the end
LOUD = [0.5, 0.5, 0.0, 0.5, 0.5, 0.0005]  # the third position and the last one are silent


def one_head(*columns, positions=6):
    """Attention with each row on one position."""
    return torch.eye(positions)[list(columns)][None, None]


def test_loudness_is_the_level_around_each_position():
    record = record_of_sound(one_head(0, 0, 0, 1, 0, 0), LOUD)
    expected = [20 * math.log10(value) if value else -math.inf for value in LOUD]
    np.testing.assert_allclose(source_loudness(record.source, record.sound).numpy(), expected, rtol=1e-5)


def test_a_short_position_is_as_loud_as_what_surrounds_it():
    # 20 ms without sound in the middle of a tone are no silence: loudness is that of 100 ms.
    samples = torch.full((1000,), 0.5)
    samples[490:510] = 0
    source = Axis(
        tuple(map(str, range(50))),
        kinds=("audio",) * 50,
        places=tuple((place * 0.02, (place + 1) * 0.02) for place in range(50)),
    )
    record = CrossAttention(torch.ones(1, 1, 1, 50) / 50, source, {"output": Axis(("a",))}, sound=Sound(samples, RATE))
    assert float(source_loudness(record.source, record.sound).min()) == pytest.approx(
        20 * math.log10(0.5 * math.sqrt(0.8)), abs=0.05
    )


def test_seconds_count_overlaps_once_and_positions_without_a_place_not_at_all():
    places = ((0.0, 0.025), (0.02, 0.045), (0.04, 0.065), (0.2, 0.225), (math.nan, math.nan))
    source = Axis(tuple("abcde"), kinds=("audio",) * 5, places=places, special=(False,) * 4 + (True,))
    record = CrossAttention(torch.ones(1, 1, 1, 5) / 5, source, {"output": Axis(("x",))})
    np.testing.assert_allclose(source_seconds(record.source).numpy(), [0.02, 0.02, 0.025, 0.025, 0], atol=1e-6)


def test_special_tokens_and_punctuation_are_no_spoken_words():
    record = record_of_sound(one_head(0, 0, 0, 1, 0, 0), LOUD)
    assert spoken_words(record.target).tolist() == [-1, 0, 0, 1, -1, -1]
    assert spoken_words(record.words().target).tolist() == [-1, 0, 1, -1, -1]


def test_known_values_of_a_sharp_head():
    record = record_of_sound(one_head(5, 0, 1, 3, 2, 5), LOUD)
    assert float(record.score("silence_mass")) == pytest.approx(3 / 6)
    assert float(record.score("silence_mass", special="drop")) == pytest.approx(1 / 4)
    assert float(record.score("sound_coverage")) == pytest.approx(5 / 6)
    assert float(record.score("outside_mass")) == 0
    assert float(record.score("rereading", gap=1)) == pytest.approx(0)
    assert float(record.score("unsupported_words")) == pytest.approx(0)
    # The second word reads what the first one reads: each has a half of it.
    same = record_of_sound(one_head(5, 0, 0, 0, 2, 5), LOUD)
    assert float(same.score("unsupported_words")) == pytest.approx(0.5)
    assert float(same.score("rereading", gap=1)) == pytest.approx(0.5)
    # The second word reads silence.
    quiet = record_of_sound(one_head(5, 0, 0, 2, 2, 5), LOUD)
    assert float(quiet.score("unsupported_words")) == pytest.approx(0.5)
    assert float(quiet.score("unsupported_words", threshold=0.5)) == pytest.approx(0.5)


def test_a_loop_reads_again_and_a_straight_reading_does_not():
    words = tuple("abcdef")
    straight = record_of_sound(one_head(0, 2, 4, 6, 8, 10, positions=12), [0.5] * 12, words=words, groups=range(6))
    loop = record_of_sound(one_head(0, 2, 4, 0, 2, 4, positions=12), [0.5] * 12, words=words, groups=range(6))
    assert float(straight.score("rereading")) == 0
    assert float(loop.score("rereading")) == pytest.approx(0.5)


def test_an_even_head_reads_everything_and_supports_nothing():
    record = record_of_sound(torch.full((1, 1, ROWS, 6), 1 / 6), [0.5] * 6)
    assert float(record.score("sound_coverage")) == 1
    assert float(record.score("unsupported_words")) == pytest.approx(1 / 2)  # one of two words
    assert float(record.score("rereading", gap=1)) == pytest.approx(1 / 2)  # the first word has none before it


def test_all_is_silent_where_nothing_is_louder_than_the_floor():
    record = record_of_sound(one_head(5, 0, 1, 3, 2, 5), [0.0005] * 6)
    assert float(record.score("silence_mass")) == 1
    assert float(record.score("silence_mass", floor=-80)) == 0
    assert float(record.score("unsupported_words")) == 1


def test_what_is_outside_the_sound_is_cut_and_its_mass_is_a_score():
    weights = random_attention((2, 3, ROWS, 8), 0)
    record = record_of_sound(weights, LOUD, heard=6)
    torch.testing.assert_close(record.score("outside_mass").values, weights[..., 6:].sum(-1).mean(-1))
    torch.testing.assert_close(record.cropped().score("outside_mass").values, record.score("outside_mass").values)
    cut = record.score("silence_mass")
    assert "record:crop" in cut.signature
    assert "below_peak:40.0|floor:-60.0" in cut.signature
    share = weights[..., [2, 5]].sum(-1) / weights[..., :6].sum(-1)
    torch.testing.assert_close(cut.values, share.mean(-1))
    torch.testing.assert_close(record.score("silence_mass", crop=False).values, weights[..., [2, 5]].sum(-1).mean(-1))


@pytest.mark.parametrize("name", SOUND_NAMES)
def test_undefined_values_are_nan(name):
    weights = random_attention((1, 2, ROWS, 8), 0)
    weights[0, 1, 1] = torch.eye(8)[7]  # a row whose mass is all outside
    grid = record_of_sound(weights, LOUD, heard=6).score(name)
    assert grid.isnan().tolist() == [[False, name != "outside_mass"]]
    silence = record_of_sound(random_attention((1, 2, 2, 6), 0), LOUD, words=(), groups=(-1, -1))
    undefined = name in ("rereading", "unsupported_words")
    assert bool(silence.score(name).isnan().all()) == undefined
    assert silence.score(name, special="drop").isnan().all()


# --- Where they are offered.


def test_scores_of_sound_are_listed_for_records_of_sound_alone():
    sound = record_of_sound(random_attention((1, 2, ROWS, 6), 0), LOUD)
    text = CrossAttention.from_tokens(random_attention((1, 2, 3, 2), 0), ["a", "b"], ["x", "y", "z"])
    assert set(SOUND_NAMES) <= set(list_scores(None, [sound]))
    assert not set(SOUND_NAMES) & set(list_scores(None, [text]))
    assert not set(SOUND_NAMES) & set(list_scores(None, [sound, text]))


@pytest.mark.parametrize("name", SOUND_NAMES)
def test_text_is_refused_with_what_to_do(name, demo):
    text = CrossAttention.from_tokens(random_attention((1, 2, 3, 2), 0), ["a", "b"], ["x", "y", "z"])
    with pytest.raises(ValueError, match=r"needs (source_seconds|source_loudness|outside): use the record of a sound"):
        text.score(name)
    with pytest.raises(ValueError, match=f"{name} needs [a-z_]+, which only sound has, and this model reads text"):
        score_corpus(*demo, ["Ich lese."], ["I read."], name)


# --- The list of words.


def test_unsupported_words_are_listed_with_their_support():
    weights = torch.cat([one_head(5, 0, 1, 2, 2, 5), one_head(5, 0, 1, 3, 2, 5)], 1)
    record = record_of_sound(weights, LOUD)
    assert record.unsupported_words([(0, 0)]) == [("c", 0.0, 1)]
    assert record.unsupported_words([(0, 1)]) == []
    assert record.unsupported_words([(0, 0), (0, 1)], below=0.6) == [("c", 0.5, 1)]
    [word] = record.unsupported_words([(0, 0)])
    assert record.target_words[word.number].text == word.word


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_support_of_a_word_is_the_mean_of_its_formula_over_the_heads(seed):
    record = record_of_sound(random_attention((2, 3, ROWS, 6), seed), LOUD)
    pairs = [(0, 1), (1, 2)]
    loudness, words = source_loudness(record.source, record.sound).double().numpy(), spoken_words(record.target).numpy()
    expected = np.mean([supports(record.weights[pair].double().numpy(), loudness, words) for pair in pairs], axis=0)
    listed = record.unsupported_words(pairs, below=1)
    assert [word.word for word in listed] == ["ab", "c"]
    np.testing.assert_allclose([word.support for word in listed], expected, rtol=1e-5)


def test_unsupported_words_of_a_record_that_keeps_some_heads_are_those_of_the_whole_record():
    weights = random_attention((2, 3, ROWS, 6), 2)
    whole = record_of_sound(weights, LOUD)
    kept = KeptHeads(2, 3, ((0, 1), (1, 2)))
    some = replace(whole, weights=kept.cut(weights), kept=kept)
    for pairs in ([(1, 2)], [(0, 1), (1, 2)]):
        assert some.unsupported_words(pairs, below=1) == whole.unsupported_words(pairs, below=1)
    with pytest.raises(ValueError, match="does not keep layer 0 head 0"):
        some.unsupported_words([(0, 0)])


def test_unsupported_words_without_heads_are_those_of_the_heads_that_time_words():
    record = record_of_sound(random_attention((2, 3, ROWS, 6), 1), LOUD)
    best = [(entry.layer, entry.head) for entry in best_alignment_heads([record])[:3]]  # the better half
    assert record.unsupported_words(below=1) == record.unsupported_words(best, below=1)


def test_unsupported_words_need_sound_and_heads_that_exist():
    record = record_of_sound(random_attention((1, 2, ROWS, 6), 0), LOUD)
    text = CrossAttention.from_tokens(random_attention((1, 2, 3, 2), 0), ["a", "b"], ["x", "y", "z"])
    with pytest.raises(ValueError, match="the source of this record is text"):
        text.unsupported_words()
    silent_record = CrossAttention(record.weights, record.source, record.targets)
    with pytest.raises(ValueError, match="has no sound, which tells where silence is"):
        silent_record.unsupported_words()
    with pytest.raises(ValueError, match="none"):
        record.unsupported_words([])
    with pytest.raises(ValueError, match="head 5"):
        record.unsupported_words([(0, 5)])
    with pytest.raises(ValueError, match="from 0 to 1, got 2"):
        record.unsupported_words(below=2)
