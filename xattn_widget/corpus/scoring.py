"""Score a corpus: ``score_corpus``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from xattn_widget.corpus.engine.local import run_locally
from xattn_widget.corpus.job import ScoreLike, check_positive, describe_job, make_job
from xattn_widget.corpus.memory import keep_fewer_kernels
from xattn_widget.corpus.sources.cells import MAX_RECORD_BYTES
from xattn_widget.corpus.sources.rows import cut_windows, open_rows, survey
from xattn_widget.corpus.sources.spooling import spooled
from xattn_widget.corpus.store.parts import discard_parts, remove_parts
from xattn_widget.corpus.store.shards import (
    MemoryStore,
    Store,
    check_finished,
    check_output,
    open_shards,
    rows_digest,
)
from xattn_widget.corpus.store.tables import corpus_info, make_schema
from xattn_widget.inputs.text.checks import refuse_pair
from xattn_widget.inputs.text.sides import pair_model
from xattn_widget.messages.mistakes import with_checked_arguments

logger = logging.getLogger("xattn_widget")

DEFAULT_SCORES = ("coverage_penalty", "entropy", "confidence", "sink_mass", "ignored_source", "marginal_divergence")


@with_checked_arguments
def score_corpus(
    model: PreTrainedModel,
    tokenizer: Any,
    sources: Any,
    targets: Any = None,
    scores: Sequence[ScoreLike] | ScoreLike = DEFAULT_SCORES,
    *,
    output: str | PathLike[str] | None = None,
    source_column: str | int | None = None,
    target_column: str | int | None = None,
    id_column: str | int | None = None,
    generation: Mapping[str, Any] | None = None,
    statistics: Sequence[str] | str = (),
    special: Literal["keep", "drop", "renormalize"] = "keep",
    max_length: int | None = None,
    batch_tokens: int = 4096,
    window: int = 4096,
    max_record_bytes: int = MAX_RECORD_BYTES,
    on_error: Literal["record", "raise"] = "record",
    progress: bool | None = None,
    engine: Literal["local", "ray"] = "local",
    workers: int | None = None,
    gpus: bool | None = None,
    address: str | None = None,
    target_tokenizer: Any = None,
    forward: Mapping[str, Any] | None = None,
) -> pa.Table | Path:
    """Scores of every cross-attention head for each sentence of a corpus, in a table with a row an input.

    The value of a sentence does not depend on the sentences beside it, the batches, the order or the engine (to 1e-5 in
    float32). A sentence that cannot be scored (empty, too long, not valid UTF-8, NaN in the model) has nulls and the
    reason in the column ``error``.

    With ``output`` rows are written as they are scored, and memory does not grow with the corpus. A run that was broken
    off goes on where it was when the same call is made again; the output has its name only when it is whole.

    While the job runs, on AMD's CPUs with AVX-512, the model's float32 linear layers are computed by oneDNN, which is
    twice as fast there as what torch takes; results differ by float32 rounding. The environment variable
    ``ONEDNN_PRIMITIVE_CACHE_CAPACITY`` is set to 128 if it is not set: each shape of a batch is a kernel that oneDNN
    compiles, and it would keep 1,024 of them.

    Args:
        model: an encoder-decoder model of transformers, as loaded (on its device, in its number type).
        tokenizer: the model's tokenizer.
        sources: sentences: a list, an iterator, the path of a file (text with one sentence per line, CSV or TSV with a
            header, JSON Lines, Parquet, Feather or Arrow; also packed with gzip, bzip2, xz, zstd, or alone in a zip), a
            pandas or polars frame or series, an Arrow table or column, a ``datasets.Dataset``. The Ray engine keeps an
            iterator's rows in a temporary file.
        targets: None to let the model generate them (they are kept in the table); or one for each source, in anything
            that ``sources`` may be, to be read by teacher forcing.
        scores: names of built-in scores and scores of your own.
        output: a Parquet file to write; None to return the table.
        source_column: the column of the sentences in what has columns, ``"source"`` when left out. A number counts the
            columns of a file without a header, from 0. ``"translation.de"`` is the field ``de`` of the column
            ``translation``, unless a column is called that.
        target_column: the column of given targets, in ``targets`` or else in ``sources``.
        id_column: a column of ``sources`` to be kept as the rows' ``id``; else they are numbered from 0.
        generation: arguments of ``model.generate``; greedy when left out. Of several hypotheses the best is scored.
        statistics: of the model's output distribution over the target, in nats: ``"logprob_sum"``, ``"logprob_mean"``,
            ``"logprob_min"`` of the target's tokens; ``"margin"``, the mean difference of the two most probable tokens'
            probabilities; ``"output_entropy"``, the mean entropy. They take the vocabulary head, half a forward's cost
            in small models, which is left out otherwise.
        special: ``"keep"``, ``"drop"`` or ``"renormalize"`` special tokens (see ``xattn_widget.scores``).
        max_length: the most tokens on either side; what the model has positions for when left out.
        batch_tokens: the most tokens of a forward, padding counted. Sentences of like length go together. A model with
            dynamically quantized layers, which round all sentences of a batch alike, runs one sentence at a time.
        window: rows that are sorted by length, scored and stored together; what a broken run loses at most. Of very
            long rows there are fewer.
        max_record_bytes: the most bytes of a line of text, a record of a file, or a row's texts. A larger one is not
            read, and its row has the reason in the column ``error``.
        on_error: ``"record"`` errors and go on, or ``"raise"`` at the first that is met (of a window those that are
            seen without the model come first; rows of a finished output are not looked at again).
        progress: show a bar; when left out, in terminals and notebooks.
        engine: ``"local"``, or ``"ray"`` for several workers on Ray Data (``pip install xattn-widget[ray]``).
        workers: of the Ray engine, each with a model of its own; one for each GPU or else each CPU of the cluster when
            left out.
        gpus: whether a Ray worker has a GPU to itself; when left out, where the cluster has GPUs.
        address: of a running Ray cluster, such as ``"auto"``; a local one is started when left out.
        target_tokenizer: the tokenizer of the targets, where it is another one, see :func:`xattn_widget.extract`.
        forward: further arguments of the model's forward. A value is the same for all sentences (a number), or a
            function of one source's token ids (a list) that returns a number or an array as long. Arguments of
            ``generation`` that the forward takes too are of the same kind.

    Returns:
        An Arrow table, or the output's path. Columns: ``id``, ``source``, ``target``, ``source_length`` and
        ``target_length`` in tokens, for each score a ``[layers, heads]`` fixed-shape tensor (NaN where it is
        undefined), the statistics, ``error``. The signatures, the model's fingerprint and the counts of rows and errors
        stand in the schema's metadata; see :func:`xattn_widget.corpus.corpus_info`.

    Raises:
        TypeError: the model, the tokenizer or the sources are of a wrong kind.
        ValueError: something about the model, the scores, the columns or the settings; a broken run of another job, or
            a damaged part of it; an output that is an input.
        BlockingIOError: another call is scoring to the output.
        OSError: the output cannot be written, or will not fit on the disk.
        FileExistsError: the output is there and of another job.
        ImportError, ConnectionError, RuntimeError: there is no Ray; no cluster at the address; one worker after the
            other died over the same rows.
        Exception: what the model or a score raises for all of the first sentences alike.
    """
    path = None if output is None else check_output(output, sources, targets)
    if on_error not in ("record", "raise"):
        raise ValueError(f"on_error must be 'record' or 'raise', got {on_error!r}")
    check_positive(window, "window")
    if engine not in ("local", "ray"):
        raise ValueError(f"engine must be 'local' or 'ray', got {engine!r}")
    for option, value in (("workers", workers), ("gpus", gpus), ("address", address)):
        if value is not None and engine == "local":
            raise ValueError(f"{option} is of engine='ray'; the local engine runs the model where it is")
    refuse_pair(sources, targets)
    keep_fewer_kernels()
    check_positive(max_record_bytes, "max_record_bytes")
    rows = open_rows(
        sources,
        targets,
        source_column=source_column,
        target_column=target_column,
        id_column=id_column,
        max_record_bytes=max_record_bytes,
    )
    text_model = pair_model(model, tokenizer, target_tokenizer)
    job = make_job(
        text_model,
        scores,
        statistics=statistics,
        special=special,
        generation=generation,
        forward=forward,
        with_targets=rows.with_targets,
        max_length=max_length,
        batch_tokens=batch_tokens,
        stop_on_error=on_error == "raise",
        with_ids=rows.with_ids,
    )
    run: Callable[..., Any] = run_locally
    once = rows.once
    with ExitStack() as stack:
        if engine == "ray":
            from xattn_widget.corpus.engine import cluster

            cluster.check_installed()
            if rows.once:
                rows = stack.enter_context(spooled(rows))
            run = partial(cluster.run_on_ray, workers=workers, gpus=gpus, address=address)
        known = None if rows.once else survey(rows, window)
        description = describe_job(job, text_model, window)
        description["data"] = "an iterator" if once or known is None else f"{known.rows} rows {known.digest}"

        def finished() -> bool:
            """Whether the output is there, as this job writes it."""
            if path is None or not path.exists():
                return False
            digest = None
            if once:
                digest = rows_digest([each.digest.encode() for each in cut_windows(rows.read(), window)])
            check_finished(path, description, digest)
            return True

        if path is not None and finished():
            discard_parts(path)
            return path
        schema = make_schema(job, description)
        store: Store = MemoryStore(schema)
        if path is not None:
            shards = stack.enter_context(open_shards(path, schema, description, known and known.rows))
            if finished():  # by another call, before this one had the lock
                remove_parts(shards.folder)
                return path
            store = shards
            if once and known:  # what was read before may have been another iterator
                for each in cut_windows(rows.read(), window):
                    store.has(each)
        with _bar(known and known.rows, len(store.done) * window, progress) as bar:
            counted = run(text_model, job, rows, window, store, bar.update)
        result = store.finish(counted if known is None else known.windows)
    _report(corpus_info(result), progress)
    return result


@contextmanager
def _bar(total: int | None, done: int, progress: bool | None) -> Iterator[Any]:
    if total is not None:
        done = min(done, total)  # the last window is a short one
    if progress is None:
        progress = sys.stderr.isatty() or "ipykernel" in sys.modules
    with tqdm(total=total, initial=done, unit=" sentences", disable=not progress, smoothing=0.1) as bar:
        yield bar


def _report(info: dict[str, Any], progress: bool | None) -> None:
    """Say how many sentences have no scores, and why; quiet where quiet was asked for."""
    failed = info["rows"] - info["scored"]
    if failed and progress is not False:
        kinds = ", ".join(f"{count} {kind}" for kind, count in info["errors"].items())
        logger.warning("%d of %d sentences have no scores (see the error column): %s", failed, info["rows"], kinds)
