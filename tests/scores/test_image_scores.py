"""Scores of images: plain formulas, batches, known answers, and errors for records without a picture."""

import math
from itertools import pairwise

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from score_formulas import IMAGE_NAMES, random_attention

from xattn_widget import CrossAttention, load_demo, score_corpus, scores
from xattn_widget.panel.score_entries import list_scores
from xattn_widget.record.axis import Axis
from xattn_widget.record.picture import Picture

NOWHERE = (math.nan,) * 4


# --- The formulas in plain numpy, with loops.


def centers_and_masses(row, x, y):
    known = [(x[s], y[s], row[s]) for s in range(len(row)) if not math.isnan(x[s])]
    total = sum(mass for *_, mass in known)
    return known, total


def center(row, x, y):
    known, total = centers_and_masses(row, x, y)
    if total <= 0:
        return None
    return np.array([sum(place[axis] * place[2] for place in known) / total for axis in (0, 1)])


def spatial_spread(head, x, y, **_):
    spreads = []
    for row in head:
        middle = center(row, x, y)
        if middle is not None:
            known, total = centers_and_masses(row, x, y)
            variance = sum(((px - middle[0]) ** 2 + (py - middle[1]) ** 2) * mass for px, py, mass in known) / total
            spreads.append(math.sqrt(max(variance, 0.0)))
    return np.mean(spreads) if spreads else math.nan


def reading_jump(head, x, y, words, **_):
    numbers = [number for number in dict.fromkeys(words.tolist()) if number >= 0]
    middles = [center(head[words == number].mean(0), x, y) for number in numbers]
    middles = [middle for middle in middles if middle is not None]
    steps = [np.linalg.norm(later - before) for before, later in pairwise(middles)]
    return np.mean(steps) if steps else math.nan


FORMULAS = {
    "spatial_spread": spatial_spread,
    "reading_jump": reading_jump,
    "blank_mass": lambda head, blank, **_: head[:, blank].sum(1).mean(),
}


def random_inputs(rows, columns, seed):
    generator = np.random.default_rng(seed)
    x, y = (torch.tensor(generator.uniform(0, 0.7, columns)).float() for _ in range(2))
    nowhere = torch.tensor(generator.random(columns) < 0.3)
    return {
        "attention": random_attention((2, 3, rows, columns), seed),
        "source_mask": torch.ones(columns, dtype=torch.bool),
        "target_mask": torch.ones(rows, dtype=torch.bool),
        "source_centers": {"x": x.masked_fill(nowhere, math.nan), "y": y.masked_fill(nowhere, math.nan)},
        "source_blank": torch.tensor(generator.random(columns) < 0.4),
        "spoken_words": torch.tensor(np.sort(generator.integers(-1, max(1, rows // 2), rows))),
    }


sizes = st.integers(1, 9)


@settings(max_examples=120, deadline=None)
@given(rows=sizes, columns=st.integers(1, 30), seed=st.integers(0, 10**6), name=st.sampled_from(IMAGE_NAMES))
def test_scores_equal_their_formula_in_numpy(rows, columns, seed, name):
    inputs = random_inputs(rows, columns, seed)
    values = scores.BUILTIN[name](**inputs)
    for layer in range(2):
        for head in range(3):
            expected = FORMULAS[name](
                inputs["attention"][layer, head].double().numpy(),
                x=inputs["source_centers"]["x"].double().numpy(),
                y=inputs["source_centers"]["y"].double().numpy(),
                blank=inputs["source_blank"].numpy(),
                words=inputs["spoken_words"].numpy(),
            )
            assert float(values[layer, head]) == pytest.approx(expected, abs=1e-4, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.tuples(sizes, sizes), min_size=1, max_size=4),
    seed=st.integers(0, 10**6),
    name=st.sampled_from(IMAGE_NAMES),
)
def test_padding_and_batching_do_not_change_a_score(lengths, seed, name):
    rows, columns = (max(length[side] for length in lengths) + 2 for side in (0, 1))
    padded = [random_inputs(rows, columns, seed + 100 + index) for index in range(len(lengths))]
    alone = []
    for index, (height, width) in enumerate(lengths):
        sentence = random_inputs(height, width, seed + index)
        alone.append(scores.BUILTIN[name](**sentence).values)
        padded[index]["source_mask"] = torch.arange(columns) < width
        padded[index]["target_mask"] = torch.arange(rows) < height
        for key in ("attention", "source_blank", "spoken_words"):
            padded[index][key][tuple(map(slice, sentence[key].shape))] = sentence[key]
        for axis in ("x", "y"):
            padded[index]["source_centers"][axis][:width] = sentence["source_centers"][axis]

    def stacked(key):
        values = [inputs[key] for inputs in padded]
        if isinstance(values[0], dict):
            return {axis: torch.stack([value[axis] for value in values]) for axis in values[0]}
        return torch.stack(values)

    batched = scores.BUILTIN[name](**{key: stacked(key) for key in padded[0]})
    torch.testing.assert_close(batched.values, torch.stack(alone), equal_nan=True, rtol=1e-4, atol=1e-5)


# --- Known answers.


def record_of_picture(weights, *, special=0):
    """Return a record over a picture of 4 x 3 patches of 10 pixels, in which all but the top row is printed."""
    pixels = np.full((30, 40, 3), 250, dtype=np.uint8)
    pixels[10:, ::3] = 0
    places = [(c * 10.0, r * 10.0, c * 10.0 + 10, r * 10.0 + 10) for r in range(3) for c in range(4)]
    source = Axis(
        ("[CLS]",) * special + tuple(f"{left:.0f}, {top:.0f} px" for left, top, *_ in places),
        special=(True,) * special + (False,) * 12,
        kinds=("image",) * (12 + special),
        places=(NOWHERE,) * special + tuple(places),
    )
    rows = weights.shape[0]
    target = Axis(tuple("abcdefg"[:rows]))
    image = Picture.from_image(PIL.Image.fromarray(pixels))
    return CrossAttention.from_tokens(weights[None, None], source, target, image=image)


def one_hot(*positions, count=12):
    return torch.eye(count)[list(positions)]


def test_known_answers():
    in_order = record_of_picture(one_hot(4, 5, 6, 7))
    assert float(in_order.score("spatial_spread")) == 0
    assert float(in_order.score("reading_jump")) == pytest.approx(10 / 50)  # the diagonal of 40 x 30 pixels is 50
    assert float(in_order.score("blank_mass")) == 0
    assert float(record_of_picture(one_hot(0, 1, 4, 5)).score("blank_mass")) == 0.5
    corners = record_of_picture((one_hot(0) + one_hot(11)) / 2)
    assert float(corners.score("spatial_spread")) == pytest.approx(math.hypot(30, 20) / 2 / 50)
    assert math.isnan(float(corners.score("reading_jump")))  # one word
    even = record_of_picture(torch.full((1, 12), 1 / 12))
    spread = math.sqrt(np.var([5, 15, 25, 35]) + np.var([5, 15, 25])) / 50
    assert float(even.score("spatial_spread")) == pytest.approx(spread)


def test_what_has_no_place_does_not_count():
    weights = torch.cat([torch.tensor([[0.5], [0.5], [1.0]]), torch.stack([*one_hot(4, 5) / 2, torch.zeros(12)])], 1)
    record = record_of_picture(weights, special=1)
    assert float(record.score("spatial_spread")) == 0
    assert float(record.score("reading_jump")) == pytest.approx(10 / 50)
    assert float(record.score("sink_mass")) == pytest.approx(2 / 3)
    nowhere = record_of_picture(torch.cat([torch.ones(1, 1), torch.zeros(1, 12)], 1), special=1)
    assert math.isnan(float(nowhere.score("spatial_spread")))


@pytest.mark.parametrize("name", IMAGE_NAMES)
def test_only_pictures_have_these_scores(name):
    text = CrossAttention.from_tokens(torch.ones(1, 1, 1, 2) / 2, ["a", "b"], ["c"])
    with pytest.raises(ValueError, match=r"needs source_.*use the record of a picture"):
        text.score(name)
    picture = record_of_picture(one_hot(4, 5))
    assert name in list_scores(None, [picture])
    assert name not in list_scores(None, [text])
    with pytest.raises(ValueError, match="which only images have, and this model reads text"):
        score_corpus(*load_demo(), ["Guten Tag."], scores=[name])
