"""What tests of ``extract`` share: sentences, and records made by hand with the library's eager path."""

from __future__ import annotations

from typing import Any

import torch
from families import Pair, eager

from xattn_widget import CrossAttention

GERMAN = [
    "Ich habe das Buch gelesen.",
    "Hallo!",
    "Gestern habe ich meinen alten Freund in der Stadt getroffen, sagte der Mann.",
    "Der Hund schläft unter dem Tisch.",
]
ENGLISH = [
    "I have read the book.",
    "Hello!",
    "Yesterday I met my old friend in town, the man said.",
    "The dog sleeps under the table.",
]


def assert_close(actual: torch.Tensor, expected: torch.Tensor, atol: float = 1e-5) -> None:
    torch.testing.assert_close(actual, expected, atol=atol, rtol=0)


def assert_read_by_hand(record: CrossAttention, pair: Pair, source: str, labels: list[int], **inputs: Any) -> None:
    """The record's numbers equal those of one eager forward of the library alone, which has sharp rows."""
    given = inputs or {"labels": torch.tensor([labels])}
    with torch.no_grad():
        output = eager(pair.model)(**pair.tokenizer(source, return_tensors="pt"), **given, output_attentions=True)
    expected = torch.cat(output.cross_attentions)
    assert float(expected.amax(-1).max()) > 0.5
    assert_close(record.weights, expected)
    logprobs = output.logits[0].log_softmax(-1).gather(-1, torch.tensor(labels)[:, None])[:, 0]
    assert_close(record.logprobs, logprobs, atol=1e-4)


def generate_by_hand(pair: Pair, source: str, **options: Any) -> list[int]:
    """The ids that the library generates, the start symbol included."""
    return pair.model.generate(**pair.tokenizer(source, return_tensors="pt"), **options)[0].tolist()


def assert_same_records(actual: CrossAttention, expected: CrossAttention) -> None:
    """Equal tokens, and equal numbers up to float noise."""
    assert actual.target_tokens == expected.target_tokens
    assert actual.source_tokens == expected.source_tokens
    assert_close(actual.weights, expected.weights)
    assert_close(actual.logprobs, expected.logprobs, atol=1e-4)
