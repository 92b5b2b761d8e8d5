"""Score one window of rows: encode it, cut it into batches by length, run them, and restore the order of the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import torch

from xattn_widget.capturing.blocks import Block, Cleanup
from xattn_widget.corpus.engine.batching import ACCELERATOR_OVERHEAD, CPU_OVERHEAD, cut_batches, depends_on_batch
from xattn_widget.corpus.engine.forward import Forward, SourceInputs
from xattn_widget.corpus.engine.products import faster_products, int8_products
from xattn_widget.corpus.engine.reading import after_prompt, by_form, given_source, with_inputs
from xattn_widget.corpus.engine.targets import GivenTargets
from xattn_widget.corpus.job import Job
from xattn_widget.corpus.sources.rows import Window
from xattn_widget.corpus.store.tables import ScoredRow, window_table
from xattn_widget.inputs.audio.long_form import Transcript
from xattn_widget.inputs.audio.windows import WhisperWindows
from xattn_widget.inputs.batches import prefixed
from xattn_widget.inputs.encoding_alone import encode
from xattn_widget.inputs.evaluating import evaluating
from xattn_widget.inputs.generating import generate
from xattn_widget.inputs.paired import PairedModel
from xattn_widget.inputs.pairs import Pair, force
from xattn_widget.inputs.sources import Source

# When all sentences at the beginning of the first window fail alike, the job stops after this many.
_ENOUGH = 64
_CHARACTERS_AT_ONCE = 2**20
# The source tokens whose states are held at a time: 64 MB for a model of 512 float32 values a token.
_TOKENS_AT_ONCE = 2**15
# What a token of a source and one of a target cost in a decoder: for a source, it computes keys and values alone.
_DECODER_COSTS = (0.2, 1)


@dataclass
class Sentence:
    """One row that can be run."""

    row: ScoredRow
    source: Source
    target: list[int] | None  # None if it is generated
    inputs: SourceInputs  # what scores need of the source
    text: str | None  # of its target, if it was given as one
    states: torch.Tensor | None = None  # [source, width] what the encoder returned for it, if it has run by itself
    pair: Pair | None = None  # the source with its generated target


class LongRecording(NamedTuple):
    """A recording that takes several forwards, each of which becomes a row of the table."""

    row: ScoredRow  # of its first window
    windows: WhisperWindows


@dataclass
class Prepared:
    """A window, encoded."""

    window: Window
    rows: list[ScoredRow]  # one per input, in order
    groups: list[list[Sentence]]  # of sentences that are encoded before the first of them is scored
    recordings: list[LongRecording]
    further: list[ScoredRow] = field(default_factory=list)  # the later windows of long recordings
    worked: bool = False  # whether any forward has succeeded
    failures: list[type] = field(default_factory=list)  # the errors of sentences that failed alone


class Worker(Block["Worker"]):
    """Scores windows with one model, inside a ``with`` block, in the thread that enters it."""

    def __init__(self, paired: PairedModel, job: Job) -> None:
        super().__init__(self._begin)
        self._paired, self._model, self._job = paired, paired.model, job
        self._forward = Forward(paired, job)
        self._targets = GivenTargets(paired, job)
        self._one_by_one = depends_on_batch(self._model) or not paired.source.batches
        self._alone = job.encodes_alone and not self._one_by_one

    def _begin(self, cleanup: Cleanup) -> Self:
        evaluating(self._model).begin(cleanup)
        products = int8_products if self._job.precision == "int8" else faster_products
        products(self._model).begin(cleanup)
        self._forward.listen(cleanup)
        return self

    def prepare(self, window: Window) -> Prepared:
        """Encode a window and cut it into batches. Does not touch the model, so another thread may run it meanwhile.

        Raises:
            Exception: what :meth:`GivenTargets.find` raises.
        """
        rows = [ScoredRow(place, row.target, row.error) for place, row in enumerate(window.rows)]
        model, (source_limit, target_limit) = self._paired, self._job.limits
        generated = self._job.generation is not None
        given: list[Any] = [given_source(row, model.source) for row in window.rows]

        def read_sources(items: list[Any]) -> Iterator[Any]:
            for item in model.source.try_read(items, source_limit, in_windows=generated):
                yield with_inputs(item, self._forward.source_inputs)

        sources = _read(given, "source", read_sources, rows)
        targets = {}
        if not generated:
            targets = _read(self._targets.find(window, rows), "target", self._targets.read, rows)
        sentences, recordings = [], []
        for row in rows:
            if row.error is not None:
                continue
            if isinstance(sources[row.place], WhisperWindows):
                recordings.append(LongRecording(row, sources[row.place]))
                continue
            source, inputs = sources[row.place]
            target, text = targets.get(row.place), row.target
            if target is not None:
                if text is None:
                    row.target = self._targets.decode(target)
                target = after_prompt(model.target, source, target, target_limit)
                if isinstance(target, str):
                    row.error = target
                    continue
            sentence = Sentence(row, source, target, inputs, text)
            row.lengths = sum(source.counted()), len(sentence.target or ())
            if model.source.hears:
                row.window, row.offset = 0, 0.0
            sentences.append(sentence)
        return Prepared(window, rows, self._grouped(sentences), recordings)

    def score(self, prepared: Prepared, advance: Callable[[int], object] = lambda rows: None) -> pa.Table:
        """The window's part of the table.

        Args:
            prepared: the encoded window.
            advance: called with the number of rows that have just been finished.

        Raises:
            ValueError: a sentence cannot be scored, and the job is to stop at errors.
            Exception: the model or a score raised it for all of the first sentences of the first window.
        """
        self._stop_at_error(prepared)
        advance(sum(row.error is not None for row in prepared.rows))
        with _sampling_of(prepared.window.number, self._model, self._job.generation):
            for group in prepared.groups:
                self._score_group(group, prepared, advance)
            for recording in prepared.recordings:
                self._score_windows(recording, prepared)
                self._stop_at_error(prepared)
                advance(1)
        rows = sorted([*prepared.rows, *prepared.further], key=lambda row: (row.place, row.window or 0))
        return window_table(self._job, prepared.window, rows)

    def _grouped(self, sentences: list[Sentence]) -> list[list[Sentence]]:
        """Sentences of similar length together, as many as the states of their sources may take memory."""
        if not self._alone:
            return [sentences]
        most = max(_TOKENS_AT_ONCE, self._job.batch_tokens)
        groups, tokens = list[list[Sentence]](), most
        for sentence in sorted(sentences, key=lambda sentence: len(sentence.source) + len(sentence.target or ())):
            if tokens + len(sentence.source) > most:
                groups.append([])
                tokens = 0
            groups[-1].append(sentence)
            tokens += len(sentence.source)
        return groups

    def _score_group(self, group: list[Sentence], prepared: Prepared, advance: Callable[[int], object]) -> None:
        """Fill in the rows of a group: encode the sources, generate the targets, and score the pairs."""
        if self._alone:
            for batch in self._cut(group, costs=(1, 0)):
                self._encode(batch)
        if self._job.generation is not None:
            for batch in self._cut(group, generated=True):
                self._try(self._generate, batch, prepared)
                self._stop_at_error(prepared)
            failed = [sentence for sentence in group if sentence.row.error is not None]
            advance(len(failed))
            group = [sentence for sentence in group if sentence.row.error is None]
        for batch in self._cut(group, costs=_DECODER_COSTS if self._alone else (1, 1)):
            self._try(self._score_batch, batch, prepared)
            self._stop_at_error(prepared)
            advance(len(batch))
            for sentence in batch:
                sentence.states = sentence.pair = None

    def _cut(
        self, sentences: list[Sentence], *, costs: tuple[float, float] = (1, 1), generated: bool = False
    ) -> list[list[Sentence]]:
        batches = []
        for group in by_form(self._paired, sentences):
            cut = cut_batches(
                np.array([self._lengths(sentence) for sentence in group]).reshape(-1, 2),
                1 if self._one_by_one else self._job.batch_tokens,
                CPU_OVERHEAD if self._model.device.type == "cpu" else ACCELERATOR_OVERHEAD,
                costs=costs,
                generated=generated,
            )
            batches += [[group[place] for place in batch] for batch in cut]
        return batches

    def _lengths(self, sentence: Sentence) -> tuple[int, int]:
        """The tokens of source and target. A target not yet known is taken to be as long as its source may make it."""
        source, longest = len(sentence.source), self._job.limits[1]
        if sentence.pair is not None:
            return source, len(sentence.pair.predicted)
        return source, len(sentence.target or ()) or (source if longest is None else min(source, longest))

    def _encode(self, batch: list[Sentence]) -> None:
        """Run the encoder. Sentences for which it fails are encoded again with their target, which says why."""
        with suppress(Exception):
            for sentence, states in zip(
                batch, encode(self._model, [sentence.source for sentence in batch]), strict=True
            ):
                sentence.states = states

    def _try(self, run: Callable[[list[Sentence]], None], batch: list[Sentence], prepared: Prepared) -> None:
        """Run a batch. One that fails is tried again sentence by sentence, and the rows of those that fail say why."""
        try:
            run(batch)
            prepared.worked = True
            return
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            if len(batch) == 1:
                batch[0].row.error = _reason(error)
                return
        except Exception as error:
            if len(batch) == 1:
                batch[0].row.error = _reason(error)
                self._raise_if_all_fail(error, prepared)
                return
            for sentence in batch:
                self._try(run, [sentence], prepared)
            return
        half = len(batch) // 2
        for part in (batch[:half], batch[half:]):
            self._try(run, part, prepared)

    def _score_windows(self, recording: LongRecording, prepared: Prepared) -> None:
        """Transcribe a long recording, and fill in a row for each of its windows.

        After a window that fails, nothing says where the next one begins: it is the last row of the recording.
        """
        windows, row = recording.windows, recording.row
        row.window, row.offset = 0, 0.0
        try:
            transcript = Transcript(self._paired, windows, self._job.extras)
            while True:
                found = transcript.transcribe_next()
                self._fill([row], [found.pair], [self._forward.source_inputs(found.pair.source)])
                prepared.worked = True
                if transcript.is_complete:
                    return
                row = ScoredRow(row.place, None, window=len(transcript.known), offset=windows.seconds(found.next))
                prepared.further.append(row)
        except Exception as error:
            if isinstance(error, torch.OutOfMemoryError):
                torch.cuda.empty_cache()
            row.error = _reason(error)
            if not isinstance(error, torch.OutOfMemoryError):
                self._raise_if_all_fail(error, prepared)

    def _raise_if_all_fail(self, error: Exception, prepared: Prepared) -> None:
        # Later windows only record errors: otherwise a job that is run again would always stop at the same place.
        prepared.failures.append(type(error))
        runnable = sum(map(len, prepared.groups)) + len(prepared.recordings)
        if prepared.window.number > 0 or prepared.worked or len(set(prepared.failures)) > 1:
            return
        if len(prepared.failures) >= min(_ENOUGH, max(2, runnable)):
            raise error

    def _generate(self, batch: list[Sentence]) -> None:
        """Let the model write the targets."""
        sources = [sentence.source for sentence in batch]
        by_sentence = self._job.extras.by_sentence(self._model, sources, self._paired.padding_sides)
        by_sentence = [prefixed(self._paired, *given) for given in zip(sources, by_sentence, strict=True)]
        pairs, hypotheses = generate(self._paired, sources, by_sentence, self._job.extras, _states(batch))
        for sentence, pair in zip(batch, pairs[::hypotheses], strict=True):
            sentence.pair = pair

    def _forced(self, batch: list[Sentence]) -> list[Pair]:
        """The pairs of given targets."""
        sources, target = [sentence.source for sentence in batch], self._paired.target
        pairs = force(self._model, sources, [sentence.target or [] for sentence in batch])
        reads = [pair.read for pair in pairs]
        by_sentence = self._job.extras.by_sentence(self._model, sources, self._paired.padding_sides, reads)
        return [
            pair._replace(
                arguments=arguments,
                target_text=sentence.text,
                prompt=target.prompt_of(pair.source, pair.predicted),
            )
            for sentence, pair, arguments in zip(batch, pairs, by_sentence, strict=True)
        ]

    def _score_batch(self, batch: list[Sentence]) -> None:
        generated = [sentence.pair for sentence in batch if sentence.pair is not None]
        pairs = self._forced(batch) if self._job.generation is None else generated
        self._fill([sentence.row for sentence in batch], pairs, [sentence.inputs for sentence in batch], _states(batch))

    def _fill(
        self,
        rows: list[ScoredRow],
        pairs: list[Pair],
        source_inputs: Sequence[SourceInputs],
        states: Sequence[torch.Tensor] | None = None,
    ) -> None:
        """Run one forward, and fill in the rows of its pairs."""
        results = self._forward.run(pairs, source_inputs, states)
        for number, (row, pair) in enumerate(zip(rows, pairs, strict=True)):
            row.error = results.problems[number]
            row.lengths = sum(pair.source.counted()), len(pair.predicted)
            row.grids, row.statistics = results.grids[:, number].numpy(), results.statistics[:, number].numpy()
            if self._job.generation is not None:
                row.target = self._paired.target.decode(pair.predicted[pair.prompt :])

    def _stop_at_error(self, prepared: Prepared) -> None:
        if not self._job.stop_on_error:
            return
        for row in (*prepared.rows, *prepared.further):
            if row.error is not None:
                number = prepared.window.first + row.place
                raise ValueError(
                    f"row {number} cannot be scored: {row.error}. Fix it, or pass on_error='record' to continue and "
                    "get the reason in the error column"
                )


def _states(batch: list[Sentence]) -> list[torch.Tensor] | None:
    """The states of all sources, or None if one has none: then the encoder runs again."""
    states = [sentence.states for sentence in batch if sentence.states is not None]
    return states if len(states) == len(batch) else None


def _read(
    given: list[Any], side: str, read: Callable[[list[Any]], Iterable[Any]], rows: list[ScoredRow]
) -> dict[int, Any]:
    """The results of ``read`` by place; the row of a text or recording that it cannot read gets the reason."""
    items = {}
    for places in _by_size([row.place for row in rows if row.error is None], given):
        for place, item in zip(places, read([given[place] for place in places]), strict=True):
            if isinstance(item, str):
                rows[place].error = f"{side} {item}"
            else:
                items[place] = item
    return items


def _by_size(places: list[int], given: list[Any]) -> Iterator[list[int]]:
    """The places in groups that are encoded at a time: encodings take a hundred times the memory of their text."""
    piece, characters = list[int](), 0
    for place in places:
        piece.append(place)
        characters += len(given[place]) if isinstance(given[place], str) else 0
        if characters >= _CHARACTERS_AT_ONCE:
            yield piece
            piece, characters = [], 0
    if piece:
        yield piece


def _reason(error: BaseException) -> str:
    first, *_ = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {first}"[:300]


def _sampling_of(window: int, model: Any, generation: dict[str, Any] | None) -> Block[None]:
    """Seed torch with the number of the window while targets are generated, so that a resumed job samples the same.

    Afterwards, the random states of the CPU and of the model's GPU are restored.
    """

    def begin(cleanup: Cleanup) -> None:
        if generation is None:
            return
        cleanup.add(partial(torch.set_rng_state, torch.get_rng_state()))
        if model.device.type == "cuda":
            cleanup.add(partial(torch.cuda.set_rng_state, torch.cuda.get_rng_state(model.device), model.device))
        torch.manual_seed(window)

    return Block(begin)
