"""Mutual links: rows and columns that are each other's largest, and what a link counts."""

from __future__ import annotations

import torch


def linked_mutually(weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Which rows have a mutual link: their largest weight is also the largest of its column, the first of equal ones.

    Args:
        weights: ``[..., target, source]`` without NaN.

    Returns:
        ``[..., target]`` bool, True for rows with a mutual link, and the column of each row's largest weight.
    """
    values, best = weights.max(-1)
    chosen = (values == weights.amax(-2).gather(-1, best)) & (values > 0)
    height = weights.shape[-2]
    row = torch.arange(height, device=weights.device).expand_as(best)
    first = torch.full((*best.shape[:-1], weights.shape[-1]), height, device=weights.device)
    first.scatter_reduce_(-1, best, row.masked_fill(~chosen, height), "amin")
    return chosen & (first.gather(-1, best) == row), best


def nearness(across: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    """What a link counts by how near it is to the diagonal: ``(1 - distance)^2``.

    Args:
        across: where the link is on the source, from 0 to 1.
        down: where it is on the target.
    """
    return (1 - (across - down).abs()).square()
