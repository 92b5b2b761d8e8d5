"""score_corpus with an output: it resumes after any interruption, and refuses to resume another job."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import types
from collections import namedtuple
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from corpus_pool import TRIED, BrokenError, assert_same_tables, break_after, encoder_batches, made_up
from families import one_thread

from xattn_widget import load_demo, score_corpus
from xattn_widget.corpus import corpus_info

SENTENCES = made_up(300)
OPTIONS = {"scores": ["coverage_penalty", "entropy"], "window": 16, "generation": {"max_new_tokens": 6}}

# Scores a file of sentences in child processes, each of which is killed some milliseconds after it begins to write
# (before that, it has nothing to lose). Forking avoids loading everything again. Prints what exists after each kill.
PROGRAM = """
import os, random, signal, sys, time, torch
from pathlib import Path
from xattn_widget import load_demo, score_corpus
torch.set_num_threads(1)
model, tokenizer = load_demo()
source, output, kills = sys.argv[1], Path(sys.argv[2]), 0
lock = Path(f"{output}.parts/lock")
def windows():
    return sorted(each.name for each in lock.parent.glob("window-*.parquet"))
while not output.exists():
    before, wanted = lock.stat().st_mtime_ns if lock.exists() else None, len(windows()) + random.randint(0, 3)
    child = os.fork()
    if child == 0:
        score_corpus(model, tokenizer, source, output=output, scores=["coverage_penalty", "entropy"], window=16,
                     generation={"max_new_tokens": 6})
        os._exit(0)
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if kills < 20 and lock.exists() and lock.stat().st_mtime_ns != before and len(windows()) >= wanted:
            time.sleep(random.uniform(0, 0.05))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            kills += 1
            break
        time.sleep(0.001)
    print(*windows(), flush=True)
"""


pytestmark = pytest.mark.usefixtures("single_thread")


@pytest.fixture(scope="module")
def unbroken(demo):
    with one_thread():
        return score_corpus(*demo, SENTENCES, **OPTIONS)


def parts(output):
    return Path(f"{output}.parts")


def break_off(demo, output, windows=3, **options):
    """Leave the files of a run that was interrupted after some windows."""
    with pytest.raises(BrokenError):
        score_corpus(*demo, break_after(SENTENCES, windows * OPTIONS["window"]), output=output, **(OPTIONS | options))
    assert not output.exists()
    manifest = parts(output) / "manifest.json"
    description = json.loads(manifest.read_text())
    assert description["data"] == "an iterator"
    return manifest


def test_the_file_holds_what_the_table_would(demo, unbroken, tmp_path):
    output = tmp_path / "scored.parquet"
    assert score_corpus(*demo, SENTENCES, output=output, **OPTIONS) == output
    written = pq.read_table(output)
    assert_same_tables(written, unbroken)
    assert written.schema.field("entropy") == unbroken.schema.field("entropy")
    assert {**corpus_info(output), "rows digest": None} == {**corpus_info(unbroken), "rows digest": None}
    assert os.listdir(tmp_path) == ["scored.parquet"]


@pytest.mark.skipif(sys.platform != "linux", reason="forks a process that has used torch")
def test_killed_at_random_moments_it_ends_with_the_same_values(demo, unbroken, tmp_path):
    source, output = tmp_path / "pool.txt", tmp_path / "scored.parquet"
    source.write_text("\n".join(SENTENCES) + "\n", encoding="utf-8")
    program = [sys.executable, "-c", PROGRAM, source, output]
    printed = subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True, timeout=240).stdout
    after_each = [set(line.split()) for line in printed.splitlines()]
    assert len(after_each) >= 4
    for before, after in itertools.pairwise(after_each[:-1]):
        assert before <= after  # finished windows stay finished; after the last line, they may be gone, or some of them
    assert_same_tables(pq.read_table(output), unbroken)
    score_corpus(*demo, source, output=output, **OPTIONS)  # the last kill may have happened during the cleanup
    assert not parts(output).exists()


def test_only_missing_windows_are_computed(demo, unbroken, tmp_path):
    output = tmp_path / "scored.parquet"
    break_off(demo, output)
    with encoder_batches(demo.model) as forwards:
        score_corpus(*demo, iter(SENTENCES), output=output, **OPTIONS)
    assert_same_tables(pq.read_table(output), unbroken)
    done = 3 * OPTIONS["window"] - OPTIONS["window"]  # the last complete window may not be written yet
    assert TRIED < sum(forwards) <= len(SENTENCES) - done + TRIED


def test_half_written_files_are_never_mistaken_for_complete_ones(demo, unbroken, tmp_path):
    output = tmp_path / "scored.parquet"
    break_off(demo, output)
    left = parts(output) / "window-00000007.parquet.writing"
    left.write_bytes(b"PAR1 half a file")
    score_corpus(*demo, iter(SENTENCES), output=output, **OPTIONS)
    assert_same_tables(pq.read_table(output), unbroken)


def test_killed_during_the_cleanup(demo, unbroken, tmp_path):
    output = tmp_path / "scored.parquet"
    break_off(demo, output)
    shutil.copytree(parts(output), tmp_path / "kept")
    score_corpus(*demo, iter(SENTENCES), output=output, **OPTIONS)
    shutil.copytree(tmp_path / "kept", parts(output))
    written = output.stat().st_mtime_ns
    score_corpus(*demo, iter(SENTENCES), output=output, **OPTIONS)
    assert output.stat().st_mtime_ns == written
    assert not parts(output).exists()
    assert_same_tables(pq.read_table(output), unbroken)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": ["entropy"]}, "scores was coverage_penalty.*now it is entropy"),
        ({"special": "drop"}, "scores was .*special:keep.*now it is .*special:drop"),
        ({"statistics": ["margin"]}, "statistics was .*now it is margin"),
        ({"generation": {"num_beams": 2}}, "targets was .*now it is .*num_beams.*2"),
        ({"window": 32}, "rows a window was 16, now it is 32"),
        ({"max_length": 20}, "longest sentences was 256, 256, now it is 20, 20"),
    ],
)
def test_another_job_is_refused_in_the_middle_and_at_the_end(demo, tmp_path, change, message):
    output = tmp_path / "scored.parquet"
    break_off(demo, output)
    changed = OPTIONS | change
    with pytest.raises(ValueError, match=f"cannot resume.*{message}.*Make the same call"):
        score_corpus(*demo, iter(SENTENCES), output=output, **changed)
    score_corpus(*demo, iter(SENTENCES), output=output, **OPTIONS)
    with pytest.raises(FileExistsError, match=f"belongs to another job: {message}"):
        score_corpus(*demo, iter(SENTENCES), output=output, **changed)


def test_another_model_or_tokenizer_is_refused(demo, tmp_path):
    output = tmp_path / "scored.parquet"
    break_off(demo, output)
    model, tokenizer = load_demo()
    with torch.no_grad():
        model.model.encoder.layers[0].fc1.weight[0, 0] += 1
    with pytest.raises(ValueError, match=r"model was MarianMTModel \w+, now it is MarianMTModel \w+"):
        score_corpus(model, demo.tokenizer, iter(SENTENCES), output=output, **OPTIONS)
    tokenizer.add_tokens(["Kuckuck"])
    tokenizer.add_tokens(["Buch"])
    model = load_demo()[0]
    model.resize_token_embeddings(len(tokenizer))
    with pytest.raises(ValueError, match=r"tokenizer was MarianTokenizer \w+, now"):
        score_corpus(model, tokenizer, iter(SENTENCES), output=output, **OPTIONS)


def test_other_data_are_refused(demo, tmp_path):
    output = tmp_path / "scored.parquet"
    other = [*SENTENCES[:20], "Etwas anderes.", *SENTENCES[21:]]
    break_off(demo, output)
    with pytest.raises(ValueError, match="rows 16 to 31 differ from those of the interrupted run"):
        score_corpus(*demo, iter(other), output=output, **OPTIONS)
    with pytest.raises(ValueError, match="data was an iterator, now it is 300 rows"):
        score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    with pytest.raises(ValueError, match="the data have 1 windows"):
        score_corpus(*demo, iter(SENTENCES[:16]), output=output, **OPTIONS)
    score_corpus(*demo, iter(SENTENCES), output=output, **OPTIONS)
    with pytest.raises(FileExistsError, match="the data differ"):
        score_corpus(*demo, iter(other), output=output, **OPTIONS)
    output.unlink()
    score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    with pytest.raises(FileExistsError, match=r"data was 300 rows .*, now it is 300 rows"):
        score_corpus(*demo, [*SENTENCES[:-1], "Etwas anderes."], output=output, **OPTIONS)


def test_a_file_that_is_not_a_corpus_is_not_overwritten(demo, tmp_path):
    output = tmp_path / "scored.parquet"
    output.write_text("my thesis")
    with pytest.raises(FileExistsError, match="exists and is not a scored corpus"):
        score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    assert output.read_text() == "my thesis"


def test_a_second_process_is_kept_out(demo, tmp_path):
    output = tmp_path / "scored.parquet"

    def sources():
        with pytest.raises(BlockingIOError, match="another process is scoring to"):
            score_corpus(*demo, iter(SENTENCES), output=output, **OPTIONS)
        yield SENTENCES[0]

    score_corpus(*demo, sources(), output=output, **OPTIONS)
    assert pq.read_table(output).num_rows == 1


def test_paths_that_cannot_be_written_are_reported_at_once(demo, tmp_path):
    (tmp_path / "folder").mkdir()

    def never():
        raise AssertionError("read")
        yield

    cases = [
        (tmp_path / "folder", IsADirectoryError, "is a folder"),
        (tmp_path / "none" / "scored.parquet", FileNotFoundError, "there is no folder"),
    ]
    if Path("/proc/self").exists():
        cases += [(Path("/proc/scored.parquet"), OSError, "cannot (write to the folder /proc|be written to)")]
    for output, error, message in cases:
        with pytest.raises(error, match=message):
            score_corpus(*demo, never(), output=output, **OPTIONS)


def test_a_disk_that_is_too_small_is_reported_at_once(demo, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100, 90, 10_000))
    with pytest.raises(OSError, match=r"needs about .* GB for 300 sentences, .* are free. Make room"):
        score_corpus(*demo, SENTENCES, output=tmp_path / "scored.parquet", **OPTIONS)


def test_a_disk_that_fills_up_keeps_what_is_done(demo, unbroken, tmp_path, monkeypatch):
    output, write = tmp_path / "scored.parquet", pq.write_table
    written = []

    def full(table, *args, **options):
        written.append(table)
        if len(written) > 4:
            raise OSError(28, "No space left on device")
        write(table, *args, **options)

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(OSError, match=r"No space left on device.*kept in .*run the same call again"):
        score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    assert len(list(parts(output).glob("window-*.parquet"))) == 4
    monkeypatch.undo()
    score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    assert_same_tables(pq.read_table(output), unbroken)


def test_progress_is_quiet_unless_asked_for(demo, tmp_path, capfd, monkeypatch):
    score_corpus(*demo, SENTENCES[:20], **OPTIONS)
    assert capfd.readouterr().err == ""
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))  # imported, but not running
    score_corpus(*demo, SENTENCES[:20], **OPTIONS)
    assert capfd.readouterr().err == ""
    score_corpus(*demo, SENTENCES[:20], progress=True, **OPTIONS)
    err = capfd.readouterr().err
    assert "20/20" in err
    assert "sentences/s" in err.replace(" ", "")


def test_damaged_parts_are_reported(demo, tmp_path):
    output = tmp_path / "scored.parquet"
    break_off(demo, output)
    (parts(output) / "window-copy.parquet").write_text("no window")
    first = parts(output) / "window-00000000.parquet"
    kept = first.read_bytes()
    first.write_bytes(b"garbage")
    with pytest.raises(ValueError, match=r"window-00000000\.parquet is damaged.*remove it"):
        score_corpus(*demo, iter(SENTENCES), output=output, **OPTIONS)
    first.write_bytes(kept)
    (parts(output) / "manifest.json").write_text("")
    with pytest.raises(ValueError, match=r"manifest\.json is damaged.*to start over"):
        score_corpus(*demo, iter(SENTENCES), output=output, **OPTIONS)
