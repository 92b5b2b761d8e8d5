"""Samples in memory: numpy arrays, torch tensors and lists of floats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from xattn_widget.inputs.audio.samples import Samples, check_type, mix_down

# Sound has at most this many channels; an axis that is longer is time.
_MOST_CHANNELS = 8
# Samples that are checked at once, so that a check of hours needs little memory.
_BLOCK = 1 << 20


@dataclass(frozen=True, eq=False)
class ArraySamples(Samples):
    """Samples in an array, which is not copied.

    Attributes:
        values: ``[samples, channels]``.

    Raises:
        TypeError: values of a type whose scale is unknown.
        ValueError: values that are not finite, or floating-point values far beyond -1..1.
    """

    values: npt.NDArray[np.generic]

    def __post_init__(self) -> None:
        check_type(self.values.dtype, self.label)
        for start in range(0, self.length, _BLOCK):
            self.read(start, start + _BLOCK)

    def read(self, start: int, stop: int) -> npt.NDArray[np.float32]:  # noqa: D102
        return mix_down(self.values[start:stop], self.label, start / self.rate, self.rate)


def array_samples(samples: Any, rate: int, label: str) -> ArraySamples:
    """Samples of a numpy array, a torch tensor, a list of floats or anything that numpy makes an array of.

    Args:
        samples: ``[samples]``, ``[channels, samples]`` or ``[samples, channels]``; floats from -1 to 1, or integers.
        rate: samples per second.
        label: what errors call the recording.

    Raises:
        TypeError: values that are not samples.
        ValueError: another shape, one that does not tell channels from samples, or impossible values.
    """
    if isinstance(samples, torch.Tensor):
        tensor = samples.detach()
        values = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).cpu().numpy()
    else:
        try:
            values = np.asarray(samples)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{label} is a {type(samples).__name__} that numpy makes no array of: {error}") from error
    values = _time_first(values, label)
    return ArraySamples(label, rate, len(values), values)


def _time_first(values: npt.NDArray[np.generic], label: str) -> npt.NDArray[np.generic]:
    """``[samples, channels]``."""
    if values.ndim == 1:
        return values[:, None]
    shape = list(values.shape)
    if values.ndim != 2:
        raise ValueError(
            f"{label} has shape {shape}, expected [samples], [channels, samples] or [samples, channels]: pass several "
            "recordings as a list"
        )
    rows, columns = values.shape
    if not values.size:
        return values.reshape(0, 1)
    if 1 in (rows, columns):
        return values.T if rows == 1 else values
    if rows > _MOST_CHANNELS and columns > _MOST_CHANNELS:
        raise ValueError(
            f"{label} has shape {shape}, where neither axis can be the channels, of which there may be "
            f"{_MOST_CHANNELS}: pass samples (not features) of one recording, or several recordings as a list"
        )
    if max(rows, columns) <= _MOST_CHANNELS:
        raise ValueError(
            f"{label} has shape {shape}, which does not tell channels from samples: mix the channels down, for example "
            "with samples.mean(axis=0), and pass [samples]"
        )
    return values.T if rows < columns else values
