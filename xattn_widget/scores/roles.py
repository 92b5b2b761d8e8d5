"""Shares of rows that follow a rule, such as "the row's largest weight is on the end of the sentence".

They tell the role of a head over a corpus, see :func:`xattn_widget.profile_heads`. Each is a score in ``[0, 1]`` over
all rows and columns, special tokens included. A row with nearly even weights follows the rule of ``uniform_share`` and
no other, because its largest weight says little.

All of them need ``largest_columns``, which a corpus job computes once for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from xattn_widget.record.token_kinds import END, LANGUAGE, OTHER_SPECIAL, PUNCTUATION, REPEATED
from xattn_widget.scores.decorator import score
from xattn_widget.scores.definition import Score
from xattn_widget.scores.largest import UNDEFINED, UNIFORM
from xattn_widget.scores.masking import keep, positions
from xattn_widget.scores.mutual import linked_mutually, nearness


def _mean(values: torch.Tensor, attention: torch.Tensor, rows: torch.Tensor, largest: torch.Tensor) -> torch.Tensor:
    """``[..., layers, heads]`` mean of ``[..., layers, heads, target]`` values over the rows that count."""
    values = torch.where(largest == UNDEFINED, torch.nan, values.to(attention.dtype))
    counted = _wide(rows)
    return torch.where(counted, values, 0.0).sum(-1) / counted.sum(-1)


def _at(values: torch.Tensor, largest: torch.Tensor) -> torch.Tensor:
    """``[..., source]`` values at the columns ``[..., layers, heads, target]``; any value where there is no column."""
    columns = largest.clamp(min=0)
    if values.dim() == 1:
        return values[columns]
    return values[..., None, None, :].expand(*columns.shape[:-1], values.shape[-1]).gather(-1, columns)


def _kind_share(
    attention: torch.Tensor, rows: torch.Tensor, kinds: torch.Tensor, largest: torch.Tensor, kind: int
) -> torch.Tensor:
    return _mean((_at(kinds, largest) == kind) & (largest >= 0), attention, rows, largest)


def _position_share(
    attention: torch.Tensor, columns: torch.Tensor, rows: torch.Tensor, largest: torch.Tensor, step: int
) -> torch.Tensor:
    # Whole numbers: rounding must not move the diagonal.
    height, width = (_wide(mask).sum(-1, keepdim=True) for mask in (rows, columns))
    places = positions(_wide(rows).long())
    diagonal = ((2 * places + 1) * width).div(2 * height.clamp(min=1), rounding_mode="floor")
    follows = _at(positions(columns.long()), largest) == diagonal + step
    return _mean(follows & (largest >= 0), attention, rows, largest)


def _aligner_share(
    attention: torch.Tensor,
    columns: torch.Tensor,
    rows: torch.Tensor,
    kinds: torch.Tensor,
    row_words: torch.Tensor,
    largest: torch.Tensor,
) -> torch.Tensor:
    words = columns & (kinds < OTHER_SPECIAL) & (kinds != END) & (kinds != LANGUAGE)
    row_words = row_words & rows
    # Rows that are no words do not compete for a column, but all columns compete for a row.
    chosen, best = linked_mutually(keep(attention.nan_to_num(0.0), columns, row_words).attention)
    chosen = chosen & _at(words, best) & (largest >= 0)
    across = (_at(positions(words.long()), best) + 0.5) / _wide(words).sum(-1, keepdim=True)
    down = (positions(_wide(row_words).long()) + 0.5) / _wide(row_words).sum(-1, keepdim=True)
    return _mean(torch.where(chosen, nearness(across, down), 0.0), attention, rows, largest)


def _wide(mask: torch.Tensor) -> torch.Tensor:
    return mask if mask.dim() == 1 else mask[..., None, None, :]


@score(batched=True, description="Share of rows that look at the end of the sentence.")
def end_share(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    source_kinds: torch.Tensor,
    largest_columns: torch.Tensor,
) -> torch.Tensor:
    """Share of rows whose largest weight is on a token that ends the sentence, such as ``</s>``."""
    return _kind_share(attention, target_mask, source_kinds, largest_columns, END)


@score(batched=True, description="Share of rows that look at a language code.")
def language_share(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    source_kinds: torch.Tensor,
    largest_columns: torch.Tensor,
) -> torch.Tensor:
    """Share of rows whose largest weight is on a language code, such as ``deu_Latn``."""
    return _kind_share(attention, target_mask, source_kinds, largest_columns, LANGUAGE)


@score(batched=True, description="Share of rows that look at punctuation.")
def punctuation_share(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    source_kinds: torch.Tensor,
    largest_columns: torch.Tensor,
) -> torch.Tensor:
    """Share of rows whose largest weight is on punctuation."""
    return _kind_share(attention, target_mask, source_kinds, largest_columns, PUNCTUATION)


@score(batched=True, description="Share of rows that look at a source token that occurs more than once.")
def repeated_share(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    source_kinds: torch.Tensor,
    largest_columns: torch.Tensor,
) -> torch.Tensor:
    """Share of rows whose largest weight is on a token that occurs more than once in the source.

    Special tokens and punctuation do not count as repeated.
    """
    return _kind_share(attention, target_mask, source_kinds, largest_columns, REPEATED)


@score(batched=True, description="Share of rows that look one position before the diagonal.")
def previous_share(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    largest_columns: torch.Tensor,
) -> torch.Tensor:
    """Share of rows ``t`` whose largest weight is on column ``floor((t + .5) S / T) - 1``."""
    return _position_share(attention, source_mask, target_mask, largest_columns, -1)


@score(batched=True, description="Share of rows that look at the diagonal.")
def same_share(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    largest_columns: torch.Tensor,
) -> torch.Tensor:
    """Share of rows ``t`` whose largest weight is on column ``floor((t + .5) S / T)``."""
    return _position_share(attention, source_mask, target_mask, largest_columns, 0)


@score(batched=True, description="Share of rows that look one position after the diagonal.")
def next_share(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    largest_columns: torch.Tensor,
) -> torch.Tensor:
    """Share of rows ``t`` whose largest weight is on column ``floor((t + .5) S / T) + 1``."""
    return _position_share(attention, source_mask, target_mask, largest_columns, 1)


@score(batched=True, description="Share of rows that align the token written, less where far from the diagonal.")
def aligner_output_share(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    source_kinds: torch.Tensor,
    written_words: torch.Tensor,
    largest_columns: torch.Tensor,
) -> torch.Tensor:
    """Share of rows with a mutual link to a source token, each counted as ``(1 - distance from the diagonal)^2``.

    A row has a mutual link if its largest weight, over all columns, is on a token that is not special, and is also the
    largest of this column. Only rows that write a token that is not special can have one. The weight by distance tells
    the two readings apart (see ``aligner_input_share``), as in :func:`xattn_widget.best_alignment_heads`.
    """
    return _aligner_share(attention, source_mask, target_mask, source_kinds, written_words, largest_columns)


@score(batched=True, description="Share of rows that align the token read, less where far from the diagonal.")
def aligner_input_share(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    source_kinds: torch.Tensor,
    written_words: torch.Tensor,
    largest_columns: torch.Tensor,
) -> torch.Tensor:
    """The same as ``aligner_output_share`` for the token that a row has read, which the row before it wrote."""
    read_words = torch.cat([torch.zeros_like(written_words[..., :1]), written_words[..., :-1]], dim=-1)
    return _aligner_share(attention, source_mask, target_mask, source_kinds, read_words, largest_columns)


@score(batched=True, description="Share of rows that look at all source tokens nearly alike.")
def uniform_share(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    largest_columns: torch.Tensor,
) -> torch.Tensor:
    """Share of rows whose entropy is at least .9 of the largest, ``log S``; 0 for one source token."""
    return _mean(largest_columns == UNIFORM, attention, target_mask, largest_columns)


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
