"""Sound in a live notebook: JupyterLab with a kernel, playback in Chromium, and a recording that is read on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from .conftest import OpenNotebook
from .test_speech import NOW, clock, is_paused, plot, word

LOAD = """
from xattn_widget import CrossAttentionWidget, load
record = load({path!r})
widget = CrossAttentionWidget(record)
widget
"""
# A recording of three windows, each the same sound.
WINDOWS = """
from dataclasses import replace
from xattn_widget.panel.held_windows import HeldWindows

class Tape:
    seconds, read = 3 * record.sound.seconds, 0

    @property
    def is_complete(self):
        return self.read == 3

    def __getitem__(self, index):
        self.read = max(self.read, index + 1)
        return replace(record, sound=replace(record.sound, offset=index * record.sound.seconds))

held = HeldWindows(Tape())
windows = CrossAttentionWidget(held)
windows
"""


@pytest.fixture
def saved(request: pytest.FixtureRequest) -> str:
    return str(request.config.rootpath / "examples" / "data" / "speech.safetensors")


def test_space_plays_and_the_words_follow(
    page: Page, open_notebook: OpenNotebook, saved: str, screenshot: Callable[..., Path]
) -> None:
    notebook = open_notebook([LOAD.format(path=saved)])
    notebook.run_all()
    panel = notebook.cell(0).locator(".xattn")
    expect(word(panel, "fellow")).to_be_visible()
    page.wait_for_function("() => document.querySelector('audio')?.readyState >= 3")
    plot(panel).focus()
    page.keyboard.press("Space")
    # JupyterLab leaves the key to the panel.
    page.wait_for_function("() => document.querySelector('audio').currentTime > 0.9")
    seen = []
    while clock(page) < 2.0:
        seen.append(page.evaluate(NOW))
    page.keyboard.press("Space")
    assert is_paused(page)
    screenshot("speech-jupyterlab", panel)
    times = [time for time, _ in seen]
    assert times == sorted(times)
    words = list(dict.fromkeys(spoken for _, spoken in seen if spoken))
    expected = ["so", "my", "fellow", "Americans"]
    assert len(words) >= 3
    assert words == [text for text in expected if text in words]
    # What is chosen on the page is a setting in Python.
    panel.get_by_label("Word times by").select_option("picked heads")
    notebook.expect_printed("print(widget.word_times_by)", "picked")


def test_a_recording_is_read_on_and_played_into_the_next_window(
    page: Page, open_notebook: OpenNotebook, saved: str
) -> None:
    notebook = open_notebook([LOAD.format(path=saved).replace("\nwidget\n", "\n"), WINDOWS])
    notebook.run_all()
    panel = notebook.cell(1).locator(".xattn")
    expect(panel.locator(".xattn-sound-reading")).to_contain_text("Transcribed: 22 s of 33 s.")
    page.wait_for_function("() => document.querySelector('audio')?.readyState >= 3")
    plot(panel).focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    expect(panel.locator(".xattn-sentence")).to_contain_text("2 of")
    # Until the sound of the second window is there, the clock is that of the first one at its end.
    page.wait_for_function(
        """() => {
          const {paused, currentTime} = document.querySelector("audio");
          return !paused && currentTime > 0.3 && currentTime < 9;
        }"""
    )
    # The window after the one that is shown now is read meanwhile.
    expect(panel.locator(".xattn-sound-reading")).to_be_hidden()
    notebook.expect_printed("print(held.ready, held.held <= 3, windows.sentence)", "3 True 1")
