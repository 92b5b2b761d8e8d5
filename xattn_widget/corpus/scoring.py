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

from xattn_widget.corpus.engine.products import check_int8
from xattn_widget.corpus.job import TRIAL_PROMPT, Precision, ScoreLike, describe_job, make_job
from xattn_widget.corpus.memory import keep_fewer_kernels
from xattn_widget.corpus.sources.cells import MAX_RECORD_BYTES
from xattn_widget.corpus.sources.media import Medium
from xattn_widget.corpus.sources.mediums import medium_of
from xattn_widget.corpus.sources.prompts import check_prompt, with_prompts
from xattn_widget.corpus.sources.rows import cut_windows, open_rows, survey
from xattn_widget.corpus.store.counting import rows_digest
from xattn_widget.corpus.store.outputs import find_output
from xattn_widget.corpus.store.shards import MemoryStore, Store, check_finished
from xattn_widget.corpus.store.tables import corpus_info, make_schema
from xattn_widget.extraction.readers import reader_family
from xattn_widget.inputs.arguments import PREFIX
from xattn_widget.inputs.modalities import MelPadding
from xattn_widget.inputs.paired import PairedModel, pair_model
from xattn_widget.inputs.text.checks import refuse_pair
from xattn_widget.messages.mistakes import with_checked_arguments
from xattn_widget.messages.shell import running_shell
from xattn_widget.record.heads import check_whole
from xattn_widget.record.special import Special

logger = logging.getLogger("xattn_widget")

# How many rows are scored and stored together. The features of 30 s of sound take 1 MB for Whisper, and those of the
# next window are made meanwhile. Those of a page take 60 MB for Donut, so that windows of pictures also have a size.
_SENTENCES, _FILES, _PICTURE_BYTES = 4096, 64, 2**28
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
    special: Special = "keep",
    max_length: int | None = None,
    batch_tokens: int = 4096,
    window: int | None = None,
    max_record_bytes: int = MAX_RECORD_BYTES,
    on_error: Literal["record", "raise"] = "record",
    progress: bool | None = None,
    engine: Literal["local", "ray"] = "local",
    workers: int | None = None,
    gpus: bool | None = None,
    address: str | None = None,
    target_tokenizer: Any = None,
    forward: Mapping[str, Any] | None = None,
    mel_padding: MelPadding | None = None,
    prompt: str | Sequence[str] | None = None,
    precision: Precision = "model",
) -> pa.Table | Path | str:
    """Score every cross-attention head for each sentence, recording or picture of a corpus; returns a table of them.

    The values of a sentence do not depend on other sentences, the batches, the order or the engine (to 1e-5 in
    float32). A sentence, recording or picture that cannot be scored (empty, too long, not valid UTF-8, not a sound
    file, NaN in the model) has nulls, and the reason is in the column ``error``.

    A model that reads sound, such as Whisper, takes recordings as sources. Their attention is cropped to the sound, and
    its rows are renormalized, before it is scored, as :meth:`CrossAttention.score` does. Sound is read when its window
    of rows is prepared, and never kept. A recording of more than 30 s, which Whisper reads window by window, has a row
    for each of its windows if the model writes the targets. With a given target it gets an error, because nothing says
    which part of the target belongs to which window.

    A model that reads images, such as TrOCR or Donut, takes pictures as sources, with their ``prompt``, and does not
    keep them either. Models in which latent queries or a question read the image, such as BLIP-2, are an error.

    With ``output``, rows are written as they are scored, and memory use does not grow with the corpus. The same call
    resumes a run that was interrupted. The output gets its name only once it is complete.

    On AMD CPUs with AVX-512, oneDNN computes the model's float32 linear layers while the job runs, which is twice as
    fast there as torch's default; results differ by float32 rounding. The environment variable
    ``ONEDNN_PRIMITIVE_CACHE_CAPACITY`` is set to 128 unless it is set: oneDNN compiles a kernel for each shape of a
    batch and would keep 1,024 of them.

    Example:
        >>> from xattn_widget import load_demo, score_corpus
        >>> model, tokenizer = load_demo()
        >>> sentences = ["Ich habe das Buch gelesen.", "Wann stehst du morgen auf?"]
        >>> table = score_corpus(model, tokenizer, sentences, scores=["coverage_penalty", "entropy"])
        >>> table.column_names
        ['id', 'source', 'target', 'source_length', 'target_length', 'coverage_penalty', 'entropy', 'error']

    Args:
        model: an encoder-decoder model of transformers, used on its device and with its number type.
        tokenizer: the model's tokenizer, or the processor of a model that reads sound or images.
        sources: the sentences: a list, an iterator, the path of a file (text with one sentence per line, CSV or TSV
            with a header, JSON Lines, Parquet, Feather or Arrow; it may be packed with gzip, bzip2, xz or zstd, or be
            the only file in a zip), a pandas or polars frame or series, an Arrow table, stream or column (or any other
            frame with ``__arrow_c_stream__``, such as a DuckDB relation), or a ``datasets.Dataset``. The Ray engine
            stores an iterator's rows in a temporary file.

            For a model that reads sound, the paths of recordings (WAV, FLAC, OGG or MP3) in any of these, or the path
            of one recording. Paths in a file are relative to the folder of that file, and other paths to the working
            directory; the column ``source`` keeps them as they were written. Lists, frames and Parquet files may also
            hold dictionaries of ``datasets``, and lists whatever :func:`extract` takes. A path stands for its content:
            a run does not notice that a file has changed. Ray's workers must have the files at the same paths.

            For a model that reads images, the paths of pictures in any of these, in the same way. Lists, frames and
            Parquet files may also hold dictionaries of ``datasets``, and lists images of Pillow and arrays of pixels.
        targets: one target for each source, in anything that ``sources`` may be, read by teacher forcing; None to let
            the model generate them. The table contains them either way. For a multilingual Whisper, the tokenizer has
            to name the language of given targets (``processor.tokenizer.set_prefix_tokens``).

            Or a function that writes them. It is called with the list of the sources of one window at a time that can
            be read (texts; recordings and pictures as absolute paths, or as they are in memory), in another thread than
            the model's; with Ray, by each worker. It returns for each source a text or a list of token ids: those that
            ``generate`` returns after the start symbol, without the prompt of a picture. Ids are read up to their first
            end symbol, and end as the tokenizer ends a text, whether the end symbol is there or not. Something else, an
            empty target or one that is too long is an error of its row. A run is only resumed with the same function:
            its code and the values that it uses from outside are compared, other objects by type only.
        scores: names of built-in scores, and your own scores.
        output: a Parquet file to write; None to return the table. A URI that ``pyarrow.fs`` knows, such as
            ``"s3://bucket/scored.parquet"``, or ``"file:///shared/scored.parquet"`` for a folder that all machines
            share, is a folder of Parquet files in shared storage, to which the workers of the Ray engine write
            themselves.
        source_column: the column of the sentences if ``sources`` has columns, by default ``"source"``. A number, from
            0, means a column of a file without a header. ``"translation.de"`` is the field ``de`` of the column
            ``translation``, unless there is a column with that whole name.
        target_column: the column of given targets, in ``targets`` or otherwise in ``sources``.
        id_column: a column of ``sources`` to keep as the rows' ``id``; by default, rows are numbered from 0.
        generation: arguments of ``model.generate``; by default, decoding is greedy. If it returns several hypotheses,
            the best one is scored.
        statistics: statistics of the model's output distribution over the target, in nats: ``"logprob_sum"``,
            ``"logprob_mean"`` and ``"logprob_min"`` of the target's tokens; ``"margin"``, the mean difference between
            the probabilities of the two most probable tokens; ``"output_entropy"``, the mean entropy. They need the LM
            head, half the cost of a forward in small models, which is skipped otherwise.
        special: whether to ``"keep"``, ``"drop"`` or ``"renormalize"`` special tokens (see ``xattn_widget.scores``).
        max_length: the most tokens on either side; by default, as many as the model has positions for.
        batch_tokens: the most tokens in a forward, including padding. Sentences of similar length share a batch. If a
            model has dynamically quantized layers, whose rounding depends on the whole batch, each sentence is run
            alone. Positions of sound and of images count as tokens, of which Whisper has 1,500 in each forward: on a
            GPU, more is faster. Recordings are run one at a time if padding would change what the encoder computes.
        window: how many sentences, recordings or pictures are sorted by length, scored and stored together, and the
            most that an interrupted run loses; by default 4,096 sentences, 64 recordings, or as many pictures, at most
            64, as the processor makes 256 MB of. Windows of very long rows have fewer. For recordings of hours, 1 loses
            least.
        max_record_bytes: the most bytes of a line of text, a record of a file, or the texts of a row, without its
            sound. A larger one is not read, and its row has the reason in the column ``error``.
        on_error: ``"record"`` errors and continue, or ``"raise"`` the first one. Within a window, errors that can be
            detected without running the model come first; rows of a finished output are not checked again.
        progress: whether to show a progress bar; by default, in terminals and notebooks.
        engine: ``"local"``, or ``"ray"`` for several workers on Ray Data (``pip install xattn-widget[ray]``).
        workers: how many workers the Ray engine starts, each with its own copy of the model; by default one for each
            GPU of the cluster, or for each CPU if it has none.
        gpus: whether each Ray worker gets its own GPU; by default, if the cluster has GPUs.
        address: the address of a running Ray cluster, such as ``"auto"``; by default, a local one is started.
        target_tokenizer: the tokenizer of the targets, if it is another one; see :func:`xattn_widget.extract`.
        forward: further arguments of the model's forward. A value is a number, the same for all sentences, or a
            function of the list of a source's token ids that returns a number or an array of the same length. Values in
            ``generation`` that the forward takes, too, follow the same rule.
        mel_padding: how features of sound are padded to Whisper's 30 s: ``"model"`` (the default), as its feature
            extractor does, or ``"zeros"``, as openai-whisper does.
        prompt: for a model that reads images, the text that goes with every picture, or a list with one for each, as
            for :func:`extract`. The column ``prompt`` keeps it.
        precision: how the model's linear layers compute: ``"model"``, with the model's number type, or ``"int8"``, with
            integers of 8 bits, which is faster on CPUs. It needs a float32 model on an x86 CPU with AVX2. Values are
            then near those of :func:`extract`, and rank sentences and heads almost alike: the table's metadata and
            :ref:`precision` say how closely.

    Returns:
        An Arrow table, or the output's path or URI. Columns: ``id``, ``source``, ``target``, ``source_length`` and
        ``target_length`` in tokens (the source of sound in positions that hear it, and of pictures in positions),
        ``prompt`` for pictures with one, a ``[layers, heads]`` fixed-shape tensor for each score (NaN where it is
        undefined), the statistics, and ``error``. For sound there are also ``recording``, the number of the recording
        among the sources, ``window``, the number of the row among the windows of the recording, and ``offset``, where
        the window begins, in seconds; both are 0 for a recording that one forward reads, and null for one that cannot
        be read. The rows of a recording are adjacent. The schema's metadata contain the signatures, the model's
        fingerprint and the numbers of rows and errors; see :func:`xattn_widget.corpus.corpus_info`.

    Raises:
        TypeError: the model, the tokenizer or the sources have a wrong type, or a function as ``targets`` does not
            return a list.
        ValueError: the model, a score, a column or a setting is unsuitable; the interrupted run was another job, or one
            of its files is damaged; the output is an input; or a function as ``targets`` returns another number of
            targets than there are sources.
        BlockingIOError: another call is scoring to the output, or has taken it over if it is a URI.
        OSError: the output cannot be written, or does not fit on the disk.
        FileExistsError: the output exists and belongs to another job.
        ImportError, ConnectionError, RuntimeError: Ray is not installed, there is no cluster at the address, or one
            worker after another died on the same rows.
        Exception: whatever the model or a score raises for each of the first sentences, or a function as ``targets``.
    """
    place = None if output is None else find_output(output, sources, targets)
    if on_error not in ("record", "raise"):
        raise ValueError(f"on_error must be 'record' or 'raise', got {on_error!r}")
    if engine not in ("local", "ray"):
        raise ValueError(f"engine must be 'local' or 'ray', got {engine!r}")
    for option, value in (("workers", workers), ("gpus", gpus), ("address", address)):
        if value is not None and engine == "local":
            raise ValueError(
                f"{option} requires engine='ray': the local engine runs the model in this process, so leave it out"
            )
    refuse_pair(sources, targets)
    keep_fewer_kernels()
    check_whole(max_record_bytes, "max_record_bytes")
    paired = pair_model(model, tokenizer, target_tokenizer, mel_padding)
    if precision == "int8":
        check_int8(model)
    _check_readable(paired, prompt, sources, generation)
    write_targets = targets if callable(targets) else None
    if write_targets is not None:
        _check_writing(target_column, prompt)
        targets = None
    medium = medium_of(paired.source)
    if window is None:
        window = _usual_window(paired, medium, prompt is not None)
    check_whole(window, "window")
    rows = open_rows(
        sources,
        targets,
        source_column=source_column,
        target_column=target_column,
        id_column=id_column,
        max_record_bytes=max_record_bytes,
        medium=medium,
    )
    job = make_job(
        paired,
        scores,
        statistics=statistics,
        special=special,
        generation=generation,
        forward=forward,
        with_targets=rows.with_targets or write_targets is not None,
        max_length=max_length,
        batch_tokens=batch_tokens,
        stop_on_error=on_error == "raise",
        with_ids=rows.with_ids,
        prompted=prompt is not None,
        precision=precision,
        write_targets=write_targets,
    )
    run: Callable[..., Any]
    once = rows.once
    with ExitStack() as stack:
        if engine == "ray":
            from xattn_widget.corpus.engine import cluster

            cluster.check_installed()
            if rows.once:
                from xattn_widget.corpus.sources.spooling import spooled

                rows = stack.enter_context(spooled(rows))
            run = partial(cluster.run_on_ray, workers=workers, gpus=gpus, address=address)
        else:
            from xattn_widget.corpus.engine import local

            run = local.run_locally
        if prompt is not None:
            rows = with_prompts(rows, prompt)
        known = None if rows.once else survey(rows, window)
        description = describe_job(job, paired, window)
        if prompt is not None:
            description["prompt"] = prompt if isinstance(prompt, str) else "one for each"
        description["data"] = "an iterator" if once or known is None else f"{known.rows} rows {known.digest}"

        def finished() -> bool:
            """Whether the output exists; raises if another job wrote it."""
            if place is None or not place.exists():
                return False
            digest = None
            if once:
                digest = rows_digest([part.digest.encode() for part in cut_windows(rows.read(), window)])
            check_finished(place.place, description, digest)
            return True

        if place is not None and finished():
            place.discard_parts()
            return place.place
        schema = make_schema(job, description, rows.folder)
        store: Store = MemoryStore(schema)
        if place is not None:
            store = stack.enter_context(place.open_store(schema, description, known and known.rows))
            if finished():  # another call finished it before this one could begin
                place.remove_parts()
                return place.place
            if once and known:  # the interrupted run may have read another iterator
                for part in cut_windows(rows.read(), window):
                    store.has(part)
        with _bar(known and known.rows, len(store.done) * window, progress, medium) as bar:
            counted: Any = run(paired, job, rows, window, store, bar.update)
        result = store.finish(counted if known is None else known.windows)
    _report(corpus_info(result), progress)
    return result


def _check_readable(paired: PairedModel, prompt: Any, sources: Any, generation: Mapping[str, Any] | None) -> None:
    """Raise an error for images that a job cannot score, and for prompts that the model does not read."""
    reader = reader_family(paired)
    if reader is not None:
        raise ValueError(
            f"the decoder of this model ({reader.name}) does not attend to the image: its cross-attention is from what "
            "reads the image for it, and depends on no target. Make records in a loop with extract(model, processor, "
            "image), and score each with record.score(name)"
        )
    if prompt is None:
        return
    check_prompt(prompt, sources)
    paired.source.prompted([], [])  # raises an error if the model reads none
    if PREFIX in (generation or {}):
        raise ValueError(f"{PREFIX} and prompt both say what targets begin with: leave out one of them")


def _check_writing(target_column: Any, prompt: Any) -> None:
    """Raise an error for what a job cannot do whose targets a function writes."""
    if target_column is not None:
        raise ValueError(
            f"targets is a function and target_column is {target_column!r}, and both say what the targets are: leave "
            "out one of them"
        )
    if not isinstance(prompt, str | None):
        raise ValueError(
            "targets is a function, which is called with pictures and does not see the prompt of each: pass one prompt "
            "for all, or let the function write the targets first and pass them as a list"
        )


def _usual_window(paired: PairedModel, medium: Medium | None, prompted: bool) -> int:
    """How many rows a window has by default."""
    if medium is None:
        return _SENTENCES
    if not paired.source.sees:
        return _FILES
    trial = paired.source.trial(TRIAL_PROMPT if prompted else None)
    size = sum(int(part.nbytes) for part in trial.content.values())
    return max(1, min(_FILES, _PICTURE_BYTES // size))


@contextmanager
def _bar(total: int | None, done: int, progress: bool | None, medium: Medium | None) -> Iterator[Any]:
    if total is not None:
        done = min(done, total)  # the last window may be shorter
    if progress is None:
        # A shell with a kernel shows the bar in its cell. A script may import ipykernel too.
        progress = sys.stderr.isatty() or hasattr(running_shell(), "kernel")
    unit = f" {medium.plural if medium else 'sentences'}"
    with tqdm(total=total, initial=done, unit=unit, disable=not progress, smoothing=0.1) as bar:
        yield bar


def _report(info: dict[str, Any], progress: bool | None) -> None:
    """Log how many rows have no scores, and why, unless ``progress`` is False."""
    failed = info["rows"] - info["scored"]
    if failed and progress is not False:
        kinds = ", ".join(f"{count} {kind}" for kind, count in info["errors"].items())
        what = f"{failed} of {info['rows']} {'rows' if 'folder' in info else 'sentences'}"
        logger.warning("%s have no scores (see the error column): %s", what, kinds)
