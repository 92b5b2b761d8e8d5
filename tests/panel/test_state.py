"""The panel without a kernel: settings, sentences, answers and files, the same as those of the widget."""

import subprocess
import sys

import numpy as np
import pytest
from traitlets import TraitError
from widget_messages import GOOD_REQUESTS, ask, record, record_of_sound
from widget_pictures import record_of_picture

from xattn_widget import CrossAttentionWidget, extract
from xattn_widget.panel.entries import Entry, Trial
from xattn_widget.panel.export import FORMATS, export
from xattn_widget.panel.page import EmbeddedPage, page_bytes
from xattn_widget.panel.protocol import REQUESTS
from xattn_widget.panel.settings import SETTINGS, VIEW_SETTINGS, View
from xattn_widget.panel.state import PanelState


def given():
    return {"records": [record(), record(seed=1)], "reference": ["0-0", None], "names": ["mine", "theirs"]}


@pytest.fixture
def state():
    return PanelState(**given())


# --- Nothing of Jupyter is needed.

WITHOUT_JUPYTER = """
import sys
from widget_messages import GOOD_REQUESTS, record
from xattn_widget.panel.page import EmbeddedPage
from xattn_widget.panel.export import export
from xattn_widget.panel.state import PanelState

record().to_html("page.html", layer=1, head=2, words=True)
state = PanelState([record(), record()], reference=["0-0", None])
state.answer({"id": 1, "kind": "alignment", "sentence": 0, "heads": [[0, 1]]})
EmbeddedPage(state)._repr_html_()
export(state, "shown.csv")
export(state, "shown.png")
loaded = [name for name in ("ipywidgets", "anywidget", "comm", "IPython", "xattn_widget.widget") if name in sys.modules]
assert loaded == [], loaded
"""


def test_pages_answers_and_exports_open_no_widget(tmp_path):
    folders = [path for path in sys.path if path]
    code = f"import sys; sys.path[:0] = {folders!r}\n{WITHOUT_JUPYTER}"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    assert (tmp_path / "page.html").read_bytes().startswith(b"<!doctype html>")


# --- The same as the widget.


def test_every_request_is_answered_as_the_widget_answers_it():
    assert set(GOOD_REQUESTS) == set(REQUESTS)
    listed = {
        "records": [record(), record(seed=1), record_of_sound(), record_of_picture()],
        "reference": ["0-0", None, None, None],
    }
    state, widget = PanelState(**listed), CrossAttentionWidget(**listed)
    for kind, fields in GOOD_REQUESTS.items():
        content, buffers = ask(widget, {"id": 7, "kind": kind, **fields})
        reply, out = state.answer({"kind": kind, **fields})
        assert "error" not in reply
        assert ({"id": 7, **reply}, out) == (content, buffers)


def test_a_wrong_request_is_refused_as_the_widget_refuses_it(state):
    widget = CrossAttentionWidget(**given())
    for request in (
        {"kind": "layer", "sentence": 0, "layer": 9},
        {"kind": "dance"},
        {"kind": "sentence", "sentence": 7},
    ):
        content, _ = ask(widget, {"id": 7, **request})
        with pytest.raises(ValueError, match=r"expected|needs") as error:
            state.answer(request)
        assert str(error.value) == content["error"]


def test_a_record_and_a_widget_give_the_same_page(tmp_path):
    view = {"heads": [(0, 2), (1, 1)], "words": True, "panel": "matrix", "score_name": "entropy", "target_index": 1}
    attention = record(2, 3, 40, 40)
    page = attention.to_html(tmp_path / "record.html", **view).read_bytes()
    widget = CrossAttentionWidget(attention, **view)
    assert widget.to_html(tmp_path / "widget.html").read_bytes() == page
    assert page_bytes(PanelState(attention, **view)) == page
    limit = len(page) - 2000
    assert (
        attention.to_html(tmp_path / "record.html", max_bytes=limit, **view).read_bytes()
        == widget.to_html(tmp_path / "widget.html", max_bytes=limit).read_bytes()
    )
    assert EmbeddedPage(widget.state)._repr_html_() == widget.embed()._repr_html_()


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_is_saved_without_a_kernel(state, tmp_path, ending):
    path = export(state, tmp_path / f"shown{ending}")
    assert path.stat().st_size > 0
    if ending not in (".png", ".svg", ".pdf"):
        widget = CrossAttentionWidget(**given())
        assert widget.export(tmp_path / f"widget{ending}").read_bytes() == path.read_bytes()


def test_the_summary_is_that_of_the_widget(state):
    state.set(sentence=1)
    assert state.summary() == CrossAttentionWidget(**given(), sentence=1).summary()
    assert "theirs: Cross-attention of a model" in state.summary()
    assert "(sentence 2 of 2)" in state.summary()


# --- Settings.

SETS = [
    {"layer": 0},
    {"head": 2},
    {"heads": [(0, 1), (1, 0), (0, 1)]},
    {"sentence": 1, "target_index": 2, "heads": [[0, 0]]},
    {"compare": 1, "top_k": np.int64(4), "threshold": np.float32(0.5)},
    {"score_name": "entropy", "second_score": "", "zoom": True, "special": "drop", "keep": "top"},
]


@pytest.mark.parametrize("changes", SETS)
def test_settings_follow_each_other_as_in_the_widget(state, changes):
    widget = CrossAttentionWidget(**given(), target_index=1)
    state.set(target_index=1)
    for name in sorted(changes, key=VIEW_SETTINGS.index):
        setattr(widget, name, changes[name])
    state.set(**changes)
    assert vars(state.view) == widget.view
    assert CrossAttentionWidget(**given(), **changes).view == vars(PanelState(**given(), **changes).view)


WRONG = [
    ("layer", 2),
    ("layer", 1.5),
    ("head", True),
    ("heads", []),
    ("heads", "x"),
    ("heads", [(0, 3)]),
    ("sentence", 2),
    ("sentence", None),
    ("target_index", 4),
    ("source_index", -1),
    ("compare", 7),
    ("compare", {"heads": [(9, 9)]}),
    ("score_name", "entropi"),
    ("score_name", 3),
    ("threshold", 1.5),
    ("top_k", 0),
    ("words", 1),
    ("special", "hide"),
    ("theme", []),
    ("muted", [(0, 0)]),
    ("muted", [3]),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_setting_is_the_same_error_everywhere_and_changes_nothing(state, name, value, tmp_path):
    before = state.view
    widget = CrossAttentionWidget(**given())
    errors = []
    for call in (
        lambda: state.set(words=True, **{name: value}) if name != "words" else state.set(words=value),
        lambda: setattr(widget, name, value),
        lambda: PanelState(**given(), **{name: value}),
        lambda: CrossAttentionWidget(**given(), **{name: value}),
    ):
        with pytest.raises(TraitError) as error:
            call()
        errors.append(str(error.value))
    assert len(set(errors)) == 1
    assert state.view == before
    assert widget.view == vars(before)
    with pytest.raises(TraitError):
        record().to_html(tmp_path / "page.html", **{name: value})
    assert not (tmp_path / "page.html").exists()


def test_an_unknown_setting_is_told_with_the_one_that_was_meant(tmp_path):
    with pytest.raises(TypeError, match="'orientatoin' is not a view setting; did you mean 'orientation'"):
        record().to_html(tmp_path / "page.html", orientatoin="rows")


def test_the_widget_has_a_trait_for_each_setting():
    traits = CrossAttentionWidget.class_traits(sync=True)
    for name, setting in SETTINGS.items():
        assert traits[name].help == setting.doc
        assert f"{name}: {setting.doc}" in View.__doc__
        assert setting.kind.read(name, setting.default) == setting.default


# --- Sentences.


def test_the_list_of_sentences_says_what_each_is(demo):
    beams = extract(*demo, "Ich habe das Buch gelesen.", generation={"num_beams": 2, "num_return_sequences": 2})
    state = PanelState([record(), beams], names=["mine", "beams"], reference=[None, "0-0"])
    found = [(each.name, each.group, each.rank, each.reference is not None, each.trial) for each in state.entries]
    assert found == [("mine", 0, None, False, None), ("beams", 1, 1, True, None), ("beams", 1, 2, False, None)]
    assert state.entries[2].target.endswith(" (2 of 2)")
    edited = Entry(record(seed=2), group=1, trial=Trial.EDITED, version=5)
    state.list_variants([edited])
    assert state.entries[3:] == state.variants == [edited]
    assert state.describe_entries()["sentences"][3]["version"] == 5
    assert [state.original(index) for index in range(4)] == [0, 1, 2, 1]
    state.answer({"kind": "sentence", "sentence": 3, "version": 5})
    with pytest.raises(ValueError, match="taken the place"):
        state.answer({"kind": "sentence", "sentence": 3, "version": 4})
    state.list_variants([])
    assert len(state.entries) == 3


def test_a_score_that_fails_is_not_listed(state):
    before = state.describe_scores()
    with pytest.raises(ZeroDivisionError):
        state.add_score(lambda attention, source_mask, target_mask: 1 / 0, None, {})
    assert state.describe_scores() == before
    assert state.add_score("entropy", "drop", {}) == "entropy(special=drop)"
    assert state.score_entry("entropy(special=drop)").grid(state.record).shape == (2, 3)
