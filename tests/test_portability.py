"""What other systems do differently, imitated on Linux: open files that cannot be removed, other encodings, no links.

The workflow in .github/ runs the unit tests on macOS and Windows themselves.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from pathlib import Path
from unittest.mock import Mock

import pyarrow.parquet as pq
import pytest
import torch
from corpus_pool import assert_same_tables, made_up

from xattn_widget import CrossAttention, cli, load, score_corpus
from xattn_widget.__main__ import main
from xattn_widget.corpus.sources.rows import Row, Rows
from xattn_widget.corpus.sources.spooling import spooled
from xattn_widget.corpus.store import parts, shards

SENTENCES = made_up(12)
OPTIONS = {"scores": ["entropy"], "window": 4, "targets": ["the book."] * len(SENTENCES), "progress": False}

needs_proc = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="finds open files in /proc")


def is_in_use(path):
    """Whether this process has the file open or mapped, or a file in the folder."""
    path, used = os.path.abspath(path), set[str]()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            used.add(os.readlink(f"/proc/self/fd/{number}"))
    mapped = [line.split(maxsplit=5)[5:] for line in Path("/proc/self/maps").read_text().splitlines()]
    return path in used | {name for [name] in filter(None, mapped)}


@pytest.fixture
def open_files_stay(monkeypatch):
    """Windows: files in use can neither be removed nor replaced. Yields the names of those that somebody tried to."""
    refused = []

    def refusing(function):
        def call(*paths, **options):
            folder = options.get("dir_fd")
            for path in paths:
                if is_in_use(path if folder is None else os.path.join(os.readlink(f"/proc/self/fd/{folder}"), path)):
                    refused.append(Path(path).name)
                    raise PermissionError(13, "The process cannot access the file because it is being used", path)
            return function(*paths, **options)

        return call

    for name in ("unlink", "remove", "rename", "replace"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    monkeypatch.setattr(parts, "_OPEN_FILES_STAY", True)
    return refused


@needs_proc
@pytest.mark.usefixtures("single_thread")
def test_a_job_leaves_nothing_but_its_output(demo, tmp_path, monkeypatch, open_files_stay):
    output = tmp_path / "scored.parquet"
    expected = score_corpus(*demo, SENTENCES, **OPTIONS)
    write = shards.ShardStore.write

    def write_one(store, number, digest, table):
        if store.done:
            raise RuntimeError("broken off")
        write(store, number, digest, table)

    with monkeypatch.context() as patched:
        patched.setattr(shards.ShardStore, "write", write_one)
        with pytest.raises(RuntimeError, match="broken off"):
            score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    assert sorted(os.listdir(f"{output}.parts")) == ["lock", "manifest.json", "window-00000000.parquet"]
    score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    assert os.listdir(tmp_path) == ["scored.parquet"]
    assert set(open_files_stay) == {"lock"}
    assert_same_tables(pq.read_table(output), expected)
    score_corpus(*demo, SENTENCES, output=output, **OPTIONS)  # finds the output
    assert os.listdir(tmp_path) == ["scored.parquet"]


@needs_proc
@pytest.mark.usefixtures("open_files_stay")
def test_the_lock_of_a_call_that_comes_at_the_end_is_not_removed(tmp_path):
    output = tmp_path / "scored.parquet"
    with parts.locked_parts(output) as folder:
        parts.remove_parts(folder)
        other = (folder / "lock").open("rb")  # about to lock it
    with other:
        assert os.listdir(folder) == ["lock"]
    with parts.locked_parts(output):
        pass
    assert not folder.exists()


@needs_proc
@pytest.mark.usefixtures("open_files_stay")
def test_a_loaded_record_can_be_saved_over_its_file(tmp_path):
    weights = torch.rand(2, 2, 3, 4).softmax(-1)
    path = CrossAttention.from_tokens(weights, list("abcd"), list("xyz")).save(tmp_path / "record.safetensors")
    record = load(path)
    assert not is_in_use(path)
    record.save(path)
    torch.testing.assert_close(load(path).weights, weights)


@needs_proc
@pytest.mark.usefixtures("open_files_stay")
def test_an_error_while_rows_are_spooled_is_the_one_that_is_raised():
    rows = Rows(lambda: iter([Row("1", "Ja.", None, None)] * 5), once=True, with_targets=False, with_ids=True)
    held = []

    def fail():
        with spooled(rows) as again:
            held.append(again.read())
            next(held[0])  # the file is open
            raise ValueError("what went wrong")

    with pytest.raises(ValueError, match="what went wrong"):
        fail()


def test_links_are_found_without_a_flag_that_refuses_them(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "O_NOFOLLOW", raising=False)
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="link is a link, which is not followed"):
        parts.open_inside(str(tmp_path / "link"), os.O_RDONLY)
    with open(tmp_path / "precious", encoding="utf-8", opener=parts.open_inside) as file:
        assert file.read() == "precious"


def test_a_python_without_file_locks_writes_no_file_instead_of_an_unlocked_one(tmp_path, monkeypatch):
    # This is what filelock raises where there is neither fcntl nor msvcrt.
    missing = OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    monkeypatch.setattr(parts, "lock_descriptor", Mock(side_effect=missing))
    with pytest.raises(OSError, match="cannot lock"), parts.locked_parts(tmp_path / "scored.parquet"):
        pytest.fail("it is not locked")


class Stdout(io.TextIOWrapper):
    """Standard output on Windows, in a file or pipe: a legacy encoding, and line ends that become CR LF."""

    def __init__(self):
        super().__init__(io.BytesIO(), encoding="cp1252", newline="\r\n")


@pytest.fixture
def table(tmp_path, demo):
    path = tmp_path / "scored.parquet"
    return score_corpus(*demo, ["Ja „漢“.", "Nein."], ["Yes 漢.", "No."], ["entropy"], output=path, progress=False)


@pytest.mark.parametrize("make", [Stdout, io.StringIO], ids=["file", "notebook"])
def test_csv_on_stdout_is_that_of_a_file(table, tmp_path, monkeypatch, make):
    arguments = ["select", str(table), "--by", "entropy", "--budget", "2"]
    assert cli.main([*arguments, "--output", str(tmp_path / "chosen.csv")]) == 0
    stdout = make()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", stdout)
        assert cli.main(arguments) == 0
    written = stdout.buffer.getvalue() if make is Stdout else stdout.getvalue().encode()
    assert written == (tmp_path / "chosen.csv").read_bytes()
    stdout.write("still open")


def test_a_name_that_the_terminal_cannot_show_is_no_failure(tmp_path, monkeypatch):
    stdout = Stdout()
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "argv", ["xattn-widget", "show", "--model", "demo", "Ja.", "--output", "漢ü.html"])
        patched.setattr(sys, "stdout", stdout)
        assert main() == 0
    assert stdout.buffer.getvalue().decode("cp1252") == "\\u6f22ü.html\r\n"
    assert os.listdir(tmp_path) == ["漢ü.html"]
