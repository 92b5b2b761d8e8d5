"""The models that ship with the package, to try everything without a download."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args, overload

import torch
from transformers import MarianMTModel, MarianTokenizer, TrOCRProcessor, VisionEncoderDecoderModel

from xattn_widget.messages.quiet import no_loading_bars, quiet_logger, quiet_warnings

DemoKind = Literal["text", "image"]
FOLDER = Path(__file__).parent / "model"
IMAGE_FOLDER = Path(__file__).parent / "image_model"


@overload
def load_demo(kind: Literal["text"] = "text") -> tuple[MarianMTModel, MarianTokenizer]: ...
@overload
def load_demo(kind: Literal["image"]) -> tuple[VisionEncoderDecoderModel, TrOCRProcessor]: ...


def load_demo(
    kind: DemoKind = "text",
) -> tuple[MarianMTModel, MarianTokenizer] | tuple[VisionEncoderDecoderModel, TrOCRProcessor]:
    """A demo model and its tokenizer or processor. Nothing is downloaded.

    - ``"text"``: a small MarianMT, German to English, 3+3 layers of 8 heads. It translates everyday sentences of up to
      about twenty words.
    - ``"image"``: a small VisionEncoderDecoder (ViT and TrOCR, 2+2 layers of 4 heads) that reads one short line of
      printed lower-case letters, digits and ``. : - /``.

    The model cards next to the weights describe how they were trained and how good they are.

    Args:
        kind: ``"text"`` or ``"image"``.

    Returns:
        ``(model, tokenizer)`` or ``(model, processor)``; the model is in float32 and evaluation mode, with the default
        attention implementation.

    Raises:
        ValueError: an unknown kind.
    """
    if kind not in get_args(DemoKind):
        raise ValueError(f"kind must be one of {', '.join(map(repr, get_args(DemoKind)))}, got {kind!r:.60}")
    return _load_image() if kind == "image" else _load_text()


def _load_text() -> tuple[MarianMTModel, MarianTokenizer]:
    # MarianTokenizer recommends sacremoses, but does not use it for tokenization.
    with quiet_warnings("Recommended: pip install sacremoses"):
        tokenizer = MarianTokenizer.from_pretrained(FOLDER)
    with no_loading_bars():  # a progress bar for eight megabytes would only be noise
        model = MarianMTModel.from_pretrained(FOLDER, dtype=torch.float32)
    model.eval()  # type: ignore[no-untyped-call]
    return model, tokenizer


def _load_image() -> tuple[VisionEncoderDecoderModel, TrOCRProcessor]:
    # Without torchvision, transformers says that it uses Pillow instead, which is all the same here.
    with no_loading_bars(), quiet_logger("transformers"):
        processor = TrOCRProcessor.from_pretrained(IMAGE_FOLDER)
        model = VisionEncoderDecoderModel.from_pretrained(IMAGE_FOLDER, dtype=torch.float32)
    model.eval()  # type: ignore[no-untyped-call]
    return model, processor
