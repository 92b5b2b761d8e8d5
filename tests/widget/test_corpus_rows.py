"""A row of a scored corpus in the panel: its numbers, its scores for other targets, and when it is freed."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from corpus_pool import ENGLISH, GERMAN
from corpus_views import first_share, listed
from ipywidgets.widgets.widget import _instances
from notebook_shell import Shell

from xattn_widget import CrossAttentionWidget, score_corpus, show_corpus
from xattn_widget.corpus import grids
from xattn_widget.widget import cells

pytestmark = pytest.mark.usefixtures("single_thread")
CONTRACT = (Path(__file__).parents[2] / "js/src/corpus/contract.ts").read_text(encoding="utf-8")


def test_a_row_opens_with_its_target_the_score_of_the_list_and_the_head_it_is_ranked_by(demo, table):
    view = show_corpus(table, *demo)
    view.head = (1, 3)
    row = listed(view)[2]
    view.row = row
    assert isinstance(view.opened, CrossAttentionWidget)
    assert (view.opened.layer, view.opened.head) == (1, 3)
    assert view.opened.score_name == "coverage_penalty"
    assert GERMAN[row].startswith(view.opened.info["sentences"][0]["source"].split()[0])
    assert view.opened.info["sentences"][0]["logprob"] == pytest.approx(table["logprob_sum"][row].as_py(), abs=1e-3)
    view.score_name = "confidence"  # the list follows, and so does the open sentence
    assert view.opened.score_name == "confidence"
    view.head = 2
    assert view.opened.heads == [[2, head] for head in range(8)]
    before = weakref.ref(view.opened)
    view.row = listed(view)[0]
    assert before() is not view.opened
    view.row = None
    assert view.opened is None
    gc.collect()
    assert before() is None


def test_the_panel_shows_exactly_the_numbers_of_the_table(demo, table):
    changed = grids(table, "first_share") + 1  # numbers that no function computes
    storage = pa.FixedSizeListArray.from_arrays(pa.array(changed.ravel()), 24)
    field = table.schema.field("first_share")
    column = pa.ExtensionArray.from_storage(field.type, storage)
    other = table.set_column(table.column_names.index("first_share"), field, column)
    view = show_corpus(other, *demo)
    view.score_name = "first_share"
    view.row = 3
    np.testing.assert_array_equal(view.opened.scores(), changed[3])
    signature = field.metadata[b"signature"].decode()
    assert view.opened.scores().signature == signature
    assert next(entry for entry in view.opened.score_list if entry["name"] == "first_share")["signature"] == signature
    reply, _ = view.opened.answer({"kind": "scores", "sentence": 0, "name": "first_share"})
    np.testing.assert_array_equal(np.array(reply["values"], dtype=np.float32), changed[3])
    # What is not in the table is computed.
    assert {"entropy", "agreement"} <= {entry["name"] for entry in view.opened.score_list}
    torch.testing.assert_close(view.opened.scores("entropy").values, view.opened.record.score("entropy").values)


def test_another_target_is_scored_by_the_function_that_is_found_by_its_name(demo, table):
    view = show_corpus(table, *demo)
    assert [quantity["why"] for quantity in view.info["quantities"]] == [""] * len(view.info["quantities"])
    view.score_name = "first_share"
    view.row = 0
    record = view.opened.set_target("I read a book.")
    torch.testing.assert_close(view.opened.scores().values, record.score(first_share).values)


def scored_by(function, demo):
    return score_corpus(*demo, GERMAN[:3], ENGLISH[:3], [function], progress=False)


def test_a_function_that_is_gone_or_has_changed_is_not_used_but_its_numbers_are_shown(demo):
    def passing(attention, source_mask, target_mask):
        return attention.amax((-2, -1))

    table = scored_by(passing, demo)

    def why(**arguments):
        view = show_corpus(table, *demo, **arguments)
        view.close()  # an open view keeps the functions that it found
        return view.info["quantities"][0]["why"]

    assert why() == ""  # a plain function is remembered, too

    def changed(attention, source_mask, target_mask):
        return attention.amin((-2, -1))

    changed.__name__ = "passing"
    another = "passing is another function now than when the table was scored (now passing|special:keep|"
    assert why(scores=[changed]).startswith(another)
    assert why(scores=[passing]) == ""
    del passing
    gc.collect()
    assert why() == "no function called passing is known in this session: pass scores=[passing] to show_corpus"
    view = show_corpus(table, *demo)
    view.row = 1
    np.testing.assert_array_equal(view.opened.scores("passing"), grids(table, "passing")[1])
    view.opened.set_target("Hello, hello!")
    with pytest.raises(ValueError, match="the table has no values for this target, and no function called passing"):
        view.opened.scores("passing")


def test_a_policy_of_the_table_is_kept(demo):
    table = score_corpus(*demo, GERMAN[:3], ENGLISH[:3], ["entropy"], special="drop", progress=False)
    view = show_corpus(table, *demo)
    assert view.info["quantities"][0]["why"] == ""
    view.row = 0
    assert view.opened.score_list[0]["signature"].startswith("entropy|special:drop|")
    record = view.opened.set_target("I read a book.")
    torch.testing.assert_close(view.opened.scores("entropy").values, record.score("entropy", special="drop").values)


def test_scores_that_are_not_in_the_table_are_listed_in_the_panel(demo, table):
    def more(attention, source_mask, target_mask):
        return attention.mean((-2, -1))

    view = show_corpus(table, *demo, scores=more)
    assert "more" not in [quantity["name"] for quantity in view.info["quantities"]]
    view.row = 1
    names = [entry["name"] for entry in view.opened.score_list]
    assert names[:3] == ["coverage_penalty", "confidence", "first_share"]
    assert "more" in names
    with pytest.raises(ValueError, match="no built-in score is called 'entropi'"):
        show_corpus(table, *demo, scores=["entropi"])


def test_an_error_of_the_model_is_raised_for_python_and_shown_for_the_page(demo, table, monkeypatch):
    view = show_corpus(table, *demo)

    def fail(*args, **kwargs):
        raise ValueError("stop")

    monkeypatch.setattr(view, "_show", fail)
    with pytest.raises(ValueError, match="stop"):
        view.row = 1
    view.set_state({"row": 2})
    assert view.get_state("_open")["_open"] == {"row": 2, "panel": "", "error": "ValueError: stop"}
    assert view.opened is None


def test_a_cell_that_runs_again_frees_the_view_and_its_sentence(demo, table, monkeypatch):
    shell = Shell()
    monkeypatch.setattr(cells, "running_shell", lambda: shell)
    held = []

    def work():
        view = show_corpus(table, *demo)
        view.row = 1
        held.append((weakref.ref(view), weakref.ref(view.opened), view.model_id, view.opened.model_id))
        return view

    for _ in range(3):
        shell.run("cell", work)
    gc.collect()
    alive = [(view() is not None, opened() is not None) for view, opened, *_ in held]
    assert alive == [(False, False), (False, False), (True, True)]
    assert [[name in _instances for name in names] for _, _, *names in held] == [[False] * 2, [False] * 2, [True] * 2]


def test_a_view_of_the_users_comes_back_with_its_sentence(demo, table, monkeypatch):
    shell = Shell()
    monkeypatch.setattr(cells, "running_shell", lambda: shell)
    mine = show_corpus(table, *demo)
    mine.row = 2
    shell.run("cell", lambda: mine)
    shell.run("cell", lambda: None)
    assert mine.comm is None
    shell.run("cell", lambda: mine)
    assert mine.comm is not None
    assert mine.row == 2
    assert mine.get_state("_open")["_open"]["panel"] == mine.opened.model_id
    mine.close()
    assert mine.opened is None
