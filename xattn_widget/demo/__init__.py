"""The German-English model that ships in the package, so that everything can be tried without a download."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from transformers import MarianMTModel, MarianTokenizer
from transformers.utils import logging

FOLDER = Path(__file__).parent / "model"


def load_demo() -> tuple[MarianMTModel, MarianTokenizer]:
    """The demo model and its tokenizer: a small MarianMT, German to English, 3+3 layers of 8 heads.

    It is made for everyday sentences of up to some twenty words; see the model card beside the weights for what it was
    trained on and how well it translates. Nothing is downloaded.

    Returns:
        ``(model, tokenizer)``; the model in float32 and evaluation mode, with the attention that transformers chooses.
    """
    with warnings.catch_warnings():
        # MarianTokenizer asks for sacremoses, which it does not use when it tokenizes.
        warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
        tokenizer = MarianTokenizer.from_pretrained(FOLDER)
    # from_pretrained would draw a bar for eight megabytes.
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model = MarianMTModel.from_pretrained(FOLDER, dtype=torch.float32)
    finally:
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
    model.eval()  # type: ignore[no-untyped-call]
    return model, tokenizer
