"""The view of a profile: the numbers of the profile's table, what it lists and opens, and its page and texts."""

from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pytest
from corpus_pool import ENGLISH, GERMAN
from families import one_thread
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image
from traitlets import TraitError
from transformers import MarianConfig, MarianMTModel
from widget_messages import ask

from xattn_widget import load_demo, profile_heads, score, show_profile
from xattn_widget.corpus import HeadProfile
from xattn_widget.messages.tables import show_profiles
from xattn_widget.scores.roles import ROLES

pytestmark = pytest.mark.usefixtures("single_thread")
HOSTILE = "<img src=x onerror=alert(1)></script>\u202egnol"
SOURCES, TARGETS = [*GERMAN, HOSTILE, ""], [*ENGLISH, "x", "y"]


@pytest.fixture(scope="module")
def profile(demo):
    with one_thread():
        return profile_heads(*demo, SOURCES, TARGETS, scores=["entropy", "sink_mass"], progress=False)


def numbers(view):
    """Statistics ``[scores, 2 + levels, layers, heads]``, shares ``[roles, layers, heads]`` and agreement."""
    content, buffers = ask(view, {"id": "1", "kind": "numbers"})
    assert "error" not in content
    layers, heads = view.profile.shape
    statistics, shares, agreement = (np.frombuffer(buffer, "<f4") for buffer in buffers)
    return (
        statistics.reshape(len(view.profile.scores), 2 + len(view.profile.levels), layers, heads),
        shares.reshape(len(ROLES), layers, heads),
        agreement.reshape(-1, layers * heads),
    )


def strongest(view, name, head):
    """The rows that the view lists."""
    content, _ = ask(view, {"id": "2", "kind": "strongest", "name": name, "head": head})
    return content.get("rows", content.get("error"))


def test_the_numbers_are_those_of_the_profile(profile):
    view = show_profile(profile)
    statistics, shares, agreement = numbers(view)
    columns = {name: np.array(profile.table[name].to_pylist()) for name in profile.table.column_names}
    for place, name in enumerate(entry["name"] for entry in view.info["scores"]):
        np.testing.assert_allclose(statistics[place, 0].ravel(), columns[f"{name}.mean"], rtol=1e-6)
        np.testing.assert_allclose(statistics[place, 1].ravel(), columns[f"{name}.std"], rtol=1e-6)
        np.testing.assert_allclose(statistics[place, 2:], profile.quantiles(name), rtol=1e-6)
    for place, rule in enumerate(view.info["roles"]):
        np.testing.assert_allclose(shares[place].ravel(), columns[rule["score"]], rtol=1e-6)
    np.testing.assert_allclose(agreement, profile.agreement, rtol=1e-6)
    names = [*(rule["name"] for rule in view.info["roles"]), "mixed"]
    assert [[names[number] for number in row] for row in view.info["assigned"]] == profile.roles
    assert (view.info["sentences"], view.info["failed"]) == (len(SOURCES) - 1, 1)
    best = [(head["layer"], head["head"], head["reading"]) for head in view.info["head_set"]["heads"]]
    assert best == [(head.layer, head.head, head.reading) for head in profile.head_set.heads]
    assert view.head == best[0][:2]


def test_the_strongest_sentences_are_those_of_the_profile(profile):
    view = show_profile(profile)
    for name, head in (("entropy", (0, 3)), ("end_share", (2, 1))):
        listed, found = strongest(view, name, head), profile.strongest(name, *head, n=10).to_pylist()
        assert [(entry["row"], entry["source"], entry["target"]) for entry in listed] == [
            (entry["row"], entry["source"], entry["target"]) for entry in found
        ]
        assert [entry["value"] for entry in listed] == pytest.approx([entry["value"] for entry in found])
    assert strongest(view, "entropi", (0, 0)) == "name is a score of the profile, got 'entropi'"
    assert "got (0, 8)" in strongest(view, "entropy", (0, 8))


def test_a_sentence_opens_with_the_model(demo, profile):
    view = show_profile(profile, *demo)
    view.score_name = "entropy"
    row = strongest(view, "entropy", view.head)[0]["row"]
    view.row = row
    assert (view._open["panel"], view._open["error"]) == (view.opened.model_id, "")
    assert [tuple(head) for head in view.opened.heads] == [view.head]
    assert view.opened.score_name == "entropy"
    values = view.opened.record.score("entropy")
    value = strongest(view, "entropy", view.head)[0]["value"]
    assert values[view.head].item() == pytest.approx(value, abs=1e-5)
    view.head = (1, 1)
    assert view.opened.heads == [[1, 1]]
    view.row = None
    assert view.opened is None
    view.close()


def test_traits_are_checked(demo, profile):
    view = show_profile(profile)
    for name, value, words in [
        ("score_name", "entropi", "did you mean 'entropy'"),
        ("statistic", 0.33, "statistic is 'mean', 'std' or one of"),
        ("statistic", True, "got True"),
        ("head", (3, 0), "head is a .layer, head. pair"),
        ("head", None, "got None"),
        ("row", 10**6, "the profile has no text of row"),
        ("row", 0, "call show_profile.profile, model, tokenizer."),
    ]:
        with pytest.raises(TraitError, match=words):
            setattr(view, name, value)
    view.statistic = 0.5
    view.set_state({"head": [1, 2], "info": {}})  # what the page may not set stays as it was
    assert (view.head, view.info["layers"]) == ((1, 2), 3)
    with pytest.raises(TypeError, match="make one with profile_heads"):
        show_profile(profile.table)
    with pytest.raises(ValueError, match="both model and tokenizer"):
        show_profile(profile, demo[0])


def test_another_model_is_refused_or_named(demo, profile, caplog):
    model, tokenizer = demo
    small = MarianConfig(**{**model.config.to_dict(), "decoder_layers": 1})
    with pytest.raises(ValueError, match=r"the profile has 3 layers of 8 heads and this MarianMTModel has 1 layers"):
        show_profile(profile, MarianMTModel(small).eval(), tokenizer)
    assert show_profile(profile, *load_demo()).info["notice"] == ""
    other = load_demo()[0].double()
    view = show_profile(profile, other, tokenizer)
    assert view.info["notice"].startswith("The profile was made with another model")
    assert "the profile was made with another model" in caplog.text


def test_a_page_has_the_same_numbers_and_hostile_text_stays_text(profile, tmp_path):
    page = profile.to_html(tmp_path / "profile.html").read_text(encoding="utf-8")
    assert "onerror=alert(1)></script>" not in page
    state = json.loads(re.search(r'class="xattn-state">(.*?)</script>', page, re.DOTALL).group(1))
    view = show_profile(profile)
    _, buffers = ask(view, {"id": "1", "kind": "numbers"})
    assert [base64.b64decode(text) for text in state["numbers"]] == [bytes(buffer) for buffer in buffers]
    assert state["traits"]["info"] == json.loads(json.dumps(view.info))
    listed = strongest(view, "sink_mass", (1, 4))
    saved = state["strongest"]["sink_mass"][1][4]
    assert saved == [[entry["row"], entry["value"]] for entry in listed]
    assert [state["texts"][str(row)]["source"] for row, _ in saved] == [entry["source"] for entry in listed]


def test_a_text_and_a_picture_stand_in_without_a_kernel(profile):
    data, _ = show_profile(profile)._repr_mimebundle_()
    assert data["text/plain"] == profile.summary()
    assert data["text/plain"].splitlines()[1].startswith("layer 0: ")
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert min(picture.size) > 150
    assert "application/vnd.jupyter.widget-view+json" in data
    assert repr(show_profile(profile)) == f"ProfileView({profile!r})"


def test_a_profile_shows_itself_as_its_view_where_there_is_a_kernel(profile):
    shell = InteractiveShell.instance()
    try:
        show_profiles(lambda shown: show_profile(shown)._repr_mimebundle_())
        data, _ = shell.display_formatter.format(profile)
        assert "application/vnd.jupyter.widget-view+json" not in data  # a terminal
        shell.kernel = object()
        show_profiles(lambda shown: show_profile(shown)._repr_mimebundle_())
        data, _ = shell.display_formatter.format(profile)
        assert "application/vnd.jupyter.widget-view+json" in data
        assert data["text/plain"] == profile.summary()
    finally:
        InteractiveShell.clear_instance()


def test_undefined_values_and_a_profile_without_agreement(demo):
    never = score(lambda attention, *masks: attention[..., 0].mean(-1) * float("nan"), name="never")
    profile = profile_heads(*demo, GERMAN[:2], ENGLISH[:2], scores=[never], drawn=0, progress=False)
    view = show_profile(profile, *demo)
    statistics, _, agreement = numbers(view)
    assert np.isnan(statistics[0]).all()
    assert agreement.size == 0
    assert (view.info["agreement"], view.info["head_set"], view.head) == (False, None, (0, 0))
    assert strongest(view, "never", (0, 0)) == []


def test_a_saved_profile_shows_the_same(profile, tmp_path):
    profile.save(tmp_path / "profile.parquet")
    read = show_profile(HeadProfile.load(tmp_path / "profile.parquet"))
    assert read.info == show_profile(profile).info
    for one, other in zip(numbers(read), numbers(show_profile(profile)), strict=True):
        np.testing.assert_array_equal(one, other)
