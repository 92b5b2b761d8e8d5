"""From attention over sound to the second at which each target row begins: z-scores, median filter, monotone path."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from xattn_widget.alignment.dtw import row_spans
from xattn_widget.record.data import AttentionData

# The width of openai-whisper's median filter, in positions.
MEDIAN_WIDTH = 7
# Steps after which the rows are no longer those of all tokens.
_WITHOUT_ROWS = ("words", "drop", "renormalize")


class TimedRows(NamedTuple):
    """The rows of a record of sound that have a time, before heads are combined.

    Attributes:
        weights: ``[..., rows, positions]`` their weights over the sound.
        scores: ``[..., rows, positions]`` z-scores of these weights, median-filtered along time.
        first: which row of the record is the first of these.
        starts: ``[positions + 1]`` the second at which each position begins, and at which the last one ends.
    """

    weights: torch.Tensor
    scores: torch.Tensor
    first: int
    starts: np.ndarray[Any, np.dtype[np.float64]]


def z_scores(weights: torch.Tensor, end_row: torch.Tensor | None = None) -> torch.Tensor:
    """By how many standard deviations each weight differs from the mean of its column over all decoder rows.

    A row that is NaN counts as a uniform one, and a column of equal weights gets zeros.

    Args:
        weights: ``[..., target, source]``, the rows of the prompt and of the end among them, as openai-whisper counts
            them.
        end_row: ``[..., source]`` a further row for the mean and the deviation, without a row in the result.
    """
    rows = weights if end_row is None else torch.cat([weights, end_row.unsqueeze(-2)], -2)
    rows = rows.nan_to_num(1 / rows.shape[-1])
    deviation, mean = torch.std_mean(rows, dim=-2, keepdim=True, unbiased=False)
    return ((rows - mean) / deviation)[..., : weights.shape[-2], :].nan_to_num(0.0, 0.0, 0.0)


def median_filter(values: torch.Tensor, width: int = MEDIAN_WIDTH) -> torch.Tensor:
    """The median of each value and its neighbors along the last axis, which is mirrored at its ends.

    An axis of at most ``width // 2`` values is returned as it is, as openai-whisper does.

    Args:
        values: ``[..., positions]``.
        width: the number of neighbors with the value itself; odd.
    """
    margin = width // 2
    if values.shape[-1] <= margin:
        return values
    padded = torch.nn.functional.pad(values.flatten(0, -2)[None], (margin, margin), mode="reflect")[0]
    return padded.unfold(-1, width, 1).sort(-1).values[..., margin].reshape(values.shape)


def sound_alone(record: AttentionData) -> AttentionData:
    """The record over its sound, without positions after the end, its rows labeled by the tokens predicted.

    Raises:
        ValueError: the source is not sound, has positions without a time, or the record lacks rows.
    """
    if record.source.kind != "audio" or record.source.places is None:
        raise ValueError(
            f"word times need attention over sound, and the source of this record is {record.source.kind or 'mixed'}"
            f"{' without places' if record.source.kind == 'audio' else ''}: make the record with extract(model, "
            "processor, audio), or give its axis kinds 'audio' and places in seconds"
        )
    if changed := [step for step in record.steps if step in _WITHOUT_ROWS]:
        raise ValueError(
            f"word times need the rows of all tokens, and the step {changed[0]!r} changed those of this record: call "
            "word_times on the record as it was before words() or drop_special()"
        )
    record = record.read_as("output").cropped()
    for position, place in enumerate(record.source.places or ()):
        if math.isnan(place[0]):
            raise ValueError(f"position {position} of the sound has no place: give every position its seconds")
    return record


def timed_rows(record: AttentionData, heads: Sequence[tuple[int, int]] | None = None) -> TimedRows:
    """The rows from the first token that is not special to the last, and the row after it, where the last word ends.

    Args:
        record: what :func:`sound_alone` returns, with at least one token that is not special.
        heads: (layer, head) pairs; by default all that the record keeps.

    Returns:
        The rows of these heads, ``[heads, rows, positions]``.
    """
    weights, end_row = record.head_weights(heads), record.end_row
    if end_row is not None:
        end_row = end_row.flatten(0, 1)
        end_row = (end_row if heads is None else end_row[record.places_of(heads)]).float()
    content = [row for row, special in enumerate(record.target.special) if not special]
    rows = slice(content[0], content[-1] + 2)
    places = np.array(record.source.places)
    return TimedRows(
        weights[..., rows, :],
        median_filter(z_scores(weights, end_row)[..., rows, :]),
        content[0],
        np.append(places[:, 0], places[-1, 1]),
    )


def boundaries(rows: TimedRows, scores: torch.Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
    """When each row begins, by the monotone path through the scores, and when the last one ends.

    Args:
        rows: where the scores come from.
        scores: ``[stack, rows, positions]`` scores of several heads or sets of heads.

    Returns:
        ``[stack, rows + 1]`` seconds.
    """
    first = row_spans(scores.numpy(), like_whisper=True).first
    return rows.starts[np.pad(first, ((0, 0), (0, 1)), constant_values=len(rows.starts) - 1)]
