"""Weights divided by the sinks: when they are known, and that replies, pictures, files and pages have the same ones."""

import base64
import csv
import json
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from widget_messages import record
from widget_pictures import record_of_picture

from xattn_widget import CrossAttentionWidget, position_sinks
from xattn_widget.panel.dividing import FEWEST_PICTURES
from xattn_widget.panel.export import export
from xattn_widget.panel.replies import quantize
from xattn_widget.panel.saved_sentence import SavedSentence
from xattn_widget.panel.state import PanelState
from xattn_widget.panel.static_picture import summary_picture
from xattn_widget.record.picture import Picture


def pictures(count, **given):
    """Records of as many different pictures, in which one patch is always bright."""
    records = []
    for seed in range(count):
        made = record_of_picture(grid=(6, 6), layers=1, heads=2, seed=seed, **given)
        weights = made.weights.clone()
        weights[..., 8] += 0.5
        image = Picture.from_image(Image.new("RGB", (384, 384), (seed, 0, 0)))
        records.append(replace(made, weights=weights / weights.sum(-1, keepdim=True), image=image))
    return records


RECORDS = pictures(FEWEST_PICTURES)


def sinks_of(state, sentence=0):
    return state.describe_entries()["sentences"][sentence].get("sinks")


def test_it_takes_ten_different_pictures_of_one_model():
    assert sinks_of(PanelState(RECORDS))["note"].endswith("the mean of its position over the 10 pictures")
    few = sinks_of(PanelState(RECORDS[1:]))
    assert few["note"] == ""
    assert few["why"].startswith("it takes 10 different pictures of one model with as many positions, and there are 9")
    # The same picture once more is not another, and neither is that of another model.
    assert sinks_of(PanelState([*RECORDS[1:], RECORDS[1]]))["note"] == ""
    other = replace(RECORDS[0], model="another")
    assert sinks_of(PanelState([*RECORDS[1:], other]))["note"] == ""
    assert sinks_of(PanelState([record()])) is None


def test_every_request_has_the_weights_that_python_divides():
    state = PanelState(RECORDS)
    divided = position_sinks(RECORDS).divide(RECORDS[3])
    asked = {"sentence": 3, "divided": True}
    reply, (layer,) = state.answer({"kind": "layer", "layer": 0, **asked})
    assert reply["shape"] == [2, 7, 37]
    assert layer == quantize(divided.head_weights()).tobytes()
    for request, expected in [
        ({"kind": "head", "layer": 0, "head": 1}, divided.weights[0, 1]),
        ({"kind": "row", "heads": [[0, 1]], "target": 2}, divided.weights[0, 1, 2]),
        ({"kind": "column", "heads": [[0, 0]], "source": 8}, divided.weights[0, 0, :, 8]),
    ]:
        _, (floats,) = state.answer(request | asked)
        np.testing.assert_array_equal(np.frombuffer(floats, "<f4"), expected.flatten().numpy())
        _, (plain,) = state.answer(request | {"sentence": 3})
        assert plain != floats
    with pytest.raises(ValueError, match="cannot be divided: it takes 10 different pictures"):
        PanelState(RECORDS[:2]).answer({"kind": "layer", "layer": 0, **asked, "sentence": 0})
    with pytest.raises(ValueError, match="cannot be divided: its source positions have no places"):
        PanelState(record()).answer({"kind": "layer", "layer": 0, **asked, "sentence": 0})


def test_sinks_can_be_given_and_have_to_fit():
    sinks = position_sinks(RECORDS)
    state = PanelState(RECORDS[0], sinks=sinks, divide_sinks=True)
    assert state.dividing_note(0) == "each weight divided by the mean of its position over 10 records"
    torch.testing.assert_close(state.shown.weights, sinks.divide(RECORDS[0]).weights)
    larger = record_of_picture(grid=(4, 4), layers=1, heads=2)
    assert sinks_of(PanelState(larger, sinks=sinks))["why"].startswith("the sinks given are [1, 2, 37]")
    assert PanelState(larger, sinks=sinks, divide_sinks=True).shown is larger
    with pytest.raises(TypeError, match="sinks must be what position_sinks"):
        PanelState(larger, sinks=[0.5])


def test_files_pages_and_pictures_have_divided_weights(tmp_path):
    state = PanelState(RECORDS, heads=[[0, 0]], divide_sinks=True)
    expected = position_sinks(RECORDS).divide(RECORDS[0]).words()
    with export(state, tmp_path / "weights.csv").open(encoding="utf-8", newline="") as file:
        written = [float(row["weight"]) for row in csv.DictReader(file)]
    np.testing.assert_allclose(written, expected.weights[0, 0].flatten().numpy(), rtol=1e-6, atol=1e-30)
    described = json.loads(export(state, tmp_path / "weights.json").read_text(encoding="utf-8"))
    assert described["sinks"] == state.dividing_note(0)
    assert summary_picture(state) != summary_picture(PanelState(RECORDS, heads=[[0, 0]]))
    # Scores stay those of the weights as captured.
    plain = PanelState(RECORDS[0])
    assert torch.equal(state.score_entry().grid(state.record), plain.score_entry().grid(plain.record))


def test_a_page_is_saved_with_one_kind_of_weights():
    for divides in (False, True):
        state = PanelState(RECORDS, divide_sinks=divides)
        saved = SavedSentence(state, 2)
        saved.take(float("inf"))
        layers = json.loads(saved.saved())["layers"]
        weights = zlib.decompress(base64.b64decode(layers[0]["heads"][1]))
        expected = position_sinks(RECORDS).divide(RECORDS[2]) if divides else RECORDS[2]
        assert weights == quantize(expected.weights[0, 1]).tobytes()
        sinks = saved.described()["sinks"]
        assert bool(sinks["note"]) == divides
        assert sinks["why"] == f"this page was saved with {'divided weights' if divides else 'weights as captured'}"


def test_the_widget_takes_them_too():
    widget = CrossAttentionWidget(RECORDS[0], sinks=position_sinks(RECORDS), divide_sinks=True)
    assert widget.divide_sinks
    assert widget.info["sentences"][0]["sinks"]["why"] == ""
