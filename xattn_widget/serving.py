"""Answers to what the front end asks of records: axes, quantised layers, scores, exact rows and columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from xattn_widget.axes import Axis
from xattn_widget.capturing import ROW_SUM_TOLERANCE
from xattn_widget.record import CrossAttention
from xattn_widget.reference import Reference, fare
from xattn_widget.scores import Score


@dataclass(frozen=True)
class ScoreEntry:
    """A score as it is listed: with its policy for special tokens and its parameters settled."""

    score: Score
    special: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The score's name, with what differs from its defaults."""
        settled = ({} if self.special is None else {"special": self.special}) | dict(self.parameters)
        if not settled:
            return self.score.name
        return f"{self.score.name}({', '.join(f'{name}={value}' for name, value in settled.items())})"

    def of(self, record: CrossAttention) -> torch.Tensor:
        """``[layers, heads]`` values of a record, with their ``signature``."""
        return self.score.of_record(record, special=self.special, **self.parameters)

    def describe(self) -> dict[str, Any]:
        """What the front end shows of it."""
        return {
            "name": self.name,
            "direction": self.score.direction,
            "description": self.score.description,
            "signature": self.score.signature(special=self.special, **self.parameters),
        }


def check_version(request: Mapping[str, Any], sentences: Sequence[Mapping[str, Any]]) -> None:
    """Raise where a request means a sentence that another has taken the place of."""
    index = request.get("sentence")
    known = isinstance(index, int) and 0 <= index < len(sentences)
    if known and "version" in request and request["version"] != sentences[index].get("version"):  # type: ignore[index]
        raise ValueError("another experiment has taken the place of this sentence")


def answer(
    request: Mapping[str, Any],
    records: Sequence[CrossAttention],
    scores: Mapping[str, ScoreEntry],
    references: Sequence[Reference | None],
) -> tuple[dict[str, Any], list[bytes]]:
    """The reply to a request of the front end, and its binary buffers.

    Raises:
        ValueError: a request of no known kind, or for a sentence, layer, row or score that is not there.
    """
    record = _member(records, request.get("sentence"), "sentence")
    kind = request.get("kind")
    if kind == "sentence":
        reference = references[int(request["sentence"])]
        return _sentence(record) | {"reference": reference and reference.describe()}, []
    if kind == "layer":
        weights = _member(record.weights, request.get("layer"), "layer")
        return {"shape": list(weights.shape)}, [quantise(weights).tobytes()]
    if kind == "scores":
        name = str(request.get("name"))
        if name not in scores:
            raise ValueError(f"there is no score {name!r} here; there are {', '.join(scores)}")
        grid = scores[name].of(record)
        return {"values": _json_numbers(grid.tolist()), "signature": grid.signature}, []  # type: ignore[attr-defined]
    if kind == "head":
        weights = _member(_member(record.weights, request.get("layer"), "layer"), request.get("head"), "head")
        return {}, [np.ascontiguousarray(weights.numpy(), dtype="<f4").tobytes()]
    if kind == "alignment":
        reference = references[int(request["sentence"])]
        if reference is None:
            raise ValueError("this sentence has no reference alignment")
        reading = request.get("reading", record.reading)
        read = record.read_as(reading) if reading in record.targets else record
        for layer, head in request["heads"]:
            _member(_member(record.weights, layer, "layer"), head, "head")
        return fare(read, reference, request["heads"], request.get("aggregate", "mean")), []
    if kind in ("row", "column"):
        picked = torch.stack(
            [_member(_member(record.weights, layer, "layer"), head, "head") for layer, head in request["heads"]]
        )
        rows = picked if kind == "row" else picked.transpose(-1, -2)
        position = request.get("target" if kind == "row" else "source")
        exact = torch.stack([_member(matrix, position, kind) for matrix in rows])
        return {}, [np.ascontiguousarray(exact.numpy(), dtype="<f4").tobytes()]
    raise ValueError(f"no request of kind {kind!r} is known")


def quantise(weights: torch.Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Weights as bytes on a square-root scale, ``(byte / 255) ** 2``: at most .0040 off, small weights kept.

    NaN becomes 0; the sentence's notes name it.
    """
    # In place after the first step: a large layer is 17 MB, and fresh memory is most of what each step costs.
    scaled = weights.clamp(0, 1).sqrt_().mul_(255).round_().nan_to_num_(0.0)
    return scaled.to(torch.uint8).contiguous().numpy()


def _sentence(record: CrossAttention) -> dict[str, Any]:
    output = record.targets.get("output", record.target)
    logprobs = None if record.logprobs is None else _json_numbers(record.logprobs.tolist())
    return {
        "source": _axis(record.source),
        "target": {"output": _axis(output), "input": _axis(record.targets.get("input", output))},
        "logprobs": logprobs,
        "generated": record.generated,
        "notes": _notes(record),
    }


def _axis(axis: Axis) -> dict[str, Any]:
    return {
        "labels": list(axis.labels),
        "special": list(axis.special),
        "groups": list(axis.groups),
        "words": list(axis.words),
    }


def _notes(record: CrossAttention) -> list[str]:
    """What a reader must know before trusting the picture."""
    notes = []
    for layer, weights in enumerate(record.weights):
        sums = weights.sum(-1)
        if sums.isnan().any():
            notes.append(f"Layer {layer} holds NaN weights, shown as 0.")
        elif (worst := float((sums - 1).abs().max())) > ROW_SUM_TOLERANCE:
            notes.append(f"Rows of layer {layer} do not sum to 1 (up to {worst:.2g} off).")
    return notes


def _member(items: Any, index: Any, what: str) -> Any:
    if not isinstance(index, int) or not 0 <= index < len(items):
        raise ValueError(f"there is no {what} {index!r} here; there are {len(items)}, counted from 0")
    return items[index]


def _json_numbers(values: Any) -> Any:
    """Nested lists with None for what JSON has no number for."""
    if isinstance(values, list):
        return [_json_numbers(value) for value in values]
    return values if math.isfinite(values) else None
