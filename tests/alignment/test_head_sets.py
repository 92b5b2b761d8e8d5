"""Sets of heads for alignment: against all sets, one by one, and against what each head aligns by itself."""

from dataclasses import replace
from itertools import combinations, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xattn_widget import CrossAttention, alignment_error_rate, best_head_set, extract
from xattn_widget.alignment import HeadSet
from xattn_widget.alignment.evidence import one_to_one
from xattn_widget.record.axis import Axis

READINGS = ("output", "input")


def make_record(weights):
    """Return a record of one-token words and an end of sentence on both sides, as models have them."""
    rows, columns = weights.shape[2:]
    source = special_at([f"s{number}" for number in range(columns - 1)] + ["</s>"], columns - 1)
    words = [f"t{number}" for number in range(rows - 1)]
    axes = {"output": special_at([*words, "</s>"], rows - 1), "input": special_at(["<s>", *words], 0)}
    return CrossAttention(weights, source, axes)


def special_at(labels, place):
    flags = tuple(position == place for position in range(len(labels)))
    groups, words = [], []
    for label, flag in zip(labels, flags, strict=True):
        groups.append(-1 if flag else len(words))
        words += [] if flag else [label]
    return Axis(tuple(labels), flags, tuple(groups), tuple(words))


def random_records(seed, count=3, heads=2, levels=1000):
    generator = torch.Generator().manual_seed(seed)
    records = []
    for _ in range(count):
        rows, columns = torch.randint(2, 6, (2,), generator=generator).tolist()
        weights = torch.randint(1, levels, (2, heads, rows, columns), generator=generator).float()
        records.append(make_record(weights / weights.sum(-1, keepdim=True)))
    return records


def random_gold(records, seed):
    generator = torch.Generator().manual_seed(seed)
    gold = []
    for record in records:
        cells = list(product(range(len(record.source.words)), range(len(record.target.words))))
        kinds = torch.randint(0, 4, (len(cells),), generator=generator).tolist()
        gold.append(
            " ".join(
                f"{s}{'-' if kind == 1 else 'p'}{t}" for (s, t), kind in zip(cells, kinds, strict=True) if kind < 3
            )
        )
    return gold


def mean_record(records, pairs, reading):
    """Return records with one head, the mean of the pairs."""
    return [
        replace(record.read_as(reading), weights=record.head_weights(pairs).mean(0)[None, None]) for record in records
    ]


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6))
def test_with_gold_the_best_set_of_two_is_the_best_of_all_sets(seed):
    records = random_records(seed)
    gold = random_gold(records, seed)
    pairs = records[0].kept_heads
    rates = [
        alignment_error_rate([record.read_as(reading).align(list(chosen)) for record in records], gold)
        for reading in READINGS
        for size in (1, 2)
        for chosen in combinations(pairs, size)
    ]
    found = best_head_set(records, gold, most_heads=2, beam=100, mixed=False)
    assert found.value == pytest.approx(min(rates), abs=1e-6)
    assert found.measure == "aer"
    assert alignment_error_rate([found.align(record) for record in records], gold) == pytest.approx(
        found.value, abs=1e-6
    )


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6))
def test_without_gold_the_best_set_of_two_is_the_best_of_all_sets(seed):
    records = random_records(seed)
    values = []
    for reading in READINGS:
        for size in (1, 2):
            for chosen in combinations(records[0].kept_heads, size):
                parts = [one_to_one(record) for record in mean_record(records, list(chosen), reading)]
                values.append(float(sum(part for part, _ in parts)) / max(1, sum(words for _, words in parts)))
    found = best_head_set(records, most_heads=2, beam=100, mixed=False)
    assert (found.value, found.measure) == (pytest.approx(max(values), abs=1e-6), "one_to_one")


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_heads_with_readings_of_their_own_against_all_sets(seed):
    """The links of a set by hand: rows of output heads as they are, rows of input heads one up."""
    records = random_records(seed, count=2)
    gold = random_gold(records, seed)

    def align(record, heads):
        words = len(record.target.words)
        total = sum(
            record.weights[layer, head, (0 if reading == "output" else 1) :][:words, : len(record.source.words)]
            for layer, head, reading in heads
        )
        return [(int(row.argmax()), number) for number, row in enumerate(total)]

    candidates = [(*pair, reading) for reading in READINGS for pair in records[0].kept_heads]
    sets = [
        chosen
        for size in (1, 2)
        for chosen in combinations(candidates, size)
        if len({head[:2] for head in chosen}) == size
    ]
    rates = [alignment_error_rate([align(record, chosen) for record in records], gold) for chosen in sets]
    found = best_head_set(records, gold, most_heads=2, beam=100)
    assert found.value == pytest.approx(min(rates), abs=1e-6)
    assert [found.align(record) for record in records] == [sorted(align(record, found.heads)) for record in records]


def test_two_heads_that_read_every_other_word_are_found_together():
    size = 7
    diagonal = torch.eye(size)
    even, odd = (torch.where((torch.arange(size) % 2 == part)[:, None], diagonal, 1 / size) for part in (0, 1))
    late = torch.eye(size).roll(1, 0)  # the row after the word was read
    flat = torch.full((size, size), 1 / size)
    record = make_record(torch.stack([torch.stack([even, odd]), torch.stack([flat, late])]))
    links = [(number, number) for number in range(size - 1)]
    one_reading = best_head_set([record], mixed=False, most_heads=2, beam=1)
    assert set(one_reading.heads) in ({(0, 0, "output"), (0, 1, "output")}, {(1, 1, "input")})
    late_head = best_head_set([record], [links])
    assert late_head.heads == ((1, 1, "input"),)
    assert (late_head.value, late_head.align(record)) == (0, links)


def test_the_demo_model_aligns_the_pairs_made_by_hand_below_15(measured):
    """With each half aligned by the set that was chosen on the other half, and without gold at all."""
    records, gold, _ = measured
    halves = [list(range(part, 50, 2)) for part in (0, 1)]
    links = [None] * 50
    for chosen_on, tested in (halves, halves[::-1]):
        found = best_head_set([records[number] for number in chosen_on], [gold[number] for number in chosen_on])
        for number in tested:
            links[number] = found.align(records[number])
    assert alignment_error_rate(links, gold) < 0.12
    guessed = best_head_set(records)
    assert alignment_error_rate([guessed.align(record) for record in records], gold) < 0.12
    single = best_head_set(records, gold, most_heads=1)
    assert single.value == pytest.approx(0.183, abs=5e-4)


def test_records_that_keep_some_heads_choose_among_these(demo):
    records = extract(*demo, ["Ich habe das Buch gelesen."], heads=[(0, 6), (2, 3)])
    found = best_head_set(records)
    assert {head[:2] for head in found.heads} <= {(0, 6), (2, 3)}
    assert HeadSet.read(found.describe()) == found


def test_sentences_without_words_or_links_do_not_count(demo):
    records = extract(*demo, ["Ich habe das Buch gelesen.", "?!"], ["I have read the book.", "?!"])
    both = best_head_set(records, special="renormalize_punctuation")
    assert both.heads == best_head_set(records[:1], special="renormalize_punctuation").heads
    assert both.align(records[1], special="renormalize_punctuation") == []
    assert best_head_set(records, ["", ""]).value == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"possible": ["0-0"]}, "possible links add to sure ones"),
        ({"most_heads": 0}, "most_heads must be a positive whole number, got 0"),
        ({"beam": 1.5}, "beam must be a positive whole number"),
        ({"most_heads": "a"}, "most_heads must be a positive whole number, got 'a'"),
        ({"special": "keep"}, "special tokens cannot be kept"),
        ({"sure": ["0-0"]}, "there are 3 records and 1 gold alignments"),
        ({"sure": ["0-0"] * 3, "possible": ["1p1"]}, "there are 3 records and 1 gold"),
    ],
)
def test_what_does_not_fit_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        best_head_set(random_records(0), **arguments)


def test_records_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="no records"):
        best_head_set([])
    with pytest.raises(TypeError, match=r"got one record: write \[record\]"):
        best_head_set(random_records(0)[0])
    with pytest.raises(TypeError, match=r"records must be a list of records, .* got 'a'"):
        best_head_set(["a"])
    with pytest.raises(ValueError, match="must come from one model"):
        best_head_set([*random_records(0), *random_records(0, heads=3)])
    record = random_records(0)[0]
    parts = [replace(record, targets={reading: record.targets[reading]}, reading=reading) for reading in READINGS]
    with pytest.raises(ValueError, match="no head or no reading in common"):
        best_head_set(parts)
