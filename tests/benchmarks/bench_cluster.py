"""Measure what the head node of a Ray cluster does for each row, with workers that score nothing.

    python tests/benchmarks/bench_cluster.py [--rows N] [--window N] [--workers N] [--write]

The workers of the Ray engine return random numbers instead of running a model: six scores of 48 heads for each row, as
``score_corpus`` computes by default for a model of opus-mt's size. Everything else is real: rows are read from files,
cut into windows of 4,096 rows, sent to the workers, and stored, either in one file by the process that calls
``score_corpus``, or by the workers in a folder on a shared disk (``file://``).

CPU seconds are those of the system, separately for the process that calls ``score_corpus``, the task that reads the
rows, Ray's own processes and the workers. All but the workers are on the head node. They are counted from the first
scored window on, so that starting Ray and loading the package do not count.
"""

import argparse
import contextlib
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil
import pyarrow as pa
import ray
import torch
from bench_corpus import made_up
from memory import peak_megabytes_here
from results import Results, add_write_option, libraries
from transformers import MarianConfig, MarianMTModel

from xattn_widget import load_demo, score_corpus
from xattn_widget.corpus.engine import cluster
from xattn_widget.corpus.job import Job
from xattn_widget.corpus.sources.rows import Window, open_rows, survey
from xattn_widget.corpus.store.shards import ShardStore
from xattn_widget.corpus.store.shared import SharedStore

WINDOW = 4096
CALLER, READER, RAY, WORKERS = "the process that calls score_corpus", "the task that reads", "Ray itself", "the workers"
# As many layers and heads as opus-mt has.
SIZES = {"layers": 6, "attention_heads": 8, "ffn_dim": 16}
OUTPUTS = {
    "one file": lambda folder: folder / "scored.parquet",
    "a folder, by the workers": lambda folder: (folder / "scored.parquet").as_uri(),
}


class FakeWorker:
    """Scores windows with random numbers."""

    def __init__(self, job: Job) -> None:
        self._job = job
        kind = pa.fixed_shape_tensor(pa.float32(), job.shape, dim_names=["layer", "head"])
        size = job.shape[0] * job.shape[1]
        numbers = np.random.default_rng(0).random(WINDOW * size, dtype=np.float32)
        self._grid = pa.ExtensionArray.from_storage(kind, pa.FixedSizeListArray.from_arrays(pa.array(numbers), size))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def prepare(self, window: Window) -> Window:
        return window

    def score(self, window: Window) -> pa.Table:
        count = len(window.rows)
        lengths = pa.array([8] * count, pa.int32())
        columns: dict[str, Any] = {
            "id": pa.array(range(window.first, window.first + count), pa.int64()),
            "source": pa.array([row.source for row in window.rows], pa.string()),
            "target": pa.array([row.target for row in window.rows], pa.string()),
            "source_length": lengths,
            "target_length": lengths,
        }
        columns |= {score.name: self._grid.slice(0, count) for score in self._job.scores}
        return pa.table(columns | {"error": pa.nulls(count, pa.string())})


class FakeRemoteWorker(cluster.RemoteWorker):
    """A worker of the Ray engine that scores nothing."""

    def __init__(self, shared: list[Any], *arguments: Any) -> None:
        super().__init__(shared, *arguments)
        self._worker = FakeWorker(ray.get(shared[0])[1])


class Watch:
    """Counts the CPU seconds of this process and those that it started, by what they do."""

    def __init__(self) -> None:
        self._titles: dict[int, str] = {}
        threading.Thread(target=self._watch, daemon=True).start()

    def seconds(self) -> dict[int, float]:
        """CPU seconds of each process so far."""
        seconds = {}
        for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                seconds[process.pid] = times.user + times.system
        return seconds

    def between(self, before: dict[int, float], after: dict[int, float]) -> dict[str, float]:
        """CPU seconds by what the processes do."""
        totals = dict.fromkeys((CALLER, READER, RAY, WORKERS), 0.0)
        for process, seconds in after.items():
            totals[self._kind(process)] += seconds - before.get(process, 0.0)
        return totals

    def _watch(self) -> None:
        while True:  # a process of Ray has the name of its task only while the task runs
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    title = " ".join(process.cmdline())
                    if title.startswith("ray::") and "IDLE" not in title:
                        self._titles[process.pid] = title
            time.sleep(0.5)

    def _kind(self, process: int) -> str:
        if process == os.getpid():
            return CALLER
        title = self._titles.get(process, "")
        if "Read" in title and "RemoteWorker" not in title:
            return READER
        return WORKERS if "RemoteWorker" in title else RAY


def make_model(tokenizer: Any) -> MarianMTModel:
    """A small model with as many layers and heads as opus-mt has."""
    sizes = {f"{side}_{what}": number for side in ("encoder", "decoder") for what, number in SIZES.items()}
    special = {name: getattr(tokenizer, name) for name in ("pad_token_id", "eos_token_id")}
    return MarianMTModel(
        MarianConfig(
            vocab_size=len(tokenizer), d_model=16, decoder_start_token_id=tokenizer.pad_token_id, **sizes, **special
        )
    ).eval()


def measure(output: str, rows: int, window: int, workers: int) -> dict[str, Any]:
    """CPU seconds of each kind of process while it scores, and the seconds of the other steps."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(_measure_here, (output, rows, window, workers))
        pool.close()
        pool.join()
    return found


def _measure_here(output: str, rows: int, window: int, workers: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    _, tokenizer = load_demo()
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers cannot import this script
    cluster.RemoteWorker = FakeRemoteWorker
    found: dict[str, Any] = {}
    stamps: list[tuple[float, dict[int, float]]] = []

    def noting(function: Callable[..., Any]) -> Callable[..., Any]:
        """The method that stores a window, which notes the moment when the first one comes."""

        def run(*arguments: Any) -> Any:
            if not stamps:
                stamps.append((time.perf_counter(), watch.seconds()))
            return function(*arguments)

        return run

    def timing(function: Callable[..., Any]) -> Callable[..., Any]:
        """The method that finishes the output, timed."""

        def run(*arguments: Any) -> Any:
            stamps.append((time.perf_counter(), watch.seconds()))
            result = function(*arguments)
            found["finish"] = time.perf_counter() - stamps[-1][0]
            return result

        return run

    ShardStore.write, SharedStore.add = noting(ShardStore.write), noting(SharedStore.add)
    ShardStore.finish, SharedStore.finish = timing(ShardStore.finish), timing(SharedStore.finish)
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name, "source.txt"), Path(name, "target.txt")]
        with paths[0].open("w") as sources, paths[1].open("w") as targets:
            for source, target in made_up(rows):
                sources.write(source + "\n")
                targets.write(target + "\n")
        started = time.perf_counter()
        survey(open_rows(*paths), window)
        found["survey"] = time.perf_counter() - started
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        watch = Watch()
        score_corpus(
            make_model(tokenizer),
            tokenizer,
            *paths,
            output=OUTPUTS[output](Path(name)),
            window=window,
            engine="ray",
            workers=workers,
            progress=False,
        )
        ray.shutdown()
    (first, before), (last, after) = stamps
    counted = rows - window  # the first window was scored before the first moment
    found["rows per second"] = counted / (last - first)
    found["cpu"] = {kind: seconds / counted for kind, seconds in watch.between(before, after).items()}
    found["peak"] = peak_megabytes_here()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--window", type=int, default=WINDOW, help=f"rows of a window, at most {WINDOW}")
    parser.add_argument("--workers", type=int, default=2)
    add_write_option(parser, "cluster")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {output: measure(output, options.rows, options.window, options.workers) for output in OUTPUTS}
    facts = (
        f"{libraries(f'Ray {ray.__version__}')}; {options.rows:,} rows, {options.workers} workers that score nothing"
    )
    results = Results(options.write, f"{facts}, all on one machine with {os.cpu_count()} CPUs")
    results.table(["per million rows", *OUTPUTS])

    def row(name: str, value: Callable[[dict[str, Any]], str]) -> None:
        results.row([name, *(value(one) for one in found.values())])

    million = 1_000_000
    row("first, to read and count the rows", lambda one: f"{one['survey'] / options.rows * million:.0f} s")
    for kind in (CALLER, READER, RAY, WORKERS):
        row(f"CPU of {kind}", lambda one, kind=kind: f"{one['cpu'][kind] * million:.0f} s")
    row("at the end, to finish the output", lambda one: f"{one['finish'] / options.rows * million:.1f} s")
    results.table(["in this run", *OUTPUTS])
    row("rows per second while scoring", lambda one: f"{one['rows per second']:,.0f}")
    row(f"peak memory of {CALLER}", lambda one: f"{one['peak']:.0f} MB")
    results.table(["rows per second that one CPU allows", *OUTPUTS])
    for kind in (CALLER, READER):
        row(kind, lambda one, kind=kind: f"{1 / one['cpu'][kind]:,.0f}")
    results.save()


if __name__ == "__main__":
    main()
