"""Files of what the widget shows, from Python: exact weights as CSV and JSON, alignments, pictures."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

import torch

from xattn_widget.alignment.links import align_record
from xattn_widget.alignment.pharaoh import format_pharaoh
from xattn_widget.files.csv_json import csv_writer, json_text
from xattn_widget.files.writing import whole_file
from xattn_widget.messages.quiet import quiet_warnings
from xattn_widget.record.data import AttentionData

if TYPE_CHECKING:
    from xattn_widget.widget.widget import CrossAttentionWidget


def export(widget: CrossAttentionWidget, path: str | Path, spreadsheet: bool = False) -> Path:
    """Save what a widget shows; see :meth:`CrossAttentionWidget.export`."""
    path = Path(path)
    suffix = path.suffix.lower()
    if spreadsheet and suffix != ".csv":
        raise ValueError(f"spreadsheet=True is for CSV files; got {path.name!r}")
    if suffix in _TEXTS:
        text = _csv(widget, spreadsheet) if suffix == ".csv" else _TEXTS[suffix](widget)
        with whole_file(path) as file:
            file.write(text.encode())
    elif suffix in _PICTURES:
        with whole_file(path) as file:
            _draw(widget, file, suffix.removeprefix("."))
    elif suffix in (".html", ".htm"):
        widget.to_html(path)
    else:
        known = ", ".join([*_TEXTS, *_PICTURES, ".html"])
        raise ValueError(f"the file's ending says what to save: {known}; got {path.name!r}")
    return path


def shown_record(widget: CrossAttentionWidget) -> AttentionData:
    """The record with the view's settings applied: reading, words, special tokens dropped."""
    record = widget.record
    if widget.reading in record.targets:
        record = record.read_as(widget.reading)
    if widget.special == "drop":
        record = record.drop_special()
    return record.words() if widget.words else record


def _heads(widget: CrossAttentionWidget, record: AttentionData) -> torch.Tensor:
    """``[picked, target, source]`` weights."""
    return torch.stack([record.weights[layer, head] for layer, head in widget.heads])


def _together(widget: CrossAttentionWidget, record: AttentionData) -> torch.Tensor:
    picked = _heads(widget, record)
    return picked.mean(0) if widget.aggregate == "mean" else picked.amax(0)


def _csv(widget: CrossAttentionWidget, spreadsheet: bool = False) -> str:
    record = shown_record(widget)
    out = io.StringIO(newline="")
    write = csv_writer(out, spreadsheet)
    write(["heads", "target", "target_token", "source", "source_token", "weight"])
    for (layer, head), weights in zip(widget.heads, _heads(widget, record).tolist(), strict=True):
        for t, (target, row) in enumerate(zip(record.target_tokens, weights, strict=True)):
            for s, (source, weight) in enumerate(zip(record.source_tokens, row, strict=True)):
                write([f"layer {layer}, head {head}", t, target, s, source, float(f"{weight:.7g}")])
    return out.getvalue()


def _json(widget: CrossAttentionWidget) -> str:
    record = shown_record(widget)
    entry = widget.info["sentences"][widget.sentence]

    def rows(weights: torch.Tensor) -> list[list[float | None]]:
        return [
            [float(f"{value:.7g}") if math.isfinite(value) else None for value in row]  # JSON has no NaN
            for row in weights.tolist()
        ]

    data = {
        "model": record.model,
        "name": entry["name"],
        "sentence": widget.sentence,
        "heads": widget.heads,
        "reading": record.reading,
        "words": widget.words,
        "special": "dropped, rows renormalised" if widget.special == "drop" else "kept",
        "weights": "exact",
        "source": record.source_tokens,
        "target": record.target_tokens,
        str(widget.aggregate): rows(_together(widget, record)),
        "each": [rows(weights) for weights in _heads(widget, record)],
    }
    return json_text(data, indent=1) + "\n"


def _pharaoh(widget: CrossAttentionWidget) -> str:
    record = widget.record
    if widget.reading in record.targets:
        record = record.read_as(widget.reading)
    heads = [(layer, head) for layer, head in widget.heads]
    links = align_record(record, heads, aggregate="max" if widget.aggregate == "max" else "mean")
    return format_pharaoh(links) + "\n"


def _draw(widget: CrossAttentionWidget, file: IO[bytes], kind: str) -> None:
    from matplotlib.figure import Figure

    from xattn_widget.plot.heatmap import draw_heatmap, figure_size

    record = shown_record(widget)
    weights = _together(widget, record)
    figure = Figure(figsize=figure_size(record, weights))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    draw_heatmap(axes, record, weights)
    picked = [f"layer {layer}, head {head}" for layer, head in widget.heads]
    title = picked[0] if len(picked) == 1 else f"{widget.aggregate} of {len(picked)} heads"
    axes.set_title(title, fontsize=10)
    # Characters that no font has are drawn as boxes, and were named above.
    with quiet_warnings(r"Glyph .* missing from font"):
        figure.savefig(file, format=kind, dpi=200)


_TEXTS: dict[str, Callable[[CrossAttentionWidget], str]] = {
    ".csv": _csv,
    ".json": _json,
    ".pharaoh": _pharaoh,
    ".align": _pharaoh,
}
_PICTURES = (".png", ".svg", ".pdf")
