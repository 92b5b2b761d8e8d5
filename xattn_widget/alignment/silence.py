"""Where a sound is silent, by its loudness."""

from __future__ import annotations

import numpy as np

from xattn_widget.record.sound import Sound

# Loudness is measured in windows of this length, one every hop.
_WINDOW_SECONDS, _HOP_SECONDS = 0.025, 0.01
# Shorter silences are closures of consonants.
SHORTEST_SECONDS = 0.1
# A window is silent below this share of the way, in decibels, from the quietest windows to the loudest.
_SHARE = 0.25
# Quieter than the loudest windows by more than this is silence without noise.
_RANGE_DECIBELS = 60.0


def silences(sound: Sound) -> list[tuple[float, float]]:
    """The silent parts of a sound of at least 100 ms, as (start, end) in seconds from its beginning.

    A part is silent where its loudness is in the lowest quarter, in decibels, of the span from the 5 % quietest to the
    5 % loudest parts. A sound of constant loudness has none.
    """
    samples = sound.samples.double().numpy()
    window, hop = (max(1, round(seconds * sound.rate)) for seconds in (_WINDOW_SECONDS, _HOP_SECONDS))
    count = len(samples) // hop
    if count == 0:
        return []
    energy = np.cumsum(np.pad(np.square(samples), (window // 2 + 1, window)))
    loudness = 10 * np.log10((energy[window::][: count * hop : hop] - energy[: count * hop : hop]) / window + 1e-10)
    quiet, loud = np.percentile(loudness, 5), np.percentile(loudness, 95)
    quiet = max(quiet, loud - _RANGE_DECIBELS)
    silent = np.pad(loudness < quiet + _SHARE * (loud - quiet), 1)
    begins, ends = np.flatnonzero(silent[1:] & ~silent[:-1]), np.flatnonzero(~silent[1:] & silent[:-1])
    found = [(begin * hop / sound.rate, end * hop / sound.rate) for begin, end in zip(begins, ends, strict=True)]
    return [(start, end) for start, end in found if end - start >= SHORTEST_SECONDS - 1e-9]
