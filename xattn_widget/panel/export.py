"""Files of what the panel shows: exact weights as CSV and JSON, alignments, pictures, pages."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from xattn_widget.alignment.links import align_record
from xattn_widget.alignment.pharaoh import format_pharaoh
from xattn_widget.files.csv_json import csv_writer, json_text
from xattn_widget.files.writing import whole_file
from xattn_widget.panel.dropping import without_dropped
from xattn_widget.panel.own_rows import joint_record, named_rows
from xattn_widget.panel.page import page_bytes
from xattn_widget.panel.picked import joint_weights, picked_weights
from xattn_widget.panel.state import PanelState
from xattn_widget.record.data import AttentionData


def export(state: PanelState, path: str | Path, spreadsheet: bool = False) -> Path:
    """Save what is shown in the format of the file name's extension, and return the path.

    Args:
        state: what is shown.
        path: the file to write; :data:`FORMATS` has the extensions.
        spreadsheet: for a ``.csv`` file: write an apostrophe before tokens that a spreadsheet would read as formulas.

    Raises:
        ValueError: another extension, or ``spreadsheet`` for a file that is not CSV.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if spreadsheet and ending != ".csv":
        raise ValueError(f"spreadsheet=True is for CSV files; got {path.name!r}")
    if ending not in FORMATS:
        raise ValueError(f"the file's extension must be one of {', '.join(FORMATS)}; got {path.name!r}")
    contents = _csv(state, spreadsheet) if spreadsheet else FORMATS[ending](state)
    with whole_file(path) as file:
        file.write(contents)
    return path


def _shown_record(state: PanelState) -> AttentionData:
    """The record with the view's settings applied: cropped to its sound, reading, words, what is dropped."""
    record = named_rows(state.shown, state.view.reading)
    if state.view.sound_weights != "raw" and not all(record.source.outside):
        record = record.cropped()
    record = without_dropped(record, state.view.special)
    return record.words() if state.view.words else record


# What becomes of special tokens, in words (as js/src/core/scene_files.ts writes it).
_KEPT = {"drop": "dropped, rows renormalized", "drop_punctuation": "dropped with punctuation, rows renormalized"}


def _csv(state: PanelState, spreadsheet: bool = False) -> bytes:
    record = _shown_record(state)
    out = io.StringIO(newline="")
    write = csv_writer(out, spreadsheet)
    write(["heads", "target", "target_token", "source", "source_token", "weight"])
    weights = picked_weights(state.view, record).tolist()
    for (layer, head), rows in zip(state.view.heads, weights, strict=True):
        for t, (target, row) in enumerate(zip(record.target_tokens, rows, strict=True)):
            for s, (source, weight) in enumerate(zip(record.source_tokens, row, strict=True)):
                write([f"layer {layer}, head {head}", t, target, s, source, _number(weight)])
    return out.getvalue().encode()


def _number(weight: float) -> float | None:
    """A weight with the digits that the front end writes. None, an empty cell or null, where it is undefined."""
    return float(f"{weight:.7g}") if math.isfinite(weight) else None


def _json(state: PanelState) -> bytes:
    record, view, moved = _shown_record(state), state.view, state.moved()

    def rows(weights: torch.Tensor) -> list[list[float | None]]:
        return [[_number(value) for value in row] for row in weights.tolist()]

    data = {
        "model": record.model,
        "name": state.entry.name,
        "sentence": view.sentence,
        "heads": view.heads,
        "reading": "own" if moved else record.reading,
        **({"moved": [list(head) for head in moved]} if moved else {}),
        "words": view.words,
        "special": _KEPT.get(view.special, "kept"),
        "sinks": state.dividing_note(view.sentence) if state.divides(view.sentence) else "kept",
        "weights": "exact",
        "source": record.source_tokens,
        "target": record.target_tokens,
        view.aggregate: rows(joint_weights(view, record)),
        "each": [rows(weights) for weights in picked_weights(view, record)],
    }
    return f"{json_text(data, indent=1)}\n".encode()


def _pharaoh(state: PanelState) -> bytes:
    view, record = state.view, state.record
    heads = [(layer, head) for layer, head in view.heads]
    if state.moved():
        record = joint_record(state.as_moved(view.sentence, record), heads, view.aggregate, words=True)
        heads = [(0, 0)]
    record = named_rows(record, view.reading)
    return f"{format_pharaoh(align_record(record, heads, aggregate=view.aggregate))}\n".encode()


def _picture(state: PanelState, kind: str) -> bytes:
    from xattn_widget.panel.picture import matrix_picture

    return matrix_picture(state, _shown_record(state), kind)


# The function that writes each format, by file extension.
FORMATS: dict[str, Callable[[PanelState], bytes]] = {
    ".csv": _csv,
    ".json": _json,
    ".pharaoh": _pharaoh,
    ".align": _pharaoh,
    ".png": partial(_picture, kind="png"),
    ".svg": partial(_picture, kind="svg"),
    ".pdf": partial(_picture, kind="pdf"),
    ".html": page_bytes,
    ".htm": page_bytes,
}
