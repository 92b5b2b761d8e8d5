"""Messages of the page: what it may set, and requests, each of which is answered, however malformed it is."""

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from traitlets import TraitError
from widget_messages import GOOD_REQUESTS, ask, listen, record, record_of_sound
from widget_pictures import record_of_picture

from xattn_widget import CrossAttentionWidget, show_cross_attention
from xattn_widget.panel.protocol import ACTIONS, REQUESTS


@pytest.fixture
def hearing():
    """A widget that answers every kind of request."""
    return CrossAttentionWidget(
        [record(), record(seed=1), record_of_sound(), record_of_picture()], reference=["0-0", None, None, None]
    )


@pytest.fixture
def widget():
    return CrossAttentionWidget([record(), record(seed=1)], reference=["0-0", None])


# Requests

LIVE = {
    "text": {"sentence": 0},
    "target": {"text": "I read."},
    "choices": {"sentence": 0, "position": 1},
    "token": {"position": 1, "token": 5, "rest": "keep"},
    "mute": {"heads": [[0, 1]]},
}


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


# Nothing that any field takes.
JUNK = [
    *(None, True, False, -1, 1.0, 1.5, math.nan, math.inf, 10**400, 10**5000, "", "0", "x", "\ud83d", "\x00", b"bytes"),
    *("x" * 1_000_000, [[]], [1], [[0, 1, 2]], [[0, "1"]], [[True, False]], [[0, 99]], [[-1, 0]], [[0, 1.0]], ["ab"]),
    *([[0, math.nan]], [["a", "b"]], [None], {}, {"a": 1}, [{"a": 0, "b": 1}], [[10**400, 0]], [[0, 1], 3]),
    *(memoryview(b"01"), object(), nested(5000), ["x" * 1_000_000] * 3),
]
OPTIONAL = ("aggregate", "reading", "rest", "version")


def malformed():
    whole = [{"kind": kind, "version": 7, **fields} for kind, fields in GOOD_REQUESTS.items()]
    whole += [{"kind": "live", "action": action, **fields} for action, fields in LIVE.items()]
    for request in whole:
        for name in request:
            wrong = [each for each in JUNK if not isinstance(each, str)] if name == "text" else JUNK
            yield from ((name, {**request, name: value}) for value in wrong)
            if name not in OPTIONAL:
                yield name, {other: value for other, value in request.items() if other != name}
        yield "more", {**request, "more": 1}
        yield "3", {**request, 3: 1}
    yield "text", {"kind": "live", "action": "target", "text": "x" * 1_000_000}
    yield from (("kind", value) for value in ({}, {"id": 1}))


def test_every_malformed_request_is_answered_with_a_sentence_that_says_what_was_expected(hearing):
    sent = listen(hearing)
    count = 0
    for name, request in malformed():
        hearing._handle_custom_msg({"id": "view-1", **request}, [])
        ((content, buffers),) = sent
        sent.clear()
        error = content["error"]
        assert (content["id"], buffers) == ("view-1" if "id" not in request else 1, [])
        assert re.search("expected|must be|needs|has no field|layers are 0 to 1, heads are 0 to 2", error), (
            name,
            error,
        )
        assert re.search(rf"['\s]{name}['\s;]", error), (name, error)
        assert not re.match(r"\w+(Error|Exception)", error), error
        assert len(error) < 600
        error.encode()
        count += 1
    assert count > 165


@pytest.mark.parametrize(
    "wrong", [*JUNK[:4], 1.5, 10**5000, "x" * 1_000_000, [], {}], ids=lambda value: type(value).__name__
)
def test_a_request_without_an_id_and_what_is_no_request_are_answered_too(widget, wrong):
    content, _ = ask(widget, {"kind": "sentence", "sentence": 0, "id": wrong})
    assert content["id"] is None
    assert "needs 'id', a string" in content["error"]
    content, _ = ask(widget, {"kind": "sentence", "sentence": 0})
    assert "needs 'id', a string" in content["error"]
    if not isinstance(wrong, dict):
        assert "a request is an object" in ask(widget, wrong)[0]["error"]


@pytest.mark.parametrize("request_", [{"kind": kind, **fields} for kind, fields in GOOD_REQUESTS.items()])
def test_what_keeps_to_the_contract_is_answered(hearing, request_):
    content, _ = ask(hearing, {"id": 3, **request_})
    assert "error" not in content
    assert content["id"] == 3


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
NAMES = sorted({name for fields in [*REQUESTS.values(), *ACTIONS.values()] for name in fields})
KIND = st.sampled_from([*REQUESTS, "live"]) | ANYTHING
FUZZED = st.fixed_dictionaries(
    {"kind": KIND},
    optional={name: ANYTHING | st.integers(0, 4) for name in NAMES}
    | {"action": st.sampled_from([*ACTIONS]) | ANYTHING},
)
FUZZ_WIDGET = []


@settings(max_examples=300, deadline=None)
@given(FUZZED | ANYTHING)
def test_whatever_is_sent_is_answered_once_and_changes_nothing(request):
    if not FUZZ_WIDGET:
        FUZZ_WIDGET.append(CrossAttentionWidget([record(), record(seed=1)], reference=["0-0", None]))
    (widget,) = FUZZ_WIDGET
    before = widget.get_state()
    content, _ = ask(widget, {"id": "1", **request} if isinstance(request, dict) else request)
    if "error" in content:
        assert not re.match("(KeyError|TypeError|AttributeError|IndexError)", content["error"])
    assert widget.get_state() == before


def test_a_wrong_request_to_try_something_never_reaches_the_model(demo):
    widget = show_cross_attention(*demo, "Ich habe das Buch gelesen.")
    for name, request in malformed():
        if isinstance(request, dict) and request.get("kind") == "live" and name != "3":
            content, _ = ask(widget, {"id": "1", **request})
            assert "error" in content
            assert (widget.live["busy"], widget.live["error"], len(widget.records)) == ("", "", 1)


# Size


def test_a_head_that_is_named_8000_times_is_read_and_sent_once():
    attention = record(2, 4, 64, 48)
    widget = CrossAttentionWidget(attention, reference="0-0")
    for kind, position, expected in [
        ("row", {"target": 3}, attention.weights[[1, 0], [2, 3], 3]),
        ("column", {"source": 5}, attention.weights[[1, 0], [2, 3], :, 5]),
    ]:
        request = {"id": "1", "kind": kind, "sentence": 0, "heads": [[1, 2]] * 8000 + [[0, 3]] * 8000, **position}
        with torch.profiler.profile(profile_memory=True) as profile:
            _, (buffer,) = ask(widget, request)
        assert np.array_equal(np.frombuffer(buffer, "<f4").reshape(expected.shape), expected.numpy())
        allocated = sum(max(0, event.self_cpu_memory_usage) for event in profile.events())
        assert allocated < attention.weights[0, 0].numel() * 4  # not one whole head
    once, _ = ask(widget, {"id": "1", "kind": "alignment", "sentence": 0, "heads": [[1, 2]]})
    often, _ = ask(widget, {"id": "1", "kind": "alignment", "sentence": 0, "heads": [[1, 2]] * 8000})
    assert once == often


def test_a_reply_has_a_largest_size(widget, monkeypatch):
    monkeypatch.setattr("xattn_widget.panel.replies.MAX_REPLY_BYTES", 4 * 4)
    for request in ({"kind": "layer", "layer": 0}, {"kind": "head", "layer": 0, "head": 0}):
        content, buffers = ask(widget, {"id": "1", "sentence": 0, **request})
        assert "a reply has at most 16" in content["error"]
        assert buffers == []
    request = {"id": "1", "kind": "column", "sentence": 0, "source": 0, "heads": [[0, 0]]}
    assert len(ask(widget, request)[1][0]) == 16


# What the page may set


def test_the_page_sets_settings_of_the_view_and_nothing_else(widget):
    kernel = [name for name in widget.keys if name not in widget.view or name == "muted"]
    assert {"info", "score_list", "live", "_esm", "_code", "_css", "layout", "_model_module", "muted"} <= set(kernel)
    before = {name: widget.get_state(name) for name in kernel}
    back = []
    widget.send_state = lambda key=None: back.append(key)
    for name in kernel:
        for value in ({}, [], None, "x", [[0, 0]], memoryview(b"0")):
            widget.set_state({name: value, "words": True})
            assert widget.get_state(name) == before[name]
            assert widget.words
            # The page is told what it really is.
            assert back.pop() == [name] if value != before[name][name] else True
            back.clear()
            widget.words = False
            back.clear()
    widget.set_state({"_records": [], "_scores": {}, "_references": [], "comm": None, "keys": [], "no such": 1})
    assert len(widget.records) == 2
    assert "error" not in ask(widget, {"id": "1", "kind": "scores", "sentence": 0, "name": "entropy"})[0]
    # What the user's code sets stays open to it.
    widget.add_score("entropy", special="drop")
    assert widget.score_list[-1]["name"] == "entropy(special=drop)"


def test_messages_with_buffers_for_what_belongs_to_the_kernel_change_nothing(widget):
    before = widget.info
    for state, paths in [
        ({"info": {}}, [["info", "sentences"]]),
        ({}, [["info"]]),
        ({"heads": [None]}, [["heads", 0]]),
        ({"threshold": None}, [["threshold"]]),
    ]:
        data = {"method": "update", "state": state, "buffer_paths": paths}
        widget._handle_msg({"content": {"data": data}, "buffers": [memoryview(b"01234567")]})
    assert widget.info == before
    assert (widget.threshold, widget.heads) == (0.05, [[1, 0], [1, 1], [1, 2]])


NUMBERS = ["threshold", "mass", "top_k", "layer", "head", "sentence", "target_index", "source_index"]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 10**400, -1, True, "0.5", b"1", [], np.float32("nan")]
)
def test_a_number_of_the_view_is_a_number(widget, name, value):
    before = widget.view
    with pytest.raises(TraitError):
        setattr(widget, name, value)
    with pytest.raises(TraitError):
        widget.set_state({"words": True, name: value})
    assert widget.view == before  # none of what came with it, either
    with pytest.raises(TraitError):
        CrossAttentionWidget(record(), **{name: value})


def test_numbers_of_numpy_and_torch_are_settings(widget):
    widget.threshold, widget.mass, widget.top_k = np.float32(0.25), torch.tensor(0.5), np.int64(2)
    assert (widget.threshold, widget.mass, widget.top_k) == (0.25, 0.5, 2)
    with pytest.raises(TraitError, match="threshold must be a number from 0 to 1, got nan"):
        widget.threshold = math.nan


# Whole sentences, which the page loads ahead


def test_a_whole_sentence_is_what_the_single_requests_give(widget):
    content, buffers = ask(widget, {"id": "1", "kind": "whole", "sentence": 1, "layers": "all"})
    sentence, _ = ask(widget, {"id": "2", "kind": "sentence", "sentence": 1})
    assert content["sentence"] == {name: value for name, value in sentence.items() if name != "id"}
    assert list(content["scores"]) == list(widget.state.scores)
    for name, reply in content["scores"].items():
        alone, _ = ask(widget, {"id": "3", "kind": "scores", "sentence": 1, "name": name})
        assert reply == {field: value for field, value in alone.items() if field != "id"}
    assert buffers == [
        ask(widget, {"id": "4", "kind": "layer", "sentence": 1, "layer": layer})[1][0] for layer in range(2)
    ]
    assert sum(map(len, buffers)) == widget.info["sentences"][1]["bytes"]
    assert ask(widget, {"id": "5", "kind": "whole", "sentence": 1, "layers": "none"})[1] == []


def test_a_whole_sentence_leaves_out_scores_that_are_slow_or_fail(monkeypatch):
    monkeypatch.setattr("xattn_widget.panel.replies.AHEAD_SECONDS", 0.0)
    calls = []

    def slow(attention, source_mask, target_mask):
        calls.append(1)
        return attention[..., 0, 0]

    def broken(attention, source_mask, target_mask):
        raise RuntimeError("no")

    widget = CrossAttentionWidget([record(), record(seed=1)], scores=["entropy", broken, slow])
    widget.scores("entropy")
    content, _ = ask(widget, {"id": "1", "kind": "whole", "sentence": 0, "layers": "none"})
    assert list(content["scores"]) == ["entropy"]  # known already
    monkeypatch.setattr("xattn_widget.panel.replies.AHEAD_SECONDS", 20.0)
    content, _ = ask(widget, {"id": "2", "kind": "whole", "sentence": 1, "layers": "none"})
    assert list(content["scores"]) == ["entropy", "slow"]
    assert calls
