"""Where positions of image encoders lie in the original picture: squares in pictures, and formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_models import (
    CROPPING,
    IMAGES,
    PROMPTED,
    READERS,
    SIZES,
    STEPS,
    attended,
    encoded,
    image_model,
    image_processor,
    square,
)

from xattn_widget.inputs.image.families import image_family
from xattn_widget.inputs.image.image_side import ImageItem, ImageSide
from xattn_widget.inputs.image.image_source import ImageSource
from xattn_widget.inputs.image.tracing import trace
from xattn_widget.record.axis import Axis
from xattn_widget.record.patches import patch_grid


def boxes(size, framed=False):
    """Yield boxes at several places of a picture, with sides of a fifth of its own; inside a frame if it has one."""
    width, height = size
    for x, y in ((0.0, 0.0), (0.31, 0.55), (0.8, 0.8), (0.45, 0.4), (0.8, 0.1)):
        if framed:
            x, y = 0.15 + 0.5 * x, 0.15 + 0.5 * y
        left, top = math.ceil(x * width), math.ceil(y * height)
        yield left, top, min(width, left + max(3, width // 5)), min(height, top + max(3, height // 5))


def overlap(place, box):
    """Return the area that a place and a box share."""
    return max(0.0, min(place[2], box[2]) - max(place[0], box[0])) * max(
        0.0, min(place[3], box[3]) - max(place[1], box[1])
    )


def grown(place, share=0.4, pixels=2.5):
    """Return the place with what filters that resize a picture mix into it."""
    x, y = (max(share * (place[side + 2] - place[side]), pixels) for side in (0, 1))
    return place[0] - x, place[1] - y, place[2] + x, place[3] + y


@pytest.mark.parametrize("name", STEPS)
def test_places_are_those_of_the_pixels_that_change(name):
    model, processor = image_model(name)
    family, step, framed = image_family(model, processor), STEPS[name], name in CROPPING
    for size in SIZES:
        axis = family.read(square(size, None, framed=framed)).axis
        for box in boxes(size, framed):
            before, after = (
                processor.image_processor(images=square(size, shown, framed=framed), return_tensors="np")
                for shown in (None, box)
            )
            before, after = (np.asarray(made["pixel_values"][0]) for made in (before, after))
            change = np.abs(after - before).mean(0)
            rows, columns = change.shape[0] // step, change.shape[1] // step
            cells = change.reshape(rows, step, columns, step).mean((1, 3)).ravel()
            image = [position for position, kind in enumerate(axis.kinds) if kind == "image"]
            places = [axis.places[position] for position in image[len(image) - len(cells) :]]
            for place, amount in zip(places, cells, strict=True):
                if math.isnan(place[0]):
                    assert amount == 0
                    continue
                share = overlap(place, box) / ((place[2] - place[0]) * (place[3] - place[1]))
                assert amount > 0 or share < 0.1
                assert amount < 0.05 or overlap(grown(place), box) > 0


@pytest.mark.parametrize("name", IMAGES)
def test_encoders_see_a_square_at_the_place_of_a_position(name):
    model, processor = image_model(name)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.mul_(0.3)  # so that layers add little to what each position sees by itself
    family, framed = image_family(model, processor), name in CROPPING
    for size in SIZES[:3]:
        blank = family.read(square(size, None, framed=framed))
        states = encoded(model, ImageSource.inputs(model, [ImageSource(family, blank)]))
        assert len(states) == blank.axis.kinds.count("image")
        for box in boxes(size, framed):
            seen = family.read(square(size, box, framed=framed))
            changes = encoded(model, ImageSource.inputs(model, [ImageSource(family, seen)])) - states
            changes = changes - changes.median(0).values  # Pix2Struct normalizes a picture by its own mean
            change = changes.norm(dim=-1).numpy() * ~np.array(seen.axis.special[: len(changes)])
            if not change.max() > 1e-6:  # it is cropped away
                assert not any(overlap(place, box) > 1 for place in seen.axis.places)
                continue
            place = seen.axis.places[int(change.argmax())]
            assert overlap(grown(place, 0.5 if name == "florence2" else 0.1), box) > 0


@pytest.mark.parametrize("name", [*READERS, *PROMPTED])
def test_what_readers_and_udop_attend_to_sees_a_square_at_the_place_of_a_position(name):
    """The same where something else than the decoder attends to the image, and where words come before the patches."""
    model, processor = image_model(name)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.mul_(0.3)
    side = ImageSide(image_family(model, processor))
    prompt = "ab cd" if side.family.encodes_prompts else None

    def read(image):
        [source] = side.read([ImageItem(image, prompt)])
        return source.axis(), attended(model, side.family, ImageSource.inputs(model, [source]))

    for size in SIZES:
        axis, plain = read(square(size, None))
        assert len(plain) == len(axis)
        image = ~np.array(axis.special) & (np.array(axis.kinds) == "image")
        seen = 0
        for box in boxes(size):
            change = (read(square(size, box))[1] - plain).norm(dim=-1).numpy() * image
            if not change.max() > 1e-6:  # it is cropped away
                assert not any(overlap(place, box) > 1 for place in axis.places)
                continue
            assert overlap(grown(axis.places[int(change.argmax())], 0.1), box) > 0
            seen += 1
        assert seen


def squashed(width, height, side=(96, 64)):
    """Return the coordinates of the corners of a picture that is resized to ``side`` (width, height)."""
    return 0, 0, width, height


def cropped(width, height, side=64):
    """Return where the array of CLIP's processor begins and ends, counted in pixels of the original."""
    wide, high = side * width // min(width, height), side * height // min(width, height)
    left, top = (wide - side) // 2, (high - side) // 2
    x, y = width / wide, height / high
    return left * x, top * y, (left + side) * x, (top + side) * y


def padded(width, height, rows=96, columns=64):
    """Return where the array of Donut's processor begins and ends, counted in pixels of the original."""
    shortest = min(rows, columns)
    wide, high = shortest * width // min(width, height), shortest * height // min(width, height)
    if (wide, high) != (min(wide, columns), min(high, rows)):
        new_wide, new_high = min(wide, columns), min(high, rows)
        if high > wide:
            new_wide = int(wide * new_high / high)
        elif wide > high:
            new_high = int(high * new_wide / wide)
        wide, high = new_wide, new_high
    left, top = (columns - wide) // 2, (rows - high) // 2
    x, y = width / wide, height / high
    return -left * x, -top * y, (columns - left) * x, (rows - top) * y


PROCESSORS = {
    "squashed": (squashed, ("ViTImageProcessor", {"size": {"height": 64, "width": 96}})),
    "cropped": (
        cropped,
        ("CLIPImageProcessor", {"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}}),
    ),
    "padded": (padded, ("DonutImageProcessor", {"size": {"height": 96, "width": 64}})),
}


@pytest.mark.parametrize("name", PROCESSORS)
@settings(deadline=None, max_examples=25)
@given(width=st.integers(5, 700), height=st.integers(5, 700))
def test_traces_equal_formulas(name, width, height):
    formula, (kind, sizes) = PROCESSORS[name]
    if max(width, height) > 12 * min(width, height):
        width = height  # processors shrink the short side to less than a pixel
    processor = image_processor(kind, **sizes)
    [found] = trace(
        lambda image: np.asarray(processor(images=image, return_tensors="np")["pixel_values"]), width, height
    )
    (x, _, by_column), (y, by_row, _) = found.lines
    left, top, right, bottom = formula(width, height)
    ends, expected, sizes = [], [], []
    for side, (start, slope, first, last) in enumerate(((x, by_column, left, right), (y, by_row, top, bottom))):
        pixels = np.nonzero(found.inside.any(side))[0]  # those that show the picture
        for pixel in (pixels[0], pixels[-1] + 1):
            ends.append(start + slope * pixel)
            expected.append(first + (last - first) * pixel / found.inside.shape[1 - side])
        sizes.append((last - first) / found.inside.shape[1 - side])
    # A pixel of the picture, or half a pixel of what the encoder sees.
    tolerance = np.repeat([max(1.01, side / 1000, min(sizes) / 2) for side in (width, height)], 2)
    np.testing.assert_array_less(np.abs(np.subtract(ends, expected)), tolerance)


def test_large_pictures_are_traced_to_a_thousandth_of_their_side():
    processor = image_processor("ViTImageProcessor", size={"height": 64, "width": 64})
    [found] = trace(
        lambda image: np.asarray(processor(images=image, return_tensors="np")["pixel_values"]), 12_000, 3_001
    )
    assert found.place(16, 32, 32, 48) == pytest.approx((6000, 750.25, 9000, 1500.5), abs=3)


def test_a_processor_that_depends_on_the_content_is_refused():
    def process(image):
        values = np.asarray(image.resize((32, 32)), np.float64).transpose(2, 0, 1)[None]
        return (values - values.mean()) / (values.std() + 1)

    with pytest.raises(ValueError, match="does not tell a white picture from a black one"):
        trace(process, 40, 30)

    def warped(image):
        values = np.asarray(image.resize((32, 32)), np.float64).transpose(2, 0, 1)[None]
        return (values / 255) ** 3

    with pytest.raises(ValueError, match="does more than to resize"):
        trace(warped, 400, 300)


def axis_of(places):
    return Axis(tuple("x" for _ in places), kinds=("image",) * len(places), places=tuple(places))


def test_a_grid_is_found_in_places():
    nowhere = (math.nan,) * 4
    # The first column is narrow, as where padding begins inside a patch; there is a hole at the end.
    places = [nowhere, (0, 0, 3, 10), (3, 0, 13, 10), (13, 0, 20, 10), (0, 10, 3, 15), (3, 10, 13, 15)]
    assert patch_grid(axis_of(places)) == (2, 3, ((1, 2, 3), (4, 5, None)))
    turned = [places[position] for position in (3, 5, 2, 4, 1)]
    assert patch_grid(axis_of(turned)).positions == ((4, 2, 0), (3, 1, None))
    assert patch_grid(axis_of([nowhere])) is None
    assert patch_grid(axis_of([(0, 0, 5, 5), (0, 0, 5, 5)])) is None
    assert patch_grid(Axis(("a", "b"))) is None
