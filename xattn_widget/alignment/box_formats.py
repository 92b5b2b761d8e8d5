"""Write the boxes of words: JSON, COCO and hOCR files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from xattn_widget.alignment.spoken import one_line
from xattn_widget.alignment.timed_words import chosen_format
from xattn_widget.alignment.word_boxes import WordBoxes
from xattn_widget.files.csv_json import json_text
from xattn_widget.files.writing import whole_file
from xattn_widget.record.picture import Picture

_FORMATS = {"json": ".json", "coco": ".coco", "hocr": ".hocr"}


def write_boxes(
    boxes: Iterable[WordBoxes],
    path: str | Path,
    format: str | None = None,  # noqa: A002
    *,
    image: Picture | tuple[int, int],
    name: str = "image",
) -> Path:
    """Write where the words of a picture were read from.

    - ``"json"``: an object with ``image`` (name, width, height) and ``words``, each as
      :class:`xattn_widget.alignment.WordBoxes`.
    - ``"coco"``: COCO's object detection format, with one image, the category ``word`` and an annotation for each box:
      ``bbox`` is [left, top, width, height], ``score`` the share of the word's attention in it, and ``text`` the word,
      with its ``word`` number, because a word may have several boxes.
    - ``"hocr"``: hOCR, an HTML page with an ``ocrx_word`` for each word. Its ``bbox`` is the strongest box in whole
      pixels, rounded outwards, and ``x_wconf`` the confidence from 0 to 100, where it is known. Words without a box are
      left out.

    Args:
        boxes: what ``record.boxes()`` returned.
        path: the file to write.
        format: ``"json"``, ``"coco"`` or ``"hocr"``; by default the suffix of ``path`` says which (``.json``,
            ``.coco``, ``.hocr``).
        image: the picture, ``record.image``, or its (width, height) in pixels.
        name: the file name of the picture, to be named in the file.

    Returns:
        The path written.

    Raises:
        ValueError: an unknown format, or a picture without a size.
        OSError: the file cannot be written.
    """
    path = Path(path)
    kind = chosen_format(path, format, _FORMATS)
    try:
        width, height = (image.width, image.height) if isinstance(image, Picture) else map(int, image)
    except (TypeError, ValueError):
        raise ValueError(f"image must be record.image or (width, height), got {image!r:.60}") from None
    write = {"json": _json, "coco": _coco, "hocr": _hocr}[kind]
    with whole_file(path) as file:
        file.write(write(list(boxes), width, height, name).encode())
    return path


def _json(words: Sequence[WordBoxes], width: int, height: int, name: str) -> str:
    listed = [asdict(word) | {"boxes": [box._asdict() for box in word.boxes]} for word in words]
    return json_text({"image": {"name": name, "width": width, "height": height}, "words": listed}, indent=1) + "\n"


def _coco(words: Sequence[WordBoxes], width: int, height: int, name: str) -> str:
    annotations: list[dict[str, Any]] = []
    for number, word in enumerate(words):
        for left, top, right, bottom, share in word.boxes:
            wide, tall = right - left, bottom - top
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": 1,
                    "category_id": 1,
                    "bbox": [left, top, wide, tall],
                    "area": wide * tall,
                    "iscrowd": 0,
                    "score": share,
                    "text": word.text,
                    "word": number,
                }
            )
    content = {
        "images": [{"id": 1, "file_name": name, "width": width, "height": height}],
        "categories": [{"id": 1, "name": "word"}],
        "annotations": annotations,
    }
    return json_text(content, indent=1) + "\n"


def _hocr(words: Sequence[WordBoxes], width: int, height: int, name: str) -> str:
    lines = []
    for number, word in enumerate(words, 1):
        if not word.boxes:
            continue
        left, top, right, bottom, _ = word.boxes[0]
        title = f"bbox {math.floor(left)} {math.floor(top)} {math.ceil(right)} {math.ceil(bottom)}"
        if word.confidence is not None:
            title += f"; x_wconf {round(100 * word.confidence)}"
        lines.append(
            f'<span class="ocrx_word" id="word_1_{number}" title="{title}">{escape(one_line(word.text))}</span>'
        )
    # hOCR quotes the file name inside an attribute that is quoted itself.
    title = escape(f'image "{one_line(name).replace(chr(34), "")}"; bbox 0 0 {width} {height}; ppageno 0')
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html><head><meta charset="utf-8"><title>Words</title>',
            '<meta name="ocr-system" content="xattn-widget">',
            '<meta name="ocr-capabilities" content="ocr_page ocrx_word"></head><body>',
            f'<div class="ocr_page" id="page_1" title="{title}">',
            *lines,
            "</div></body></html>\n",
        ]
    )
