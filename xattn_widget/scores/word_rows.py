"""Attention with one row per word: ``word_means``."""

from __future__ import annotations

import torch

from xattn_widget.scores.masking import Kept, keep


def word_means(
    attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, spoken_words: torch.Tensor
) -> Kept:
    """Attention with one row per word, at the place of its first row: the mean of its rows.

    Args:
        attention: ``[..., layers, heads, target, source]``.
        source_mask: ``[..., source]``.
        target_mask: ``[..., target]``.
        spoken_words: ``[..., target]`` the number of each row's word, -1 outside words.
    """
    inside = target_mask & (spoken_words >= 0)
    same = spoken_words[..., :, None] == spoken_words[..., None, :]
    same = same & inside[..., :, None] & inside[..., None, :]
    first = inside & ~same.tril(-1).any(-1)
    kept = keep(attention, source_mask, inside)
    shares = same / same.sum(-1, keepdim=True).clamp(min=1).to(attention.dtype)
    means = (shares if shares.dim() == 2 else shares[..., None, None, :, :]) @ kept.attention
    return keep(means, source_mask, first)
