"""How well attention points at the source words that predictions depend on, by masking them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from xattn_widget.cross_attention import CrossAttention
from xattn_widget.extraction.contributions.gradient import input_gradients
from xattn_widget.inputs.evaluating import evaluating
from xattn_widget.inputs.paired import pair_model
from xattn_widget.inputs.pairs import Pair, forward_inputs, predicted_logprobs
from xattn_widget.inputs.text.tokens import token_ids
from xattn_widget.messages.characters import brief
from xattn_widget.record.axis import NO_ID
from xattn_widget.record.data import Aggregate, AttentionData, combined
from xattn_widget.record.heads import whole_number
from xattn_widget.scores import faithfulness
from xattn_widget.scores.inputs import INPUTS

# How many random sets of words stand for chance; all sets where there are no more than that, or of one word each.
_DRAWS = 20
_SEED = 0
_BATCH = 16


class Faithfulness(NamedTuple):
    """How well the rows of one attention matrix agree with what the predictions depend on.

    Attributes:
        correlation: the score ``faithfulness``; NaN where it is undefined.
        drop: the score ``masking_drop``; NaN where it is undefined, as for sound.
    """

    correlation: float
    drop: float


def measure_faithfulness(
    model: Any,
    tokenizer: Any,
    record: CrossAttention,
    heads: Sequence[tuple[int, int]] | None = None,
    *,
    aggregate: Aggregate = "mean",
    masked_words: int = 1,
    target_tokenizer: Any = None,
) -> Faithfulness:
    """How well several heads combined agree with what the predictions depend on.

    ``extract(..., faithfulness=True)`` measures every head alone. This measures a layer's mean, a set of heads, or the
    contributions of a record such as ``record.contributions("alti")``.

    Example:
        >>> from xattn_widget import extract, load_demo, measure_faithfulness
        >>> model, tokenizer = load_demo()
        >>> record = extract(model, tokenizer, "Ich habe das Buch gelesen.", contributions=["gradient"])
        >>> measured = measure_faithfulness(model, tokenizer, record, [(2, head) for head in range(8)])
        >>> round(measured.correlation, 2), round(measured.drop, 2)
        (0.25, 4.06)

    Args:
        model: the model of the record.
        tokenizer: its tokenizer or processor.
        record: a record as :func:`extract` returns it, of tokens.
        heads: (layer, head) pairs; all that the record keeps by default.
        aggregate: how they are combined, ``"mean"`` or ``"max"``.
        masked_words: how many source words are masked at a time.
        target_tokenizer: the tokenizer of the targets if it is a different one.

    Raises:
        TypeError: ``record`` is something else.
        ValueError: a record whose words were merged or whose special tokens were dropped, no heads or heads that it
            does not keep, an unknown aggregate, or a number of words that is not positive.

    Source: Jain & Wallace 2019; DeYoung et al. 2020.
    """
    count = masked_count(masked_words)
    if not isinstance(record, AttentionData):
        raise TypeError(f"record must be one record, as extract returns it for a sentence, got {brief(record)}")
    changes = {"words", "drop", "renormalize", "crop"} & set(record.steps)
    if changes or set(record.targets) != {"output", "input"}:
        raise ValueError(
            "faithfulness is measured on the tokens that the model read: pass the record as extract(...) returned it, "
            f"without words(), drop_special() and cropped(), got steps {list(record.steps)}"
        )
    matrices = record.head_weights(heads)
    if not len(matrices):
        raise ValueError("heads is empty: name at least one (layer, head) pair, or leave it out")
    matrix = combined(matrices, aggregate)
    paired = pair_model(model, tokenizer, target_tokenizer)
    read, predicted = (token_ids(record.targets[reading]) for reading in ("input", "output"))
    pair = Pair(paired.source.read_again(record), read, predicted, arguments=record.arguments)
    with evaluating(model), torch.no_grad():
        if "gradient" not in record.contributed.maps:
            gradient = input_gradients(model, [pair])[0]
            contributed = replace(record.contributed, maps={"gradient": gradient[None, None]})
            record = replace(record, contributed=contributed)
        read_as_written = record.read_as("output")
        saliency = INPUTS["saliency"].of(read_as_written)
        correlation = faithfulness.compute(matrix, saliency=saliency)
        drops = _drops(model, pair, read_as_written, matrix[None], count, _BATCH)
    return Faithfulness(float(correlation), math.nan if drops is None else float(drops[0]))


def masked_count(faithful: Any) -> int:
    """How many words to mask at a time; True is 1.

    Raises:
        ValueError: not a positive whole number.
    """
    count = 1 if faithful is True else whole_number(faithful)
    if count is None or count < 1:
        raise ValueError(
            f"faithfulness must be True or how many words to mask at a time, 1 or more, got {brief(faithful)}"
        )
    return count


def masking_drops(
    model: Any, pairs: Sequence[Pair], records: Sequence[CrossAttention], count: int, batch_size: int
) -> list[torch.Tensor | None]:
    """``[layers, heads]`` of each pair for the score ``masking_drop``; None for sound, which has no words to mask.

    NaN for heads that are not kept, and everywhere if a sentence has too few words or no target token that counts.

    Args:
        model: the model, in evaluation mode; call this inside ``torch.no_grad``.
        pairs: the pairs.
        records: the record of each pair, as captured and read as ``"output"``.
        count: how many words are masked at a time.
        batch_size: rows per forward.
    """
    found = []
    for pair, record in zip(pairs, records, strict=True):
        drops = _drops(model, pair, record, record.head_weights(), count, batch_size)
        found.append(None if drops is None else record.on_grid(drops))
    return found


def _drops(
    model: Any, pair: Pair, record: CrossAttention, matrices: torch.Tensor, count: int, batch_size: int
) -> torch.Tensor | None:
    """``[matrices]`` for matrices ``[matrices, target, source]``; None for a source without words."""
    if record.source.kind != "text":
        return None
    words = _words(record)
    rows = [row for row, special in enumerate(record.target.special) if not special]
    if len(words) <= count or not rows:
        return torch.full((len(matrices),), torch.nan)
    by_word = torch.stack([matrices[..., word].sum(-1) for word in words], dim=-1)[:, rows]
    # Of equal words the first counts.
    most = by_word.sort(dim=-1, descending=True, stable=True).indices[..., :count].sort(dim=-1).values
    chosen = [[tuple(words_of_row) for words_of_row in matrix] for matrix in most.tolist()]
    chance = _random_sets(len(words), count)
    sets = sorted({*chance, *itertools.chain.from_iterable(chosen)})
    first = next(place for place, token in enumerate(record.source.ids or [0]) if token != NO_ID)  # after prompts
    hidden = [[position - first for word in masked for position in words[word]] for masked in sets]
    logprobs = _logprobs_without(model, pair, [[], *hidden], batch_size)[:, rows]
    drops = dict(zip(sets, logprobs[0] - logprobs[1:], strict=True))
    expected = torch.stack([drops[masked] for masked in chance]).mean()
    places = range(len(rows))
    return torch.stack(
        [
            torch.stack([drops[masked][row] for row, masked in zip(places, matrix, strict=True)]).mean() - expected
            for matrix in chosen
        ]
    ).float()


def _words(record: CrossAttention) -> list[list[int]]:
    """The positions of each source word."""
    words: dict[int, list[int]] = {}
    for position, (group, special) in enumerate(zip(record.source.groups, record.source.special, strict=True)):
        if group >= 0 and not special:
            words.setdefault(group, []).append(position)
    return list(words.values())


def _random_sets(words: int, count: int) -> list[tuple[int, ...]]:
    """Sets of words that stand for chance: all of them, or seeded draws."""
    if count == 1 or math.comb(words, count) <= _DRAWS:
        return list(itertools.combinations(range(words), count))
    generator = torch.Generator().manual_seed(_SEED)
    draws = [torch.randperm(words, generator=generator)[:count].tolist() for _ in range(_DRAWS)]
    return [tuple(sorted(draw)) for draw in draws]


def _logprobs_without(model: Any, pair: Pair, hidden: list[list[int]], batch_size: int) -> torch.Tensor:
    """``[sets, target]`` double log-probabilities of the target, each without some source positions."""
    # A mask that the user passes would show what is hidden.
    own = pair.source.inputs(model, [pair.source])
    pair = pair._replace(arguments={name: part for name, part in pair.arguments.items() if name not in own})
    found = []
    for start in range(0, len(hidden), batch_size):
        part = hidden[start : start + batch_size]
        inputs = forward_inputs(model, [pair] * len(part))
        for row, positions in enumerate(part):
            for position in positions:
                pair.source.hide(inputs, row, position)
        logits = model(**inputs, use_cache=False).logits
        found += [predicted_logprobs(row, pair).double().cpu() for row in logits]
    return torch.stack(found)
