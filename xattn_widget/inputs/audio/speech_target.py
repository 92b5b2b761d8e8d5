"""The target side of a speech model: its tokenizer, and the prompt that its targets begin with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from xattn_widget.inputs.arguments import PREFIX
from xattn_widget.inputs.sources import Source, source_inputs
from xattn_widget.inputs.text.encoding import embedded_ids, position_limit
from xattn_widget.inputs.text.sides import Side
from xattn_widget.inputs.text.tokens import special_ids, token_ids
from xattn_widget.inputs.text.words import is_unspaced
from xattn_widget.record.data import AttentionData


@dataclass(frozen=True)
class SpeechTarget(Side):
    """The side of a decoder that writes what was heard.

    Attributes:
        model: the model.
        start: the id of the decoder's start token.
        timestamps: the id of the first timestamp; ids from there on are timestamps. None for models without them.
    """

    model: Any
    start: int
    timestamps: int | None = None

    def encode(self, sentences: list[str], truncation: bool = False) -> list[list[int]]:
        """Ids of each sentence as the model writes them, without the decoder's start token.

        Raises:
            ValueError: what :meth:`Side.encode` raises.
        """
        return [self._without_start(ids) for ids in super().encode(list(map(self._as_written, sentences)), truncation)]

    def try_encode(self, sentences: list[str], limit: int | None) -> list[list[int] | str]:
        """For each sentence its ids, or the reason why it cannot be run."""
        rows = super().try_encode(list(map(self._as_written, sentences)), limit)
        return [ids if isinstance(ids, str) else self._without_start(ids) for ids in rows]

    def special(self, ids: Sequence[int]) -> list[bool]:
        """For each id whether it is special; timestamps are."""
        first = self.timestamps
        return [index in self.special_ids or (first is not None and index >= first) for index in ids]

    def encode_like(self, record: AttentionData, source: Source, sentence: str) -> tuple[list[int], int]:
        """Ids of another target after the prompt of the record's: its language, its task, and earlier text.

        A sentence that begins with a prompt of its own keeps that. If the record's target has no prompt, that of the
        tokenizer is used, as for given targets.

        Raises:
            ValueError: what :meth:`encode_for` raises, or a target that is too long with its prompt.
        """
        [ids] = Side.encode(self, [self._as_written(sentence)])
        special = self.special(ids)
        prompt = self._prompt_before(record)
        if not prompt or sum(special) > self.around:
            return super().encode_like(record, source, sentence)
        content = [token for token, flag in zip(ids, special, strict=True) if not flag]
        end = ids[-1] if special[-1] else self.tokenizer.eos_token_id
        whole = [*prompt, *content, end]
        if self.limit is not None and len(whole) > self.limit:
            raise ValueError(
                f"the target has {len(whole)} tokens with its prompt, the limit is {self.limit} positions: shorten it"
            )
        return whole, self.prompt_length(whole) if all(self.special(prompt)) else len(prompt)

    def _prompt_before(self, record: AttentionData) -> list[int]:
        """The ids that the target of a record begins with before its text."""
        axis = record.targets["output"]
        ids, special = token_ids(axis), axis.special
        stop = len(ids) - (ids[-1] == self.tokenizer.eos_token_id)
        first = self.timestamps
        length = 0
        while length < stop and special[length] and (first is None or ids[length] < first):
            length += 1
        if PREFIX in record.arguments:  # a prefix may begin with tokens that also occur in texts
            given = record.arguments[PREFIX].value.tolist()[1:]
            length = max([length, *(place + 1 for place, flag in enumerate(self.special(given)) if flag)])
        prompt = ids[:length]
        if first is not None and any(token >= first for token in ids) and first - 1 not in prompt:
            prompt.append(first - 1)  # a text without timestamps follows this token
        return prompt

    @cached_property
    def around(self) -> int:
        """The number of special tokens that the tokenizer itself adds to a text."""
        [ids] = Side.encode(self, ["a"])
        return sum(self.special(ids))

    def _as_written(self, sentence: str) -> str:
        return sentence

    def _without_start(self, ids: list[int]) -> list[int]:
        return ids[1:] if ids[:1] == [self.start] else ids


class WhisperTarget(SpeechTarget):
    """Whisper's targets: a prompt (start, language, task, timestamps or not), the text, the end."""

    def encode_for(self, sources: Sequence[Source], sentences: list[str], truncation: bool = False) -> list[list[int]]:
        """Ids of each sentence, in the language of the tokenizer or, if it has none, in that of the sound.

        The model detects the language of a sound, as its ``generate`` does.
        """
        rows = self.encode(sentences, truncation)
        if not self._detects_language:
            return rows
        config = self.model.generation_config
        task = config.task_to_id[getattr(self.tokenizer, "task", None) or "transcribe"]
        rows = [[language, task, *ids] for language, ids in zip(self._languages(sources), rows, strict=True)]
        if truncation and self.limit is not None:
            return [ids if len(ids) <= self.limit else [*ids[: self.limit - 1], ids[-1]] for ids in rows]
        return rows

    def check_alone(self) -> None:
        """Raise a ValueError if the language of a target would have to be detected in its sound."""
        if self._detects_language:
            raise ValueError(
                "this Whisper is multilingual, and its tokenizer does not say in which language the targets are: call "
                "processor.tokenizer.set_prefix_tokens(language=..., task=...), such as language='german' and "
                "task='transcribe'"
            )

    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Settings of ``generate`` that transcribe if neither the user nor the model says what to do.

        transformers then leaves the task out of the prompt of a multilingual Whisper, which was not trained on that.
        """
        config = given.get("generation_config") or self.model.generation_config
        names = ("language", "task", "forced_decoder_ids")
        known = [found for name in names for found in (given.get(name), getattr(config, name, None))]
        known.append(getattr(self.model.config, "forced_decoder_ids", None))
        is_multilingual = given.get("is_multilingual", getattr(config, "is_multilingual", False))
        if not is_multilingual or not hasattr(config, "task_to_id") or any(found is not None for found in known):
            return dict(given)
        return {**given, "task": "transcribe"}

    @property
    def _detects_language(self) -> bool:
        is_multilingual = getattr(self.model.generation_config, "is_multilingual", False)
        return is_multilingual and getattr(self.tokenizer, "language", None) is None

    @torch.no_grad()
    def _languages(self, sources: Sequence[Source]) -> list[int]:
        """The id of each sound's language."""
        found = []
        for source in sources:  # one at a time: a batch of all sounds may not fit
            features = source_inputs(self.model, [source])["input_features"]
            found += self.model.detect_language(input_features=features).tolist()
        return found

    def _as_written(self, sentence: str) -> str:
        """The sentence after a space, which the text begins with in languages that have spaces."""
        has_space = not sentence[:1].strip() or sentence.startswith("<|") or is_unspaced(sentence)
        return sentence if has_space else f" {sentence}"


@dataclass(frozen=True)
class PromptedTarget(SpeechTarget):
    """Targets of Canary and Cohere-ASR: a prompt that their processor builds, the text, the end.

    A target that begins with a prompt of its own keeps it.

    Attributes:
        processor: the processor.
    """

    processor: Any = None

    @cached_property
    def prompt(self) -> list[int] | str:
        """The ids that come before the text, without the decoder's start token, or why there are none."""
        language = getattr(self.tokenizer, "language", None)
        try:
            if hasattr(self.processor, "apply_transcription_request"):
                noise = np.random.default_rng(0).normal(0, 0.01, self.processor.feature_extractor.sampling_rate)
                asked = {} if language is None else {"source_language": language}
                request = self.processor.apply_transcription_request(audio=noise.astype(np.float32), **asked)
                return self._without_start(request["decoder_input_ids"][0].tolist())
            if language is not None:
                return self._without_start(self.processor.get_decoder_prompt_ids(language))
        except ValueError as error:
            return f"needs a prompt that {type(self.processor).__name__} does not build: {error}"
        return (
            "needs a prompt that names its language: set processor.tokenizer.language, such as 'de', or begin the "
            "target with the prompt"
        )

    def encode(self, sentences: list[str], truncation: bool = False) -> list[list[int]]:
        """Ids of each sentence as the model writes them, without the decoder's start token.

        Raises:
            ValueError: what :meth:`Side.encode` raises, and a sentence without a prompt if none can be built.
        """
        rows = []
        for index, ids in enumerate(Side.encode(self, sentences, truncation)):
            prompted = self._prompted(ids)
            problem = prompted if isinstance(prompted, str) else self._excess(prompted, self.limit)
            if isinstance(prompted, list) and problem and truncation:
                prompted, problem = [*prompted[: self.limit - 1], prompted[-1]], None  # type: ignore[operator]
            if isinstance(prompted, str) or problem:
                raise ValueError(f"target[{index}] {problem}")
            rows.append(prompted)
        return rows

    def try_encode(self, sentences: list[str], limit: int | None) -> list[list[int] | str]:
        """For each sentence its ids, or the reason why it cannot be run."""
        encoded = Side.try_encode(self, sentences, limit)
        rows = [ids if isinstance(ids, str) else self._prompted(ids) for ids in encoded]
        return [ids if isinstance(ids, str) else self._excess(ids, limit) or ids for ids in rows]

    def prompt_length(self, ids: Sequence[int]) -> int:
        """How many of the ids of a given target, at the beginning, are the prompt and not part of its text."""
        prompt = self.prompt
        return len(prompt) if isinstance(prompt, list) and list(ids[: len(prompt)]) == prompt else 0

    def _prompted(self, ids: list[int]) -> list[int] | str:
        """The ids of a text with the prompt and the end, or why there is no prompt."""
        special = self.special(ids)
        if sum(special) > self.around:  # a prompt of its own
            return self._without_start(ids)
        if isinstance(self.prompt, str):
            return self.prompt
        text = [token for token, flag in zip(ids, special, strict=True) if not flag]
        return [*self.prompt, *text, self.tokenizer.eos_token_id]

    @staticmethod
    def _excess(ids: list[int], limit: int | None) -> str | None:
        if limit is None or len(ids) <= limit:
            return None
        return f"has {len(ids)} tokens with its prompt, the limit is {limit} positions"


def speech_target(model: Any, tokenizer: Any, processor: Any = None) -> SpeechTarget:
    """The target side of a speech model with this tokenizer, which may be that of a processor."""
    ids = special_ids(tokenizer, model.config)
    start = model.config.decoder_start_token_id
    if start is None:
        start = model.generation_config.decoder_start_token_id
    last = getattr(model.generation_config, "no_timestamps_token_id", None)
    limit, embedded = position_limit(model, "target"), embedded_ids(model, "target")
    decoder = getattr(model.config, "decoder_config", None)
    if limit is None and decoder is not None:  # Canary's
        limit = getattr(decoder, "max_position_embeddings", None)
    if model.config.model_type == "whisper":
        first = None if last is None else last + 1
        return WhisperTarget("target", tokenizer, ids, limit, embedded, model, start, first)
    builds = any(hasattr(processor, name) for name in ("apply_transcription_request", "get_decoder_prompt_ids"))
    if builds and getattr(processor, "tokenizer", None) is tokenizer:
        # Cohere-ASR starts with the mark of a space, which also occurs in texts: it is not special there.
        ids = special_ids(tokenizer)
        return PromptedTarget("target", tokenizer, ids, limit, embedded, model, start, processor=processor)
    return SpeechTarget("target", tokenizer, ids, limit, embedded, model, start)
