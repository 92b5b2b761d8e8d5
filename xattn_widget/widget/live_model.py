"""Experiments with the model of a record: other targets, other next tokens, muted heads; each gives a new record.

Nothing here knows about the widget: records in, records out.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import torch
from transformers import PreTrainedModel, StoppingCriteriaList

from xattn_widget.alignment import HeadSet
from xattn_widget.alignment.evidence import Evidence
from xattn_widget.capturing.ablation import ablate_here
from xattn_widget.cross_attention import CrossAttention
from xattn_widget.extraction.calibration import known_head_set, model_evidence
from xattn_widget.extraction.extraction import read_pairs
from xattn_widget.extraction.readers import reader_family
from xattn_widget.inputs.arguments import PREFIX, Argument, Arguments, continued, prefix_length
from xattn_widget.inputs.batches import prefixed
from xattn_widget.inputs.evaluating import evaluating
from xattn_widget.inputs.extras import make_extras
from xattn_widget.inputs.generating import end_ids, generate
from xattn_widget.inputs.paired import pair_model
from xattn_widget.inputs.pairs import Pair, forward_inputs
from xattn_widget.inputs.sources import Source
from xattn_widget.inputs.text.tokens import token_ids
from xattn_widget.record.kept import Selection
from xattn_widget.widget.jobs import Call

Rest = Literal["generate", "keep"]


class Choice(NamedTuple):
    """A token that could come next: its id, its label, and its natural-log probability."""

    id: int
    label: str
    logprob: float


class Muting(NamedTuple):
    """What muting heads does to a record.

    Attributes:
        before: the record with all heads.
        forced: the same target, read without the heads.
        generated: what the model writes without the heads.
    """

    before: CrossAttention
    forced: CrossAttention
    generated: CrossAttention

    @property
    def is_same(self) -> bool:
        """Whether the model still writes the same target."""
        return self.before.targets["output"].ids == self.generated.targets["output"].ids


class LiveModel:
    """A model with its tokenizers, and how its targets are generated.

    Arguments of its forward other than token ids come with each record.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: Any,
        generation: Mapping[str, Any] | None = None,
        *,
        target_tokenizer: Any = None,
    ) -> None:
        self._paired = pair_model(model, tokenizer, target_tokenizer)
        self.model = model
        extras = make_extras(model, generation, None)
        # Only the best hypothesis, whatever the search.
        self._extras = extras._replace(settings=extras.settings | {"num_return_sequences": 1})

    @property
    def is_live(self) -> bool:
        """Whether targets depend on the attention in records, and other targets can be read for these."""
        return reader_family(self._paired) is None and self._paired.source.rereads

    def evidence(self, records: CrossAttention | Sequence[CrossAttention]) -> Evidence | None:
        """What is known about which heads of the model align, with these records of it counted from now on."""
        return model_evidence(self.model, [records] if isinstance(records, CrossAttention) else records)

    @property
    def head_set(self) -> HeadSet | None:
        """The set of heads that was saved with the model, known once :meth:`evidence` was asked; None for none."""
        return known_head_set(self.model)

    def text(self, record: CrossAttention) -> str:
        """The text of the record's target, without special tokens and its prompt."""
        axis = record.targets["output"]
        written = zip(token_ids(axis), axis.special, strict=True)
        return self._paired.target.decode([token for token, special in written if not special])

    def token_id(self, token: Any) -> int:
        """The id of a target token, given as an id or as spelled in the vocabulary.

        Raises:
            TypeError: something other than a string or a whole number.
            ValueError: the vocabulary has no such token; the message says what may have been meant.
        """
        tokenizer = self._paired.target.tokenizer
        if isinstance(token, str):
            known_id = tokenizer.convert_tokens_to_ids(token)
            if known_id is None or (known_id == tokenizer.unk_token_id and token != tokenizer.unk_token):
                raise ValueError(
                    f"the vocabulary has no token {token!r:.60}; {_token_hint(tokenizer, token)}give its id, or the "
                    "token as it writes it"
                )
            return int(known_id)
        index = operator.index(token)
        if not 0 <= index < len(tokenizer):
            raise ValueError(f"the vocabulary has tokens 0 to {len(tokenizer) - 1}, got {index}")
        return index

    def read(self, record: CrossAttention, target: str, call: Call) -> CrossAttention:
        """The record's source with another target after the same prompt, read by teacher forcing.

        Raises:
            TypeError: the target is not a string.
            ValueError: it is empty, or longer than the model's positions.
        """
        if not isinstance(target, str):
            raise TypeError(f"target must be a string, got {type(target).__name__}: {target!r:.60}")
        call.tell("Reading the target")
        source = self._source(record)
        predicted, prompt = self._paired.target.encode_like(record, source, target)
        start = token_ids(record.targets["input"])[0]
        arguments = _arguments_for_any_target(record)
        pair = Pair(
            source,
            [start, *predicted[:-1]],
            predicted,
            arguments=arguments,
            target_text=target,
            prompt=prompt,
        )
        return self._records(record, [pair], generated=False)

    def replace_token(
        self, record: CrossAttention, position: int, token: int, rest: Rest, call: Call
    ) -> CrossAttention:
        """The record with another token at a target position; the tokens before it are kept.

        The tokens after it are generated again, or kept and read after the new token.
        """
        read, predicted = token_ids(record.targets["input"]), token_ids(record.targets["output"])
        source = self._source(record)
        prefix = [*predicted[:position], token]
        if rest == "keep":
            prefix += predicted[position + 1 :]
        arguments = continued(record.arguments, 1 + len(prefix))
        if rest == "keep" or token in end_ids(self.model, self._extras):
            call.tell("Reading the target")
            pair = Pair(
                source,
                [read[0], *prefix[:-1]],
                prefix,
                arguments=continued(arguments, len(prefix)),
                prompt=self._prompt(record, source),
            )
            return _with_texts(self._records(record, [pair], generated=False), record, position, rest)
        start = Argument(torch.tensor([read[0], *prefix]), "target")
        [pair] = self._generate(source, {**arguments, PREFIX: start}, call)
        prefix_arguments = {name: part for name, part in record.arguments.items() if name == PREFIX}
        # The new token is not part of a prefix that every target of this source must begin with.
        others = {name: part for name, part in pair.arguments.items() if name != PREFIX}
        written = self._records(record, [pair._replace(arguments=others | prefix_arguments)], generated=True)
        return _with_texts(written, record, position, rest)

    def choices(
        self, record: CrossAttention, muted: Sequence[tuple[int, int]] = (), count: int = 5
    ) -> list[list[Choice]]:
        """The ``count`` most likely tokens at each target position, given the tokens before it."""
        pair = self._pair(record)
        with ablate_here(self.model, muted), evaluating(self.model), torch.no_grad():
            logits = self.model(**forward_inputs(self.model, [pair]), use_cache=False).logits
        logprobs = logits[0, : len(pair.predicted)].float().log_softmax(-1)
        best = logprobs.topk(min(count, logprobs.shape[-1]), dim=-1)
        labels = [self._paired.target.axis(row).labels for row in best.indices.tolist()]
        return [
            [Choice(*fields) for fields in zip(ids, shown, values, strict=True)]
            for ids, shown, values in zip(best.indices.tolist(), labels, best.values.tolist(), strict=True)
        ]

    def mute(self, record: CrossAttention, heads: Sequence[tuple[int, int]], call: Call) -> Muting:
        """The record without some heads (their output is set to zero, see :func:`xattn_widget.ablate`).

        Raises:
            ValueError: a head that the model does not have.
        """
        with ablate_here(self.model, heads):
            call.tell("Reading the target without the heads")
            forced = self._records(record, [self._pair(record)], generated=record.generated)
            forced = replace(forced, targets=record.targets)  # the same tokens, with the text that they were made from
            call.tell("Generating without the heads")
            arguments = continued(record.arguments, prefix_length(record.arguments))
            pairs = self._generate(self._source(record), arguments, call)
            generated = self._records(record, pairs, generated=True)
        return Muting(record, forced, generated)

    def _records(self, like: CrossAttention, pairs: list[Pair], generated: bool) -> CrossAttention:
        value_norms = like.value_norms is not None
        selection = Selection(pairs=None if like.kept is None else like.kept.pairs, dtype=like.weights.dtype)
        with evaluating(self.model), torch.no_grad():
            record = read_pairs(self._paired, pairs, generated, value_norms, selection)[0]
        # Keep the axis object of the same source, so that the page keeps what it has cached for it.
        return replace(record.read_as(like.reading), source=like.source)

    def _generate(self, source: Source, arguments: Arguments, call: Call) -> list[Pair]:
        if PREFIX not in arguments:
            arguments = prefixed(self._paired, source, arguments)
        criteria = StoppingCriteriaList([*self._extras.settings.get("stopping_criteria", []), call])
        extras = self._extras._replace(settings=self._extras.settings | {"stopping_criteria": criteria})
        with evaluating(self.model), torch.no_grad():
            pairs, _ = generate(self._paired, [source], [arguments], extras)
        call.check()  # tokens generated before a stop are not a translation
        return pairs

    def _source(self, record: CrossAttention) -> Source:
        return self._paired.source.read_again(record)

    def _pair(self, record: CrossAttention) -> Pair:
        read, predicted = token_ids(record.targets["input"]), token_ids(record.targets["output"])
        source = self._source(record)
        return Pair(source, read, predicted, arguments=record.arguments, prompt=self._prompt(record, source))

    def _prompt(self, record: CrossAttention, source: Source) -> int:
        """How many tokens at the beginning of a record's target are not part of its text.

        Special tokens of the vocabulary need not be counted.
        """
        axis = record.targets["output"]
        ids = token_ids(axis)
        known = self._paired.target.special(ids)
        count = next((place for place, special in enumerate(axis.special) if not special), len(ids))
        earlier = [place + 1 for place in range(count) if not known[place]]
        return max([self._paired.target.prompt_of(source, ids), *earlier])


def _arguments_for_any_target(record: CrossAttention) -> Arguments:
    """The record's arguments, for another target.

    Raises:
        ValueError: some of them have a value for each token of the record's target.
    """
    bound = [name for name, part in record.arguments.items() if part.axis == "target" and name != PREFIX]
    if bound:
        raise ValueError(
            f"this sentence was read with {bound[0]}, which has a value for each token of its target: no other target "
            "can be read with it"
        )
    return record.arguments


def _with_texts(record: CrossAttention, before: CrossAttention, replaced: int, rest: Rest) -> CrossAttention:
    """The record with the texts of unknown tokens that it took over from the one before a token was replaced."""
    targets = {}
    for reading, axis in record.targets.items():
        old = before.targets[reading]
        changed = replaced + (reading == "input")  # a token is read one row after it is predicted
        kept = [
            position
            for position in range(min(len(axis), len(old)))
            if position < changed or (rest == "keep" and position > changed)
        ]
        texts = {position: text for position in kept if (text := old.unknown_text(position))}
        targets[reading] = axis.with_unknown_texts(texts)
    return replace(record, targets=targets)


def _token_hint(tokenizer: Any, token: str) -> str:
    """The token that was meant, with its vocabulary's mark for the start or end of a word; or the token's pieces."""
    vocabulary = tokenizer.get_vocab()
    marked = [name for name in (f"▁{token}", f"Ġ{token}", f"{token}</w>", f"##{token}") if name in vocabulary]
    if not marked:
        ids = tokenizer(text_target=token, add_special_tokens=False)["input_ids"]
        pieces = [piece for piece in tokenizer.convert_ids_to_tokens(ids) if piece != tokenizer.unk_token]
        if len(pieces) > 1:
            return f"as text it is the tokens {', '.join(map(repr, pieces[:8]))}; "
        marked = pieces
    return f"did you mean {' or '.join(map(repr, marked))}? Otherwise " if marked else ""
