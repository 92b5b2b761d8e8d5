"""What is known about which heads of a model align: a file saved with its weights, and the sentences shown so far."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch

from xattn_widget.alignment.evidence import Evidence, gather_evidence
from xattn_widget.alignment.given_records import record_list
from xattn_widget.alignment.head_sets import HeadSet
from xattn_widget.extraction.saved_hints import FILE_NAME as FILE_NAME
from xattn_widget.extraction.saved_hints import (
    hints_path,
    same_weights,
    save_hints,
    saved_hints,
    warn_of_hints,
    weight_sample,
    write_alignment_heads,
)
from xattn_widget.record.data import AttentionData
from xattn_widget.record.heads import check_heads


@dataclass
class _Memory:
    """What is known about a model as long as its weights stay as they are.

    Attributes:
        weights: the sampled weights.
        head_set: the set of heads in the file, or None.
        evidence: the sums over the file's sentences and those shown, or None.
        seen: the sources of the sentences shown: one that is shown again does not count again.
    """

    weights: dict[str, torch.Tensor]
    head_set: HeadSet | None = None
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
            memory = _memories[model] = _Memory(weights, *_read_calibration(model, records))
        elif not same_weights(memory.weights, weights):  # the file is about the weights that it was saved with
            memory = _memories[model] = _Memory(weights)
        memory.evidence = gather_evidence(records, memory.evidence, memory.seen)
        return memory.evidence


def known_head_set(model: torch.nn.Module) -> HeadSet | None:
    """The set of heads in the calibration that :func:`model_evidence` found for a model; None if there was none."""
    with _lock:
        memory = _memories.get(model)
        return None if memory is None else memory.head_set


def save_calibration(
    model: torch.nn.Module,
    records: Sequence[AttentionData],
    folder: str | Path,
    *,
    head_set: HeadSet | None = None,
) -> Path:
    """Save what records say about a model's heads, next to its weights: the panel then opens with the heads that align.

    A hundred sentences are enough.

    Args:
        model: the model, as saved in ``folder``.
        records: records of the model, of sentences like those it is made for.
        folder: the folder with its weights. The file is called ``alignment_heads.json``.
        head_set: a set of heads that aligns words, as :func:`best_head_set` finds it. It is saved with its readings,
            for :func:`saved_head_set`, and the panel opens with it. Its (layer, head) pairs also go into
            ``generation_config.json`` as ``alignment_heads``, the form in which transformers and CTranslate2 keep those
            of Whisper.

    Returns:
        The file written.

    Raises:
        ValueError: the records say nothing, the set is empty or names a head or a reading that the model lacks, the
            model's weights are not in memory, or the folder's generation config is not JSON.
        TypeError: ``head_set`` is not a :class:`HeadSet`.
    """
    evidence = gather_evidence(record_list(records), enough=math.inf)
    if evidence is None:
        raise ValueError("there is nothing to save: no record keeps all heads and has words on both sides")
    hints = {"evidence": evidence.describe()}
    if head_set is not None:
        if not isinstance(head_set, HeadSet):
            raise TypeError(f"head_set must be a HeadSet, as best_head_set returns it, got {head_set!r:.60}")
        hints["head_set"] = head_set.describe()
        HeadSet.read(hints["head_set"])  # refuses what could not be read again
        check_heads([head[:2] for head in head_set.heads], *evidence.grid)
    about = (
        "For each reading of the rows, [layers, heads] sums of the one-to-one predictor of alignment, and the number "
        "of words that they are about"
    )
    path = save_hints(model, folder, about, **hints)
    if head_set is not None:
        write_alignment_heads(model, folder, [head[:2] for head in head_set.heads])
    return path


def saved_head_set(model: torch.nn.Module) -> HeadSet | None:
    """The set of heads that :func:`save_calibration` saved with a model; None if the model has none.

    Example:
        >>> from xattn_widget import extract, load_demo, saved_head_set
        >>> model, tokenizer = load_demo()
        >>> saved_head_set(model).align(extract(model, tokenizer, "Ich habe das Buch gelesen."))
        [(0, 0), (2, 2), (3, 3), (4, 1), (5, 4)]

    Args:
        model: a model that was loaded from the folder with the calibration.

    Raises:
        ValueError: the file is damaged, or about other weights, for example those before training.
    """
    try:
        content = saved_hints(model)
        if content is None or "head_set" not in content:
            return None
        return _read_set(content, Evidence.read(content["evidence"]))
    except Exception as error:  # a damaged file can fail in any way
        raise ValueError(
            f"{hints_path(model)} cannot be used: {type(error).__name__}: {f'{error}'[:200]}; make it again with "
            "save_calibration"
        ) from error


def _read_set(content: Any, evidence: Evidence) -> HeadSet:
    """The set in the content of a file, beside the evidence in it.

    Raises:
        Exception: it is damaged.
    """
    head_set = HeadSet.read(content["head_set"])
    check_heads([head[:2] for head in head_set.heads], *evidence.grid)
    return head_set


def _read_calibration(
    model: torch.nn.Module, records: Sequence[AttentionData]
) -> tuple[HeadSet | None, Evidence | None]:
    """The set of heads and the evidence in the folder that the model was loaded from, if they fit the model."""
    try:
        content = saved_hints(model)
        if content is None or "timing" in content:  # speech models have a timing
            return None, None
        evidence = Evidence.read(content["evidence"])
        if any(evidence.grid != (record.layers, record.heads) for record in records):
            raise ValueError(f"it is about a model with (layers, heads) = {evidence.grid}")
        head_set = _read_set(content, evidence) if "head_set" in content else None
    except Exception as error:  # whatever is wrong with a file of hints, the picture must appear
        warn_of_hints(model, "the panel guesses from the sentences shown", error)
        return None, None
    return head_set, evidence
