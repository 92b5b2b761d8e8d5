"""Scores of attention over pictures: how far it is spread, how it moves from word to word, and what is on paper."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from xattn_widget.scores.decorator import score
from xattn_widget.scores.masking import beside_heads, keep
from xattn_widget.scores.word_rows import word_means


@score(
    direction="lower",
    batched=True,
    description="How far attention is spread over the picture: 0 if each row reads one patch, high if it reads all.",
)
def spatial_spread(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    source_centers: Mapping[str, torch.Tensor],
) -> torch.Tensor:
    """Mean over target rows of the standard distance of attention from its center, ``sqrt(sum_s p_s |x_s - m|^2)``.

    ``m = sum_s p_s x_s`` is the center, ``x_s`` that of position ``s`` in units of the picture's diagonal, and ``p``
    the row's attention on positions with a place, divided by its sum. In ``[0, 0.5]``; 0 if a row reads one patch,
    about 0.29 if it reads the whole picture evenly, and 0.5 if it reads two opposite corners. Unlike ``entropy``, it
    tells two neighboring patches from two distant ones. Rows without attention in the picture do not count.

    Source: the standard distance of spatial statistics (Bachi 1962).
    """
    kept = keep(attention, source_mask, target_mask).wide()
    inside, (x, y) = _placed(kept.attention, source_centers)
    total = inside.sum(-1)
    mean_x, mean_y = ((inside * axis).sum(-1, keepdim=True) / total[..., None] for axis in (x, y))
    spread = (inside * ((x - mean_x).square() + (y - mean_y).square())).sum(-1) / total
    return _mean(spread.sqrt(), (total > 0) & (kept.target_mask > 0)).to(attention.dtype)


@score(
    direction="lower",
    batched=True,
    description="How far attention jumps from one word to the next: low if the picture is read in order.",
)
def reading_jump(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    source_centers: Mapping[str, torch.Tensor],
    spoken_words: torch.Tensor,
) -> torch.Tensor:
    """Mean distance between the centers of attention of neighboring words, in units of the picture's diagonal.

    The center of a word is that of the mean of its rows, over positions with a place. In ``[0, 1]``; low if the head
    goes through the picture in the order of the words, and also if it always reads the same place: read it next to
    ``spatial_spread``. In a text of several lines the step to a new line is a jump for any reader. Undefined (NaN) with
    fewer than two words.

    Source: this project's own form.
    """
    words = word_means(attention, source_mask, target_mask, spoken_words).wide()
    inside, axes = _placed(words.attention, source_centers)
    total = inside.sum(-1)
    is_word = (words.target_mask > 0) & (total > 0)
    number = torch.arange(is_word.shape[-1], device=is_word.device)
    last = torch.where(is_word, number, -1).cummax(-1).values
    before = torch.cat([torch.full_like(last[..., :1], -1), last[..., :-1]], -1)
    steps = torch.zeros_like(total)
    for axis in axes:
        center = (inside * axis).sum(-1) / total.clamp(min=1e-12)
        steps = steps + (center - center.gather(-1, before.clamp(min=0))).square()
    return _mean(steps.sqrt(), is_word & (before >= 0)).to(attention.dtype)


@score(
    direction="lower",
    batched=True,
    description="Share of attention on blank parts of the picture: 0 if target tokens look at what is printed.",
)
def blank_mass(
    attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, *, source_blank: torch.Tensor
) -> torch.Tensor:
    """Mean over target rows of the mass on blank positions: the paper between the letters, or a clear sky.

    A position is blank if the brightness of its pixels varies by at most 24 of 255. In ``[0, 1]``. Attention on paper
    is not an error in itself: spaces and the end of a line are blank, and some models park attention there.
    ``sink_mass`` measures what is on class tokens and padding.

    Source: this project's own form, after ``silence_mass``.
    """
    kept = keep(attention, source_mask, target_mask)
    return kept.mean_over_rows((kept.attention * beside_heads(source_blank)[..., None, :]).sum(-1))


def _placed(
    attention: torch.Tensor, centers: Mapping[str, torch.Tensor]
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """Attention on positions with a place, 0 elsewhere, and their centers, shaped to multiply it."""
    has_place = ~centers["x"].isnan()
    x, y = (
        beside_heads(torch.where(has_place, centers[name], 0.0)).to(attention.dtype)[..., None, :]
        for name in ("x", "y")
    )
    return attention * beside_heads(has_place)[..., None, :], (x, y)


def _mean(values: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Mean over the last axis of the values that are known; NaN if none is."""
    return torch.where(known, values, 0.0).sum(-1) / known.sum(-1)
