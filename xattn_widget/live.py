"""What can be tried with a record's model: other targets, other next tokens, muted heads; each gives a new record.

Nothing here knows of the widget: records in, records out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from transformers import PreTrainedModel, StoppingCriteriaList

from xattn_widget.axes import Axis
from xattn_widget.encoding import encode, position_limit
from xattn_widget.extraction import forward
from xattn_widget.intervening import ablate
from xattn_widget.pairing import GREEDY, Pair, evaluating, force, forward_inputs, generate
from xattn_widget.record import CrossAttention
from xattn_widget.tokens import special_ids, text_axis
from xattn_widget.working import Call

Rest = Literal["generate", "keep"]


@dataclass(frozen=True)
class Choice:
    """A token that could come next: its id, how it is shown, and its log-probability there."""

    id: int
    label: str
    logprob: float


@dataclass(frozen=True)
class Muting:
    """What muting heads does to one record: its target read without them, and what the model writes without them."""

    before: CrossAttention
    forced: CrossAttention
    generated: CrossAttention

    @property
    def is_same(self) -> bool:
        """Whether the model still writes the same target."""
        return self.before.targets["output"].ids == self.generated.targets["output"].ids


class LiveModel:
    """A model with its tokenizer and the way that its targets are generated."""

    def __init__(self, model: PreTrainedModel, tokenizer: Any, generation: Mapping[str, Any] | None = None) -> None:
        self.model, self.tokenizer = model, tokenizer
        settings = dict(generation or {})
        if "generation_config" not in settings:
            settings = GREEDY | settings
        # One hypothesis: the best, by whatever search it is found.
        self._settings = settings | {"num_return_sequences": 1}
        self._special = special_ids(tokenizer, model.config)

    def text(self, record: CrossAttention) -> str:
        """The record's target as a string, without special tokens."""
        return str(self.tokenizer.decode(_ids(record.targets["output"]), skip_special_tokens=True))

    def read(self, record: CrossAttention, target: str, call: Call) -> CrossAttention:
        """The record's source with another target, read by teacher forcing.

        Raises:
            TypeError: the target is no string.
            ValueError: it is empty, or longer than the model's positions.
        """
        if not isinstance(target, str):
            raise TypeError(f"target must be a string, got {type(target).__name__}: {target!r:.60}")
        limit = position_limit(self.model, "decoder")
        ids = encode(self.tokenizer, [target], "target", limit, truncation=False)
        call.tell("Reading the target")
        return self._records(record, force(self.model, [_ids(record.source)], ids), generated=False)

    def replace_token(
        self, record: CrossAttention, position: int, token: int, rest: Rest, call: Call
    ) -> CrossAttention:
        """The record with another token at a target position: what stands before it is kept.

        What comes after it is generated anew, or kept as it was and read after the new token.
        """
        read, predicted = _ids(record.targets["input"]), _ids(record.targets["output"])
        source = _ids(record.source)
        prefix = [*predicted[:position], token]
        if rest == "keep":
            prefix += predicted[position + 1 :]
        if rest == "keep" or token in self._ends():
            call.tell("Reading the target")
            pair = Pair(source, [read[0], *prefix[:-1]], prefix)
            return self._records(record, [pair], generated=False)
        start = torch.tensor([[read[0], *prefix]], device=self.model.device)
        return self._records(record, self._generate(source, call, decoder_input_ids=start), generated=True)

    def choices(
        self, record: CrossAttention, muted: Sequence[tuple[int, int]] = (), count: int = 5
    ) -> list[list[Choice]]:
        """The likeliest tokens at each target position, given what stands before it."""
        pair = _pair(record)
        with ablate(self.model, muted), evaluating(self.model), torch.no_grad():
            logits = self.model(**forward_inputs(self.model, [pair]), use_cache=False).logits
        logprobs = logits[0, : len(pair.predicted)].float().log_softmax(-1)
        best = logprobs.topk(min(count, logprobs.shape[-1]), dim=-1)
        labels = [text_axis(self.tokenizer, [*row], self._special, target=True).labels for row in best.indices.tolist()]
        return [
            [Choice(*each) for each in zip(ids, shown, values, strict=True)]
            for ids, shown, values in zip(best.indices.tolist(), labels, best.values.tolist(), strict=True)
        ]

    def mute(self, record: CrossAttention, heads: Sequence[tuple[int, int]], call: Call) -> Muting:
        """The record without some heads (their output zero, see :func:`xattn_widget.ablate`).

        Raises:
            ValueError: a head that the model does not have.
        """
        with ablate(self.model, heads):
            call.tell("Reading the target without the heads")
            forced = self._records(record, [_pair(record)], generated=record.generated)
            call.tell("Generating without the heads")
            pairs = self._generate(_ids(record.source), call)
            generated = self._records(record, pairs, generated=True)
        return Muting(record, forced, generated)

    def _records(self, like: CrossAttention, pairs: list[Pair], generated: bool) -> CrossAttention:
        value_norms = like.value_norms is not None
        with evaluating(self.model), torch.no_grad():
            made = forward(self.model, self.tokenizer, pairs, self._special, generated, value_norms)[0]
        # The same source is the same axis: what the page holds of it stays.
        return replace(made.read_as(like.reading), source=like.source)

    def _generate(self, source: list[int], call: Call, **more: Any) -> list[Pair]:
        criteria = StoppingCriteriaList([*self._settings.get("stopping_criteria", []), call])
        with evaluating(self.model), torch.no_grad():
            pairs, _ = generate(
                self.model, self.tokenizer, [source], self._settings | more | {"stopping_criteria": criteria}
            )
        call.check()  # what was generated up to the stop is no translation
        return pairs

    def _ends(self) -> set[int]:
        config = self._settings.get("generation_config") or self.model.generation_config
        end = self._settings.get("eos_token_id", config.eos_token_id)
        return set(end if isinstance(end, list | tuple) else [end])


def _pair(record: CrossAttention) -> Pair:
    return Pair(_ids(record.source), _ids(record.targets["input"]), _ids(record.targets["output"]))


def _ids(axis: Axis) -> list[int]:
    if axis.ids is None:
        raise ValueError("this record has no token ids: it was not made by extract, or its subwords were merged")
    return list(axis.ids)
