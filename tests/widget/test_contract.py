"""The contract of kernel and front end: js/src/core/contract.ts and the registry of views say what Python says."""

import re
import time
from pathlib import Path

import pytest
from widget_messages import ask, listen, record, record_of_sound
from widget_pictures import record_of_picture

from xattn_widget import CrossAttentionWidget, profile_heads, show_cross_attention, show_profile
from xattn_widget.panel.protocol import ACTIONS, REQUESTS
from xattn_widget.panel.setting_kinds import Choice, Flag, Heads, Share, Text, Whole
from xattn_widget.panel.settings import SETTINGS, VIEW_SETTINGS

SOURCES = Path(__file__).parents[2] / "js" / "src"
CONTRACT = (SOURCES / "core" / "contract.ts").read_text(encoding="utf-8")
PROFILE = (SOURCES / "profile" / "contract.ts").read_text(encoding="utf-8")
VIEWS = (SOURCES / "views.ts").read_text(encoding="utf-8")


def interface(name, contract=CONTRACT):
    """The fields of an interface: the type of each, and whether it may be left out."""
    body = re.search(rf"export interface {name} \{{\n(.*?)\n\}}", contract, re.DOTALL).group(1)
    body = re.sub(r"/\*\*.*?\*/", "", body, flags=re.DOTALL)
    return {field: (kind, bool(mark)) for field, mark, kind in re.findall(r"^  (\w+)(\??): (.*);$", body, re.MULTILINE)}


def union(name, tag):
    """The fields of each member of a union, by the member's ``tag``."""
    body = re.search(rf"export type {name} =(.*?);\n\n", CONTRACT, re.DOTALL).group(1)
    members = [dict(re.findall(r"(\w+)\??: ([^;}]+?)\s*[;}]", member)) for member in re.findall(r"\{.*?\}", body)]
    return {member.pop(tag).strip('"'): set(member) for member in members}


def values(name):
    """The strings of a type such as ``"mean" | "max"``, in order."""
    found = re.search(rf"export type {name} = ([^;]*);", CONTRACT)
    return re.findall(r'"(\w+)"', found.group(1)) if found else []


def assert_fields(value, name, contract=CONTRACT):
    """``value`` has the fields of an interface, without those that may be left out."""
    fields = interface(name, contract)
    assert set(value) <= set(fields), name
    assert {field for field, (_, optional) in fields.items() if not optional} <= set(value), name


@pytest.fixture
def widget():
    return CrossAttentionWidget([record(), record(seed=1)], reference=["0-0", None])


# Traits


def test_the_traits_are_the_same():
    assert set(interface("Traits")) == {"info", "score_list", "live", *VIEW_SETTINGS}


@pytest.mark.parametrize("name", VIEW_SETTINGS)
def test_a_setting_has_the_same_values(name):
    setting, (kind, _) = SETTINGS[name].kind, interface("Traits")[name]
    if name == "panel":  # the front end's views are those of its registry
        registered = re.findall(r'^  view\("(\w+)",', VIEWS, re.MULTILINE)
        assert (kind, tuple(registered)) == ("string", setting.values)
    elif isinstance(setting, Choice):
        assert tuple(values(kind)) == setting.values
    elif name == "compare":
        assert kind == "Compare | null"
        assert set(interface("Compare")) == {"sentence", "heads"}
    else:
        plain = {Flag: "boolean", Text: "string", Heads: "Head[]", Whole: "number", Share: "number"}
        assert kind == plain[type(setting)] + (" | null" if getattr(setting, "optional", False) else "")


def test_what_the_kernel_tells_has_the_same_fields(widget):
    assert_fields(widget.info, "Info")
    for entry in widget.info["sentences"]:
        assert_fields(entry, "SentenceInfo")
    for entry in widget.score_list:
        assert_fields(entry, "ScoreInfo")
        assert entry["direction"] in ("higher", "lower")
    assert interface("ScoreInfo")["direction"] == ('"higher" | "lower"', False)
    assert_fields(widget.live, "Experiments")


# Requests


def test_what_is_told_of_a_sound_has_the_same_fields():
    widget = CrossAttentionWidget(record_of_sound())
    (entry,) = widget.info["sentences"]
    assert_fields(entry, "SentenceInfo")
    assert_fields(entry["sound"], "SoundInfo")
    content, _ = ask(widget, {"id": "1", "kind": "layer", "sentence": 0, "layer": 0})
    content.pop("id")
    assert_fields(content, "LayerReply")
    assert "outside" in content


def test_what_is_told_of_a_picture_has_the_same_fields():
    (entry,) = CrossAttentionWidget(record_of_picture()).info["sentences"]
    assert_fields(entry, "SentenceInfo")
    assert_fields(entry["image"], "ImageInfo")


def test_the_requests_are_the_same():
    assert union("ExperimentRequest", "action") == {name: set(fields) for name, fields in ACTIONS.items()}
    data = union("DataRequest", "kind")
    assert {name: fields | {"version"} for name, fields in data.items()} == {
        name: set(fields) for name, fields in REQUESTS.items()
    }


@pytest.mark.parametrize(
    ("fields", "name", "kind"),
    [
        (REQUESTS["alignment"], "aggregate", "Aggregate"),
        (REQUESTS["alignment"], "reading", "RowNames"),
        (REQUESTS["scores"], "as_shown", "Reading"),
        (REQUESTS["scores"], "special", "Dropping"),
        (ACTIONS["token"], "rest", "Rest"),
    ],
)
def test_a_field_of_a_request_has_the_same_values(fields, name, kind):
    assert values(kind)
    for value in values(kind):
        assert fields[name].read(value, None, None) == value
    with pytest.raises(ValueError, match="expected one of") as error:
        fields[name].read("something else", None, None)
    assert re.findall(r"'(\w+)'", str(error.value).split(", got")[0]) == values(kind)


# Replies

REPLIES = {
    "sentence": ({}, "SentenceReply", 0),
    "layer": ({"layer": 1}, "LayerReply", 1),
    "whole": ({"layers": "all"}, "WholeReply", 2),
    "scores": ({"name": "entropy"}, "ScoresReply", 0),
    "alignment": ({"heads": [[0, 1]], "aggregate": "max", "reading": "output"}, "AlignmentReply", 0),
    "head": ({"layer": 1, "head": 2}, None, 1),
    "row": ({"heads": [[0, 1]], "target": 3}, None, 1),
    "column": ({"heads": [[0, 1]], "source": 4}, None, 1),
    "image": ({}, "FileReply", 1),
    "sound": ({}, "FileReply", 1),
    "features": ({}, "FileReply", 1),
    "word_times": ({"heads": [[0, 1]]}, "WordTimesReply", 0),
}


def test_every_request_for_numbers_is_compared_below():
    assert set(REPLIES) == set(REQUESTS)


@pytest.mark.parametrize("kind", REPLIES)
def test_a_reply_has_the_same_fields(widget, kind):
    fields, name, count = REPLIES[kind]
    if kind in ("sound", "features", "word_times"):
        times = [("one", 0.1, 0.2)]
        widget = CrossAttentionWidget(record_of_sound(), reference=times)
    if kind == "image":
        widget = CrossAttentionWidget(record_of_picture())
    content, buffers = ask(widget, {"id": "1", "kind": kind, "sentence": 0, **fields})
    content.pop("id")
    assert len(buffers) == count
    if name is None:
        assert content == {}  # the numbers are in the buffer
    else:
        assert_fields(content, name)
    if kind == "sentence":
        for axis in (content["source"], content["target"]["output"], content["target"]["input"]):
            assert_fields(axis, "Axis")
        assert_fields(content["reference"], "Reference")
    if kind == "word_times":
        assert_fields(content["words"][0], "TimedWord")
        assert_fields(content["gold"][0], "GoldWord")
    if kind == "whole":
        assert_fields(content["sentence"], "SentenceReply")
        for scores in content["scores"].values():
            assert_fields(scores, "ScoresReply")


def test_replies_to_experiments_have_the_same_fields(demo):
    widget = show_cross_attention(*demo, "Ich habe das Buch gelesen.")
    content, _ = ask(widget, {"id": "1", "kind": "live", "action": "text", "sentence": 0})
    assert_fields({name: value for name, value in content.items() if name != "id"}, "TextReply")
    widget.muted = [(0, 1)]
    assert_fields(widget.live, "Experiments")
    assert_fields(widget.live["effect"], "Effect")
    sent = listen(widget)
    request = {"id": "2", "kind": "live", "action": "choices", "sentence": 0, "position": 1}
    widget._handle_custom_msg(request, [])
    deadline = time.monotonic() + 20
    while not (found := [content for content, _ in sent if content.get("id") == "2"]):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (content,) = found
    assert_fields({name: value for name, value in content.items() if name != "id"}, "ChoicesReply")
    assert_fields(content["choices"][0], "TokenChoice")


# The view of a profile


def test_the_view_of_a_profile_has_the_same_traits_requests_and_replies(demo):
    profile = profile_heads(*demo, ["Ich habe das Buch gelesen."], scores=["entropy"], progress=False)
    view = show_profile(profile, *demo)
    traits = {name for name in view.get_state() if not name.startswith("_") or name == "_open"}
    assert set(interface("ProfileTraits", PROFILE)) == traits - {"layout", "tabbable", "tooltip"}
    assert_fields(view.info, "ProfileInfo", PROFILE)
    assert_fields(view.info["scores"][0], "ProfileScore", PROFILE)
    assert_fields(view.info["roles"][0], "RoleRule", PROFILE)
    assert_fields(view.info["head_set"], "BestSet", PROFILE)
    assert_fields(view.info["head_set"]["heads"][0], "ReadHead", PROFILE)
    content, buffers = ask(view, {"id": "1", "kind": "numbers"})
    assert (content, len(buffers)) == ({"id": "1"}, 3)
    content, _ = ask(view, {"id": "2", "kind": "strongest", "name": "entropy", "head": [0, 1]})
    content.pop("id")
    assert_fields(content, "StrongestReply", PROFILE)
    assert_fields(content["rows"][0], "StrongestRow", PROFILE)
    requests = re.search(r"export type ProfileRequest =(.*?);\n\n", PROFILE, re.DOTALL).group(1)
    assert re.findall(r'kind: "(\w+)"', requests) == ["numbers", "strongest"]
    content, _ = ask(view, {"id": "3", "kind": "other"})
    assert content["error"] == "a request needs 'kind', one of 'numbers', 'strongest', got 'other'"
