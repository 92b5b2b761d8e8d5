"""CTranslate2 on the model of a benchmark: converted from the same weights, and checked to give the same numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ctranslate2
import torch
from ctranslate2.converters import TransformersConverter

from xattn_widget import extract

# Batches of about this many tokens are the fastest for CTranslate2 here, of 512, 1,024, 2,048 and 4,096.
_BATCH = 1024


class Peer:
    """The converted model. Sources and targets are given as tokens, so that its times do not include tokenization."""

    def __init__(self, model: Any, tokenizer: Any, folder: Path) -> None:
        original, self._converted = folder / "original", folder / "converted"
        model.save_pretrained(original)
        tokenizer.save_pretrained(original)
        TransformersConverter(str(original)).convert(str(self._converted))
        self._model, self._tokenizer = model, tokenizer

    def check(self, source: str, target: str) -> None:
        """Raise unless its log-probability of a target is the model's."""
        expected = float(extract(self._model, self._tokenizer, source, target).logprobs.sum())
        [found] = self.scoring([(source, target)], "float32")()
        if abs(sum(found.log_probs) - expected) > 1e-4 * abs(expected):
            raise AssertionError(f"CTranslate2 has {sum(found.log_probs)} where the model has {expected}")

    def scoring(self, pairs: list[tuple[str, str]], compute_type: str) -> Callable[[], Any]:
        """What computes the log-probabilities of all targets."""
        translator = self._translator(compute_type)
        sources = self._tokens([source for source, _ in pairs])
        # It adds the end symbol to targets itself.
        targets = [tokens[:-1] for tokens in self._tokens(text_target=[target for _, target in pairs])]
        return lambda: translator.score_batch(sources, targets, max_batch_size=_BATCH, batch_type="tokens")

    def translating(self, texts: list[str], compute_type: str, length: int) -> Callable[[], list[list[int]]]:
        """What translates all sentences greedily into at most ``length`` tokens; returns their ids."""
        translator, sources = self._translator(compute_type), self._tokens(texts)

        def translate() -> list[list[int]]:
            results = translator.translate_batch(
                sources, beam_size=1, max_decoding_length=length, max_batch_size=_BATCH, batch_type="tokens"
            )
            return [self._tokenizer.convert_tokens_to_ids(result.hypotheses[0]) for result in results]

        return translate

    def _translator(self, compute_type: str) -> Any:
        return ctranslate2.Translator(
            str(self._converted), compute_type=compute_type, inter_threads=1, intra_threads=torch.get_num_threads()
        )

    def _tokens(self, *texts: list[str], **more: list[str]) -> list[list[str]]:
        return [self._tokenizer.convert_ids_to_tokens(ids) for ids in self._tokenizer(*texts, **more)["input_ids"]]
