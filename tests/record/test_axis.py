"""The axis: positions of text, audio and images and their places, through every operation, in files and replies."""

import copy
import json
import math
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from widget_messages import ask

from xattn_widget import CrossAttention, CrossAttentionWidget, extract, load
from xattn_widget.record.axis import Axis

NAN = float("nan")


def nowhere(numbers=2):
    """An unknown place, whose NaN are new objects."""
    return [float("nan")] * numbers


@pytest.fixture
def audio():
    """Four frames of which the first two are one word, and a frame of padding."""
    return Axis(
        labels=("0", "1", "2", "3", "pad"),
        special=(False, False, False, False, True),
        groups=(0, 0, 1, 2, -1),
        words=("hello", "big", "world"),
        kinds=("audio",) * 5,
        places=[(0.0, 0.02), (0.02, 0.04), (0.04, 0.06), (0.06, 0.08), nowhere()],
    )


@pytest.fixture
def mixed():
    """A class token and two patches of an image, then two pieces of one word."""
    return Axis(
        labels=("[CLS]", "a", "b", "ques", "tion"),
        special=(True, False, False, False, False),
        groups=(-1, 0, 0, 1, 1),
        words=("picture", "question"),
        ids=(-1, -1, -1, 7, 8),
        kinds=("image", "image", "image", "text", "text"),
        places=[nowhere(4), (0, 8, 16, 24), (16, 0, 32, 16), nowhere(4), nowhere(4)],
    )


def record_of(source):
    weights = torch.rand(2, 2, 2, len(source), generator=torch.Generator().manual_seed(0)).softmax(-1)
    return CrossAttention.from_tokens(weights, source, ["x", "y"])


def test_an_axis_is_text_by_default(audio, mixed):
    plain = Axis(("a", "b"))
    assert (plain.kind, plain.kinds, plain.places, plain.known_places()) == ("text", ("text", "text"), None, None)
    assert Axis(()).kind == "text"
    assert audio.kind == "audio"
    assert mixed.kind is None
    assert audio.places[1] == (0.02, 0.04)
    assert audio.known_places()[3:] == [[0.06, 0.08], None]


@pytest.mark.parametrize("name", ["audio", "mixed"])
def test_axes_with_nan_places_compare_and_hash_equal(name, request):
    axis = request.getfixturevalue(name)
    again = replace(axis, places=[tuple(float(str(number)) for number in place) for place in axis.places])
    for twin in (again, copy.copy(axis), copy.deepcopy(axis), pickle.loads(pickle.dumps(axis))):
        assert twin == axis
        assert hash(twin) == hash(axis)
    first = axis.places[1]
    for other in (
        replace(axis, places=None),
        replace(axis, places=[*axis.places[:1], nowhere(len(first)), *axis.places[2:]]),
    ):
        assert other != axis


def test_places_may_be_arrays(audio):
    for places in (np.array(audio.places), torch.tensor(audio.places, dtype=torch.float64)):
        assert replace(audio, places=places) == audio


def test_a_merged_word_covers_the_places_of_its_positions(audio, mixed):
    merged = audio.merge_words()
    assert merged.labels == ("hello", "big", "world", "pad")
    assert merged.kind == "audio"
    assert merged.known_places() == [[0.0, 0.04], [0.04, 0.06], [0.06, 0.08], None]
    merged = mixed.merge_words()
    assert merged.labels == ("[CLS]", "picture", "question")
    assert merged.kinds == ("image", "image", "text")
    assert merged.known_places() == [None, [0, 0, 32, 24], None]


def test_a_merged_word_ignores_positions_without_a_place(audio):
    partly = replace(audio, places=[(0.0, 0.02), nowhere(), nowhere(), *audio.places[3:]])
    assert partly.merge_words().known_places() == [[0.0, 0.02], None, [0.06, 0.08], None]


def test_selected_positions_keep_their_kinds_and_places(mixed):
    chosen = mixed.select([2, 4])
    assert (chosen.kinds, chosen.known_places()) == (("image", "text"), [[16, 0, 32, 16], None])
    text = mixed.select([3, 4])
    assert (text.kind, text.places) == ("text", None)


def test_positions_around_an_axis_have_no_place(audio, mixed):
    longer = audio.surround(["[prompt 0]"], ["[prompt 1]"])
    assert longer.labels == ("[prompt 0]", *audio.labels, "[prompt 1]")
    assert longer.kind == "audio"
    assert longer.known_places() == [None, *audio.known_places(), None]
    assert longer.special[0]
    assert longer.special[-1]
    longer = mixed.surround(["[prompt 0]"], ["[prompt 1]"])
    assert longer.kinds == ("image", *mixed.kinds, "text")
    assert longer.ids == (-1, *mixed.ids, -1)
    assert audio.surround([], []) is audio


def test_operations_on_records_carry_kinds_and_places(audio, mixed):
    words = record_of(audio).words()
    assert words.source == audio.merge_words()
    assert record_of(audio).drop_special().source == audio.select([0, 1, 2, 3])
    assert record_of(mixed).drop_special().words().source == mixed.select([1, 2, 3, 4]).merge_words()


def test_given_words_are_matched_only_with_positions_of_text(audio, mixed):
    given = record_of(mixed).with_words(source=["quest", "ion"]).source
    assert given.groups[:3] == (-1, -1, -1)
    assert set(given.groups[3:]) <= {0, 1}
    assert (given.kinds, given.places) == (mixed.kinds, mixed.places)
    with pytest.raises(ValueError, match=r"matched with text.* audio"):
        record_of(audio).with_words(source=["hello", "world"])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kinds": ("audio",)}, "2 labels got 1 values for 'kinds'"),
        ({"kinds": "audio"}, r"one kind per position, got 'audio'"),
        ({"kinds": ("audio", "video")}, "kind of position 1 is 'video'; it must be one of text, audio, image"),
        ({"kinds": ("audio", ["audio"])}, "kind of position 1 is"),
        ({"kinds": ("audio", "audio"), "places": [(0, 1)]}, "2 labels got 1 values for 'places'"),
        ({"kinds": ("audio", "audio"), "places": [(0, 1), (1, 2, 3, 4)]}, r"position 1 must be \[start, end\], got"),
        ({"kinds": ("image", "image"), "places": [(0, 1)] * 2}, r"position 0 must be \[left, top, right, bottom\]"),
        ({"kinds": ("audio", "audio"), "places": [0, 1]}, "position 0 must be a list of numbers, got 0"),
        ({"kinds": ("audio", "audio"), "places": [("a", "b"), (0, 1)]}, "position 0 must be a list of numbers"),
        ({"kinds": ("audio", "audio"), "places": [(0, 1), (3, 2)]}, r"position 1 has its start \(3\) beyond its end"),
        ({"kinds": ("image",) * 2, "places": [(0, 9, 5, 2)] * 2}, r"position 0 has its top \(9\) beyond its bottom"),
        ({"kinds": ("audio", "audio"), "places": [(0, 1), (1, NAN)]}, "position 1 must be finite numbers, or NaN thr"),
        ({"kinds": ("audio", "audio"), "places": [(0, 1), (1, math.inf)]}, "position 1 must be finite numbers"),
        (
            {"kinds": ("image", "text"), "places": [(0, 0, 1, 1)] * 2},
            "position 1 must be NaN, because text has no pl",
        ),
        ({"places": [(0, 1)] * 2}, "position 0 must be NaN, because text has no place"),
        ({"kinds": ("image", "audio"), "places": [(0, 1)] * 2}, "an axis with both cannot have places"),
        (
            {"kinds": ("image", "text"), "groups": (0, 0), "words": ("w",)},
            "'w' has positions of the kinds image and te",
        ),
    ],
)
def test_kinds_and_places_that_do_not_fit_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Axis(("a", "b"), **fields)


# --- Files.


@pytest.mark.parametrize("name", ["audio", "mixed"])
def test_kinds_and_places_are_saved(name, request, tmp_path):
    axis = request.getfixturevalue(name)
    again = load(record_of(axis).save(tmp_path / "record.safetensors"))
    assert again.source == axis
    assert again.target.kind == "text"


def metadata_of(path):
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["xattn_widget"])


def test_only_axes_that_are_not_text_have_fields_that_earlier_versions_refuse(audio, tmp_path):
    [saved] = metadata_of(record_of(audio).save(tmp_path / "record.safetensors"))["records"]
    before = {"labels", "special", "groups", "words", "ids", "text", "spans"}
    assert set(saved["targets"]["output"]) == before
    assert set(saved["source"]) == before | {"kinds", "places"}
    assert saved["source"]["places"][-1] is None  # JSON has no NaN


DAMAGE = {
    "an unknown kind": (lambda source: source["kinds"].__setitem__(1, "video"), "the source has kinds = "),
    "a kind too few": (lambda source: source["kinds"].pop(), "the source has 5 labels and 4 values for 'kinds'"),
    "no kinds": (lambda source: source["kinds"].clear(), "the source has 5 labels and 0 values for 'kinds'"),
    "places of text": (lambda source: source.pop("kinds"), "the source: the place of position 1 must be NaN"),
    "a place too few": (lambda source: source["places"].pop(), "the source: .*5 labels got 4 values for 'places'"),
    "no places": (lambda source: source["places"].clear(), "the source: .*5 labels got 0 values for 'places'"),
    "a place that is text": (lambda source: source["places"].__setitem__(1, "left"), "the source has places = "),
    "a number that is text": (lambda source: source["places"][1].__setitem__(0, "8"), "the source has places = "),
    "a NaN": (lambda source: source["places"][1].__setitem__(0, NAN), "the source has places = "),
    "an infinite number": (lambda source: source["places"][1].__setitem__(2, math.inf), "position 1 must be finite"),
    "half a place": (lambda source: source["places"][1].__delitem__(slice(2)), "the source: the place of position 1 m"),
    "a box turned round": (lambda source: source["places"][1].reverse(), "position 1 has its left .* beyond its right"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_kinds_and_places_are_refused_with_their_position(name, mixed, tmp_path):
    change, message = DAMAGE[name]
    path = record_of(mixed).save(tmp_path / "record.safetensors")
    content = metadata_of(path)
    change(content["records"][0]["source"])
    with safe_open(path, framework="pt") as file:
        tensors = {tensor: file.get_tensor(tensor) for tensor in file.keys()}  # noqa: SIM118 - no mapping
    save_file(tensors, path, metadata={"xattn_widget": json.dumps(content)})
    with pytest.raises(ValueError, match=message) as raised:
        load(path)
    assert str(path) in str(raised.value)


def test_a_record_that_an_earlier_version_saved_loads(demo):
    """It was written by a version that knew only tokens, not the text that they spell."""
    before = load(Path(__file__).parent / "earlier" / "record.safetensors")
    now = extract(*demo, "Hallo!", value_norms=True)
    assert before.source == replace(now.source, text=None, spans=None)
    assert before.source.kind == "text"
    assert [axis.ids for axis in before.targets.values()] == [axis.ids for axis in now.targets.values()]
    torch.testing.assert_close(before.weights, now.weights, atol=1e-5, rtol=0)


# --- The panel.


def test_the_panel_receives_kinds_and_places(audio, mixed):
    request = {"id": "1", "kind": "sentence", "sentence": 0}
    heard, seen = (ask(CrossAttentionWidget(record_of(axis)), request)[0] for axis in (audio, mixed))
    assert (heard["target"]["output"]["kind"], heard["target"]["output"]["places"]) == ("text", None)
    assert (heard["source"]["kind"], heard["source"]["places"][2:]) == ("audio", [[0.04, 0.06], [0.06, 0.08], None])
    assert seen["source"]["kind"] == ["image", "image", "image", "text", "text"]
    assert seen["source"]["places"] == [None, [0, 8, 16, 24], [16, 0, 32, 16], None, None]
