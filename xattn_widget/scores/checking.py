"""Try scores on random attention: ``check_score`` for people, ``splits_by_layer`` for corpus jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from xattn_widget.record.special import Action
from xattn_widget.scores.decorator import score as make_score
from xattn_widget.scores.definition import Score
from xattn_widget.scores.inputs import INPUTS, Indices, map_tensors

TOLERANCE = 1e-6
# (target, source) sizes: one row, one column, both, more of either.
_SIZES = ((1, 1), (1, 5), (6, 1), (2, 2), (7, 4), (4, 9), (13, 11))
_LAYERS, _HEADS = 2, 3


class _Sentence:
    """Random attention of one sentence with every input that a score may request."""

    def __init__(self, layers: int, heads: int, rows: int, columns: int, generator: torch.Generator) -> None:
        shape = (layers, heads, rows, columns)
        self.attention = torch.randn(shape, generator=generator).mul(3).softmax(-1)
        # The last position is special, like the end of a sentence. A sentence of one position is special altogether.
        self.target_special = torch.arange(rows) == rows - 1
        self.inputs = {name: kind.example(self.attention, generator) for name, kind in INPUTS.items()}

    def value(self, score: Score, policy: Action, parameters: dict[str, Any]) -> torch.Tensor:
        """``[layers, heads]`` values of a score."""
        return score(
            self.attention, target_special=self.target_special, special=policy, **self.inputs, **parameters
        ).values


def check_score(score: Score | Callable[..., Any], *, seed: int = 0, **parameters: Any) -> list[str]:
    """Try a score on random attention of many shapes, and name the property that it breaks.

    For each policy for special tokens that makes sense for the score: it returns one number per head for every shape,
    including one row and one column; it returns the same numbers again; it leaves its input unchanged; the value of a
    head depends only on its ``scope``; and a sentence has the same value, to 1e-6, alone and padded in a batch.

    Example:
        >>> from xattn_widget import check_score, score
        >>> @score(direction="higher")
        ... def peak(attention, source_mask, target_mask):
        ...     return attention.amax(-1).mean(-1)
        >>> holds = check_score(peak)
        peak passes all 5 checks: one number per head, ...

    Args:
        score: a score, or a plain function.
        seed: the seed of the random attention.
        parameters: the score's own parameters.

    Prints one line if all properties hold.

    Returns:
        The properties that hold (all of them).

    Raises:
        AssertionError: a property fails; the message names it, the shape and both numbers.
    """
    tested = score if isinstance(score, Score) else make_score(score)
    generator = torch.Generator().manual_seed(seed)
    sentences = [_Sentence(_LAYERS, _HEADS, *size, generator) for size in _SIZES]
    for policy in tested.policies:
        for sentence in sentences:
            _check_values(tested, sentence, policy, parameters)
            _check_scope(tested, sentence, policy, parameters)
        _check_padding(tested, sentences, policy, generator, parameters)
    properties = [
        "one number per head, also for one row and one column",
        "the same numbers again",
        "input left unchanged",
        f"a value depends on its {tested.scope} alone",
        f"the same alone and in a padded batch, special: {', '.join(tested.policies)}",
    ]
    print(f"{tested.name} passes all {len(properties)} checks: {'; '.join(properties)}")
    return properties


def splits_by_layer(score: Score, heads: int) -> bool:
    """Whether a score may be computed one layer at a time.

    A score of scope ``"model"`` may not. The others are tried on random attention, because a function that looks at
    other layers without saying so would get wrong values and no error.

    Args:
        score: the score.
        heads: the number of heads in each layer.

    Raises:
        Exception: what the score raises.
    """
    generator = torch.Generator().manual_seed(0)
    sentence = _Sentence(3, heads, 5, 7, generator)
    special: dict[str, Any] = {"target_special": sentence.target_special}
    whole = score.compute(sentence.attention[None], **sentence.inputs, **special)[0]
    if score.scope == "model":
        return False
    layers = []
    for layer in range(3):
        indices: Indices = {"layers": slice(layer, layer + 1)}
        inputs = {name: INPUTS[name].part(value, indices) for name, value in sentence.inputs.items()}
        layers.append(score.compute(sentence.attention[None, layer : layer + 1], **inputs, **special)[0])
    return torch.allclose(whole, torch.cat(layers), rtol=1e-5, atol=1e-6, equal_nan=True)


def _check_values(score: Score, sentence: _Sentence, policy: Action, parameters: dict[str, Any]) -> None:
    before = sentence.attention.clone()
    what = f"attention [layers, heads, target, source] = {list(before.shape)}, special={policy!r}"
    try:
        first = sentence.value(score, policy, parameters)
        second = sentence.value(score, policy, parameters)
    except Exception as error:
        raise AssertionError(
            f"{score.name} does not return one number per head for {what}: {type(error).__name__}: {error}"
        ) from error
    _assert_same(first, second, f"{score.name} returns two different numbers for one input, {what}")
    if not torch.equal(before, sentence.attention):
        raise AssertionError(f"{score.name} changes its input, {what}")


def _check_scope(score: Score, sentence: _Sentence, policy: Action, parameters: dict[str, Any]) -> None:
    if score.scope == "model":
        return
    whole = sentence.value(score, policy, parameters)
    heads = [slice(None)] if score.scope == "layer" else [slice(head, head + 1) for head in range(_HEADS)]
    wider = "layer" if score.scope == "head" else "model"
    for layer in range(_LAYERS):
        for head in heads:
            indices: Indices = {"layers": slice(layer, layer + 1), "heads": head}
            inputs = {name: INPUTS[name].part(value, indices) for name, value in sentence.inputs.items()}
            index = tuple(indices.values())
            alone = score(
                sentence.attention[index],
                target_special=sentence.target_special,
                special=policy,
                **inputs,
                **parameters,
            )
            _assert_same(
                alone.values,
                whole[index],
                f"{score.name} gives a head a different value beside other heads or layers, so its scope is not "
                f"{score.scope!r}: say @score(scope={wider!r})",
            )


def _check_padding(
    score: Score, sentences: list[_Sentence], policy: Action, generator: torch.Generator, parameters: dict[str, Any]
) -> None:
    rows, columns = (max(size[side] for size in _SIZES) + 2 for side in (0, 1))
    # Padding holds numbers and special tokens, as the padding of models may: neither must count.
    padded = [_Sentence(_LAYERS, _HEADS, rows, columns, generator) for _ in sentences]
    source_mask = torch.zeros(len(sentences), columns, dtype=torch.bool)
    target_mask = torch.zeros(len(sentences), rows, dtype=torch.bool)
    for index, (whole, sentence, (height, width)) in enumerate(zip(padded, sentences, _SIZES, strict=True)):
        whole.attention[:, :, :height, :width] = sentence.attention
        whole.target_special[:height] = sentence.target_special
        for name, value in sentence.inputs.items():
            map_tensors(_write, whole.inputs[name], value)
        source_mask[index, :width], target_mask[index, :height] = True, True
    batch = score(
        torch.stack([sentence.attention for sentence in padded]),
        source_mask,
        target_mask,
        target_special=torch.stack([sentence.target_special for sentence in padded]),
        special=policy,
        **{name: map_tensors(_stack, *(sentence.inputs[name] for sentence in padded)) for name in INPUTS},
        **parameters,
    )
    for value, sentence, size in zip(batch.values, sentences, _SIZES, strict=True):
        _assert_same(
            value,
            sentence.value(score, policy, parameters),
            f"{score.name} gives a sentence of (target, source) = {size} a different value padded in a batch than "
            f"alone (special={policy!r}): padding rows or columns count; honor source_mask and target_mask",
        )


def _write(padded: torch.Tensor, tensor: torch.Tensor) -> None:
    padded[tuple(map(slice, tensor.shape))] = tensor


def _stack(*tensors: torch.Tensor) -> torch.Tensor:
    return torch.stack(tensors)


def _assert_same(one: torch.Tensor, other: torch.Tensor, message: str) -> None:
    if torch.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
        return
    worst = (one - other).abs().nan_to_num(torch.inf).argmax()
    raise AssertionError(f"{message} ({float(one.flatten()[worst]):.7g} and {float(other.flatten()[worst]):.7g})")
