"""Pictures in the panel: what the page receives, its pages, and the static picture, against the record itself."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from widget_messages import record
from widget_pictures import patch_axis, record_of_picture

from xattn_widget import CrossAttention, load
from xattn_widget.panel.image import MAX_FILE_BYTES
from xattn_widget.panel.page import page_bytes
from xattn_widget.panel.state import PanelState
from xattn_widget.panel.static_picture import summary_picture
from xattn_widget.plot.palette import PALETTE, rgb
from xattn_widget.record.picture import Picture


def file_of(pictured):
    reply, (content,) = PanelState(pictured).answer({"kind": "image", "sentence": 0})
    return reply["mime"], content


def page_state(page: bytes):
    text = re.search(r'<script[^>]*class="xattn-state"[^>]*>(.*?)</script>', page.decode(), re.DOTALL)
    assert text is not None
    return json.loads(text.group(1))


def noise(width, height):
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8))


def test_the_picture_is_the_file_that_the_record_keeps(tmp_path):
    pictured = record_of_picture()
    mime, content = file_of(pictured)
    assert (mime, content) == ("image/png", pictured.image.data)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), pictured.image.pixels())
    pictured.save(tmp_path / "record.safetensors")
    assert file_of(load(tmp_path / "record.safetensors")) == (mime, content)


def test_a_large_picture_is_sent_reduced_and_places_count_in_the_original():
    pictured = replace(record_of_picture(), image=Picture.from_image(noise(2400, 1200)))
    mime, content = file_of(pictured)
    assert mime == "image/webp"
    assert max(Image.open(io.BytesIO(content)).size) == 1600
    described = PanelState(pictured).entries[0].describe()
    assert described["image"] == {"width": 2400, "height": 1200}


def test_a_file_with_more_than_its_picture_is_written_again():
    pictured = record_of_picture()
    data = pictured.image.data
    junk = b"tEXt" + b"x" * (MAX_FILE_BYTES + 1)
    chunk = struct.pack(">I", len(junk) - 4) + junk + struct.pack(">I", zlib.crc32(junk))
    heavy = replace(pictured, image=replace(pictured.image, data=data[:-12] + chunk + data[-12:]))
    mime, content = file_of(heavy)
    assert len(content) < MAX_FILE_BYTES
    assert mime == "image/png"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), pictured.image.pixels())


def test_records_without_a_picture_say_so():
    with pytest.raises(ValueError, match="this record holds no picture"):
        PanelState(record()).answer({"kind": "image", "sentence": 0})
    blank = PanelState(record_of_picture(image=False))
    assert "image" not in blank.entries[0].describe()
    assert blank.view.panel == "image"


def test_records_with_places_in_a_picture_open_with_it():
    assert PanelState(record_of_picture()).view.panel == "image"
    assert PanelState(record_of_picture(), panel="matrix").view.panel == "matrix"
    axis = patch_axis((64, 64), 2, 2)
    latents = CrossAttention.from_tokens(
        torch.full((1, 1, 2, 5), 0.2), replace(axis, places=None), ["a", "b"], image=Picture.from_image(noise(8, 8))
    )
    assert PanelState(latents).view.panel == "lines"


def test_a_page_holds_the_picture_once_and_is_limited():
    pictured = record_of_picture()
    state = PanelState([pictured, record()])
    saved = page_state(page_bytes(state))["sentences"]
    assert base64.b64decode(saved[0]["image"]["buffer"]) == pictured.image.data
    assert saved[0]["image"]["mime"] == "image/png"
    assert "image" not in saved[1]
    full = replace(pictured, image=Picture.from_image(noise(500, 500)))
    room = len(page_bytes(PanelState(full))) - len(full.image.data)
    limited = page_state(page_bytes(PanelState(full), room))
    assert "image" not in limited["sentences"][0]
    assert "the picture" in limited["traits"]["info"]["notice"]


def test_labels_do_not_close_the_element_that_holds_the_page():
    hostile = replace(record_of_picture(), image=None)
    labels = ("</script><script>alert(1)</script>", *hostile.target.labels[1:])
    hostile = replace(hostile, targets={"output": replace(hostile.target, labels=labels, words=labels[:-1])})
    assert b"<script>alert(1)" not in page_bytes(PanelState(hostile))


@pytest.mark.parametrize(
    "kept", [{}, {"image": False}, {"size": (1, 1), "grid": (1, 1)}, {"size": (2000, 300), "dark": True}]
)
@pytest.mark.parametrize("view", [{}, {"target_index": 4}, {"special": "drop", "words": False}, {"special": "drop"}])
def test_the_static_picture_shows_any_record(kept, view):
    picture = Image.open(io.BytesIO(summary_picture(PanelState(record_of_picture(**kept), **view))))
    assert picture.width == 1290
    assert len(picture.getcolors(1 << 24) or []) > 10


def test_the_static_picture_colors_the_patches_of_the_pinned_word():
    pictured = record_of_picture()
    view = {"target_index": 4, "image_outline": "none"}
    plain, colored = (
        np.asarray(Image.open(io.BytesIO(summary_picture(PanelState(pictured, **view, image_opacity=opacity)))))
        for opacity in (0.0, 1.0)
    )
    changed = (plain != colored).any(-1)
    changed[round(1.5 * 394) :] = False  # the legend
    # The picture begins at (16, 74), and its 384 pixels are drawn 320 high; all times 1.5.
    scale, corner = 1.5 * 320 / 384, 1.5 * np.array([16, 74])
    rows, columns = np.nonzero(changed)
    # "Total" is printed at (40, 260).
    assert np.abs((np.array([columns.mean(), rows.mean()]) - corner) / scale - [78, 278]).max() < 30
    weights = pictured.weights[-1].mean(0)[4, 1:]
    left, top, right, bottom = pictured.source.places[1 + int(weights.argmax())]
    x, y = np.round(corner + scale * np.array([left + right, top + bottom]) / 2).astype(int)
    assert tuple(colored[y, x]) == rgb(PALETTE["overlay"]["light"][-1])
