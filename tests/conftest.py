"""Fixtures shared by several test files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from families import Pair, one_thread
from hypothesis import settings
from real_whisper import UNAVAILABLE

from xattn_widget import load_demo


@pytest.fixture(scope="module")
def demo() -> Pair:
    """The demo model and its tokenizer, loaded once per test file because some tests change the model."""
    return Pair(*load_demo())


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    """Close the figures of a test: pyplot keeps them, and warns of the twentieth, in whichever test draws it."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def single_thread() -> Iterator[None]:
    """Use one torch thread: on a busy machine, more threads slow a small model down."""
    with one_thread():
        yield


@pytest.fixture
def run(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs a command in the test's folder and returns exit code, stdout and stderr."""
    from xattn_widget.cli import main

    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        return (code, *capfd.readouterr())

    return run


# No deadlines: a busy machine must not fail a test. Continuous integration, which sets CI, tries the same examples in
# every run, so that a change fails for what it did. Other runs draw new ones.
settings.register_profile("untimed", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("untimed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end that tests had no real weights: among many skipped tests it would go unnoticed."""
    reasons = {str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", [])}
    missing = sorted(reason for reason in reasons if UNAVAILABLE in reason)
    if missing:
        terminalreporter.section("tests without real weights", red=True, bold=True)
        for reason in missing:
            terminalreporter.line(reason.removeprefix("Skipped: "), red=True)
