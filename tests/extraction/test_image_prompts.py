"""Prompts that the encoder of a model reads with an image: tasks, questions, the words on a document."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
import torch
import transformers as tf
from image_models import image_model, image_processor, library_forward, library_inputs, picture, pix2struct, square

from xattn_widget import extract

PICTURE = picture(77, 50)


def test_florence_reads_a_task_after_the_image():
    vision = image_model("florence2")
    records = extract(vision.model, vision.processor, [PICTURE, PICTURE], ["ab", "c"], prompt=["<OCR>", "Find a dog"])
    for record, prompt, text in zip(
        records, ("<OCR>", "Find a dog"), ("What is the text in the image?", "Find a dog"), strict=True
    ):
        expected, _ = library_forward(
            vision.model, library_inputs(vision, PICTURE, prompt), record.targets["input"].ids
        )
        torch.testing.assert_close(record.weights, expected, atol=2e-5, rtol=0)
        assert record.source.text == text
        assert record.source.kind is None
        assert set(record.source.kinds) == {"image", "text"}
        words = [word for word in record.source.words if word in text]
        assert "".join(words).replace(" ", "") == text.replace(" ", "")
        assert not record.targets["output"].special[1]


def test_udop_reads_words_and_the_patches_beside_them():
    model, processor = image_model("udop")
    words, boxes = ["ab", "dog"], [[0, 0, 240, 240], [500, 500, 740, 740]]
    inputs = processor(PICTURE, words, boxes=boxes, return_tensors="pt")
    inputs["bbox"] = inputs["bbox"] / 1000
    record = extract(model, processor, inputs, "ab")
    expected, _ = library_forward(model, dict(inputs), record.targets["input"].ids)
    torch.testing.assert_close(record.weights, expected, atol=1e-5, rtol=0)
    axis = record.source
    image = [position for position, kind in enumerate(axis.kinds) if kind == "image"]
    assert len(image) == 16
    # Patches 0 and 10 are under the words, and 15 is under the end of the text.
    patches = [(8.0 * (patch % 4), 8.0 * (patch // 4)) for patch in range(16) if patch not in (0, 10, 15)]
    assert [axis.places[position][:2] for position in image[:-3]] == patches
    assert [axis.labels[position] for position in image[-3:]] == ["[padding]"] * 3
    assert float(record.weights[..., image[-3:]].max()) == 0


def test_udop_reads_a_task_alone():
    model, processor = image_model("udop")
    records = extract(model, processor, [PICTURE] * 2, generation={"max_new_tokens": 3}, prompt=["ab", "dog tisch"])
    assert [record.source.text.strip() for record in records] == ["ab", "dog tisch"]
    with pytest.raises(ValueError, match="pass a task or a question as prompt="):
        extract(model, processor, PICTURE)


@pytest.fixture
def font(monkeypatch):
    """Draw questions in a font of matplotlib, instead of one that is downloaded."""
    path = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"
    kind = type(image_processor("Pix2StructImageProcessor"))
    render = kind.render_header
    monkeypatch.setattr(kind, "render_header", lambda self, image, text, **_: render(self, image, text, font_path=path))


@pytest.mark.skipif(
    tuple(map(int, tf.__version__.split(".")[:2])) < (5, 4), reason="another function draws the question"
)
def test_pix2struct_reads_a_question_above_the_image(font):
    model, processor = pix2struct(is_vqa=True)
    question, size = "What is it?", (300, 200)
    blank = extract(model, processor, square(size, None), "ab", prompt=question)
    inputs = processor.image_processor(images=square(size, None), header_text=question, return_tensors="pt")
    expected, _ = library_forward(model, dict(inputs), blank.targets["input"].ids)
    torch.testing.assert_close(blank.weights, expected, atol=1e-5, rtol=0)
    places = np.array(blank.source.places)
    assert np.nanmin(places, axis=0)[:2] == pytest.approx([0, 0], abs=1e-6)
    assert np.nanmax(places, axis=0)[2:] == pytest.approx(size, abs=1e-6)
    box = (160, 120, 200, 150)
    patches = [
        processor.image_processor(images=square(size, shown), header_text=question, return_tensors="pt")
        for shown in (None, box)
    ]
    # The mean of the whole picture is subtracted, so what a dark box leaves is the smallest mean.
    means = patches[1]["flattened_patches"][0, :, 2:].mean(-1) - patches[0]["flattened_patches"][0, :, 2:].mean(-1)
    place = places[int(means.argmin())]
    assert max(place[0], box[0]) < min(place[2], box[2])
    assert max(place[1], box[1]) < min(place[3], box[3])
    with pytest.raises(ValueError, match="answers questions"):
        extract(model, processor, PICTURE, "ab")
