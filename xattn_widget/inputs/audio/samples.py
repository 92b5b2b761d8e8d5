"""Samples at the rate at which they are stored, whether in memory or in a file, as one channel of float32."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Floating-point audio may overshoot 1 a little, as decoded MP3 does. Beyond this, it is not scaled to -1..1.
_LARGEST = 2.0
# The value that stands for 1, and for silence, in each integer type that sound is stored in.
_INTEGERS = {"int8": (2.0**7, 0), "uint8": (2.0**7, 2**7), "int16": (2.0**15, 0), "int32": (2.0**31, 0)}


@dataclass(frozen=True, eq=False)
class Samples(ABC):
    """Stored samples of one recording.

    Attributes:
        label: what errors call the recording.
        rate: samples per second.
        length: the number of samples of each channel.
    """

    label: str
    rate: int
    length: int

    @abstractmethod
    def read(self, start: int, stop: int) -> npt.NDArray[np.float32]:
        """``[stop - start]`` samples, mixed down to one channel. The caller may change the array.

        Raises:
            ValueError: samples that are not finite, or floating-point samples far beyond -1..1.
        """


def mix_down(block: npt.NDArray[np.generic], label: str, seconds: float, rate: int) -> npt.NDArray[np.float32]:
    """``[samples]`` float32, from -1 to 1: the mean of the channels.

    Args:
        block: ``[samples, channels]``, of a type that ``check_type`` accepts.
        label: what errors call the recording.
        seconds: where the block begins in the recording.
        rate: samples per second.

    Raises:
        ValueError: samples that are not finite, or floating-point samples far beyond -1..1.
    """
    if block.dtype.kind in "iu":
        one, zero = _INTEGERS[block.dtype.name]
        return np.asarray((block.astype(np.float32) - np.float32(zero)).mean(axis=1) / one, dtype=np.float32)
    floats = block.astype(np.promote_types(block.dtype, np.float32), copy=False)
    finite = np.isfinite(floats).all(axis=1)
    if not finite.all():
        first = int(finite.argmin())
        value = floats[first][~np.isfinite(floats[first])][0]
        raise ValueError(
            f"{label} has the sample {value} at {seconds + first / rate:.6g} s: replace samples that are not finite, "
            "for example with numpy.nan_to_num(samples, posinf=0, neginf=0)"
        )
    largest = float(np.abs(floats).max(initial=0))
    if largest > _LARGEST:
        raise ValueError(
            f"{label} has floating-point samples up to {largest:,.6g}, and they must be between -1 and 1: divide "
            "16-bit samples by 32768, or pass them as int16"
        )
    return np.asarray(floats.mean(axis=1), dtype=np.float32)


def check_type(dtype: np.dtype[np.generic], label: str) -> None:
    """Raise a TypeError unless samples of a type have a known scale."""
    if dtype.kind != "f" and dtype.name not in _INTEGERS:
        raise TypeError(
            f"{label} has samples of type {dtype}, whose scale is unknown: pass floats between -1 and 1, or "
            f"{', '.join(_INTEGERS)}"
        )
