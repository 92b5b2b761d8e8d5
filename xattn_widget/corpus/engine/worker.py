"""Score one window of rows: encode it, cut it into batches by length, run them, and restore the order of the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self, TypeVar

import numpy as np
import pyarrow as pa
import torch

from xattn_widget.capturing.blocks import Block, Cleanup
from xattn_widget.corpus.engine.batching import ACCELERATOR_OVERHEAD, CPU_OVERHEAD, cut_batches, depends_on_batch
from xattn_widget.corpus.engine.forward import Forward
from xattn_widget.corpus.engine.products import faster_products
from xattn_widget.corpus.job import Job
from xattn_widget.corpus.sources.rows import Window
from xattn_widget.corpus.store.tables import window_table
from xattn_widget.inputs.evaluating import evaluating
from xattn_widget.inputs.generating import generate
from xattn_widget.inputs.paired import PairedModel
from xattn_widget.inputs.pairs import force
from xattn_widget.inputs.sources import Source

# When all sentences at the beginning of the first window fail alike, the job stops after this many.
_ENOUGH = 64
_CHARACTERS_AT_ONCE = 2**20
Item = TypeVar("Item")


@dataclass
class Sentence:
    """One row that can be run."""

    place: int  # its position in the window
    source: Source
    target: list[int] | None  # None if it is generated


@dataclass
class Prepared:
    """A window, encoded."""

    window: Window
    batches: list[list[Sentence]]
    errors: list[str | None]  # one per row
    targets: list[str | None]  # texts; generated ones are filled in later
    lengths: Any = field(repr=False)  # [rows, 2] counted positions of source and target, -1 where there are none
    worked: bool = False  # whether any forward has succeeded
    failures: list[type] = field(default_factory=list)  # the errors of sentences that failed alone


class Worker(Block["Worker"]):
    """Scores windows with one model, inside a ``with`` block, in the thread that enters it."""

    def __init__(self, paired: PairedModel, job: Job) -> None:
        super().__init__(self._begin)
        self._paired, self._model, self._job = paired, paired.model, job
        self._forward = Forward(paired, job)

    def _begin(self, cleanup: Cleanup) -> Self:
        evaluating(self._model).begin(cleanup)
        faster_products(self._model).begin(cleanup)
        self._forward.listen(cleanup)
        return self

    def prepare(self, window: Window) -> Prepared:
        """Encode a window and cut it into batches. Does not touch the model, so another thread may run it meanwhile."""
        errors = [row.error for row in window.rows]
        lengths = np.full((len(window.rows), 2), -1, dtype=np.int32)
        model, (source_limit, target_limit) = self._paired, self._job.limits
        read_sources = partial(model.source.try_read, limit=source_limit)
        given: list[Any] = [row.recording if model.source.hears else row.source for row in window.rows]
        sources = _read(given, "source", read_sources, errors)
        targets = {}
        if self._job.generation is None:
            read_targets = partial(model.target.try_encode, limit=target_limit)
            targets = _read([row.target for row in window.rows], "target", read_targets, errors)
        sentences = []
        for place, error in enumerate(errors):
            if error is None:
                sentence = Sentence(place, sources[place], targets.get(place))
                lengths[place] = sum(sentence.source.counted()), len(sentence.target or ())
                sentences.append(sentence)
        return Prepared(window, self._cut(sentences), errors, [row.target for row in window.rows], lengths)

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
        rows = len(prepared.window.rows)
        grids = np.full((len(self._job.scores), rows, *self._job.shape), np.nan, dtype=np.float32)
        statistics = np.full((len(self._job.statistics), rows), np.nan, dtype=np.float32)
        advance(sum(error is not None for error in prepared.errors))
        with _sampling_of(prepared.window.number, self._model, self._job.generation):
            for batch in prepared.batches:
                self._score_batch(batch, prepared, grids, statistics)
                self._stop_at_error(prepared)
                advance(len(batch))
        return window_table(
            self._job, prepared.window, prepared.errors, prepared.targets, prepared.lengths, grids, statistics
        )

    def _cut(self, sentences: list[Sentence]) -> list[list[Sentence]]:
        # A generated target is assumed to be as long as its source, or as targets can be.
        longest = self._job.limits[1]
        widths = [(len(sentence.source), len(sentence.target or sentence.source)) for sentence in sentences]
        sides = [(source, target if longest is None else min(target, longest)) for source, target in widths]
        one_by_one = depends_on_batch(self._model) or not self._paired.source.batches
        batches = cut_batches(
            np.array(sides).reshape(-1, 2),
            1 if one_by_one else self._job.batch_tokens,
            CPU_OVERHEAD if self._model.device.type == "cpu" else ACCELERATOR_OVERHEAD,
            generated=self._job.generation is not None,
        )
        return [[sentences[place] for place in batch] for batch in batches]

    def _score_batch(self, batch: list[Sentence], prepared: Prepared, grids: Any, statistics: Any) -> None:
        """Fill in the results of a batch. A batch that fails is tried again sentence by sentence."""
        try:
            self._run(batch, prepared, grids, statistics)
            return
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            if len(batch) == 1:
                prepared.errors[batch[0].place] = _reason(error)
                return
        except Exception as error:
            if len(batch) == 1:
                prepared.errors[batch[0].place] = _reason(error)
                self._raise_if_all_fail(error, prepared)
                return
            for sentence in batch:
                self._score_batch([sentence], prepared, grids, statistics)
            return
        half = len(batch) // 2
        for part in (batch[:half], batch[half:]):
            self._score_batch(part, prepared, grids, statistics)

    def _raise_if_all_fail(self, error: Exception, prepared: Prepared) -> None:
        # Later windows only record errors: otherwise a job that is run again would always stop at the same place.
        prepared.failures.append(type(error))
        runnable = sum(map(len, prepared.batches))
        if prepared.window.number > 0 or prepared.worked or len(set(prepared.failures)) > 1:
            return
        if len(prepared.failures) >= min(_ENOUGH, max(2, runnable)):
            raise error

    def _run(self, batch: list[Sentence], prepared: Prepared, grids: Any, statistics: Any) -> None:
        sources = [sentence.source for sentence in batch]
        sides = self._paired.padding_sides
        if self._job.generation is None:
            pairs = force(self._model, sources, [sentence.target or [] for sentence in batch])
            by_sentence = self._job.extras.by_sentence(self._model, sources, sides, [pair.read for pair in pairs])
            pairs = [replace(pair, arguments=arguments) for pair, arguments in zip(pairs, by_sentence, strict=True)]
        else:
            by_sentence = self._job.extras.by_sentence(self._model, sources, sides)
            hypotheses_of_all, hypotheses = generate(self._paired, sources, by_sentence, self._job.extras)
            pairs = hypotheses_of_all[::hypotheses]
        results = self._forward.run(pairs)
        for row, (sentence, pair) in enumerate(zip(batch, pairs, strict=True)):
            prepared.errors[sentence.place] = results.problems[row]
            if self._job.generation is not None:
                prepared.targets[sentence.place] = self._paired.target.decode(pair.predicted)
                prepared.lengths[sentence.place, 1] = len(pair.predicted)
        places = [sentence.place for sentence in batch]
        grids[:, places] = results.grids.numpy()
        statistics[:, places] = results.statistics.numpy()
        prepared.worked = True

    def _stop_at_error(self, prepared: Prepared) -> None:
        if not self._job.stop_on_error:
            return
        for place, error in enumerate(prepared.errors):
            if error is not None:
                number = prepared.window.first + place
                raise ValueError(
                    f"row {number} cannot be scored: {error}. Fix it, or pass on_error='record' to continue and get "
                    "the reason in the error column"
                )


def _read(
    given: list[Any], side: str, read: Callable[[list[Any]], Sequence[Item | str]], errors: list[str | None]
) -> dict[int, Item]:
    """The results of ``read`` by place; for a text or recording that it cannot read, ``errors`` gets the reason."""
    items = {}
    for places in _by_size([place for place, error in enumerate(errors) if error is None], given):
        for place, item in zip(places, read([given[place] for place in places]), strict=True):
            if isinstance(item, str):
                errors[place] = f"{side} {item}"
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
