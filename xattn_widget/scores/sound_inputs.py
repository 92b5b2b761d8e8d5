"""What scores of sound read from a record: loudness, seconds, and which rows belong to one word."""

from __future__ import annotations

import math

import numpy as np
import torch

from xattn_widget.record.axis import NO_WORD, Axis
from xattn_widget.record.sound import Sound

# Loudness is measured over at least this many seconds, so that the closure of a "p" within a word is not silent.
LOUDNESS_WINDOW = 0.1


def source_loudness(axis: Axis, sound: Sound | None) -> torch.Tensor | None:
    """How loud each position of a source is, ``[source]`` float32; None without sound.

    The root mean square of the samples around the middle of the position, over :data:`LOUDNESS_WINDOW` seconds or its
    own length if that is more, in decibels relative to full scale: at most 0 for samples from -1 to 1, and minus
    infinity for digital silence. NaN for positions without a place or without any sample.
    """
    if sound is None or axis.places is None:
        return None
    samples, rate = sound.samples.double().numpy(), sound.rate
    energy = np.append(0.0, np.cumsum(np.square(samples)))
    places = np.array(axis.places)
    known = ~np.isnan(places[:, 0])
    starts, ends = np.where(known[:, None], places, 0.0).T
    missing = np.maximum(LOUDNESS_WINDOW - (ends - starts), 0.0) / 2
    first = np.clip(np.rint((starts - missing) * rate).astype(int), 0, len(samples))
    stop = np.clip(np.rint((ends + missing) * rate).astype(int), 0, len(samples))
    known &= stop > first
    with np.errstate(divide="ignore"):
        # The sums of the whole sound may differ from those of a part in their last digits, and below 0 is no energy.
        decibels = 10 * np.log10(np.maximum(energy[stop] - energy[first], 0.0) / np.maximum(stop - first, 1))
    return torch.from_numpy(np.where(known, decibels, math.nan)).float()


def source_seconds(axis: Axis) -> torch.Tensor | None:
    """How much of the sound each position of a source stands for, ``[source]`` seconds; None without sound.

    A position lasts until the next one begins, at most to the end of its own place, because places may overlap. 0 for
    positions without a place.
    """
    if axis.places is None or axis.kind != "audio":
        return None
    places = torch.tensor(axis.places, dtype=torch.float64)
    lengths = places[:, 1] - places[:, 0]
    steps = torch.cat([places[1:, 0] - places[:-1, 0], lengths[-1:]])
    # The comparison with NaN is false: the last position before those without a place keeps its length.
    return torch.where(steps < lengths, steps, lengths).nan_to_num(0.0).clamp(min=0).float()


def spoken_words(axis: Axis) -> torch.Tensor:
    """The number of each row's word, ``[target]``; -1 for rows of special tokens and of punctuation alone."""
    spoken = [any(map(str.isalnum, word)) for word in axis.words]
    return torch.tensor([group if group != NO_WORD and spoken[group] else NO_WORD for group in axis.groups])
