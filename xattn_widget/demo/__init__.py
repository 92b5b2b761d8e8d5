"""The German-English model that ships in the package, so that everything can be tried without a download."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import MarianMTModel, MarianTokenizer

from xattn_widget.messages.quiet import no_loading_bars, quiet_warnings

FOLDER = Path(__file__).parent / "model"


def load_demo() -> tuple[MarianMTModel, MarianTokenizer]:
    """The demo model and its tokenizer: a small MarianMT, German to English, 3+3 layers of 8 heads.

    It is made for everyday sentences of up to some twenty words; see the model card beside the weights for what it was
    trained on and how well it translates. Nothing is downloaded.

    Returns:
        ``(model, tokenizer)``; the model in float32 and evaluation mode, with the attention that transformers chooses.
    """
    # MarianTokenizer asks for sacremoses, which it does not use when it tokenizes.
    with quiet_warnings("Recommended: pip install sacremoses"):
        tokenizer = MarianTokenizer.from_pretrained(FOLDER)
    with no_loading_bars():  # from_pretrained would draw a bar for eight megabytes
        model = MarianMTModel.from_pretrained(FOLDER, dtype=torch.float32)
    model.eval()  # type: ignore[no-untyped-call]
    return model, tokenizer
