"""How much attention goes to tokens that are not words: all special ones, and those of single kinds."""

from __future__ import annotations

import torch

from xattn_widget.scores.decorator import score
from xattn_widget.scores.masking import keep


@score(
    direction="lower",
    batched=True,
    description="Share of attention on special tokens, such as the end of the sentence: low if words get it all.",
)
def sink_mass(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    source_special: torch.Tensor,
) -> torch.Tensor:
    """Mean over target rows of the mass on special source tokens (end of sentence, language codes).

    In ``[0, 1]``; if it is high, the other scores say little about content words. ``special="drop"`` leaves out special
    target rows; the special columns, which are what is measured, always count. ``end_mass`` and ``language_mass`` are
    parts of it, and ``punctuation_mass`` is the mass on punctuation, which is not special.

    Source: Kobayashi et al. 2020; Ferrando & Costa-jussà 2021.
    """
    return _mass(attention, source_mask & source_special, target_mask)


@score(
    direction="lower",
    batched=True,
    description="Share of attention on the end of the sentence: low if words get it all.",
)
def end_mass(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    source_ends: torch.Tensor,
) -> torch.Tensor:
    """Mean over target rows of the mass on special source tokens that end the sentence, such as ``</s>``.

    In ``[0, 1]``. Tokens are recognized by their names. See ``sink_mass`` for the policies.

    Source: Kobayashi et al. 2020; Ferrando & Costa-jussà 2021.
    """
    return _mass(attention, source_mask & source_ends, target_mask)


@score(
    direction="lower",
    batched=True,
    description="Share of attention on language codes: low if words get it all.",
)
def language_mass(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    source_languages: torch.Tensor,
) -> torch.Tensor:
    """Mean over target rows of the mass on special source tokens that name a language, such as ``deu_Latn``.

    In ``[0, 1]``. Tokens are recognized by their names. See ``sink_mass`` for the policies.

    Source: on NLLB-200 the end, language codes and punctuation hold 83 to 91 % of the mass (arXiv 2605.01229).
    """
    return _mass(attention, source_mask & source_languages, target_mask)


@score(
    direction="lower",
    batched=True,
    description="Share of attention on punctuation: low if words get it all.",
)
def punctuation_mass(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    source_punctuation: torch.Tensor,
) -> torch.Tensor:
    """Mean over target rows of the mass on source positions that are punctuation and nothing else.

    In ``[0, 1]``. Punctuation is what Unicode's categories P say. ``special="drop"`` leaves out special target rows,
    and ``"drop_punctuation"`` those of punctuation, too; the columns, which are what is measured, always count.

    Source: on NLLB-200 the end, language codes and punctuation hold 83 to 91 % of the mass (arXiv 2605.01229).
    """
    return _mass(attention, source_mask & source_punctuation, target_mask)


def _mass(attention: torch.Tensor, columns: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    kept = keep(attention, columns, rows)
    return kept.mean_over_rows(kept.attention.sum(-1))
