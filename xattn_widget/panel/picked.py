"""The picked heads: their weights, alone and together, and their title."""

from __future__ import annotations

import torch

from xattn_widget.panel.settings import View
from xattn_widget.record.data import AttentionData, combined


def picked_weights(view: View, record: AttentionData) -> torch.Tensor:
    """``[picked, target, source]`` weights of a record."""
    return record.head_weights([(layer, head) for layer, head in view.heads])


def joint_weights(view: View, record: AttentionData) -> torch.Tensor:
    """``[target, source]`` mean or maximum over the picked heads."""
    return combined(picked_weights(view, record), view.aggregate)


def picked_title(view: View) -> str:
    """The picked heads in words."""
    if len(view.heads) > 1:
        return f"{view.aggregate} of {len(view.heads)} heads"
    layer, head = view.heads[0]
    return f"layer {layer}, head {head}"
