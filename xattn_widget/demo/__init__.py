"""The models that ship with the package, to try everything without a download: ``load_demo``."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any, Literal, get_args, overload

import numpy as np
import numpy.typing as npt
import torch
from transformers import (
    MarianMTModel,
    MarianTokenizer,
    WhisperForConditionalGeneration,
    WhisperProcessor,
)

from xattn_widget.messages.quiet import no_loading_bars, quiet_warnings

FOLDER = Path(__file__).parent / "model"
SPEECH_FOLDER = Path(__file__).parent / "speech"
Kind = Literal["text", "speech"]


@overload
def load_demo(kind: Literal["text"] = ...) -> tuple[MarianMTModel, MarianTokenizer]: ...


@overload
def load_demo(kind: Literal["speech"]) -> tuple[WhisperForConditionalGeneration, WhisperProcessor]: ...


def load_demo(kind: Kind = "text") -> tuple[Any, Any]:
    """A demo model, and its tokenizer or processor. Nothing is downloaded.

    Args:
        kind: ``"text"``: a small MarianMT, German to English, 3+3 layers of 8 heads. It translates everyday sentences
            of up to about twenty words. ``"speech"``: a small Whisper, 3+3 layers of 4 heads. It hears spoken commands
            in espeak-ng's English voices, with a vocabulary of about 120 words and at most 5 s long, such as
            :func:`xattn_widget.demo.demo_recording`. The model cards next to the weights describe training data and
            quality.

    Returns:
        ``(model, tokenizer)`` or ``(model, processor)``; the model is in float32 and evaluation mode, with the default
        attention implementation.

    Raises:
        ValueError: another kind.
    """
    if kind not in get_args(Kind):
        raise ValueError(f"kind must be one of {', '.join(map(repr, get_args(Kind)))}, got {kind!r}")
    # MarianTokenizer recommends sacremoses, but does not use it for tokenization.
    with quiet_warnings("Recommended: pip install sacremoses."), no_loading_bars():
        # A progress bar for eight megabytes would only be noise.
        if kind == "speech":
            processor = WhisperProcessor.from_pretrained(SPEECH_FOLDER)
            speech_model = WhisperForConditionalGeneration.from_pretrained(SPEECH_FOLDER, dtype=torch.float32)
            return speech_model.eval(), processor  # type: ignore[no-untyped-call]
        tokenizer = MarianTokenizer.from_pretrained(FOLDER)
        model = MarianMTModel.from_pretrained(FOLDER, dtype=torch.float32)
    model.eval()  # type: ignore[no-untyped-call]
    return model, tokenizer


def demo_recording() -> tuple[npt.NDArray[np.float32], int]:
    """A spoken command for the demo speech model, as ``(samples, rate)``: one that it was not trained on.

    espeak-ng says "please turn off the radio in the kitchen".
    """
    with wave.open(str(SPEECH_FOLDER / "command.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return samples.astype(np.float32) / np.float32(2**15), file.getframerate()
