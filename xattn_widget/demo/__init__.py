"""The German-English model that ships with the package, to try everything without a download."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import MarianMTModel, MarianTokenizer

from xattn_widget.messages.quiet import no_loading_bars, quiet_warnings

FOLDER = Path(__file__).parent / "model"


def load_demo() -> tuple[MarianMTModel, MarianTokenizer]:
    """The demo model and its tokenizer: a small MarianMT, German to English, 3+3 layers of 8 heads.

    It translates everyday sentences of up to about twenty words. The model card next to the weights describes its
    training data and quality. Nothing is downloaded.

    Returns:
        ``(model, tokenizer)``; the model is in float32 and evaluation mode, with the default attention implementation.
    """
    # MarianTokenizer recommends sacremoses, but does not use it for tokenization.
    with quiet_warnings("Recommended: pip install sacremoses"):
        tokenizer = MarianTokenizer.from_pretrained(FOLDER)
    with no_loading_bars():  # a progress bar for eight megabytes would only be noise
        model = MarianMTModel.from_pretrained(FOLDER, dtype=torch.float32)
    model.eval()  # type: ignore[no-untyped-call]
    return model, tokenizer
