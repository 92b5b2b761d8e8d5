"""Scores of attention over sound: silence, the part that is read, what is read again, and words without sound."""

from __future__ import annotations

import torch

from xattn_widget.scores.decorator import score
from xattn_widget.scores.masking import Kept, beside_heads, keep
from xattn_widget.scores.word_rows import word_means

# Words read the same sound if they read the same blocks of this many seconds: attention is not more exact than that.
_BLOCK_SECONDS = 0.2


@score(
    direction="higher",
    batched=True,
    description="Share of the sound that is read: 1 if all of it gets attention, low if parts were left out.",
)
def sound_coverage(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    source_seconds: torch.Tensor,
    threshold: float = 0.5,
) -> torch.Tensor:
    """Share of the sound, by duration, that gets attention: ``sum_s d_s [c_s >= threshold T d_s / D] / D``.

    ``d_s`` is how many seconds position ``s`` stands for and ``D`` their sum. A position is read if its coverage
    ``c_s = sum_t A[t, s]`` is at least ``threshold`` times what even attention would give it. In ``[0, 1]``; low if
    parts of the sound were left out of the transcript. A pause that nobody reads lowers it too, and a head with even
    attention has 1: good for comparing transcripts of one recording by one head, not for ranking heads.

    Source: this project's own form, after ``ignored_source`` (Bérard et al. 2019).
    """
    kept = keep(attention, source_mask, target_mask)
    lengths = beside_heads(source_seconds).to(attention.dtype) * kept.source_mask
    whole = lengths.sum(-1, keepdim=True)
    coverage = kept.coverage()
    # Rounding must not decide about a head with even attention.
    read = coverage * whole >= (threshold - 1e-5) * kept.target_length() * lengths
    return torch.where(coverage.isnan(), coverage, read * lengths).sum(-1) / whole[..., 0]


@score(
    direction="lower",
    batched=True,
    description="Share of attention on silence: high if target tokens look where nothing is said, 0 if none does.",
)
def silence_mass(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    source_loudness: torch.Tensor,
    below_peak: float = 40.0,
    floor: float = -60.0,
) -> torch.Tensor:
    """Mean over target rows of the mass on silent positions of the sound.

    A position is silent if its loudness (root mean square over 0.1 seconds or more) is more than ``below_peak``
    decibels below that of the loudest position, or below ``floor`` decibels relative to full scale. In ``[0, 1]``; high
    for words that the model made up where nothing is said. Rows of the prompt and of the end often read silence: use
    ``special="drop"`` to leave them out. Noise is not silent, and a recording with loud noise has no silent positions.

    Source: this project's own form.
    """
    kept = keep(attention, source_mask, target_mask)
    silent = beside_heads(is_silent(source_loudness, source_mask, below_peak, floor))
    return kept.mean_over_rows((kept.attention * silent[..., None, :]).sum(-1))


@score(
    direction="lower",
    batched=True,
    description="How much words read sound that earlier words have read: high in loops, 0 if each reads its own part.",
)
def rereading(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    source_seconds: torch.Tensor,
    spoken_words: torch.Tensor,
    gap: int = 2,
) -> torch.Tensor:
    """Mean over words of the largest overlap ``sum_b min(a_w[b], a_v[b])`` with a word ``v`` at least ``gap`` before.

    ``a_w[b]`` is the mass of word ``w`` (the mean of its rows) on block ``b`` of 0.2 seconds. In ``[0, 1]``; high if
    the transcript repeats a phrase that was said once, and for heads that always read the same place. With ``gap=2`` a
    word is not compared with its neighbor, because attention to neighbors overlaps. It rises with the number of words
    per second: compare transcripts of one recording. Undefined (NaN) without words.

    Source: this project's own form.
    """
    words = word_means(attention, source_mask, target_mask, spoken_words)
    lengths = torch.where(source_mask, source_seconds, 0.0)
    blocks = ((lengths.cumsum(-1) - lengths / 2) / _BLOCK_SECONDS).long()
    index = beside_heads(blocks)[..., None, :].expand(words.attention.shape)
    masses = words.attention.new_zeros(*words.attention.shape[:-1], int(blocks.max()) + 1)
    masses.scatter_add_(-1, index, words.attention)
    totals = masses.sum(-1)
    overlap = (totals[..., :, None] + totals[..., None, :] - torch.cdist(masses, masses, p=1)) / 2
    number = words.target_mask.cumsum(-1)
    earlier = (number[..., None, :] <= number[..., :, None] - gap) & (words.target_mask > 0)[..., None, :]
    largest = torch.where(earlier, overlap, 0.0).amax(-1).clamp(min=0)
    return words.mean_over_rows(torch.where(totals.isnan(), totals, largest))


@score(
    direction="lower",
    batched=True,
    description="Share of attention after the end of the sound: high if target tokens look at the padding, 0 if none.",
)
def outside_mass(
    attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, *, outside: torch.Tensor
) -> torch.Tensor:
    """Mean over target rows of the mass after the end of the sound, as captured (``record.outside``).

    In ``[0, 1]``. Models that pad sound, such as Whisper to 30 seconds, also read the padding; other scores are
    computed without it, on rows divided by their sums. If it is high, they say little. It falls with the length of the
    sound: compare recordings of one length, or transcripts of one recording.

    Source: this project's own form.
    """
    kept = keep(attention, source_mask, target_mask)
    return kept.mean_over_rows(outside.to(attention.dtype))


@score(
    direction="lower",
    batched=True,
    description="How many words have no sound of their own: high if silence or the sound of other words is read.",
)
def unsupported_words(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    source_loudness: torch.Tensor,
    spoken_words: torch.Tensor,
    threshold: float | None = None,
    below_peak: float = 40.0,
    floor: float = -60.0,
) -> torch.Tensor:
    """One minus the mean support of a word: the mass that it puts on sound and shares with no other word.

    ``support_w = sum_s a_w[s]^2 / sum_v a_v[s]`` over the positions that are not silent (see ``silence_mass``), with
    the mean ``a_w`` of the rows of word ``w``. It is 1 if the word alone reads a place with sound, 0 if its mass is all
    on silence, and one over the number of words if all attention is even. With ``threshold`` the score is the share of
    words whose support is below it. In ``[0, 1]``; high if words were made up. Undefined (NaN) without words.
    ``record.unsupported_words()`` lists the words.

    Source: this project's own form.
    """
    words = word_means(attention, source_mask, target_mask, spoken_words)
    support = word_support(words, is_silent(source_loudness, source_mask, below_peak, floor))
    if threshold is None:
        return 1 - words.mean_over_rows(support)
    return words.mean_over_rows(torch.where(support.isnan(), support, (support < threshold).to(support.dtype)))


def is_silent(
    loudness: torch.Tensor, source_mask: torch.Tensor, below_peak: float = 40.0, floor: float = -60.0
) -> torch.Tensor:
    """Which positions are silent, ``[..., source]`` bool; False where the loudness is NaN."""
    heard = loudness.masked_fill(~source_mask | loudness.isnan(), -torch.inf)
    limit = (heard.amax(-1, keepdim=True) - below_peak).clamp(min=floor)
    return loudness < limit


def word_support(words: Kept, silent: torch.Tensor) -> torch.Tensor:
    """For each word the mass on sound that it shares with no other word, ``[..., layers, heads, target]``.

    Args:
        words: what :func:`word_means` returns.
        silent: ``[..., source]`` bool.
    """
    readers = words.coverage()[..., None, :]
    alone = torch.where(readers == 0, 0.0, words.attention.square() / readers)
    return (alone * ~beside_heads(silent)[..., None, :]).sum(-1)
