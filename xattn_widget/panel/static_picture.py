"""The picture of the panel for places where no widget runs: the sentence with its lines, and the grid of heads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from xattn_widget.messages.characters import label_text
from xattn_widget.panel.canvas import Canvas
from xattn_widget.panel.dropping import dropped_share, dropping_note, leaves_any, shown_policy, without_dropped
from xattn_widget.panel.image import has_places
from xattn_widget.panel.image_picture import image_part
from xattn_widget.panel.own_rows import named_rows
from xattn_widget.panel.picked import capitalized, joined, moved_note, picked_title, picked_weights, shows_set
from xattn_widget.panel.ramps import color_of, white_ramp
from xattn_widget.panel.settings import View
from xattn_widget.panel.sound_picture import draw_sound, sound_part
from xattn_widget.panel.state import PanelState
from xattn_widget.plot.palette import PALETTE, Color, rgb
from xattn_widget.record.data import AttentionData
from xattn_widget.record.fewest import fewest

Matrix = np.ndarray[Any, np.dtype[np.float32]]

# In units of a screen's pixels; GitHub shows notebooks a little wider than this.
WIDTH = 860
# Enough for sharp text; at 2 it takes nearly twice as long, and the first picture of the widget waits for it.
_SCALE = 1.5
_MARGIN, _GAP = 16, 28
_TEXT, _SMALL = 13, 11
_ROW, _SMALL_ROW = 22, 17
_LINES = 250
# A column of labels.
_LABELS = 150
_GRID = WIDTH - 2 * _MARGIN - 2 * _LABELS - _LINES - _GAP
_CELL = 22
# More tokens than this are cut, on each side.
MOST_TOKENS = 40
# Above this (LONG in js/src/core/constants.ts), each target token has its strongest line alone, and rows are lower.
_FEW = 25
_MOST_LINES = 400


_HEADS = [rgb(color) for color in PALETTE["heads"]["light"]]
_INK = rgb(PALETTE["theme"]["light"]["foreground"])
_MUTED: Color = (91, 98, 107)
_BORDER: Color = (214, 219, 225)
_UNDEFINED: Color = (217, 217, 217)


@dataclass(frozen=True)
class Part:
    """The part of a record that fits into the picture, as the view shows it.

    Attributes:
        source: labels of the source tokens.
        target: labels of the target tokens.
        special: which of the source and of the target tokens are special.
        sets: ``[target, source]`` weights of each set of lines.
        lengths: the number of source and target tokens before they were cut.
    """

    source: list[str]
    target: list[str]
    special: tuple[Sequence[bool], Sequence[bool]]
    sets: list[Matrix]
    lengths: tuple[int, int]


def summary_picture(state: PanelState) -> bytes:
    """The picture (PNG) for places where no widget runs.

    It shows the first :data:`MOST_TOKENS` tokens of each side. A score that cannot be computed leaves the grid gray,
    and its title says so.
    """
    if "audio" in state.record.source.kinds:
        return _picture_of_sound(state)
    if has_places(state.record.source):
        return _picture_of_image(state)
    part = shown_part(state.view, state.shown)
    rows = max(len(part.source), len(part.target))
    row = _ROW if rows <= _FEW else _SMALL_ROW
    top = 74
    layers = state.record.layers
    cell = _cell(state.record, row * rows)
    legend = len(_legend(state.view, len(part.sets)))
    bottom = max(top + 22 + row * rows + (16 if _cut_note(part) else 0), top + 96 + cell * layers + 18 * legend)
    canvas = Canvas(WIDTH, bottom + _MARGIN, _SCALE)
    _draw_sentence(canvas, part, top + 22, row, state.view)
    is_long = max(len(part.source), len(part.target)) > _FEW
    _draw_heading(canvas, state, [f"the strongest line of each target {_unit(state.view)}"] if is_long else [])
    _draw_grid(canvas, state, WIDTH - _MARGIN - _GRID, top, cell, len(part.sets))
    return canvas.png()


def _picture_of_sound(state: PanelState) -> bytes:
    part, top = sound_part(state.view, state.record), 74
    cell = _cell(state.record, part.height)
    bottom = max(top + part.height, top + 96 + cell * state.record.layers + 18)
    canvas = Canvas(WIDTH, bottom + _MARGIN, _SCALE)
    draw_sound(canvas, part, _MARGIN, top, WIDTH - 2 * _MARGIN - _GRID - _GAP)
    _draw_heading(canvas, state, ["weights inside the sound, each row divided by its sum"])
    _draw_grid(canvas, state, WIDTH - _MARGIN - _GRID, top, cell, 1)
    return canvas.png()


def _picture_of_image(state: PanelState) -> bytes:
    part, top = image_part(state.view, state.shown, state.entry.gold_boxes), 74
    width = WIDTH - 2 * _MARGIN - _GRID - _GAP
    cell = _cell(state.record, part.height(width))
    bottom = max(top + part.height(width), top + 96 + cell * state.record.layers + 18)
    canvas = Canvas(WIDTH, bottom + _MARGIN, _SCALE)
    part.draw(canvas, _MARGIN, top, width)
    _draw_heading(canvas, state, [])
    _draw_grid(canvas, state, WIDTH - _MARGIN - _GRID, top, cell, 1)
    return canvas.png()


def _cell(record: AttentionData, height: float) -> float:
    """The size of a cell of the grid of heads beside something of this height."""
    return max(3.0, min(_CELL, (_GRID - 18) / record.heads, max(400, height) / record.layers))


def shown_part(view: View, record: AttentionData) -> Part:
    """The part of a record that the picture shows, with the settings of the view."""
    record = named_rows(record, view.reading)
    # The picked heads alone, so that nothing is computed for the others.
    targets = {record.reading: record.target}
    picked = AttentionData(picked_weights(view, record)[None], record.source, targets, record.reading)
    if leaves_any(picked, view.special):
        picked = without_dropped(picked, view.special)
    picked, lengths = _first_tokens(picked, view.words)
    if view.words:
        picked = picked.words()
    weights = picked.weights[0]
    if _is_one(view):
        weights = joined(view, weights)[None]
    weights = weights.nan_to_num(0.0)
    return Part(
        picked.source_tokens,
        picked.target_tokens,
        (picked.source.special, picked.target.special),
        list(weights.numpy()),
        lengths,
    )


def _first_tokens(record: AttentionData, words: bool) -> tuple[AttentionData, tuple[int, int]]:
    """The record cut to the tokens (or words) that fit, and how many it had on each side."""
    units = [
        axis.units() if words else [[position] for position in range(len(axis))]
        for axis in (record.source, record.target)
    ]
    columns, rows = ([position for unit in side[:MOST_TOKENS] for position in unit] for side in units)
    cut = AttentionData(
        record.weights[:, :, rows][..., columns],
        record.source.select(columns),
        {record.reading: record.target.select(rows)},
        record.reading,
    )
    return cut, (len(units[0]), len(units[1]))


def kept_lines(weights: Matrix, view: View) -> list[tuple[int, int, float]]:
    """(target, source, weight) of the lines that are drawn, weakest first: one for each row of a long sentence."""
    found: list[tuple[int, int, float]] = []
    is_long = max(weights.shape) > _FEW
    for target, row in enumerate(weights):
        order = np.argsort(-row, kind="stable")
        if is_long:
            order = order[:1]
        elif view.keep == "top":
            order = order[: view.top_k]
        elif view.keep == "mass":
            order = np.flatnonzero(fewest(row, view.mass))
        else:
            order = order[row[order] >= view.threshold]
        found += [(target, int(source), float(row[source])) for source in order if row[source] > 0]
    return sorted(found, key=lambda line: line[2])[-_MOST_LINES:]


def _draw_sentence(canvas: Canvas, part: Part, top: float, row: float, view: View) -> None:
    size = _TEXT if row == _ROW else _SMALL
    texts = [[_fitted(canvas, label, size) for label in labels] for labels in (part.source, part.target)]
    left = _MARGIN + 8 + max(canvas.width_of(text, size) for text in ["Source", *texts[0]])
    right = left + _LINES

    def height(index: int) -> float:
        return top + (index + 0.5) * row

    for weights, color in zip(part.sets, _HEADS, strict=False):
        lines = []
        for target, source, weight in kept_lines(weights, view):
            special = part.special[0][source] or part.special[1][target]
            opacity = (0.1 + 0.85 * min(1, weight) ** 0.4) * (0.25 if special and view.special == "fade" else 1)
            lines.append((height(source), height(target), 0.7 + 4.8 * min(1, weight), opacity))
        canvas.curves(left, right, color, lines)
    canvas.text("Source", left - 8, top - 11, _SMALL, _MUTED, "right")
    canvas.text(f"Target · {_row_name(view)}", right + 8, top - 11, _SMALL, _MUTED)
    for side, labels in enumerate(texts):
        for index, text in enumerate(labels):
            color = _MUTED if part.special[side][index] else _INK
            canvas.text(text, right + 8 if side else left - 8, height(index), size, color, "left" if side else "right")
    if note := _cut_note(part):
        canvas.text(note, _MARGIN, height(max(len(part.source), len(part.target))) + 2, _SMALL, _MUTED)


def _fitted(canvas: Canvas, label: str, size: float) -> str:
    text = label_text(label)
    while len(text) > 2 and canvas.width_of(text, size) > _LABELS - 8:
        text = f"{text[:-2]}…"
    return text


def _cut_note(part: Part) -> str:
    notes = [
        f"the first {MOST_TOKENS} of {length} {side} tokens"
        for side, length in zip(("source", "target"), part.lengths, strict=True)
        if length > MOST_TOKENS
    ]
    return f"Shown: {' and '.join(notes)}." if notes else ""


def _unit(view: View) -> str:
    return "word" if view.words else "token"


def _row_name(view: View) -> str:
    return f"{_unit(view)} {'just read' if view.reading == 'input' else 'being written'}"


def _draw_heading(canvas: Canvas, state: PanelState, more: Sequence[str]) -> None:
    view, entries = state.view, state.entries
    record = state.record
    title = f"{heads_title(state)}, rows named by the {_row_name(view)}{moved_note(state)}"
    canvas.text(title, _MARGIN, 24, 15, _INK)
    facts = [
        label_text(record.model, 40) or "Cross-attention",
        f"{_count(record.layers, 'layer')} of {_count(record.heads, 'head')}",
    ]
    if len(entries) > 1:
        facts.append(f"sentence {view.sentence + 1} of {len(entries)}")
    if state.entry.name:
        facts.append(label_text(state.entry.name, 40))
    facts += dropping_facts(view, state.shown)
    if state.divides(view.sentence):
        facts.append(state.dividing_note(view.sentence))
    canvas.text(" · ".join([*facts, *more]), _MARGIN, 46, _SMALL, _MUTED)


def dropping_facts(view: View, record: AttentionData) -> list[str]:
    """What is dropped from the record that is shown, and how much weight it held; empty where nothing is."""
    record = named_rows(record, view.reading)
    if shown_policy(view.special) is None or not leaves_any(record, view.special):
        return []
    if not all(record.source.outside):
        record = record.cropped()
    return [dropping_note(view.special, dropped_share(picked_weights(view, record), record, view.special))]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _is_one(view: View) -> bool:
    """Whether several heads are drawn as one set of lines."""
    return len(view.heads) > len(_HEADS) or (view.combined and len(view.heads) > 1)


def heads_title(state: PanelState) -> str:
    """The picked heads in words."""
    view = state.view
    if shows_set(state) and _is_one(view):
        return capitalized(picked_title(state))
    layers = {layer for layer, _ in view.heads}
    if len(view.heads) == 1:
        layer, head = view.heads[0]
        return f"Layer {layer}, head {head}"
    together = f"{view.aggregate} of {len(view.heads)} heads" if _is_one(view) else f"{len(view.heads)} heads"
    if len(layers) > 1:
        return capitalized(together)
    return f"Layer {view.heads[0][0]}, {together}"


def _legend(view: View, sets: int) -> list[tuple[str, Color]]:
    """The picked heads beside the colors of their lines."""
    if sets < len(view.heads):
        return [(f"{view.aggregate} of the {len(view.heads)} heads", _HEADS[0])]
    return [(f"layer {layer}, head {head}", color) for (layer, head), color in zip(view.heads, _HEADS, strict=False)]


def _draw_grid(canvas: Canvas, state: PanelState, left: float, top: float, cell: float, sets: int) -> None:
    record, view, score = state.record, state.view, state.score_entry()
    grid: torch.Tensor | None = score.outcome(record).grid
    values = [[math.nan] * record.heads] * record.layers if grid is None else grid.tolist()
    defined = [value for row in values for value in row if math.isfinite(value)]
    low, high = (min(defined), max(defined)) if defined else (0.0, 0.0)
    name = f"{label_text(score.name, 34)}{'' if grid is not None else ' failed'}"
    canvas.text(f"Heads by {name}", left, top + 11, _TEXT, _INK)
    canvas.text(f"{score.score.direction} is better", left, top + 30, _SMALL, _MUTED)
    _draw_ramp(canvas, left, top + 44, low, high, is_defined=bool(defined))
    x, y = left + 18, top + 84
    colors = _HEADS if sets == len(view.heads) else _HEADS[:1] * len(view.heads)
    inset = 1 if cell > 6 else 0
    for layer, row in enumerate(values):
        for head, value in enumerate(row):
            shade = (value - low) / (high - low) if high > low else 0.5
            color = color_of(shade) if math.isfinite(value) else _UNDEFINED
            place = (x + head * cell, y + layer * cell, cell - inset, cell - inset)
            if inset:
                canvas.frame(*place, _BORDER, 0.5)
            canvas.box(*place, color)
    for (layer, head), color in zip(view.heads, colors, strict=False):
        canvas.frame(x + head * cell, y + layer * cell, cell - inset, cell - inset, color, 2 if cell > 8 else 1)
    step = max(1, math.ceil(16 / cell))
    for head in range(0, record.heads, step):
        canvas.text(str(head), x + (head + 0.5) * cell, y - 9, 10, _MUTED, "center")
    for layer in range(0, record.layers, step):
        canvas.text(str(layer), x - 6, y + (layer + 0.5) * cell, 10, _MUTED, "right")
    below = y + record.layers * cell + 16
    for index, (text, color) in enumerate(_legend(view, sets)):
        canvas.box(x, below + 18 * index - 5, 10, 10, color)
        canvas.text(text, x + 16, below + 18 * index, _SMALL, _INK)


def _draw_ramp(canvas: Canvas, left: float, top: float, low: float, high: float, *, is_defined: bool) -> None:
    if not is_defined or low == high:
        text = f"{low:.3g}".replace("-", "−") + " for every head" if is_defined else "undefined for every head"
        canvas.text(text, left, top + 5, _SMALL, _MUTED)
        return
    texts = [f"{value:.3g}".replace("-", "−") for value in (low, high)]
    start = left + canvas.width_of(texts[0], _SMALL) + 6
    for index, color in enumerate(white_ramp()[::4]):
        canvas.box(start + 2 * index, top, 2, 10, color)
    canvas.text(texts[0], left, top + 5, _SMALL, _MUTED)
    canvas.text(texts[1], start + 2 * len(white_ramp()[::4]) + 6, top + 5, _SMALL, _MUTED)
