"""score_corpus with a URI as output: a folder of Parquet files on a shared disk or in an object store."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from corpus_pool import (
    TRIED,
    BrokenError,
    assert_same_profiles,
    assert_same_tables,
    break_after,
    encoder_batches,
    made_up,
)
from families import one_thread
from pyarrow import fs
from shared_storage import SharedDisk

from xattn_widget import profile_heads, score_corpus, select, show_corpus
from xattn_widget.corpus import corpus_info, to_pandas

SENTENCES = made_up(100)
OPTIONS = {"scores": ["coverage_penalty", "entropy"], "window": 16, "generation": {"max_new_tokens": 6}}
PARTS = [f"part-{number:08}.parquet" for number in range(7)]

# Scores a file in child processes, of which all but the last are killed when a few more parts exist. Forking avoids
# loading everything again. Prints which parts exist after each.
PROGRAM = """
import os, random, re, signal, sys, time, torch, urllib.request
from xattn_widget import load_demo, score_corpus
torch.set_num_threads(1)
pair, (source, output) = load_demo(), sys.argv[1:]
def parts():
    listing = f"{os.environ['AWS_ENDPOINT_URL']}/{output.split('/')[2]}?list-type=2"
    with urllib.request.urlopen(listing) as answer:
        return set(re.findall(r"part-[0-9]{8}\\.parquet", answer.read().decode()))
for kill in (True, True, True, False):
    wanted = len(parts()) + random.randint(1, 2)
    child = os.fork()
    if child == 0:
        score_corpus(*pair, source, output=output, scores=["coverage_penalty", "entropy"], window=16,
                     generation={"max_new_tokens": 6})
        os._exit(0)
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if kill and len(parts()) >= wanted:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            break
        time.sleep(0.001)
    print(*sorted(parts()), flush=True)
"""

pytestmark = pytest.mark.usefixtures("single_thread")


@pytest.fixture(scope="module")
def unbroken(demo):
    with one_thread():
        return score_corpus(*demo, SENTENCES, **OPTIONS)


def break_off(demo, storage, windows=3, **options):
    """Leave the files of a run that was interrupted after some windows."""
    with pytest.raises(BrokenError):
        score_corpus(
            *demo, break_after(SENTENCES, windows * OPTIONS["window"]), output=storage.uri, **(OPTIONS | options)
        )
    assert PARTS[0] in storage.names()
    assert "_manifest.json" not in storage.names()


def table_at(uri):
    """The table as other readers of Parquet data sets see it."""
    filesystem, path = fs.FileSystem.from_uri(uri)
    return ds.dataset(path, filesystem=filesystem).to_table()


def test_the_folder_holds_what_the_table_would(demo, unbroken, storage):
    assert score_corpus(*demo, SENTENCES, output=storage.uri, **OPTIONS) == storage.uri
    assert storage.names() == ["_job.json", "_manifest.json", *PARTS]
    assert_same_tables(table_at(storage.uri), unbroken)
    frame = to_pandas(storage.uri)
    assert frame.equals(to_pandas(unbroken))
    assert {**corpus_info(storage.uri), "rows digest": None} == {**corpus_info(unbroken), "rows digest": None}
    with encoder_batches(demo.model) as forwards:
        assert score_corpus(*demo, SENTENCES, output=storage.uri, **OPTIONS) == storage.uri
    assert sum(forwards) == TRIED  # nothing was scored again


def test_whatever_takes_a_scored_table_takes_the_folder(demo, unbroken, storage, tmp_path, run):
    with one_thread():
        expected = profile_heads(*demo, SENTENCES, drawn=12, progress=False, **OPTIONS)
    found = profile_heads(*demo, SENTENCES, output=storage.uri, drawn=12, progress=False, **OPTIONS)
    assert_same_profiles(expected, found)
    assert select(storage.uri, "entropy", 5)["id"].equals(select(unbroken, "entropy", 5)["id"])
    assert show_corpus(storage.uri, *demo).score_name == show_corpus(unbroken, *demo).score_name
    code, out, err = run("select", storage.uri, "--by", "entropy", "--budget", "5")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 6
    if isinstance(storage, SharedDisk):  # and its path, as for a folder that was downloaded
        assert select(tmp_path / "scored.parquet", "entropy", 5)["id"].equals(select(unbroken, "entropy", 5)["id"])


def test_the_command_line_writes_to_a_uri(demo, bucket, tmp_path, run):
    (tmp_path / "pool.txt").write_text("\n".join(SENTENCES[:3]))
    options = ["--model", "demo", "--scores", "entropy", "--generation", "max_new_tokens=6"]
    code, out, err = run("score", tmp_path / "pool.txt", *options, "--output", bucket.uri)
    assert (code, err) == (0, "")
    assert out == f"{bucket.uri}: 3 sentences, 3 scored, 0 with an error\n"
    assert bucket.names() == ["_job.json", "_manifest.json", PARTS[0]]


def test_only_missing_windows_are_computed(demo, unbroken, storage):
    break_off(demo, storage)
    with pytest.raises(ValueError, match=r"scored\.parquet is not complete: make the call that wrote it again"):
        to_pandas(storage.uri)
    with encoder_batches(demo.model) as forwards:
        score_corpus(*demo, iter(SENTENCES), output=storage.uri, **OPTIONS)
    assert_same_tables(table_at(storage.uri), unbroken)
    done = 2 * OPTIONS["window"]  # the last complete window may not be written yet
    assert TRIED < sum(forwards) <= len(SENTENCES) - done + TRIED


@pytest.mark.skipif(sys.platform != "linux", reason="forks a process that has used torch")
def test_killed_at_random_moments_it_ends_with_the_same_values(unbroken, bucket, tmp_path):
    source = tmp_path / "pool.txt"
    source.write_text("\n".join(SENTENCES) + "\n", encoding="utf-8")
    program = [sys.executable, "-c", PROGRAM, source, bucket.uri]
    printed = subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True, timeout=240).stdout
    after_each = [set(line.split()) for line in printed.splitlines()]
    assert len(after_each) == 4
    for before, after in itertools.pairwise(after_each):
        assert before <= after  # finished windows stay finished
    assert 0 < len(after_each[0]) < len(PARTS) == len(after_each[-1])
    assert_same_tables(table_at(bucket.uri), unbroken)


@pytest.mark.parametrize("damage", [lambda content: content[:-20], lambda content: b"", lambda content: b"garbage" * 9])
def test_a_damaged_part_is_reported_and_not_used(demo, unbroken, storage, damage):
    break_off(demo, storage)
    storage.write(PARTS[0], damage(storage.read(PARTS[0])))
    with pytest.raises(ValueError, match=r"part-00000000\.parquet .* damaged: .* its rows are scored again"):
        score_corpus(*demo, iter(SENTENCES), output=storage.uri, **OPTIONS)
    storage.remove(PARTS[0])
    score_corpus(*demo, iter(SENTENCES), output=storage.uri, **OPTIONS)
    assert_same_tables(table_at(storage.uri), unbroken)


def test_a_part_that_is_damaged_later_is_an_error_that_says_how_to_go_on(demo, unbroken, storage):
    score_corpus(*demo, SENTENCES, output=storage.uri, **OPTIONS)
    whole, other = storage.read(PARTS[2]), storage.read(PARTS[3])
    for byte in range(8, len(whole), 1999):
        storage.write(PARTS[2], whole[:byte] + bytes([whole[byte] ^ 1]) + whole[byte + 1 :])
        try:
            assert to_pandas(storage.uri).equals(to_pandas(unbroken))  # a bit of the file that nothing reads
        except ValueError as error:
            assert f"{PARTS[2]} is not a Parquet file" in str(error)  # noqa: PT017
    storage.write(PARTS[2], other)
    with pytest.raises(ValueError, match=r"part-00000002\.parquet .* belongs to another job, or to other rows"):
        to_pandas(storage.uri)
    storage.remove(PARTS[2])
    with pytest.raises(ValueError, match=r"part-00000002\.parquet is missing: remove .*_manifest\.json, and make"):
        to_pandas(storage.uri)
    storage.remove("_manifest.json")
    with encoder_batches(demo.model) as forwards:
        score_corpus(*demo, SENTENCES, output=storage.uri, **OPTIONS)
    assert TRIED < sum(forwards) <= OPTIONS["window"] + TRIED
    assert_same_tables(table_at(storage.uri), unbroken)


def damaged(content):
    """JSON that is damaged in several ways."""
    fewer = json.loads(content)
    fewer.popitem()  # the checksum
    return [b"", b"[]", content.replace(b"1", b"2", 1), json.dumps(fewer).encode()]


def test_a_damaged_manifest_is_reported(demo, unbroken, storage):
    score_corpus(*demo, SENTENCES, output=storage.uri, **OPTIONS)
    for content in damaged(storage.read("_manifest.json")):
        storage.write("_manifest.json", content)
        with pytest.raises(ValueError, match=r"_manifest\.json is damaged \(.*\): remove .*, and make the call"):
            to_pandas(storage.uri)
        with pytest.raises(ValueError, match=r"_manifest\.json is damaged \(.*\): remove .*, and make the call"):
            score_corpus(*demo, SENTENCES, output=storage.uri, **OPTIONS)
    storage.remove("_manifest.json")
    score_corpus(*demo, SENTENCES, output=storage.uri, **OPTIONS)
    assert_same_tables(table_at(storage.uri), unbroken)


def test_a_damaged_description_of_the_job_is_reported(demo, storage):
    break_off(demo, storage)
    for content in damaged(storage.read("_job.json")):
        storage.write("_job.json", content)
        with pytest.raises(ValueError, match=r"_job\.json is damaged \(.*\): remove .*scored\.parquet to start over"):
            score_corpus(*demo, iter(SENTENCES), output=storage.uri, **OPTIONS)


def test_another_job_is_refused_in_the_middle_and_at_the_end(demo, storage):
    break_off(demo, storage)
    changed = OPTIONS | {"scores": ["entropy"]}
    with pytest.raises(ValueError, match=r"cannot resume.*scores was coverage_penalty.*now it is entropy"):
        score_corpus(*demo, iter(SENTENCES), output=storage.uri, **changed)
    other = [*SENTENCES[:20], "Etwas anderes.", *SENTENCES[21:]]
    with pytest.raises(ValueError, match="rows 16 to 31 differ from those of the interrupted run"):
        score_corpus(*demo, iter(other), output=storage.uri, **OPTIONS)
    with pytest.raises(ValueError, match="the data have 1 windows, but"):
        score_corpus(*demo, iter(SENTENCES[:16]), output=storage.uri, **OPTIONS)
    score_corpus(*demo, iter(SENTENCES), output=storage.uri, **OPTIONS)
    with pytest.raises(FileExistsError, match="belongs to another job: scores was"):
        score_corpus(*demo, iter(SENTENCES), output=storage.uri, **changed)
    with pytest.raises(FileExistsError, match="the data differ"):
        score_corpus(*demo, iter(other), output=storage.uri, **OPTIONS)


def test_a_part_of_another_job_is_never_used(demo, storage):
    changed = OPTIONS | {"scores": ["entropy"]}
    break_off(demo, storage, **changed)
    foreign = storage.read(PARTS[0])
    for name in storage.names():
        storage.remove(name)
    break_off(demo, storage)
    storage.write(PARTS[0], foreign)
    with pytest.raises(ValueError, match=r"part-00000000\.parquet was written by another job: remove it"):
        score_corpus(*demo, iter(SENTENCES), output=storage.uri, **OPTIONS)


def test_the_later_of_two_calls_goes_on(demo, unbroken, storage):
    def sources():
        yield from SENTENCES[:40]
        break_off(demo, storage)
        yield from SENTENCES[40:]

    with pytest.raises(BlockingIOError, match=r"another call is scoring to .*scored\.parquet, and has taken over"):
        score_corpus(*demo, sources(), output=storage.uri, **OPTIONS)
    assert "_manifest.json" not in storage.names()
    score_corpus(*demo, iter(SENTENCES), output=storage.uri, **OPTIONS)
    assert_same_tables(table_at(storage.uri), unbroken)


def test_a_folder_that_is_removed_during_the_job_is_not_created_again(demo, storage):
    def sources():
        yield from SENTENCES[:20]
        for name in storage.names():
            storage.remove(name)
        yield from SENTENCES[20:]

    with pytest.raises(FileNotFoundError, match=r"does not see .*scored\.parquet as it was|_job\.json"):
        score_corpus(*demo, sources(), output=storage.uri, **OPTIONS)


def test_files_of_others_are_left_alone(demo, storage):
    storage.write("thesis.txt", b"precious")
    with pytest.raises(FileExistsError, match=r"scored\.parquet exists and is not a scored corpus\. Remove it"):
        score_corpus(*demo, SENTENCES, output=storage.uri, **OPTIONS)
    assert storage.names() == ["thesis.txt"]
    with pytest.raises((IsADirectoryError, ValueError), match=r"is a folder without _manifest\.json"):
        to_pandas(storage.uri)
    file = f"{storage.uri}/thesis.txt"
    with pytest.raises(FileExistsError, match=r"thesis\.txt exists and is not a scored corpus\. Remove it"):
        score_corpus(*demo, SENTENCES, output=file, **OPTIONS)
    with pytest.raises(ValueError, match=r"thesis\.txt is not a Parquet file"):
        to_pandas(file)
    content = io.BytesIO()
    pq.write_table(score_corpus(*demo, SENTENCES[:3], **OPTIONS), content)
    storage.write("one.parquet", content.getvalue())
    assert corpus_info(f"{storage.uri}/one.parquet")["rows"] == 3  # a single file in shared storage can be read
    assert len(to_pandas(f"{storage.uri}/one.parquet")) == 3


def test_a_table_without_rows(demo, storage):
    score_corpus(*demo, [], output=storage.uri, **OPTIONS)
    expected = score_corpus(*demo, [], **OPTIONS)
    assert_same_tables(table_at(storage.uri), expected)
    assert {**corpus_info(storage.uri), "rows digest": None} == {**corpus_info(expected), "rows digest": None}


def test_addresses_that_cannot_be_written_are_reported_at_once(demo, bucket, tmp_path):
    def never():
        raise AssertionError("read")
        yield

    missing = (tmp_path / "none" / "scored.parquet").as_uri()
    cases = [
        ("quux://bucket/scored.parquet", ValueError, r"pyarrow cannot open quux://bucket.*Pass a URI such as s3://"),
        ("s3://me:secret@bucket/scored.parquet", ValueError, "has a password in it, which messages would show"),
        (Path(bucket.uri), ValueError, "was a URI before it became a .*Path: pass it as a string"),
        ("s3://no-such-bucket/scored.parquet", OSError, "cannot write s3://no-such-bucket/scored.parquet .*BUCKET"),
        (missing, FileNotFoundError, r"cannot write file://.*none/scored\.parquet .*No such file"),
    ]
    for output, error, message in cases:
        with pytest.raises(error, match=message) as raised:
            score_corpus(*demo, never(), output=output, **OPTIONS)
        assert "secret" not in str(raised.value)
