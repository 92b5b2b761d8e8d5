"""What is known about which heads of a model align: a file saved with its weights, and the sentences shown so far."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary

import torch

from xattn_widget.alignment.evidence import Evidence, gather_evidence
from xattn_widget.extraction.saved_hints import FILE_NAME as FILE_NAME
from xattn_widget.extraction.saved_hints import same_weights, save_hints, saved_hints, warn_of_hints, weight_sample
from xattn_widget.record.data import AttentionData


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
    weights = weight_sample(model)
    if not weights:  # they are elsewhere, so nobody can tell whether they change
        return gather_evidence(records)
    with _lock:
        memory = _memories.get(model)
        if memory is None:
            memory = _memories[model] = _Memory(weights, _saved_evidence(model, records))
        elif not same_weights(memory.weights, weights):  # the file is about the weights that it was saved with
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
    if evidence is None:
        raise ValueError("there is nothing to save: no record keeps all heads and has words on both sides")
    about = (
        "For each reading of the rows, [layers, heads] sums of the one-to-one predictor of alignment, and the number "
        "of words that they are about"
    )
    return save_hints(model, folder, about, evidence=evidence.describe())


def _saved_evidence(model: torch.nn.Module, records: Sequence[AttentionData]) -> Evidence | None:
    """The calibration in the folder that the model was loaded from, if there is one that fits the model."""
    try:
        content = saved_hints(model)
        if content is None or "timing" in content:  # speech models have a timing
            return None
        evidence = Evidence.read(content["evidence"])
        if any(evidence.grid != (record.layers, record.heads) for record in records):
            raise ValueError(f"it is about a model with (layers, heads) = {evidence.grid}")
    except Exception as error:  # whatever is wrong with a file of hints, the picture must appear
        warn_of_hints(model, "the panel guesses from the sentences shown", error)
        return None
    return evidence
