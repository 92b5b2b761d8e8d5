"""Scores of coverage: how much attention each source token receives over the whole target."""

from __future__ import annotations

import torch

from xattn_widget.scores.decorator import score
from xattn_widget.scores.marginals import MarginalReference, distance_to_reference
from xattn_widget.scores.masking import keep


@score(
    direction="lower",
    batched=True,
    description="How much of the source got too little attention: high if words were left out, 0 if all were read.",
)
def coverage_penalty(
    attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, *, eps: float = 1e-8
) -> torch.Tensor:
    """Coverage penalty: ``-(1/S) sum_s log(clamp(c_s, eps, 1))`` with the coverage ``c_s = sum_t A[t, s]``.

    In ``[0, -log eps]``; high if source tokens were left out. ``eps`` decides how sentences with a source token
    without attention rank. Good for finding omissions. Not enough to rank heads: a uniform head has a perfect penalty
    (0) if there are at least as many target as source tokens. Read it together with ``entropy``.

    Source: Wu et al. 2016 (GNMT, eq. 14), in the per-length form of Peris & Casacuberta 2018.
    """
    kept = keep(attention, source_mask, target_mask)
    return 0 - kept.mean_over_columns(kept.coverage().clamp(eps, 1).log())


@score(
    direction="lower",
    batched=True,
    description="How often source tokens are read again: high if the same ones are read over and over, 0 if none is.",
)
def overcoverage(
    attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, *, by_length: bool = False
) -> torch.Tensor:
    """Coverage above one: ``(1/S) sum_s max(c_s - 1, 0)``; with ``by_length``, ``c_s * S / T`` instead of ``c_s``.

    In ``[0, inf)``; high if the same source tokens are read again and again, as in repetitions, or if a sink takes the
    mass. The plain form grows with ``T / S``: use ``by_length`` to compare sentences.

    Source: the coverage term of OpenNMT's summary penalty (Gehrmann et al. 2018).
    """
    kept = keep(attention, source_mask, target_mask)
    coverage = kept.coverage()
    if by_length:
        coverage = coverage * (kept.source_length() / kept.target_length())
    return kept.mean_over_columns((coverage - 1).clamp(min=0))


@score(
    direction="lower",
    batched=True,
    description="Share of source tokens with hardly any attention: high if words were skipped, 0 if all were read.",
)
def ignored_source(
    attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, *, threshold: float = 0.2
) -> torch.Tensor:
    """Share of source tokens whose coverage ``c_s = sum_t A[t, s]`` is below ``threshold``.

    In ``[0, 1]``; high if words were omitted. It counts tokens, and does not say how far below they are.

    Source: Bérard et al. 2019.
    """
    kept = keep(attention, source_mask, target_mask)
    coverage = kept.coverage()
    return kept.mean_over_columns(torch.where(coverage.isnan(), coverage, (coverage < threshold).to(coverage.dtype)))


@score(
    direction="higher",
    batched=True,
    description="Coverage of the least-read source tokens: low if single words were omitted.",
)
def least_coverage(
    attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, *, count: int = 2
) -> torch.Tensor:
    """Mean coverage ``c_s = sum_t A[t, s]`` of the ``count`` source tokens that have the least of it.

    In ``[0, T/S]``; low if single words were omitted, however long the sentence. Leave out the end of the sentence and
    punctuation, which are often read little: ``special="drop_punctuation"``.

    Args:
        attention: ``[..., layers, heads, target, source]``.
        source_mask: ``[..., source]``.
        target_mask: ``[..., target]``.
        count: the number of tokens; a sentence with fewer counts all of its tokens.

    Raises:
        ValueError: ``count`` is below 1.

    This project's own form of the coverage of Tu et al. 2016.
    """
    if count < 1:
        raise ValueError(f"count must be 1 or more, got {count!r}")
    kept = keep(attention, source_mask, target_mask)
    coverage = torch.where(kept.source_mask > 0, kept.coverage(), torch.inf)
    least = coverage.sort(-1).values[..., :count]
    counted = least < torch.inf
    mean = torch.where(counted, least, 0.0).sum(-1) / counted.sum(-1)
    return torch.where(coverage.isnan().any(-1), torch.nan, mean)


@score(
    direction="lower",
    batched=True,
    description="How unevenly the source is read: high if few tokens get most attention, 0 if all get the same.",
)
def marginal_divergence(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    reference: MarginalReference | None = None,
    nearest: int = 4,
    length_window: float = 0.1,
) -> torch.Tensor:
    """Distance of the marginal ``p_s = c_s / T`` from the uniform one, or from those of a reference set.

    Without ``reference``: the total variation ``0.5 sum_s |p_s - 1/S|``, in ``[0, 1 - 1/S]``. With it: the mean of the
    1-D Wasserstein distances ``sum_s |P_s - Q_s|`` (``P`` and ``Q`` are cumulative over the source positions) to the
    ``nearest`` marginals of the same head. These are chosen among the reference sentences whose target length differs
    by less than the share ``length_window``, or among all if there are none. In ``[0, inf)``, in source positions.

    High for anomalous sentences (hallucination, omission). Good for ranking sentences by one head. Without a reference
    set it ranks a uniform head best.

    Args:
        attention: ``[..., layers, heads, target, source]``.
        source_mask: ``[..., source]``.
        target_mask: ``[..., target]``.
        reference: from :func:`xattn_widget.scores.reference_marginals`, of good translations by the same model.
        nearest: the number of reference sentences to compare with.
        length_window: see above.

    Source: Guerreiro et al. 2023 (Wass-to-Unif and Wass-to-Data).
    """
    kept = keep(attention, source_mask, target_mask)
    if reference is not None:
        return distance_to_reference(kept, reference, nearest, length_window)
    marginal = kept.coverage() / kept.target_length()
    uniform = 1 / kept.source_length()
    return 0.5 * ((marginal - uniform).abs() * kept.source_mask).sum(-1)
