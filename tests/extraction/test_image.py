"""extract on images: every family, given and generated targets, prompts, batches, and what users pass."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
import torch
from families import tiny, unigram_tokenizer
from image_models import IMAGES, image_model, library_forward, library_inputs, picture

from xattn_widget import extract, load
from xattn_widget.record.patches import patch_grid

GENERATION = {"max_new_tokens": 6}
PICTURE = picture(77, 50)


@pytest.fixture(scope="module", params=sorted(IMAGES))
def vision(request):
    return image_model(request.param)


def expected_weights(vision, record, image, prompt=None):
    """What the library itself gives over the same target."""
    return library_forward(vision.model, library_inputs(vision, image, prompt), record.targets["input"].ids)


def test_weights_equal_those_of_the_library(vision):
    model, processor = vision
    record = extract(model, processor, PICTURE, "ab cd")
    expected, logits = expected_weights(vision, record, PICTURE)
    torch.testing.assert_close(record.weights, expected, atol=1e-5, rtol=0)
    predicted = torch.tensor(record.targets["output"].ids)
    logprobs = logits.log_softmax(-1).gather(-1, predicted[:, None])[:, 0]
    torch.testing.assert_close(record.logprobs, logprobs, atol=1e-4, rtol=0)
    assert record.source.kinds[0] == "image"
    assert record.target.text.strip() == "ab cd"
    assert (record.image.width, record.image.height) == PICTURE.size
    assert np.array_equal(record.image.pixels(), np.asarray(PICTURE))
    assert record.sound is None


def test_targets_are_generated(vision):
    model, processor = vision
    record = extract(model, processor, PICTURE, generation=GENERATION)
    assert record.generated
    expected, _ = expected_weights(vision, record, PICTURE)
    torch.testing.assert_close(record.weights, expected, atol=1e-5, rtol=0)
    written = model.generate(**library_inputs(vision, PICTURE), **GENERATION, num_beams=1, do_sample=False)[0].tolist()
    assert [record.targets["input"].ids[0], *record.targets["output"].ids] == written


def test_a_batch_gives_the_same_as_one_image_at_a_time(vision):
    model, processor = vision
    images = [PICTURE, picture(60, 91, seed=1), picture(40, 40, seed=2)]
    targets = ["ab", "abc de", "d"]
    together = extract(model, processor, images, targets)
    for image, target, record in zip(images, targets, together, strict=True):
        alone = extract(model, processor, image, target)
        assert record.source == alone.source
        assert record.target == alone.target
        torch.testing.assert_close(record.weights, alone.weights, atol=2e-5, rtol=0)


def test_what_the_processor_returns_is_read_too(vision):
    model, processor = vision
    inputs = library_inputs(vision, [PICTURE, picture(40, 40)])
    records = extract(model, processor, inputs, ["ab", "ab"])
    direct = extract(model, processor, PICTURE, "ab")
    torch.testing.assert_close(records[0].weights, direct.weights, atol=1e-5, rtol=0)
    assert records[0].image is None
    # Places are pixels of what the processor made.
    corners = np.nanmax([place[2:] for place in records[0].source.places], axis=0)
    if "pixel_values" in inputs:
        assert corners.tolist() == list(inputs["pixel_values"].shape[:-3:-1])
    else:
        assert (corners % 16 == 0).all()


def test_a_record_is_saved_with_its_picture(vision, tmp_path):
    model, processor = vision
    record = extract(model, processor, PICTURE, "ab cd")
    loaded = load(record.save(tmp_path / "record.safetensors"))
    assert loaded.source == record.source
    assert torch.equal(loaded.weights, record.weights)
    assert loaded.image.data == record.image.data
    assert (loaded.image.width, loaded.image.height) == PICTURE.size


def test_what_follows_extract_takes_images(vision, tmp_path):
    model, processor = vision
    record = extract(model, processor, PICTURE, "ab cd")
    kept = record.drop_special()
    assert not any(kept.source.special)
    assert patch_grid(kept.source) is not None
    assert record.score("entropy").shape == (record.layers, record.heads)
    assert len(record.words().source) == len(record.source)
    record.plot()
    assert record.to_html(tmp_path / "page.html").stat().st_size
    assert repr(record).startswith("CrossAttention('image of ")


@pytest.fixture(scope="module")
def vit():
    return image_model("vit")


def test_positions_without_a_place_are_special():
    labels = {
        "vit": ["[CLS]"],
        "deit": ["[CLS]", "[distillation]"],
        "dinov2 with registers": ["[CLS]", *(f"[register {number}]" for number in range(4))],
        "swin": [],
    }
    for name, expected in labels.items():
        axis = extract(*image_model(name), PICTURE, "ab").source
        special = [label for label, flag in zip(axis.labels, axis.special, strict=True) if flag]
        assert special == expected
        assert axis.labels[len(expected)] == "0, 0 px"
    padded = extract(*image_model("donut"), picture(90, 20), "ab").source
    assert {label for label, flag in zip(padded.labels, padded.special, strict=True) if flag} == {"[padding]"}


def test_a_prompt_begins_the_target(vit):
    vision = model, processor = vit
    prompt = processor.tokenizer("ab", add_special_tokens=False)["input_ids"]
    start = model.config.decoder_start_token_id
    made = extract(model, processor, PICTURE, prompt="ab", generation=GENERATION)
    given = extract(model, processor, [PICTURE, PICTURE], ["cd", "cd"], prompt=["ab", "a"])[0]
    for record in (made, given):
        assert list(record.targets["input"].ids[: len(prompt) + 1]) == [start, *prompt]
        assert record.targets["output"].special[: len(prompt)] == (True,) * len(prompt)
        expected, _ = expected_weights(vision, record, PICTURE)
        torch.testing.assert_close(record.weights, expected, atol=1e-5, rtol=0)
    inputs = processor.image_processor(images=PICTURE, return_tensors="pt")
    by_hand = model.generate(**inputs, decoder_input_ids=torch.tensor([[start, *prompt]]), **GENERATION)
    assert list(made.targets["output"].ids) == by_hand[0, 1:].tolist()
    assert given.target.text == "cd"
    assert [*given.targets["output"].ids] == [*prompt, *processor.tokenizer("cd")["input_ids"][1:]]


def test_prompts_of_different_lengths(vit):
    records = extract(*vit, [PICTURE] * 3, prompt=["ab", "c d e", ""], generation=GENERATION)
    alone = [extract(*vit, PICTURE, prompt=text, generation=GENERATION) for text in ("ab", "c d e", "")]
    assert [record.target_tokens for record in records] == [record.target_tokens for record in alone]


def test_forms_in_which_an_image_is_passed(vit, tmp_path):
    model, processor = vit
    expected = extract(model, processor, PICTURE, "ab")
    pixels = np.asarray(PICTURE)
    PICTURE.save(tmp_path / "a.png")
    turned = PICTURE.transpose(PIL.Image.Transpose.ROTATE_90)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to the right
    turned.save(tmp_path / "turned.png", exif=exif)
    opaque = PICTURE.copy()
    opaque.putalpha(255)
    forms = [
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        tmp_path / "turned.png",
        pixels,
        pixels.transpose(2, 0, 1),
        pixels / 255,
        (pixels / 255).astype(np.float32),
        torch.from_numpy(pixels.copy()).permute(2, 0, 1),
        torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255,
        opaque,
        np.asarray(opaque),
    ]
    for form in forms:
        record = extract(model, processor, form, "ab")
        assert record.source == expected.source
        torch.testing.assert_close(record.weights, expected.weights, atol=1e-6, rtol=0)
    many = extract(model, processor, np.stack([pixels, pixels]), ["ab", "ab"])
    assert len(many) == 2


def test_transparent_pixels_are_white_and_grey_ones_grey(vit):
    empty = PIL.Image.new("RGBA", (40, 30), (255, 0, 0, 0))
    assert (extract(*vit, empty, "ab").image.pixels() == 255).all()
    grey = np.full((30, 40), 100, np.uint8)
    for form in (grey, PIL.Image.fromarray(grey), grey[..., None], grey[None], grey.astype(np.int64)):
        assert (extract(*vit, form, "ab").image.pixels() == 100).all()
    deep = PIL.Image.fromarray(np.full((30, 40), 100 * 257, np.uint16))
    assert (extract(*vit, deep, "ab").image.pixels() == 100).all()
    palette = PICTURE.convert("P")
    assert extract(*vit, palette, "ab").weights.isfinite().all()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 3), (2, 300), (3, 4)])
def test_tiny_pictures_are_read(vit, size):
    record = extract(*vit, picture(*size), "ab")
    places = np.array(record.source.places)[1:]
    assert (places[:, :2].min(0) == 0).all()
    assert places[:, 2:].max(0) == pytest.approx(size, abs=0.01)


def test_large_pictures_are_kept_reduced(vit, tmp_path):
    record = extract(*vit, PIL.Image.linear_gradient("L").resize((5000, 2500)), "ab")
    assert (record.image.width, record.image.height) == (5000, 2500)
    assert record.image.pixels().shape == (800, 1600, 3)
    assert np.array(record.source.places)[1:, 2:].max(0) == pytest.approx((5000, 2500), abs=0.1)
    assert load(record.save(tmp_path / "large.safetensors")).image.width == 5000
    noise = picture(700, 600).point(lambda value: 100 + value // 8)
    noisy = extract(*vit, noise, "ab").image
    assert noisy.media_type == "image/webp"
    assert np.abs(noisy.pixels().astype(int) - np.asarray(noise)).mean() < 8


def test_a_file_that_is_too_large_is_refused(vit, tmp_path, monkeypatch):
    PIL.Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 100_000
    with pytest.raises(ValueError, match=r"'bomb\.png' is too large.*Reduce it first"):
        extract(*vit, tmp_path / "bomb.png", "ab")
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ValueError, match="77 x 50 pixels, and Pillow opens at most 2000: reduce it first"):
        extract(*vit, PICTURE, "ab")
    with pytest.raises(ValueError, match="77 x 50 pixels"):
        extract(*vit, np.asarray(PICTURE), "ab")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("missing.png",), FileNotFoundError, r"image 'missing\.png' cannot be found"),
        (("I have read the book.",), FileNotFoundError, "cannot be found"),
        (("a house",), FileNotFoundError, "is it text.*reads images"),
        (("https://example.com/a.png",), ValueError, "is an address: download"),
        ((3,), TypeError, "image has type int, expected the path"),
        (([PICTURE, 3], ["a", "b"]), TypeError, r"image\[1\] has type int"),
        ((np.zeros((0, 4), np.uint8),), ValueError, "it is empty"),
        ((np.zeros((5, 4, 7), np.uint8),), ValueError, r"shape \[5, 4, 7\], expected \[height, width\]"),
        ((np.full((5, 4), 300),), ValueError, "integers from 300 to 300"),
        ((np.full((5, 4), np.nan),), ValueError, "floats from nan"),
        ((np.full((3, 5, 4), -1.5),), ValueError, "whole dictionary"),
        (({"input_ids": torch.tensor([[1]])},), ValueError, "reads pixel_values, and the dictionary has input_ids"),
        ((PICTURE, 3), TypeError, "target"),
        ((PICTURE, ["a"]), ValueError, "one source.*list of 1"),
        ((PICTURE, "a" * 100), ValueError, "the limit is 64 positions"),
    ],
)
def test_bad_images_are_refused(vit, arguments, error, message):
    with pytest.raises(error, match=message):
        extract(*vit, *arguments)


def test_files_that_are_not_images_are_refused(vit, tmp_path):
    (tmp_path / "text.png").write_text("not an image")
    with pytest.raises(ValueError, match=r"'text\.png' is not an image"):
        extract(*vit, tmp_path / "text.png")
    PICTURE.save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:3000])
    with pytest.raises(ValueError, match=r"'cut\.png' is damaged or truncated"):
        extract(*vit, tmp_path / "cut.png")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        extract(*vit, tmp_path)


def test_processors_that_do_not_fit_are_refused(vit):
    model, processor = vit
    with pytest.raises(TypeError, match=r"reads images, with its processor .* got RobertaTokenizer"):
        extract(model, processor.tokenizer, PICTURE)
    with pytest.raises(TypeError, match=r"ViTImageProcessor.* has no tokenizer.*target_tokenizer="):
        extract(model, processor.image_processor, PICTURE)
    record = extract(model, processor.image_processor, PICTURE, "ab", target_tokenizer=processor.tokenizer)
    assert record.target.text == "ab"
    with pytest.raises(ValueError, match="prompt"):
        extract(model, processor, [PICTURE] * 2, prompt=["a"])
    with pytest.raises(TypeError, match="prompt must be"):
        extract(model, processor, PICTURE, prompt=[3])
    with pytest.raises(ValueError, match="leave out one"):
        extract(model, processor, PICTURE, prompt="a", generation={"decoder_input_ids": [[2, 5]]})


def test_images_are_refused_by_models_of_text():
    tokenizer = unigram_tokenizer()
    model = tiny("t5", vocab_size=len(tokenizer))
    with pytest.raises(TypeError, match=r"source must be a string or a list of strings, got Image: .*images"):
        extract(model, tokenizer, PICTURE)
    with pytest.raises(ValueError, match="prompt= is the text that goes with an image"):
        extract(model, tokenizer, "a", prompt="b")
