"""Records of sound: the part after its end is cut by default, and everything is saved with the record."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xattn_widget import CrossAttention, load
from xattn_widget.record.axis import Axis
from xattn_widget.record.sound import Sound

LAYERS, HEADS, ROWS, COLUMNS, HEARD = 2, 3, 4, 10, 6


def record_of_sound(columns: int = COLUMNS, heard: int = HEARD, seed: int = 0) -> CrossAttention:
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(LAYERS, HEADS, ROWS, columns, generator=generator).softmax(-1)
    special = tuple(position >= heard for position in range(columns))
    source = Axis(
        labels=tuple(f"{position * 0.02:.2f} s" for position in range(columns)),
        special=special,
        kinds=("audio",) * columns,
        places=tuple((position * 0.02, (position + 1) * 0.02) for position in range(columns)),
    )
    target = Axis(("a", "b", "c", "</s>"), special=(False, False, False, True), groups=(0, 0, 1, -1), words=("ab", "c"))
    return CrossAttention(
        weights=weights,
        source=source,
        targets={"output": target},
        logprobs=-torch.rand(ROWS, generator=generator),
        sound=Sound(torch.randn(1600, generator=generator).clamp(-1, 1), 16_000, torch.rand(8, 10), offset=30.0),
        outside=weights[..., heard:].sum(-1),
        end_row=torch.rand(LAYERS, HEADS, columns, generator=generator).softmax(-1),
    )


@settings(deadline=None, max_examples=25)
@given(columns=st.integers(2, 20), data=st.data())
def test_crop_divides_each_row_by_its_weight_within_the_sound(columns, data):
    heard = data.draw(st.integers(1, columns - 1))
    record = record_of_sound(columns, heard, seed=columns)
    weights = record.weights.double().numpy()
    expected = weights[..., :heard] / weights[..., :heard].sum(-1, keepdims=True)
    cropped = record.cropped()
    np.testing.assert_allclose(cropped.weights.numpy(), expected, rtol=1e-5)
    assert len(cropped.source) == heard
    assert not any(cropped.source.outside)
    assert len(cropped.target) == len(record.target)  # rows stay, special ones too
    np.testing.assert_allclose(record.outside.numpy(), weights[..., heard:].sum(-1), rtol=1e-5)
    torch.testing.assert_close(cropped.outside, record.outside)
    assert cropped.cropped() is cropped


def test_scores_are_those_of_the_sound_and_their_signature_says_so():
    record = record_of_sound()
    grid = record.score("entropy")
    expected = record.cropped().weights
    entropy = -(expected * expected.log()).sum(-1).mean(-1) / math.log(HEARD)
    torch.testing.assert_close(torch.as_tensor(grid), entropy, check_dtype=False, rtol=1e-4, atol=1e-5)
    assert "record:crop" in grid.signature
    captured = record.score("entropy", crop=False)
    assert "crop" not in captured.signature
    entropy = -(record.weights * record.weights.log()).sum(-1).mean(-1) / math.log(COLUMNS)
    torch.testing.assert_close(torch.as_tensor(captured), entropy, check_dtype=False, rtol=1e-4, atol=1e-5)


def test_a_row_whose_weight_is_all_outside_is_undefined():
    record = record_of_sound()
    weights = record.weights.clone()
    weights[0, 0, 1] = 0
    weights[0, 0, 1, -1] = 1
    record = CrossAttention(weights=weights, source=record.source, targets=record.targets)
    assert record.cropped().weights[0, 0, 1].isnan().all()


def test_a_source_without_any_sound_cannot_be_cropped():
    with pytest.raises(ValueError, match="outside the sound"):
        record_of_sound(heard=0).cropped()


def test_text_is_never_cropped(demo):
    from xattn_widget import extract

    record = extract(*demo, "Ich lese.")
    assert record.cropped() is record
    assert record.outside is None
    assert record.sound is None
    assert "crop" not in record.score("entropy").signature


@pytest.mark.parametrize("change", ["raw", "cropped", "words", "dropped"])
def test_a_record_of_sound_is_saved_with_all_that_belongs_to_it(tmp_path, change):
    record = record_of_sound()
    changed = {"raw": record, "cropped": record.cropped(), "words": record.words(), "dropped": record.drop_special()}
    record = changed[change]
    again = load(record.save(tmp_path / "record.safetensors"))
    assert again.source == record.source
    assert again.steps == record.steps
    for name in ("weights", "outside", "end_row", "logprobs"):
        torch.testing.assert_close(getattr(again, name), getattr(record, name), equal_nan=True, rtol=0, atol=0)
    assert (again.sound.rate, again.sound.offset, again.sound.seconds) == (16_000, 30.0, 0.1)
    assert torch.equal(again.sound.samples, record.sound.samples)
    assert torch.equal(again.sound.features, record.sound.features)


def test_words_take_the_mean_of_the_weight_outside():
    record = record_of_sound()
    merged = record.words()
    torch.testing.assert_close(merged.outside[..., 0], record.outside[..., :2].mean(-1))
    torch.testing.assert_close(merged.outside[..., 1:], record.outside[..., 2:])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": torch.zeros(2, 3), "rate": 16_000}, "one channel"),
        ({"samples": torch.zeros(3), "rate": 0}, "rate"),
        ({"samples": torch.zeros(3), "rate": 16_000, "features": torch.zeros(3)}, "features"),
        ({"samples": torch.zeros(3), "rate": 16_000, "offset": -1.0}, "offset"),
        ({"samples": torch.zeros(3), "rate": 16_000, "offset": math.inf}, "offset"),
    ],
)
def test_impossible_sounds_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Sound(**arguments)
