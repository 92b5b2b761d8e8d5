"""Sound at another rate: the part of it that is asked for, with scipy's polyphase filter."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from xattn_widget.inputs.audio.samples import Samples

# resample_poly's default filter reaches this many samples of the lower rate to each side.
_REACH = 10


def resampled_length(length: int, old: int, new: int) -> int:
    """How many samples at a new rate ``length`` samples at the old rate become, as ``resample_poly`` counts them."""
    return -(-length * new // old)


def check_scipy(label: str, old: int, new: int) -> None:
    """Raise an ImportError that names the fix if scipy is not installed."""
    try:
        import scipy.signal  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{label} has {old:,} samples per second and the model reads {new:,}. Resampling needs scipy: "
            f"pip install 'xattn-widget[audio]', or pass a recording with {new:,} samples per second"
        ) from error


def read_resampled(samples: Samples, rate: int, start: int, stop: int) -> npt.NDArray[np.float32]:
    """A part of ``scipy.signal.resample_poly`` of all samples, computed from that part and what the filter reaches.

    Args:
        samples: the samples at their own rate.
        rate: the new rate.
        start: the first sample at the new rate.
        stop: the sample at the new rate after the last one.

    Returns:
        ``[stop - start]`` float32.
    """
    from scipy.signal import resample_poly

    if start == stop:
        return np.zeros(0, np.float32)
    divisor = math.gcd(samples.rate, rate)
    up, down = rate // divisor, samples.rate // divisor
    reach = -(-_REACH * max(up, down) // up) + 1
    # A multiple of `down`, so that the filter has the same phase as over all samples.
    begin = max(0, (start * down // up - reach) // down * down)
    end = min(samples.length, (stop - 1) * down // up + reach + 1)
    block = resample_poly(samples.read(begin, end), up, down)
    skipped = start - begin // down * up
    return np.array(block[skipped : skipped + stop - start], dtype=np.float32)
