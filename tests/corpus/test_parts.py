"""The folder of an unfinished output: links, names, damage, and calls that compete for one output."""

from __future__ import annotations

import errno
import json
import os
import random
from pathlib import Path
from unittest.mock import Mock

import pyarrow.parquet as pq
import pytest
from corpus_pool import TRIALS, BrokenError, assert_same_tables, made_up

from xattn_widget import score_corpus
from xattn_widget.corpus import corpus_info, to_pandas
from xattn_widget.corpus.store import shards

SENTENCES = made_up(24)
OPTIONS = {"scores": ["entropy", "confidence"], "window": 8, "targets": ["the book."] * len(SENTENCES)}

pytestmark = pytest.mark.usefixtures("single_thread")
posix = pytest.mark.skipif(os.name == "nt", reason="flock, or names longer than a path of Windows")


@pytest.fixture(scope="module")
def expected(demo):
    return score_corpus(*demo, SENTENCES, **OPTIONS)


@pytest.fixture
def output(tmp_path):
    return tmp_path / "scored.parquet"


def parts(output):
    return Path(f"{output}.parts")


def break_off(demo, output, monkeypatch, *, after=2):
    """Leave the files of an interrupted run that scored some windows."""
    write = shards.ShardStore.write

    def write_some(store, number, digest, table):
        if len(store.done) == after:
            raise BrokenError
        write(store, number, digest, table)

    with monkeypatch.context() as patched:
        patched.setattr(shards.ShardStore, "write", write_some)
        with pytest.raises(BrokenError):
            score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    assert len(list(parts(output).glob("window-*.parquet"))) == after


@pytest.fixture
def forwards(demo):
    """Counts the encoder's forwards."""
    seen = []
    handle = demo.model.model.encoder.register_forward_hook(lambda *args: seen.append(1))
    yield seen
    handle.remove()


# --- Links.


@pytest.mark.parametrize("make", [os.symlink, os.link], ids=["link", "hard link"])
def test_a_link_in_place_of_the_lock_leaves_its_target_alone(demo, output, tmp_path, make):
    precious = tmp_path / "thesis.txt"
    precious.write_text("precious")
    parts(output).mkdir()
    make(precious, parts(output) / "lock")
    try:
        score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    except OSError as error:
        assert "lock is a link" in str(error)  # noqa: PT017 - a hard link causes no error
        assert make is os.symlink
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_in_place_of_the_manifest_is_refused(demo, output, tmp_path, exists):
    target = tmp_path / "other.json"
    if exists:
        target.write_text("{}")
    parts(output).mkdir()
    (parts(output) / "manifest.json").symlink_to(target)
    with pytest.raises(ValueError, match=r"manifest\.json is a link"):
        score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    assert target.exists() == exists


def test_a_link_in_place_of_a_window_is_refused_and_one_that_comes_later_is_replaced(
    demo, output, tmp_path, monkeypatch, expected
):
    break_off(demo, output, monkeypatch)
    window = parts(output) / "window-00000001.parquet"
    window.rename(tmp_path / "elsewhere.parquet")
    window.symlink_to(tmp_path / "elsewhere.parquet")
    with pytest.raises(ValueError, match=r"window-00000001\.parquet is a link.*remove it"):
        score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    window.unlink()
    before = (tmp_path / "elsewhere.parquet").read_bytes()
    write = shards.ShardStore.write

    def plant(store, number, digest, table):
        if not os.path.lexists(window):
            window.symlink_to(tmp_path / "elsewhere.parquet")
        write(store, number, digest, table)

    monkeypatch.setattr(shards.ShardStore, "write", plant)
    score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    assert (tmp_path / "elsewhere.parquet").read_bytes() == before
    assert_same_tables(pq.read_table(output), expected)


def test_a_folder_that_is_a_link_is_refused_before_anything_is_scored(demo, output, tmp_path, forwards):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "lock").write_text("precious")
    parts(output).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"scored\.parquet\.parts.* is a link"):
        score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    assert len(forwards) == TRIALS
    assert (tmp_path / "elsewhere" / "lock").read_text() == "precious"


def test_files_of_others_in_the_folder_are_left_alone(demo, output, tmp_path, expected):
    precious = tmp_path / "thesis.txt"
    precious.write_text("precious")
    parts(output).mkdir()
    (parts(output) / "notes.txt").write_text("mine")
    (parts(output) / "old.writing").mkdir()
    (parts(output) / "half.writing").symlink_to(precious)
    score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    assert sorted(os.listdir(parts(output))) == ["notes.txt", "old.writing"]
    assert precious.read_text() == "precious"
    assert_same_tables(pq.read_table(output), expected)


def test_an_output_that_is_a_link_to_a_file_that_does_not_exist_yet(demo, output, tmp_path, expected):
    (tmp_path / "elsewhere").mkdir()
    output.symlink_to(tmp_path / "elsewhere" / "real.parquet")
    assert score_corpus(*demo, SENTENCES, output=output, **OPTIONS) == output
    assert output.is_symlink()
    assert os.listdir(tmp_path / "elsewhere") == ["real.parquet"]
    assert_same_tables(pq.read_table(output), expected)


# --- Names and disks.


@posix
@pytest.mark.parametrize("length", [248, 250, 255])
def test_an_output_with_a_long_name(demo, tmp_path, length, expected):
    output = tmp_path / ("ü" * 100 + "n" * (length - 208) + ".parquet")
    assert len(os.fsencode(output.name)) == length
    score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    assert os.listdir(tmp_path) == [output.name]
    assert_same_tables(pq.read_table(output), expected)


@posix
def test_a_name_that_is_too_long_is_reported_first(demo, tmp_path, forwards):
    with pytest.raises(OSError, match="name too long"):
        score_corpus(*demo, SENTENCES, output=tmp_path / ("n" * 256), **OPTIONS)
    assert not forwards
    assert not os.listdir(tmp_path)


def test_a_folder_on_another_disk_is_reported_before_anything_is_scored(demo, output, monkeypatch, forwards):
    def fail(source, destination):
        raise OSError(18, "Invalid cross-device link", source, None, destination)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match=r"cannot move a file from .*one disk"):
        score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    assert len(forwards) == TRIALS


# --- Inputs.


def test_an_output_that_is_an_input_is_refused(demo, tmp_path):
    pool = tmp_path / "pool.txt"
    pool.write_text("Ja.\n")
    (tmp_path / "link.txt").symlink_to(pool)
    os.link(pool, tmp_path / "hard.txt")
    for output in (pool, tmp_path / "link.txt", tmp_path / "hard.txt"):
        for sources, targets in ((pool, None), (["Ja."], pool)):
            with pytest.raises(ValueError, match="and would overwrite it"):
                score_corpus(*demo, sources, targets, output=output)
    assert pool.read_text() == "Ja.\n"


def test_an_input_in_the_folder_that_is_removed_is_refused(demo, output):
    parts(output).mkdir()
    pool = parts(output) / "window-00000000.parquet"
    pool.write_text("Ja.\n")
    with pytest.raises(ValueError, match="is in the folder of the unfinished"):
        score_corpus(*demo, pool, output=output)
    assert pool.exists()


# --- Races.


def test_a_call_that_comes_while_another_tidies_up_gets_the_output(demo, output, monkeypatch, forwards):
    remove, seen = shards.remove_parts, []

    def remove_later(folder):
        seen.append(score_corpus(*demo, SENTENCES, output=output, **OPTIONS))
        before = len(forwards)
        remove(folder)
        assert len(forwards) == before

    monkeypatch.setattr(shards, "remove_parts", remove_later)
    score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    assert seen == [output]
    assert not parts(output).exists()


@posix
@pytest.mark.parametrize("moment", ["mkdir", "open", "flock"])
def test_a_call_that_begins_as_another_ends_gets_the_output(demo, output, monkeypatch, forwards, moment):
    """The other call runs from start to end while this one is opening the folder, between two of its steps."""
    import fcntl

    owner, name = {"mkdir": (Path, "is_symlink"), "open": (Path, "mkdir"), "flock": (fcntl, "flock")}[moment]
    step, counts = getattr(owner, name), []

    def with_the_other(*args, **options):
        monkeypatch.setattr(owner, name, step)
        result = step(*args, **options) if moment == "open" else None
        score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
        counts.append(len(forwards))
        return result if moment == "open" else step(*args, **options)

    monkeypatch.setattr(owner, name, with_the_other)
    assert score_corpus(*demo, SENTENCES, output=output, **OPTIONS) == output
    assert len(forwards) == counts[0]  # nothing was scored twice
    assert not parts(output).exists()


@posix
def test_a_disk_without_file_locks_is_reported_before_anything_is_scored(demo, output, monkeypatch, forwards):
    import fcntl

    monkeypatch.setattr(fcntl, "flock", Mock(side_effect=OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))))
    with pytest.raises(OSError, match=r"cannot lock .*parts.lock: No locks available\. Write to a disk whose"):
        score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    assert len(forwards) == TRIALS
    assert not output.exists()


def test_an_iterator_that_comes_late_is_compared_with_the_output(demo, output, monkeypatch):
    from xattn_widget.corpus.store import outputs

    open_shards = outputs.open_shards

    def after_the_other(*args):
        monkeypatch.setattr(outputs, "open_shards", open_shards)
        score_corpus(*demo, iter(SENTENCES), output=output, **OPTIONS)
        return open_shards(*args)

    monkeypatch.setattr(outputs, "open_shards", after_the_other)
    with pytest.raises(FileExistsError, match="the data differ"):
        score_corpus(*demo, iter(SENTENCES[::-1]), output=output, **OPTIONS)


# --- Damage.


def flipped(content, bit):
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def test_flipped_bits_of_a_window_or_the_manifest_are_errors_or_harmless(demo, output, monkeypatch, expected):
    break_off(demo, output, monkeypatch)
    kept = {path.name: path.read_bytes() for path in parts(output).iterdir() if path.name != "lock"}
    draw = random.Random(0)
    for name in ["window-00000001.parquet"] * 16 + ["manifest.json"] * 6:
        for each, content in kept.items():
            parts(output).mkdir(exist_ok=True)
            (parts(output) / each).write_bytes(content)
        bit = draw.randrange(8 * len(kept[name]))
        (parts(output) / name).write_bytes(flipped(kept[name], bit))
        try:
            score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
        except ValueError as error:
            renamed = name == "manifest.json" and "cannot resume" in str(error)  # the flipped bit renamed a field
            assert renamed or name in str(error)  # noqa: PT017 - an error or harmless
            assert "remove" in str(error)  # noqa: PT017
        else:
            assert_same_tables(pq.read_table(output), expected)
            output.unlink()


def test_a_window_that_is_damaged_at_the_end_is_named(demo, output, monkeypatch, expected):
    break_off(demo, output, monkeypatch)
    window = parts(output) / "window-00000000.parquet"
    finish, content = shards.ShardStore.finish, window.read_bytes()

    def damage(store, windows):
        window.write_bytes(flipped(content, 8 * 600))
        return finish(store, windows)

    with monkeypatch.context() as patched:
        patched.setattr(shards.ShardStore, "finish", damage)
        with pytest.raises(ValueError, match=r"window-00000000\.parquet is damaged"):
            score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    assert not output.exists()
    window.unlink()
    score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    assert_same_tables(pq.read_table(output), expected)


def test_flipped_bits_of_the_output_are_errors_or_harmless(demo, output):
    score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    content = output.read_bytes()
    frame, info = to_pandas(output), corpus_info(output)
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    draw, errors = random.Random(0), 0
    for place in [*draw.choices(range(footer), k=80), *draw.choices(range(footer, len(content)), k=80)]:
        output.write_bytes(flipped(content, 8 * place + draw.randrange(8)))
        try:
            assert to_pandas(output).equals(frame)
            assert corpus_info(output) == info
        except ValueError as error:
            assert str(output) in str(error)  # noqa: PT017 - harmless or an error
            errors += 1
    assert errors > 100


def test_a_job_of_an_earlier_version_resumes(demo, output, monkeypatch, expected, forwards):
    """It has no checksums."""
    break_off(demo, output, monkeypatch)
    for window in parts(output).glob("window-*.parquet"):
        pq.write_table(pq.read_table(window), window)
    manifest = parts(output) / "manifest.json"
    description = json.loads(manifest.read_text())
    del description["checksum"]
    manifest.write_text(json.dumps(description))
    forwards.clear()
    score_corpus(*demo, SENTENCES, output=output, **OPTIONS)
    assert TRIALS < len(forwards) <= TRIALS + 8
    assert_same_tables(pq.read_table(output), expected)
