"""Widgets of a cell that runs again are let go of; those that anything still shows are not (with a faked IPython)."""

import gc
import weakref

import pytest
import torch
from ipywidgets import Output
from ipywidgets.widgets.widget import _instances
from notebook_shell import Shell

from xattn_widget import CrossAttention, CrossAttentionWidget
from xattn_widget.widget import cells


@pytest.fixture
def shell(monkeypatch):
    shell = Shell()
    monkeypatch.setattr(cells, "running_shell", lambda: shell)
    return shell


def make():
    record = CrossAttention.from_tokens(torch.eye(2)[None, None], ["a", "b"], ["x", "y"])
    return CrossAttentionWidget(record)


def is_open(widget):
    return widget.comm is not None and widget.model_id in _instances


def test_a_cell_run_again_frees_its_widget(shell):
    held = []

    def work():
        widget = make()
        held.append(weakref.ref(widget))
        return widget

    for _ in range(5):
        shell.run("cell", work)
    gc.collect()
    assert [ref() is not None for ref in held] == [False] * 4 + [True]
    assert is_open(held[-1]())


def test_a_widget_of_the_users_stays_and_opens_again(shell):
    mine = make()
    shell.run("cell", lambda: mine)
    shell.run("cell", make)
    assert not is_open(mine)
    assert mine.record.target_tokens == ["x", "y"]
    shell.run("other", lambda: mine)
    assert is_open(mine)
    mine.layer = 0


def test_what_another_cell_shows_stays_open(shell):
    mine = make()
    shell.run("one", lambda: mine)
    shell.run("two", lambda: mine)
    shell.run("one", make)
    assert is_open(mine)
    shell.run("two", lambda: mine)  # the same again
    assert is_open(mine)
    shell.run("two", lambda: None)
    assert not is_open(mine)


def test_what_is_shown_in_no_known_cell_stays_open(shell):
    mine, other = make(), make()
    shell.run("", lambda: mine)
    shell.run("", make)
    assert is_open(mine)
    output = Output()

    def captured():
        output.msg_id = shell.parent["header"]["msg_id"]
        return other

    shell.run("cell", captured)
    output.msg_id = ""
    shell.run("cell", make)
    assert is_open(other)
