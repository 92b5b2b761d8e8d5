"""From attention over sound to the second at which each target row begins: z-scores, median filter, monotone path."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from xattn_widget.alignment.dtw import row_spans
from xattn_widget.alignment.silence import silences
from xattn_widget.record.axis import Word
from xattn_widget.record.data import AttentionData
from xattn_widget.record.timing import TimingMethod

Seconds = np.ndarray[Any, np.dtype[np.float64]]
# The width of openai-whisper's median filter, in positions.
MEDIAN_WIDTH = 7
# Steps after which the rows are no longer those of all tokens.
_WITHOUT_ROWS = ("words", "drop", "renormalize")  # or with what they leave out besides special tokens


class TimedRows(NamedTuple):
    """The rows of a record of sound that have a time, before heads are combined.

    They are the rows from the first token that is not special to the last, the row after it, where the last word ends,
    and before them the last row of the prompt, if there is one: see ``lead``.

    Attributes:
        weights: ``[..., lead + rows, positions]`` their weights over the sound.
        scores: ``[..., lead + rows, positions]`` z-scores of these weights, median-filtered along time.
        lead: how many of them are before the first token: 0 or 1.
        first: which row of the record is that of the first token.
        starts: ``[positions + 1]`` the second at which each position begins, and at which the last one ends.
        silences: the silent parts of the sound in seconds; none where the record has no sound.
    """

    weights: torch.Tensor
    scores: torch.Tensor
    lead: int
    first: int
    starts: Seconds
    silences: list[tuple[float, float]]


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
    if changed := [step for step in record.steps if step.partition("_")[0] in _WITHOUT_ROWS]:
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
    """The rows of a record that have a time.

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
    lead = min(1, content[0])
    rows = slice(content[0] - lead, content[-1] + 2)
    places = np.array(record.source.places)
    return TimedRows(
        weights[..., rows, :],
        median_filter(z_scores(weights, end_row)[..., rows, :]),
        lead,
        content[0],
        np.append(places[:, 0], places[-1, 1]),
        [] if record.sound is None else silences(record.sound),
    )


def row_begins(rows: TimedRows, scores: torch.Tensor, method: TimingMethod) -> Seconds:
    """When the row of each token begins, by the monotone path through the scores, and when the last one ends.

    Args:
        rows: where the scores come from.
        scores: ``[stack, lead + rows, positions]`` scores of several heads or sets of heads.
        method: with ``"pauses"`` the path also passes the row before the first token, so that the silence before the
            first word is not part of it.

    Returns:
        ``[stack, rows + 1]`` seconds from the beginning of the sound.
    """
    before = rows.lead if method == "pauses" else 0
    first = row_spans(scores[:, rows.lead - before :].numpy(), like_whisper=True).first[:, before:]
    return rows.starts[np.pad(first, ((0, 0), (0, 1)), constant_values=len(rows.starts) - 1)]


def word_limits(
    rows: TimedRows, begins: Seconds, words: Sequence[Word], method: TimingMethod, lag: float | Seconds
) -> tuple[Seconds, Seconds]:
    """When each word begins and ends.

    Args:
        rows: where the times come from.
        begins: ``[stack, rows + 1]`` what :func:`row_begins` returns.
        words: the words with their rows in the record.
        method: with ``"pauses"`` silences at the edges of words are cut off, and a word that surrounds a silence keeps
            the longer part.
        lag: the seconds to subtract, for all or ``[stack]``.

    Returns:
        ``[stack, words]`` starts and ends in seconds from the beginning of the sound, within it.
    """
    late = np.reshape(lag, (-1, 1))
    starts = begins[:, [word.start - rows.first for word in words]] - late
    ends = begins[:, [word.stop - rows.first for word in words]] - late
    for begin, end in rows.silences if method == "pauses" else ():
        around = (starts < begin) & (ends > end)
        later = around & (begin - starts < ends - end)
        starts_within = later | ((starts >= begin) & (starts < end) & (ends > end))
        ends_within = (around & ~later) | ((ends > begin) & (ends <= end) & (starts < begin))
        starts, ends = np.where(starts_within, end, starts), np.where(ends_within, begin, ends)
    return np.clip(starts, rows.starts[0], rows.starts[-1]), np.clip(ends, rows.starts[0], rows.starts[-1])
