"""Try a score out on random attention: ``check_score``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from xattn_widget.scores.decorator import score as make_score
from xattn_widget.scores.definition import Score

TOLERANCE = 1e-6
# (target, source) sizes: one row, one column, both, more of either.
_SIZES = ((1, 1), (1, 5), (6, 1), (2, 2), (7, 4), (4, 9), (13, 11))
_LAYERS, _HEADS = 2, 3


class _Sentence:
    """Random attention of one sentence, with its special tokens, norms and importance."""

    def __init__(self, rows: int, columns: int, generator: torch.Generator) -> None:
        shape = (_LAYERS, _HEADS, rows, columns)
        self.attention = torch.randn(shape, generator=generator).mul(3).softmax(-1)
        # The last position is special, as the end of sentence is; where there is but one, nothing else is left.
        self.source_special = torch.arange(columns) == columns - 1
        self.target_special = torch.arange(rows) == rows - 1
        self.value_norms = self.attention * torch.rand(shape, generator=generator)
        self.importance = torch.rand((_LAYERS, _HEADS), generator=generator)

    def arguments(self) -> dict[str, Any]:
        return {
            "source_special": self.source_special,
            "target_special": self.target_special,
            "value_norms": self.value_norms,
            "importance": {"gradient": self.importance, "ablation": self.importance},
        }


def check_score(score: Score | Callable[..., Any], *, seed: int = 0, **parameters: Any) -> list[str]:
    """Try a score out on random attention of many shapes, and name the property that it breaks.

    Tried for each policy for special tokens that the score takes: it gives one number a head for every shape, one row
    and one column included; the same number again; its input is left as it was; a head's number depends on what its
    ``scope`` says and nothing else; and the number of a sentence is, to 1e-6, the same alone as padded in a batch.

    Args:
        score: a score, or a plain function.
        seed: of the random attention.
        parameters: the score's own parameters.

    Prints one line that says so when all of them hold.

    Returns:
        The properties that hold (all of them).

    Raises:
        AssertionError: a property fails; the message names it, the shape and both numbers.
    """
    tried = score if isinstance(score, Score) else make_score(score)
    generator = torch.Generator().manual_seed(seed)
    sentences = [_Sentence(rows, columns, generator) for rows, columns in _SIZES]
    policies = _policies(tried)
    for policy in policies:
        for sentence in sentences:
            _one_number_a_head(tried, sentence, policy, parameters)
            _scope(tried, sentence, policy, parameters)
        _padding(tried, sentences, policy, generator, parameters)
    held = [
        "one number a head, for one row and one column too",
        "the same number again",
        "input left as it was",
        f"a number depends on its {tried.scope} alone",
        f"the same alone and in a padded batch, special: {', '.join(policies)}",
    ]
    print(f"{tried.name} passes all {len(held)} checks: {'; '.join(held)}")
    return held


def _policies(score: Score) -> list[str]:
    possible = []
    for policy in ("keep", "drop", "renormalize"):
        try:
            score.signature(special=policy)
        except ValueError:
            continue
        possible.append(policy)
    return possible


def _one_number_a_head(score: Score, sentence: _Sentence, policy: str, parameters: dict[str, Any]) -> None:
    before = sentence.attention.clone()
    what = f"attention [layers, heads, target, source] = {list(before.shape)}, special={policy!r}"
    try:
        first = score(sentence.attention, **sentence.arguments(), special=policy, **parameters)
        second = score(sentence.attention, **sentence.arguments(), special=policy, **parameters)
    except Exception as error:
        raise AssertionError(
            f"{score.name} gives no number a head for {what}: {type(error).__name__}: {error}"
        ) from error
    _assert_same(first, second, f"{score.name} gives two numbers for one input, {what}")
    if not torch.equal(before, sentence.attention):
        raise AssertionError(f"{score.name} changes its input, {what}")


def _scope(score: Score, sentence: _Sentence, policy: str, parameters: dict[str, Any]) -> None:
    if score.scope == "model":
        return
    whole = score(sentence.attention, **sentence.arguments(), special=policy, **parameters)
    heads = [slice(None)] if score.scope == "layer" else [slice(head, head + 1) for head in range(_HEADS)]
    for layer in range(_LAYERS):
        for part in heads:
            at = (slice(layer, layer + 1), part)
            arguments = sentence.arguments()
            arguments["value_norms"] = arguments["value_norms"][at]
            arguments["importance"] = {name: each[at] for name, each in arguments["importance"].items()}
            alone = score(sentence.attention[at], **arguments, special=policy, **parameters)
            wider = "layer" if score.scope == "head" else "model"
            _assert_same(
                alone,
                whole[at],
                f"{score.name} gives a head another number beside other heads or layers, so that its scope is not "
                f"{score.scope!r}: say @score(scope={wider!r})",
            )


def _padding(
    score: Score, sentences: list[_Sentence], policy: str, generator: torch.Generator, parameters: dict[str, Any]
) -> None:
    rows, columns = (max(size[side] for size in _SIZES) + 2 for side in (0, 1))
    count = len(sentences)
    # Padding holds numbers too, as a model's padding rows do: they must not count.
    attention = torch.rand((count, _LAYERS, _HEADS, rows, columns), generator=generator)
    norms, gains = torch.rand(attention.shape, generator=generator), torch.zeros(count, _LAYERS, _HEADS)
    source_mask, source_special = torch.zeros(2, count, columns, dtype=torch.bool)
    target_mask, target_special = torch.zeros(2, count, rows, dtype=torch.bool)
    for index, (sentence, (height, width)) in enumerate(zip(sentences, _SIZES, strict=True)):
        attention[index, :, :, :height, :width] = sentence.attention
        norms[index, :, :, :height, :width] = sentence.value_norms
        gains[index] = sentence.importance
        source_mask[index, :width], target_mask[index, :height] = True, True
        source_special[index, :width], target_special[index, :height] = (
            sentence.source_special,
            sentence.target_special,
        )
    batched = score(
        attention,
        source_mask,
        target_mask,
        source_special=source_special,
        target_special=target_special,
        value_norms=norms,
        importance={"gradient": gains, "ablation": gains},
        special=policy,
        **parameters,
    )
    for value, sentence, size in zip(batched, sentences, _SIZES, strict=True):
        alone = score(sentence.attention, **sentence.arguments(), special=policy, **parameters)
        _assert_same(
            value,
            alone,
            f"{score.name} gives a sentence of (target, source) = {size} another number padded in a batch than alone "
            f"(special={policy!r}): padding rows or columns count; honour source_mask and target_mask",
        )


def _assert_same(one: torch.Tensor, other: torch.Tensor, message: str) -> None:
    if torch.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
        return
    worst = (one - other).abs().nan_to_num(torch.inf).argmax()
    raise AssertionError(f"{message} ({float(one.flatten()[worst]):.7g} and {float(other.flatten()[worst]):.7g})")
