"""Shares of rows that follow the rule of a role: heads made by hand, a plain formula, and padding."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xattn_widget import CrossAttention, extract
from xattn_widget.record.axis import Axis
from xattn_widget.scores.roles import LEAST_SHARES, MIXED, ROLES, assign_roles

SOURCE = ("deu_Latn", "er", "weiß", ",", "was", "er", "will", "</s>")
TARGET = ("eng_Latn", "he", "knows", "what", "he", "wants", ".", "</s>")
SIZE = len(SOURCE)
# Which words translate each other; most are not on the diagonal.
ALIGNED = {1: 2, 2: 1, 3: 3, 4: 5, 5: 4, 6: 6}


def looking(columns, sharpness=0.9):
    """Return a head whose rows look at these columns, one for each row."""
    head = torch.full((len(columns), SIZE), (1 - sharpness) / (SIZE - 1))
    head[torch.arange(len(columns)), torch.tensor(columns)] = sharpness
    return head


@cache
def heads_by_role():
    rows = range(SIZE)
    written = [ALIGNED.get(row, 0) for row in rows]
    return {
        "end of sentence": looking([7] * SIZE),
        "language code": looking([0] * SIZE),
        "punctuation": looking([3] * SIZE),
        "same position": looking(list(rows)),
        "previous position": looking([max(row - 1, 0) for row in rows]),
        "next position": looking([min(row + 1, SIZE - 1) for row in rows]),
        "aligner (output)": looking(written),
        "aligner (input)": looking([0, *written[:-1]]),
        "repeated token": looking([1, 5] * (SIZE // 2)),
        "uniform": torch.full((SIZE, SIZE), 1 / SIZE),
        MIXED: looking([7, 7, 7, 3, 3, 0, 0, 2]),
    }


def record_of(weights):
    axes = (Axis(labels, tuple(row in (0, SIZE - 1) for row in range(SIZE))) for labels in (SOURCE, TARGET))
    return CrossAttention.from_tokens(weights, *axes)


def test_heads_made_by_hand_have_the_role_that_they_were_made_for():
    record = record_of(torch.stack(list(heads_by_role().values()))[None])
    shares = np.stack([record.score(score).numpy()[0] for score in ROLES.values()])
    assert ((shares >= 0) & (shares <= 1)).all()
    roles, of_role = assign_roles(shares)
    assert roles == list(heads_by_role())
    by_role = dict(zip(roles, of_role, strict=True))
    every_row = ("end of sentence", "language code", "punctuation", "same position", "repeated token", "uniform")
    assert {role: by_role[role] for role in every_row} == dict.fromkeys(every_row, 1)
    assert by_role["previous position"] == by_role["next position"] == 7 / 8


def test_a_link_counts_less_the_further_it_is_from_the_diagonal():
    record = record_of(heads_by_role()["aligner (output)"][None, None])
    # Six words on each side, numbered from 0 without the two special tokens.
    expected = sum((1 - abs((source - 0.5) / 6 - (row - 0.5) / 6)) ** 2 for row, source in ALIGNED.items()) / SIZE
    assert float(record.score(ROLES["aligner (output)"])) == pytest.approx(expected, abs=1e-6)


def test_of_equal_shares_the_earlier_role_wins_and_a_share_must_reach_its_least():
    names = list(ROLES)
    shares = np.zeros((len(names), 4))
    shares[names.index("end of sentence"), 0] = shares[names.index("uniform"), 0] = 0.5
    shares[names.index("uniform"), 1] = 0.49
    shares[names.index("aligner (input)"), 2] = 0.36
    shares[:, 3] = np.nan
    assert assign_roles(shares) == (["end of sentence", MIXED, "aligner (input)", MIXED], [0.5, 0.49, 0.36, 0])
    least = LEAST_SHARES | {"uniform": 0.4}
    assert assign_roles(shares, least)[0][1] == "uniform"


def by_formula(role, weights, kinds, words):
    """Return the share of one head's rows in plain Python; ``words`` says which rows write a word."""
    height, width = weights.shape
    rows = weights.double().tolist()

    def is_uniform(row):
        return width > 1 and -sum(x * math.log(x) for x in row if x) >= 0.9 * math.log(width)

    largest = [max(range(width), key=lambda column, row=row: row[column]) for row in rows]
    if role == "uniform":
        return sum(map(is_uniform, rows)) / height
    kind = {"end of sentence": 1, "language code": 2, "punctuation": 3, "repeated token": 4}.get(role)
    step = {"same position": 0, "previous position": -1, "next position": 1}.get(role)
    if role == "aligner (input)":
        words = [False, *words[:-1]]
    word_rows = [row for row in range(height) if words[row]]
    word_columns = [column for column in range(width) if kinds[column] in (0, 3, 4)]
    total = 0.0
    for row in range(height):
        column = largest[row]
        if is_uniform(rows[row]):
            continue
        if kind is not None:
            total += kinds[column] == kind
        elif step is not None:
            total += column == math.floor((row + 0.5) / height * width + 1e-9) + step
        elif (
            row in word_rows
            and column in word_columns
            and row == max(word_rows, key=lambda other, column=column: rows[other][column])
        ):
            across = (word_columns.index(column) + 0.5) / len(word_columns)
            down = (word_rows.index(row) + 0.5) / len(word_rows)
            total += (1 - abs(across - down)) ** 2
    return total / height


@settings(max_examples=60)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 7), st.integers(1, 7)), min_size=1, max_size=3),
    sharpness=st.floats(0, 4),
    seed=st.integers(0, 10**6),
)
def test_shares_are_those_of_a_plain_formula_whatever_the_sentence_is_batched_with(sizes, sharpness, seed):
    generator = torch.Generator().manual_seed(seed)
    height, width = (max(size[side] for size in sizes) + 1 for side in (0, 1))
    batch = torch.rand(len(sizes), 2, 2, height, width, generator=generator)  # padding holds numbers, too
    source_mask, target_mask = torch.zeros(len(sizes), width).bool(), torch.zeros(len(sizes), height).bool()
    kinds = torch.randint(0, 6, (len(sizes), width), generator=generator)
    words = torch.rand(len(sizes), height, generator=generator) < 0.7
    for number, (rows, columns) in enumerate(sizes):
        logits = torch.randn(2, 2, rows, columns, generator=generator) * sharpness
        batch[number, :, :, :rows, :columns] = logits.softmax(-1)
        source_mask[number, :columns], target_mask[number, :rows] = True, True
    for role, score in ROLES.items():
        found = score(batch, source_mask, target_mask, source_kinds=kinds, written_words=words)
        assert bool(((found >= 0) & (found <= 1)).all())
        for number, (rows, columns) in enumerate(sizes):
            for layer, head in np.ndindex(2, 2):
                weights = batch[number, layer, head, :rows, :columns]
                expected = by_formula(role, weights, kinds[number, :columns].tolist(), words[number, :rows].tolist())
                assert float(found[number, layer, head]) == pytest.approx(expected, abs=1e-5), role


def test_rows_stand_for_the_tokens_written_whatever_the_reading_of_the_record(demo):
    record = extract(*demo, "Ich habe das Buch gelesen.")
    for score in ROLES.values():
        torch.testing.assert_close(record.read_as("input").score(score), record.score(score), equal_nan=True)


def test_a_role_looks_at_whole_rows():
    with pytest.raises(ValueError, match="end_share looks at whole rows"):
        record_of(torch.full((1, 1, SIZE, SIZE), 1 / SIZE)).score(ROLES["end of sentence"], special="drop")
