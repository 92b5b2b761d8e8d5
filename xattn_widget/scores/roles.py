"""Shares of rows that follow a rule, such as "the row's largest weight is on the end of the sentence".

They tell the role of a head over a corpus, see :func:`xattn_widget.profile_heads`. Each is a score in ``[0, 1]`` over
all rows and columns, special tokens included. A row with nearly even weights follows the rule of ``uniform_share`` and
no other, because its largest weight says little.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from xattn_widget.record.token_kinds import END, LANGUAGE, PUNCTUATION, REPEATED, WORD_KINDS
from xattn_widget.scores.decorator import score
from xattn_widget.scores.definition import Score
from xattn_widget.scores.masking import Kept, keep, positions
from xattn_widget.scores.mutual import linked_mutually

# A row is uniform if its entropy is at least this share of the largest possible one.
UNIFORM_ENTROPY = 0.9


class _Looks(NamedTuple):
    """Where rows look."""

    kept: Kept
    best: torch.Tensor  # [..., layers, heads, target], the column of the largest weight
    uniform: torch.Tensor  # the same shape, True for rows with nearly even weights
    undefined: torch.Tensor  # the same shape, True for rows of NaN

    def share(self, follows: torch.Tensor) -> torch.Tensor:
        """``[..., layers, heads]`` share of the rows that follow a rule; uniform rows follow none."""
        return self.mean(follows & ~self.uniform)

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """``[..., layers, heads]`` mean over rows."""
        values = values.to(self.kept.attention.dtype)
        return self.kept.mean_over_rows(torch.where(self.undefined, torch.nan, values))


def _looks(attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor) -> _Looks:
    kept = keep(attention, source_mask, target_mask)
    weights = kept.attention
    largest, best = weights.max(-1)
    smallest = torch.finfo(weights.dtype).tiny
    entropy = -(weights * weights.clamp(min=smallest).log()).sum(-1)
    sizes = kept.source_length()
    uniform = (sizes > 1) & (entropy >= UNIFORM_ENTROPY * sizes.log())
    return _Looks(kept, best, uniform, largest.isnan())


def _at(values: torch.Tensor, best: torch.Tensor) -> torch.Tensor:
    """``[..., source]`` values at the columns ``[..., layers, heads, target]``."""
    if values.dim() == 1:
        return values[best]
    return values[..., None, None, :].expand(*best.shape[:-1], values.shape[-1]).gather(-1, best)


def _kind_share(
    attention: torch.Tensor, columns: torch.Tensor, rows: torch.Tensor, flags: torch.Tensor
) -> torch.Tensor:
    looks = _looks(attention, columns, rows)
    return looks.share(_at(flags, looks.best))


def _position_share(attention: torch.Tensor, columns: torch.Tensor, rows: torch.Tensor, step: int) -> torch.Tensor:
    looks = _looks(attention, columns, rows)
    kept = looks.kept
    # Whole numbers: rounding must not move the diagonal.
    height, width = kept.target_length().long(), kept.source_length().long()
    places = positions(kept.target_mask).long()
    diagonal = ((2 * places + 1) * width).div(2 * height.clamp(min=1), rounding_mode="floor")
    return looks.share(_at(positions(columns.long()), looks.best) == diagonal + step)


def _aligner_share(
    attention: torch.Tensor, columns: torch.Tensor, rows: torch.Tensor, kinds: torch.Tensor, row_words: torch.Tensor
) -> torch.Tensor:
    looks = _looks(attention, columns, rows)
    words = torch.zeros_like(kinds, dtype=torch.bool)
    for kind in WORD_KINDS:
        words |= kinds == kind
    words &= columns
    row_words = row_words & rows
    # Rows that are no words do not compete for a column, but all columns compete for a row.
    competing = keep(looks.kept.attention.nan_to_num(0.0), columns, row_words)
    chosen, best = linked_mutually(competing.attention)
    chosen = chosen & _at(words, best) & ~looks.uniform
    across = (_at(positions(words.long()), best) + 0.5) / _wide(words).sum(-1, keepdim=True)
    down = (positions(_wide(row_words).long()) + 0.5) / _wide(row_words).sum(-1, keepdim=True)
    return looks.mean(torch.where(chosen, (1 - (across - down).abs()).square(), 0.0))


def _wide(mask: torch.Tensor) -> torch.Tensor:
    return mask if mask.dim() == 1 else mask[..., None, None, :]


@score(batched=True, description="Share of rows that look at the end of the sentence.")
def end_share(
    attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, *, source_kinds: torch.Tensor
) -> torch.Tensor:
    """Share of rows whose largest weight is on a token that ends the sentence, such as ``</s>``."""
    return _kind_share(attention, source_mask, target_mask, source_kinds == END)


@score(batched=True, description="Share of rows that look at a language code.")
def language_share(
    attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, *, source_kinds: torch.Tensor
) -> torch.Tensor:
    """Share of rows whose largest weight is on a language code, such as ``deu_Latn``."""
    return _kind_share(attention, source_mask, target_mask, source_kinds == LANGUAGE)


@score(batched=True, description="Share of rows that look at punctuation.")
def punctuation_share(
    attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, *, source_kinds: torch.Tensor
) -> torch.Tensor:
    """Share of rows whose largest weight is on punctuation."""
    return _kind_share(attention, source_mask, target_mask, source_kinds == PUNCTUATION)


@score(batched=True, description="Share of rows that look at a source token that occurs more than once.")
def repeated_share(
    attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, *, source_kinds: torch.Tensor
) -> torch.Tensor:
    """Share of rows whose largest weight is on a token that occurs more than once in the source.

    Special tokens and punctuation do not count as repeated.
    """
    return _kind_share(attention, source_mask, target_mask, source_kinds == REPEATED)


@score(batched=True, description="Share of rows that look one position before the diagonal.")
def previous_share(
    attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, *, source_kinds: torch.Tensor
) -> torch.Tensor:
    """Share of rows ``t`` whose largest weight is on column ``floor((t + .5) S / T) - 1``."""
    return _position_share(attention, source_mask, target_mask, -1)


@score(batched=True, description="Share of rows that look at the diagonal.")
def same_share(
    attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, *, source_kinds: torch.Tensor
) -> torch.Tensor:
    """Share of rows ``t`` whose largest weight is on column ``floor((t + .5) S / T)``."""
    return _position_share(attention, source_mask, target_mask, 0)


@score(batched=True, description="Share of rows that look one position after the diagonal.")
def next_share(
    attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, *, source_kinds: torch.Tensor
) -> torch.Tensor:
    """Share of rows ``t`` whose largest weight is on column ``floor((t + .5) S / T) + 1``."""
    return _position_share(attention, source_mask, target_mask, 1)


@score(batched=True, description="Share of rows that align the token written, less where far from the diagonal.")
def aligner_output_share(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    source_kinds: torch.Tensor,
    written_words: torch.Tensor,
) -> torch.Tensor:
    """Share of rows with a mutual link to a source token, each counted as ``(1 - distance from the diagonal)^2``.

    A row has a mutual link if its largest weight, over all columns, is on a token that is not special, and is also the
    largest of this column. Only rows that write a token that is not special can have one. The weight by distance tells
    the two readings apart (see ``aligner_input_share``), as in :func:`xattn_widget.best_alignment_heads`.
    """
    return _aligner_share(attention, source_mask, target_mask, source_kinds, written_words)


@score(batched=True, description="Share of rows that align the token read, less where far from the diagonal.")
def aligner_input_share(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    source_kinds: torch.Tensor,
    written_words: torch.Tensor,
) -> torch.Tensor:
    """The same as ``aligner_output_share`` for the token that a row has read, which the row before it wrote."""
    read_words = torch.cat([torch.zeros_like(written_words[..., :1]), written_words[..., :-1]], dim=-1)
    return _aligner_share(attention, source_mask, target_mask, source_kinds, read_words)


@score(batched=True, description="Share of rows that look at all source tokens nearly alike.")
def uniform_share(
    attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, *, source_kinds: torch.Tensor
) -> torch.Tensor:
    """Share of rows whose entropy is at least .9 of the largest, ``log S``; 0 for one source token."""
    looks = _looks(attention, source_mask, target_mask)
    return looks.mean(looks.uniform)


# The rule of each role. Where shares are equal, the earlier role wins.
ROLES: dict[str, Score] = {
    "end of sentence": end_share,
    "language code": language_share,
    "punctuation": punctuation_share,
    "same position": same_share,
    "previous position": previous_share,
    "next position": next_share,
    "aligner (output)": aligner_output_share,
    "aligner (input)": aligner_input_share,
    "repeated token": repeated_share,
    "uniform": uniform_share,
}
# The role of a head that follows no rule often enough.
MIXED = "mixed"
# The least share of rows that must follow the rule. Links that are not on the diagonal count less than one, and the row
# that writes the end of the sentence has none: the best aligner of the demo model has .45, and heads of random models
# have at most .25.
LEAST_SHARES = dict.fromkeys(ROLES, 0.5) | {"aligner (output)": 0.35, "aligner (input)": 0.35}


def assign_roles(shares: Any, least: Mapping[str, float] = LEAST_SHARES) -> tuple[list[str], list[float]]:
    """The role of each head, and the share of rows that follow its rule.

    Args:
        shares: ``[roles, heads]`` array of the shares in the order of ``ROLES``; NaN counts as 0.
        least: the least share of each role.

    Returns:
        For each head the role with the largest share among those that reach their least share, the first of equal ones,
        and this share; or ``MIXED`` and the largest share.
    """
    shares = np.nan_to_num(shares)
    reached = np.where(shares >= np.array([least[role] for role in ROLES])[:, None], shares, -1.0)
    names, fits = np.array(list(ROLES)), reached.max(0) >= 0
    roles = np.where(fits, names[reached.argmax(0)], MIXED)
    return roles.tolist(), np.where(fits, reached.max(0), shares.max(0)).tolist()
