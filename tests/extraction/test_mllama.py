"""extract on Mllama: weights, places on tiles, prompts and batches, against the library and its formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from families import eager
from image_models import image_model, picture, square

from xattn_widget import extract, show_cross_attention
from xattn_widget.record.axis import Axis

PICTURE = picture(77, 50)
# Pictures that take 2 x 2, 1 x 4, 4 x 1, 1 x 1 and 1 x 2 tiles of 32 pixels.
SIZES = [(77, 50), (300, 70), (40, 200), (30, 29), (611, 300)]
CROSSING = [1, 3]


@pytest.fixture(scope="module")
def vision():
    return image_model("mllama")


def library_weights(vision, image, prompt, record):
    """``[layers, heads, target, source]`` by the library's eager path, with the processor's own mask."""
    model, processor = vision
    inputs = dict(processor(images=image, text=prompt, add_special_tokens=False, return_tensors="pt"))
    read = torch.tensor([record.targets["input"].ids])
    prompted = inputs["input_ids"].shape[1]
    assert read[0, :prompted].tolist() == inputs["input_ids"][0].tolist()
    mask = inputs["cross_attention_mask"]
    mask = torch.cat([mask, mask[:, -1:].expand(-1, read.shape[1] - prompted, -1, -1)], 1)
    inputs |= {"input_ids": read, "attention_mask": torch.ones_like(read), "cross_attention_mask": mask}
    with torch.no_grad():
        output = eager(model)(**inputs, output_attentions=True)
    return torch.stack([output.attentions[layer] for layer in CROSSING])[:, 0], output.logits[0]


@pytest.mark.parametrize("prompt", ["<|image|>The text is", "<s>user <|image|> what?"])
def test_weights_equal_those_of_the_library(vision, prompt):
    record = extract(*vision, PICTURE, "ab cd", prompt=prompt)
    expected, logits = library_weights(vision, PICTURE, prompt, record)
    torch.testing.assert_close(record.weights, expected, atol=1e-5, rtol=0)
    # What the model reads and cannot write has no probability.
    image = vision.processor.image_token_id
    for row, (token, logprob) in enumerate(zip(record.targets["output"].ids, record.logprobs.tolist(), strict=True)):
        assert np.isnan(logprob) == (token == image)
        if token != image:
            assert logprob == pytest.approx(float(logits[row].log_softmax(-1)[token]), abs=1e-4)
    special = record.targets["output"].special
    assert special.index(False) == record.targets["input"].special.index(False) - 1
    assert record.target.text.strip() == "ab cd"


@pytest.mark.parametrize("prompt", [None, "<|image|>", "", "<|image|>The text is"])
def test_targets_are_generated_after_the_prompt(vision, prompt):
    model, processor = vision
    record = extract(model, processor, PICTURE, prompt=prompt, generation={"max_new_tokens": 5})
    inputs = processor(images=PICTURE, text=prompt or "<|image|>", add_special_tokens=False, return_tensors="pt")
    written = model.generate(**inputs, max_new_tokens=5, do_sample=False)[0].tolist()
    assert [record.targets["input"].ids[0], *record.targets["output"].ids] == written
    expected, _ = library_weights(vision, PICTURE, prompt or "<|image|>", record)
    torch.testing.assert_close(record.weights, expected, atol=1e-5, rtol=0)


def test_a_prompt_without_the_image_token_begins_with_it(vision):
    record = extract(*vision, PICTURE, "ab", prompt="The text is")
    assert record.targets["input"].labels[:2] == ("<|image|>", "<s>")
    with pytest.raises(ValueError, match=r"the prompt has 2 times <\|image\|>"):
        extract(*vision, PICTURE, "ab", prompt="<|image|><|image|>two")


def test_batches_of_other_sizes_and_prompts_give_the_same(vision):
    images = [picture(*size, seed=seed) for seed, size in enumerate(SIZES[:3])]
    prompts, targets = ["<|image|>The", "a longer <|image|> prompt", ""], ["ab", "abc de", "d"]
    together = extract(*vision, images, targets, prompt=prompts)
    for image, target, prompt, record in zip(images, targets, prompts, together, strict=True):
        alone = extract(*vision, image, target, prompt=prompt)
        assert record.source == alone.source
        assert record.target == alone.target
        torch.testing.assert_close(record.weights, alone.weights, atol=2e-5, rtol=0)
    generated = extract(*vision, images[:2], prompt="<|image|>The", generation={"max_new_tokens": 4})
    alone = extract(*vision, images[1], prompt="<|image|>The", generation={"max_new_tokens": 4})
    torch.testing.assert_close(generated[1].weights, alone.weights, atol=2e-5, rtol=0)


def test_what_the_image_processor_returns_is_read_too(vision):
    model, processor = vision
    inputs = processor.image_processor(images=PICTURE, return_tensors="pt")
    record = extract(model, processor, inputs, "ab", prompt="The")
    direct = extract(model, processor, PICTURE, "ab", prompt="The")
    torch.testing.assert_close(record.weights, direct.weights, atol=1e-5, rtol=0)
    assert record.image is None
    assert np.nanmax(record.source.places, axis=0).tolist() == [48, 48, 64, 64]
    with pytest.raises(ValueError, match="and the text as prompt="):
        extract(model, processor, processor(images=PICTURE, text="<|image|>a", return_tensors="pt"), "ab")


def tiled_places(vision, width, height):
    """The place of each position by the library's own formulas: canvas, size of the picture on it, tiles."""
    module = pytest.importorskip("transformers.models.mllama.image_processing_pil_mllama")
    side, patch, most = 32, 16, 4
    high, wide = module.get_optimal_tiled_canvas(height, width, most, side)
    shown_high, shown_wide = module.get_image_size_fit_to_canvas(height, width, high, wide, side)
    x, y = width / shown_wide, height / shown_high
    places = []
    for top in range(0, high, side):
        for left in range(0, wide, side):
            places.append(None)  # the class token
            for row in range(top, top + side, patch):
                for column in range(left, left + side, patch):
                    inside = row < shown_high and column < shown_wide
                    right, bottom = min(column + patch, shown_wide), min(row + patch, shown_high)
                    places.append((column * x, row * y, right * x, bottom * y) if inside else None)
    return places + [None] * (most * 5 - len(places))


@pytest.mark.parametrize("size", SIZES)
def test_places_are_those_of_the_tiles(vision, size):
    axis = extract(*vision, picture(*size), "ab").source
    expected = tiled_places(vision, *size)
    assert axis.special == tuple(place is None for place in expected)
    for place, true in zip(axis.places, expected, strict=True):
        if true is not None:
            np.testing.assert_allclose(place, true, atol=max(1.0, max(size) / 500))
    tiles = sum(label == "[CLS]" for label in axis.labels)
    assert axis.labels[5 * tiles :] == ("[padding]",) * (20 - 5 * tiles)


@pytest.mark.parametrize("size", SIZES)
def test_a_square_changes_the_position_whose_place_it_is(vision, size):
    model, processor = vision

    def states(image):
        inputs = processor.image_processor(images=image, return_tensors="pt")
        with torch.no_grad():
            found = model.model.vision_model(**{key: inputs[key] for key in inputs if key != "num_tiles"})
        return found.last_hidden_state[0, 0].flatten(0, 1)

    axis = extract(model, processor, square(size, None), "ab").source
    plain = states(square(size, None))
    right = 0
    for place in [place for place in axis.places if not np.isnan(place[0])]:
        middle = ((place[0] + place[2]) / 2, (place[1] + place[3]) / 2)
        wide, high = (place[2] - place[0]) / 3, (place[3] - place[1]) / 3
        box = tuple(map(round, (middle[0] - wide, middle[1] - high, middle[0] + wide, middle[1] + high)))
        change = (states(square(size, box)) - plain).norm(dim=-1).numpy() * ~np.array(axis.special)
        right += axis.places[int(change.argmax())] == place
    assert right == sum(not flag for flag in axis.special)


def test_tiles_that_the_canvas_lacks_get_no_attention(vision):
    record = extract(*vision, picture(30, 29), "ab")
    assert isinstance(record.source, Axis)
    # The first row reads the image token, from which on the tile is seen.
    assert float(record.weights[..., 5:].abs().max()) < 1e-6
    torch.testing.assert_close(record.weights.sum(-1), torch.ones(record.weights.shape[:-1]), atol=1e-5, rtol=0)


def test_what_follows_extract_takes_such_records(vision, tmp_path):
    widget = show_cross_attention(*vision, PICTURE, "ab cd")
    assert widget.panel == "image"
    # A record does not hold the prompt, without which other targets would be read differently.
    assert "no model" in widget.live["why"]
    record = widget.record
    assert record.boxes()[0].text == "ab"
    assert record.to_html(tmp_path / "page.html").stat().st_size
    measured = extract(*vision, PICTURE, "ab", importance="gradient", value_norms=True)
    assert measured.importance["gradient"].shape == (2, 4)
