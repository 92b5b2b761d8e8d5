"""The German-English model that ships with the package, to try everything without a download."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from transformers import MarianMTModel, MarianTokenizer
from transformers.utils import logging

FOLDER = Path(__file__).parent / "model"


def load_demo() -> tuple[MarianMTModel, MarianTokenizer]:
    """The demo model and its tokenizer: a small MarianMT, German to English, 3+3 layers of 8 heads.

    It translates everyday sentences of up to about twenty words. The model card next to the weights describes its
    training data and quality. Nothing is downloaded.

    Returns:
        ``(model, tokenizer)``; the model is in float32 and evaluation mode, with the default attention implementation.
    """
    with warnings.catch_warnings():
        # MarianTokenizer recommends sacremoses, but does not use it for tokenization.
        warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
        tokenizer = MarianTokenizer.from_pretrained(FOLDER)
    # A progress bar for eight megabytes would only be noise.
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model = MarianMTModel.from_pretrained(FOLDER, dtype=torch.float32)
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
    model.eval()  # type: ignore[no-untyped-call]
    return model, tokenizer
