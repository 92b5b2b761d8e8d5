"""The target side of a speech model: its tokenizer, and the prompt that its targets begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from xattn_widget.inputs.sources import Source, source_inputs
from xattn_widget.inputs.text.encoding import embedded_ids, position_limit
from xattn_widget.inputs.text.sides import Side
from xattn_widget.inputs.text.tokens import special_ids
from xattn_widget.inputs.text.words import is_unspaced


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

    def _as_written(self, sentence: str) -> str:
        return sentence

    def _without_start(self, ids: list[int]) -> list[int]:
        return ids[1:] if ids[:1] == [self.start] else ids


@dataclass(frozen=True)
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


def speech_target(model: Any, tokenizer: Any) -> SpeechTarget:
    """The target side of a speech model with this tokenizer."""
    ids = special_ids(tokenizer, model.config)
    start = model.config.decoder_start_token_id
    if start is None:
        start = model.generation_config.decoder_start_token_id
    last = getattr(model.generation_config, "no_timestamps_token_id", None)
    is_whisper = model.config.model_type == "whisper"
    return (WhisperTarget if is_whisper else SpeechTarget)(
        "target",
        tokenizer,
        ids,
        position_limit(model, "target"),
        embedded_ids(model, "target"),
        model,
        start,
        last + 1 if is_whisper and last is not None else None,
    )
