"""engine="ray" on a real local cluster of two workers: the same values as the local engine, even if a worker dies."""

from __future__ import annotations

import os
import signal
import threading

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import ray
from corpus_pool import ENGLISH, GERMAN, assert_same_profiles, assert_same_tables, made_up
from families import one_thread
from image_models import image_model
from picture_corpus import PICTURE_TEXTS, pictures
from pyarrow import fs
from speech_processors import speech_pair, write_sound

from xattn_widget import profile_heads, score_corpus
from xattn_widget.corpus import corpus_info
from xattn_widget.corpus.engine import cluster as cluster_module
from xattn_widget.corpus.store.shared import PartWriter

TRANSLATIONS = dict(zip(GERMAN, ENGLISH, strict=True))
SENTENCES = [*made_up(180), "", *made_up(20, seed=1)]
OPTIONS = {"window": 16, "generation": {"max_new_tokens": 6}}


@pytest.fixture(scope="module")
def cluster(s3):  # before the cluster, whose workers need the environment of the S3 server
    """A cluster of two CPUs, one for each of two workers."""
    # For a busy machine: workers that are not starved, and a minute instead of five seconds for the cluster to respond.
    os.environ |= {"RAY_worker_niceness": "0", "RAY_gcs_rpc_server_connect_timeout_s": "60"}
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


def mortal(marker, workers):
    """A score that kills the first other process in which it is called for the tenth time."""
    driver, calls = os.getpid(), []

    def strongest(attention, source_mask, target_mask):
        if os.getpid() != driver:
            calls.append(1)
            (workers / str(os.getpid())).touch()
            if len(calls) == 10 and not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return attention.amax((-2, -1))

    return strongest


def test_a_killed_worker_is_replaced_and_nothing_is_lost_or_duplicated(cluster, demo, tmp_path):
    marker, workers, output = tmp_path / "killed", tmp_path / "workers", tmp_path / "scored.parquet"
    workers.mkdir()
    options = OPTIONS | {"scores": ["coverage_penalty", "entropy", mortal(marker, workers)]}
    with one_thread():
        expected = score_corpus(*demo, SENTENCES, **options)
    assert not marker.exists()
    # From an iterator, into a file.
    assert score_corpus(*demo, iter(SENTENCES), output=output, engine="ray", workers=2, **options) == output
    assert marker.exists()
    assert len(list(workers.iterdir())) == 3  # two, and the replacement of the killed one
    written = pq.read_table(output)
    assert written["id"].to_pylist() == list(range(len(SENTENCES)))
    assert_same_tables(written, expected)
    assert not list(tmp_path.glob("*.parts"))


def test_workers_write_to_shared_storage_themselves(cluster, demo, bucket, monkeypatch):
    def broken():
        yield from SENTENCES[:48]
        raise RuntimeError("broken")

    with one_thread():
        expected = score_corpus(*demo, SENTENCES, **OPTIONS)
        with pytest.raises(RuntimeError, match="broken"):  # the local engine begins
            score_corpus(*demo, broken(), output=bucket.uri, **OPTIONS)
    assert "part-00000000.parquet" in bucket.names()
    monkeypatch.setattr(PartWriter, "write", None)  # in this process, which must not write
    options = OPTIONS | {"engine": "ray", "workers": 2}
    assert score_corpus(*demo, iter(SENTENCES), output=bucket.uri, **options) == bucket.uri
    assert corpus_info(bucket.uri)["errors"] == {"source is empty": 1}
    assert len([name for name in bucket.names() if name.startswith("part-")]) == 13
    filesystem, path = fs.FileSystem.from_uri(bucket.uri)
    assert_same_tables(ds.dataset(path, filesystem=filesystem).to_table(), expected)


@pytest.mark.parametrize("kind", ["file", "iterator"])
def test_one_engine_finishes_what_the_other_began(cluster, demo, tmp_path, kind):
    path, output = tmp_path / "pool.txt", tmp_path / "scored.parquet"
    path.write_text("\n".join(SENTENCES) + "\n")
    options = OPTIONS | {"scores": ["entropy"]}

    def source():
        return path if kind == "file" else iter(SENTENCES)

    with pytest.raises(ValueError, match="row 180 cannot be scored: source is empty"):
        score_corpus(*demo, source(), output=output, on_error="raise", engine="ray", workers=1, **options)
    assert list((tmp_path / "scored.parquet.parts").glob("window-*"))
    if kind == "iterator":
        other = ["Etwas anderes.", *SENTENCES[1:]]
        with pytest.raises(ValueError, match="rows 0 to 15 differ from those of the interrupted run"):
            score_corpus(*demo, iter(other), output=output, engine="ray", workers=1, **options)
    with one_thread():
        score_corpus(*demo, source(), output=output, **options)
        assert_same_tables(pq.read_table(output), score_corpus(*demo, path, **options))
    assert score_corpus(*demo, source(), output=output, engine="ray", workers=1, **options) == output


def test_sentences_that_kill_one_worker_after_another_end_the_job(cluster, demo, tmp_path):
    driver, output = os.getpid(), tmp_path / "scored.parquet"

    def deadly(attention, source_mask, target_mask):
        if os.getpid() != driver and source_mask.shape[-1] > 80:
            os.kill(os.getpid(), signal.SIGKILL)
        return attention.amax((-2, -1))

    sources = [*made_up(16), "Ja " * 90]
    with pytest.raises(RuntimeError, match="4 workers died while they scored rows 16 to 16"):
        score_corpus(*demo, sources, sources, [deadly], window=16, output=output, engine="ray", workers=1)
    assert list((tmp_path / "scored.parquet.parts").glob("window-00000000.parquet"))
    with one_thread():  # the score does no harm in this process
        score_corpus(*demo, sources, sources, [deadly], window=16, output=output)
    assert pq.read_metadata(output).num_rows == 17


def test_more_workers_than_the_cluster_holds_are_refused(cluster, demo):
    with pytest.raises(ValueError, match="3 workers need 3 CPUs, the cluster has 0 GPUs and 2 CPUs"):
        score_corpus(*demo, SENTENCES, engine="ray", workers=3)
    with pytest.raises(ValueError, match="1 workers need 1 GPUs and CPUs, the cluster has 0 GPUs"):
        score_corpus(*demo, SENTENCES, engine="ray", workers=1, gpus=True)


def test_a_configured_address_does_not_prevent_a_local_cluster(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with cluster_module._connected(None, 1):
        assert ray.cluster_resources()["CPU"] >= 1


def test_recordings_are_read_by_the_workers(cluster, tmp_path):
    pair, texts = speech_pair("whisper"), ["Ich habe Zeit.", "I have time.", "No."]
    paths = [write_sound(tmp_path / f"{number}.wav", 0.5 + number / 4, number) for number in range(3)]
    (tmp_path / "list.txt").write_text("".join(f"{path.name}\n" for path in [*paths, tmp_path / "missing.wav"]))
    options = {"scores": ["entropy"], "window": 2, "progress": False}
    with one_thread():
        expected = score_corpus(*pair, tmp_path / "list.txt", [*texts, "x"], **options)
    assert expected["error"].null_count == 3
    table = score_corpus(*pair, tmp_path / "list.txt", [*texts, "x"], engine="ray", workers=1, **options)
    assert_same_tables(table, expected)
    # From an iterator of sounds in memory, which are stored in a file first.
    sounds = ({"bytes": path.read_bytes(), "path": path.name} for path in paths)
    table = score_corpus(*pair, sounds, iter(texts), engine="ray", workers=1, **options)
    assert_same_tables(table, expected.slice(0, 3))


def test_pictures_and_their_prompts_go_to_the_workers(cluster):
    pair, prompts = image_model("donut"), ["ab", "dog", "ab"]
    options = {"scores": ["entropy", "blank_mass"], "window": 2, "prompt": prompts, "progress": False}
    with one_thread():
        expected = score_corpus(*pair, pictures()[:3], PICTURE_TEXTS[:3], **options)
    assert expected["error"].null_count == 3
    # From an iterator of pictures in memory, which are stored in a file first.
    shown, texts = iter(pictures()[:3]), iter(PICTURE_TEXTS[:3])
    assert_same_tables(score_corpus(*pair, shown, texts, engine="ray", workers=1, **options), expected)


def test_windows_of_long_recordings_are_the_same_on_ray(cluster, tmp_path):
    pair = speech_pair("whisper")
    pair.model.generation_config.max_initial_timestamp_index = 50
    paths = [write_sound(tmp_path / f"{number}.wav", seconds, number) for number, seconds in enumerate([0.5, 4.5, 5.3])]
    scores = ["sound_coverage", "silence_mass", "rereading", "outside_mass", "unsupported_words"]
    options = {"scores": scores, "window": 1, "progress": False, "generation": {"max_new_tokens": 8}}
    with one_thread():
        expected = score_corpus(*pair, paths, **options)
    assert expected.num_rows > len(paths) + 2
    assert_same_tables(score_corpus(*pair, paths, engine="ray", workers=2, **options), expected)


def translator(tokenizer, form):
    """Writes targets with a thing that cannot be sent to another process, and so is made where it is first used."""

    class Translator:  # of a function, so that it goes to workers, which cannot import the tests, by value
        lock = None

        def __call__(self, sources):
            self.lock = self.lock or threading.Lock()
            with self.lock:
                texts = [TRANSLATIONS[source] for source in sources]
            return texts if form == "texts" else [ids[:-1] for ids in tokenizer(text_target=texts)["input_ids"]]

    return Translator()


@pytest.mark.parametrize(("kind", "form"), [("object", "ids"), ("closure", "texts")])
def test_a_function_writes_targets_in_the_workers(cluster, demo, tmp_path, kind, form):
    called, driver, translate = tmp_path / "called", os.getpid(), translator(demo.tokenizer, form)
    called.mkdir()

    def write(sources):
        (called / str(os.getpid())).touch()
        return translate(sources)

    function = translate if kind == "object" else write
    options = {"scores": ["entropy", "coverage_penalty"], "statistics": ["logprob_sum"], "window": 3}
    with one_thread():
        expected = score_corpus(*demo, [*GERMAN, ""], [*ENGLISH, "Yes."], **options)
        local = score_corpus(*demo, [*GERMAN, ""], function, **options)
    del translate.lock  # which this process has used
    table = score_corpus(*demo, iter([*GERMAN, ""]), function, engine="ray", workers=1, **options)
    assert_same_tables(table, local)
    assert_same_tables(table.slice(0, len(GERMAN)), expected.slice(0, len(GERMAN)))
    assert corpus_info(table)["job"]["targets"] == corpus_info(local)["job"]["targets"]
    if kind == "closure":
        assert len({path.name for path in called.iterdir()} - {str(driver)}) == 1


def test_a_function_that_fails_in_a_worker_stops_the_job(cluster, demo, tmp_path):
    broken, output = tmp_path / "broken", tmp_path / "scored.parquet"
    broken.touch()

    def write(sources):
        if GERMAN[6] in sources and broken.exists():
            raise ConnectionError("the service is down")
        return [TRANSLATIONS[source] for source in sources]

    options = {"scores": ["entropy"], "window": 3, "output": output, "engine": "ray", "workers": 1}
    with pytest.raises(ConnectionError, match="the service is down"):
        score_corpus(*demo, GERMAN, write, **options)
    assert not output.exists()
    assert len(list((tmp_path / "scored.parquet.parts").glob("window-*"))) == 2
    broken.unlink()
    score_corpus(*demo, GERMAN, write, **options)
    with one_thread():
        assert_same_tables(pq.read_table(output), score_corpus(*demo, GERMAN, ENGLISH, ["entropy"], window=3))
    with pytest.raises(ValueError, match="called with 3 sources and returned 1 targets"):
        score_corpus(*demo, GERMAN, lambda sources: ["Yes."], **options | {"output": None})


def test_a_function_that_cannot_be_sent_to_workers_is_named(cluster, demo):
    lock = threading.Lock()

    def locked(attention, source_mask, target_mask):
        with lock:
            return attention.amax((-2, -1))

    def write(sources):
        with lock:
            return [TRANSLATIONS[source] for source in sources]

    reason = r"cannot be sent to the workers, because .*cannot pickle '_thread.lock' object.*engine='local'"
    with pytest.raises(TypeError, match=f"the score locked {reason}"):
        score_corpus(*demo, GERMAN, ENGLISH, [locked], engine="ray")
    with pytest.raises(TypeError, match=f"the function in targets {reason}"):
        score_corpus(*demo, GERMAN, write, engine="ray")


def test_a_profile_of_heads_is_that_of_the_local_engine(cluster, demo, tmp_path):
    output = tmp_path / "scored.parquet"
    options = OPTIONS | {"scores": ["entropy"], "drawn": 12, "progress": False}
    with one_thread():
        expected = profile_heads(*demo, SENTENCES, **options)
    # From an iterator, and the table is kept.
    found = profile_heads(*demo, iter(SENTENCES), output=output, engine="ray", workers=1, **options)
    assert_same_profiles(expected, found)
    assert pq.read_table(output).num_rows == len(SENTENCES)
