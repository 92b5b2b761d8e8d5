"""What is known about which heads of a model align: a file saved with its weights, and the sentences shown so far."""

from __future__ import annotations

import json
import logging
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch

from xattn_widget._compat import tensor_parts
from xattn_widget.alignment.evidence import Evidence, gather_evidence
from xattn_widget.files.csv_json import json_text
from xattn_widget.files.writing import whole_file
from xattn_widget.record.data import AttentionData

logger = logging.getLogger("xattn_widget")

FILE_NAME = "alignment_heads.json"
_FORMAT = 1
_MOST_BYTES = 2**22
# Training changes every parameter, so that a few weights of each show it. Reading all of them could take seconds.
_SAMPLED = 64
# The file names one weight of each parameter. Loading in another number type changes it by less than this share.
_CLOSE = 0.01


@dataclass
class _Memory:
    """What is known about a model as long as its weights stay as they are.

    Attributes:
        weights: the sampled weights.
        evidence: the sums over the file's sentences and those shown, or None.
        seen: the sources of the sentences shown: one that is shown again does not count again.
    """

    weights: dict[str, torch.Tensor]
    evidence: Evidence | None = None
    seen: set[tuple[str, ...]] = field(default_factory=set)


_memories: WeakKeyDictionary[torch.nn.Module, _Memory] = WeakKeyDictionary()
_lock = threading.Lock()


def model_evidence(model: torch.nn.Module, records: Sequence[AttentionData]) -> Evidence | None:
    """What is known about the heads of a model, with these records of it counted from now on; None if nothing is.

    A model that was loaded from a folder with a calibration (:func:`save_calibration`) starts with that. Everything is
    forgotten once the weights change.
    """
    weights = _sample(model)
    if not weights:  # they are elsewhere, so nobody can tell whether they change
        return gather_evidence(records)
    with _lock:
        memory = _memories.get(model)
        if memory is None:
            memory = _memories[model] = _Memory(weights, _saved_evidence(model, weights, records))
        elif not _equal(memory.weights, weights):  # the file is about the weights that it was saved with
            memory = _memories[model] = _Memory(weights)
        memory.evidence = gather_evidence(records, memory.evidence, memory.seen)
        return memory.evidence


def save_calibration(model: torch.nn.Module, records: Sequence[AttentionData], folder: str | Path) -> Path:
    """Save what records say about a model's heads, next to its weights: the panel then opens with the heads that align.

    A hundred sentences are enough.

    Args:
        model: the model, as saved in ``folder``.
        records: records of the model, of sentences like those it is made for.
        folder: the folder with its weights. The file is called ``alignment_heads.json``.

    Returns:
        The file written.

    Raises:
        ValueError: the records say nothing, or the model's weights are not in memory.
    """
    evidence = gather_evidence(records, enough=math.inf)
    weights = _sample(model)
    if evidence is None:
        raise ValueError("there is nothing to save: no record keeps all heads and has words on both sides")
    if not weights:
        raise ValueError("the weights of this model are not in memory, so that the file could not name them")
    content = {
        "format": _FORMAT,
        "about": "For each reading of the rows, [layers, heads] sums of the one-to-one predictor of alignment, and the "
        "number of words that they are about; one weight of each parameter, to recognize the model.",
        "evidence": evidence.describe(),
        "weights": {name: float(f"{value:.5g}") for name, value in _named(weights).items()},
    }
    path = Path(folder) / FILE_NAME
    with whole_file(path) as file:
        file.write(f"{json_text(content)}\n".encode())
    return path


def _saved_evidence(
    model: torch.nn.Module, weights: Mapping[str, torch.Tensor], records: Sequence[AttentionData]
) -> Evidence | None:
    """The calibration in the folder that the model was loaded from, if there is one that fits the model."""
    folder = getattr(model, "name_or_path", None)
    if not isinstance(folder, str) or not folder:
        return None
    path = Path(folder) / FILE_NAME
    try:
        if not path.is_file():
            return None
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES:,} bytes")
        content = json.loads(path.read_bytes())
        if content["format"] != _FORMAT:
            raise ValueError(f"it is of format {content['format']!r:.20}, expected {_FORMAT}")
        evidence = Evidence.read(content["evidence"])
        if any(evidence.grid != (record.layers, record.heads) for record in records):
            raise ValueError(f"it is about a model with (layers, heads) = {evidence.grid}")
        if not _belongs(content["weights"], _named(weights)):
            raise ValueError("it was made with other weights")
    except Exception as error:  # whatever is wrong with a file of hints, the picture must appear
        logger.warning(
            "%s is ignored, and the panel guesses from the sentences shown: %s: %s",
            path,
            type(error).__name__,
            f"{error}"[:200],
        )
        return None
    return evidence


def _sample(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Up to 64 evenly spaced weights of each parameter that is in memory as an ordinary tensor."""
    sample = {}
    for name, parameter in model.named_parameters():
        if parameter.is_meta or parameter.is_quantized or tensor_parts(parameter) is not None:
            continue
        values = parameter.detach().flatten()
        if len(values):
            # A copy: a view would change with the weights.
            sample[name] = values[:: -(-len(values) // _SAMPLED)].clone().to("cpu", torch.float32)
    return sample


def _equal(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(values, second[name]) for name, values in first.items())


def _named(sample: Mapping[str, torch.Tensor]) -> dict[str, float]:
    """One weight of each parameter: the middle one of its sample."""
    return {name: float(values[len(values) // 2]) for name, values in sample.items()}


def _belongs(saved: Mapping[str, Any], weights: Mapping[str, float]) -> bool:
    """Whether a file's weights are those of the model. Other releases may know parameters by other names, but few."""
    shared = saved.keys() & weights.keys()
    return len(shared) * 2 > len(saved) and all(
        math.isclose(float(saved[name]), weights[name], rel_tol=_CLOSE, abs_tol=1e-5) for name in shared
    )
