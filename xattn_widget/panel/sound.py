"""The sound of a record as the page receives it: a description, an audio file, and the features as a picture."""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np
from PIL import Image

from xattn_widget.record.data import AttentionData
from xattn_widget.record.sound import Sound

Floats = np.ndarray[Any, np.dtype[np.float32]]

# Peaks of the waveform that are sent with the list of sentences, before anyone asks for the sound: 800 characters.
PEAKS = 600
_LARGEST_SAMPLE = 2**15 - 1


def describe_sound(sound: Sound) -> dict[str, Any]:
    """What the page knows of a sound before it requests anything.

    Returns:
        Its seconds, rate and offset; ``peaks``, up to :data:`PEAKS` bytes in base64, each the largest amplitude of an
        equal share of the sound relative to the largest of all; ``features``, the number of bins and frames, or None.
    """
    features = None
    if sound.features is not None:
        bins, frames = sound.features.shape
        features = {"bins": bins, "frames": frames}
    return {
        "seconds": sound.seconds,
        "rate": sound.rate,
        "offset": sound.offset,
        "peaks": base64.b64encode(_peaks(sound)).decode(),
        "features": features,
    }


def sound_file(sound: Sound) -> tuple[bytes, str]:
    """The sound as an audio file and its MIME type: FLAC with ``soundfile``, or else WAV, both with 16 bits a sample.

    Samples beyond -1 and 1 are clipped; those that are NaN become 0.
    """
    samples = np.nan_to_num(sound.samples.numpy(), nan=0.0, posinf=1.0, neginf=-1.0).clip(-1, 1)
    whole = np.round(samples * _LARGEST_SAMPLE).astype("<i2")
    file = io.BytesIO()
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: its library is missing
        import wave

        with wave.open(file, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(sound.rate)
            out.writeframes(whole.tobytes())
        return file.getvalue(), "audio/wav"
    soundfile.write(file, whole, sound.rate, format="FLAC", subtype="PCM_16")
    return file.getvalue(), "audio/flac"


def features_picture(sound: Sound) -> bytes:
    """The features as a gray PNG, one pixel each: time to the right, the first bin at the bottom, the largest white.

    Raises:
        ValueError: the model of the record reads samples, so that there are none.
    """
    if sound.features is None:
        raise ValueError("this record holds no features: its model reads the samples themselves")
    gray = np.round(255 * feature_shades(sound.features.numpy())).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(gray).save(file, format="PNG")
    return file.getvalue()


def feature_shades(features: Floats) -> Floats:
    """``[bins, frames]`` features from 0 to 1, the first bin in the last row, as a picture has it; NaN becomes 0."""
    finite = features[np.isfinite(features)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if high <= low:
        return np.zeros_like(features)
    shades: Floats = ((features[::-1] - low) / (high - low)).clip(0, 1)
    return np.nan_to_num(shades, nan=0.0)


def heard_seconds(record: AttentionData) -> float:
    """Where the sound of a record ends, in seconds: by its samples, or else by its last position that hears any."""
    if record.sound is not None:
        return record.sound.seconds
    places = record.source.places or ()
    heard = zip(places, record.source.outside, strict=True) if places else ()
    return max((place[1] for place, outside in heard if not outside and math.isfinite(place[1])), default=0.0)


def _peaks(sound: Sound) -> bytes:
    amplitudes = np.abs(np.nan_to_num(sound.samples.numpy(), nan=0.0, posinf=1.0, neginf=1.0))
    if not amplitudes.size:
        return b""
    starts = np.linspace(0, len(amplitudes), min(PEAKS, len(amplitudes)), endpoint=False).astype(int)
    peaks = np.maximum.reduceat(amplitudes, starts)
    largest = float(peaks.max())
    shares = peaks / largest if largest > 0 else peaks
    return np.round(255 * shares).astype(np.uint8).tobytes()
