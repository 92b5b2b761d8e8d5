"""Answers to the requests of the page: axes, quantized layers, scores, exact rows and columns."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from weakref import WeakSet

import numpy as np
import torch

from xattn_widget.alignment.gold import reference_agreement
from xattn_widget.capturing.recorder import ROW_SUM_TOLERANCE
from xattn_widget.messages.characters import well_formed
from xattn_widget.panel.entries import Entry
from xattn_widget.panel.image import image_file
from xattn_widget.panel.json_values import finite
from xattn_widget.panel.own_rows import named_rows
from xattn_widget.panel.score_entries import ScoreEntry
from xattn_widget.panel.sound import features_picture, sound_file
from xattn_widget.panel.word_times import describe_word_times
from xattn_widget.record.axis import Axis
from xattn_widget.record.data import AttentionData
from xattn_widget.record.token_kinds import punctuation_flags

# The largest reply in bytes: browsers can hold a buffer of this size, and no notebook shows a larger matrix.
MAX_REPLY_BYTES = 2**29
# How long a request for a whole sentence may compute scores that nobody has asked for yet.
AHEAD_SECONDS = 0.5
# Scores that took longer than that for one sentence.
_slow: WeakSet[ScoreEntry] = WeakSet()


def answer(
    request: Mapping[str, Any], entry: Entry, scores: Mapping[str, ScoreEntry]
) -> tuple[dict[str, Any], list[bytes]]:
    """The reply to a request of the front end, and its binary buffers.

    Args:
        request: the request as :func:`xattn_widget.panel.protocol.read_request` returns it.
        entry: the sentence that it is about.
        scores: the listed scores by name.

    Raises:
        ValueError: there is no reference alignment to measure by, or the reply would be too large.
    """
    kind, record, reference = request["kind"], entry.record, entry.reference
    if kind == "sentence":
        return _sentence(entry), []
    if kind == "whole":
        return _whole(entry, scores, layers=request["layers"] == "all")
    if kind == "scores":
        return requested_score(request, scores).outcome(record).reply(), []
    if kind == "alignment":
        if reference is None:
            raise ValueError("this sentence has no reference alignment: pass reference=... to the widget")
        rows = request["reading"] or record.reading
        read = named_rows(record, rows)
        return reference_agreement(read, reference, request["heads"], request["aggregate"], rows), []
    if kind == "word_times":
        chosen = [(layer, head) for layer, head in request["heads"]]
        return describe_word_times(record, chosen, entry.gold_times), []
    if kind in ("sound", "features", "image"):
        return _file(record, kind)
    *_, rows, columns = record.weights.shape
    if kind == "layer":
        _check_size(record.heads * rows * columns)
        return _layer(record, request["layer"])
    if kind == "head":
        _check_size(4 * rows * columns)
        return {}, [_floats(record.head_weights([(request["layer"], request["head"])]))]
    # Rows and columns. Indexing comes before copying, so that whole heads are never copied.
    _check_size(4 * len(request["heads"]) * (columns if kind == "row" else rows))
    matrices = (record.weights if kind == "row" else record.weights.transpose(-1, -2)).flatten(0, 1)
    position = request["target" if kind == "row" else "source"]
    return {}, [_floats(matrices[record.places_of(request["heads"]), position])]


def _layer(record: AttentionData, layer: int) -> tuple[dict[str, Any], list[bytes]]:
    """The quantized weights of a layer, with zeros for the heads that the record does not keep."""
    *_, rows, columns = record.weights.shape
    kept = [pair for pair in record.kept_heads if pair[0] == layer]
    quantized = quantize(record.head_weights(kept))
    shape: dict[str, Any] = {"shape": [record.heads, rows, columns]} | outside_shares(record, layer)
    if len(kept) == record.heads:
        return shape, [quantized.tobytes()]
    content = np.zeros((record.heads, rows, columns), np.uint8)
    content[[head for _, head in kept]] = quantized
    missing = sorted(set(range(record.heads)) - {head for _, head in kept})
    return shape | {"missing": missing}, [content.tobytes()]


def _file(record: AttentionData, kind: str) -> tuple[dict[str, Any], list[bytes]]:
    if kind == "image":
        content, mime = image_file(record)
    elif record.sound is None:
        raise ValueError("this record holds no sound: records that extract(...) makes from audio hold theirs")
    else:
        content, mime = sound_file(record.sound) if kind == "sound" else (features_picture(record.sound), "image/png")
    _check_size(len(content))
    return {"mime": mime}, [content]


def requested_score(request: Mapping[str, Any], scores: Mapping[str, ScoreEntry]) -> ScoreEntry:
    """The listed score that a request of kind "scores" asks for, of all rows or of those that are shown."""
    score, reading = scores[request["name"]], request["as_shown"]
    return score if reading is None else score.as_shown(reading, request["special"])


def _check_size(count: int) -> None:
    if count > MAX_REPLY_BYTES:
        raise ValueError(
            f"this takes {count:,} bytes and a reply has at most {MAX_REPLY_BYTES:,}: ask for single rows or columns"
        )


def _floats(weights: torch.Tensor) -> bytes:
    return np.ascontiguousarray(weights.float().numpy(), dtype="<f4").tobytes()


def outside_shares(record: AttentionData, layer: int) -> dict[str, Any]:
    """Under "outside", the ``[heads][target]`` shares of a layer's rows outside the sound; empty for other sources."""
    if record.outside is None:
        return {}
    return {"outside": [[round(share, 4) for share in row] for row in record.outside[layer].nan_to_num(0.0).tolist()]}


def quantize(weights: torch.Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Weights as bytes on a square-root scale, ``(byte / 255) ** 2``: at most 0.0040 off, small weights kept.

    NaN becomes 0, and the notes of the sentence say so.
    """
    # In place after the first step: a large layer takes 17 MB, and allocating memory is most of the cost of a step.
    scaled = weights.clamp(0, 1).sqrt_().mul_(255).round_().nan_to_num_(0.0)
    return scaled.to(torch.uint8).contiguous().numpy()


def _whole(entry: Entry, scores: Mapping[str, ScoreEntry], *, layers: bool) -> tuple[dict[str, Any], list[bytes]]:
    """The sentence, its scores and its layers in one reply.

    Scores are computed until :data:`AHEAD_SECONDS` are over: the page loads them in case someone wants them later. Slow
    scores and those that fail are left out.
    """
    record = entry.record
    *_, rows, columns = record.weights.shape
    # The layers of a record that keeps some of the heads are answered one by one: each says which heads are missing.
    layers = layers and record.kept is None
    if layers:
        _check_size(record.weights.numel())
    end = time.monotonic() + AHEAD_SECONDS
    known = {}
    for name, score in scores.items():
        computation = score.computation(record)
        outcome = computation.wait(0)
        if outcome is None and not computation.is_running and score not in _slow and time.monotonic() < end:
            began = time.monotonic()
            outcome = computation.run()
            if time.monotonic() - began > AHEAD_SECONDS:
                _slow.add(score)
        if outcome is not None and outcome.grid is not None:
            known[name] = outcome.reply()
    buffers = [quantize(weights.float()).tobytes() for weights in record.weights] if layers else []
    reply = {"sentence": _sentence(entry), "scores": known, "shape": [record.heads, rows, columns]}
    if layers and record.outside is not None:
        reply["outside"] = [outside_shares(record, layer)["outside"] for layer in range(record.layers)]
    return reply, buffers


def _sentence(entry: Entry) -> dict[str, Any]:
    record, reference = entry.record, entry.reference
    output = record.targets.get("output", record.target)
    logprobs = None if record.logprobs is None else finite(record.logprobs.tolist())
    return {
        "source": _axis(record.source),
        "target": {"output": _axis(output), "input": _axis(record.targets.get("input", output))},
        "logprobs": logprobs,
        "generated": record.generated,
        "notes": _notes(record),
        "reference": reference and reference.describe(),
        "reference_boxes": None if entry.gold_boxes is None else [gold.describe() for gold in entry.gold_boxes],
    }


def _axis(axis: Axis) -> dict[str, Any]:
    texts = [text and well_formed(text) for text in map(axis.unknown_text, range(len(axis)))]
    described = {
        "labels": [well_formed(label) for label in axis.labels],
        "special": list(axis.special),
        "groups": list(axis.groups),
        "words": [well_formed(word) for word in axis.words],
        "kind": axis.kind or list(axis.kinds),  # one for all positions, or one each
        "places": axis.known_places(),
    }
    punctuation = punctuation_flags(axis)
    return described | {
        name: values for name, values in (("texts", texts), ("punctuation", list(punctuation))) if any(values)
    }


def _notes(record: AttentionData) -> list[str]:
    """What a reader must know before trusting the picture."""
    notes = []
    if record.kept is not None:
        notes.append(f"This record keeps {record.kept.describe()}. The others are hatched.")
    sums_by_layer: dict[int, list[torch.Tensor]] = {}
    for (layer, _), row_sums in zip(
        record.kept_heads, record.weights.flatten(0, 1).sum(-1, dtype=torch.float32), strict=True
    ):
        sums_by_layer.setdefault(layer, []).append(row_sums)
    tolerance = max(ROW_SUM_TOLERANCE, torch.finfo(record.weights.dtype).eps)
    for layer, parts in sums_by_layer.items():
        sums = torch.stack(parts)
        if sums.isnan().any():
            notes.append(f"Layer {layer} holds NaN weights, shown as 0.")
        elif (worst := float((sums - 1).abs().max())) > tolerance:
            notes.append(f"Rows of layer {layer} do not sum to 1 (up to {worst:.2g} off).")
    return notes
