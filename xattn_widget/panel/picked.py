"""The picked heads: their weights, alone and together, and their title."""

from __future__ import annotations

import torch

from xattn_widget.panel.own_rows import joint
from xattn_widget.panel.settings import View
from xattn_widget.panel.state import PanelState
from xattn_widget.record.data import AttentionData, combined


def picked_weights(view: View, record: AttentionData) -> torch.Tensor:
    """``[picked, target, source]`` weights of a record."""
    return record.head_weights([(layer, head) for layer, head in view.heads])


def joint_weights(view: View, record: AttentionData) -> torch.Tensor:
    """``[target, source]`` mean or maximum over the picked heads."""
    return joined(view, picked_weights(view, record))


def joined(view: View, weights: torch.Tensor) -> torch.Tensor:
    """The mean or maximum of ``[picked, target, source]`` weights over the heads."""
    return (joint if view.reading == "own" else combined)(weights, view.aggregate)


def shows_set(state: PanelState) -> bool:
    """Whether the picked heads are the set that was saved with the model, each under its own reading."""
    known, view = state.head_set, state.view
    if known is None or view.reading != known.rows or not known.is_of(state.entry):
        return False
    return sorted(view.heads) == sorted(known.heads)


def picked_title(state: PanelState) -> str:
    """The picked heads in words."""
    view = state.view
    if len(view.heads) > 1 and shows_set(state):
        return f"{view.aggregate} of the {len(view.heads)} heads that align best"
    if len(view.heads) > 1:
        return f"{view.aggregate} of {len(view.heads)} heads"
    layer, head = view.heads[0]
    return f"layer {layer}, head {head}"


def moved_note(state: PanelState) -> str:
    """That some of the picked heads have their rows moved, after what the rows are named by; "" where none has."""
    moved = [f"L{layer} H{head}" for layer, head in state.moved() if [layer, head] in state.view.heads]
    if moved and len(state.view.heads) == 1:
        return " (one step later)"
    return f" ({', '.join(moved)} one step later)" if moved else ""


def capitalized(text: str) -> str:
    """The text with a capital first letter, and the others as they are."""
    return text[:1].upper() + text[1:]
