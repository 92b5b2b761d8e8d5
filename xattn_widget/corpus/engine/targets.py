"""Read the given targets of a window, which a function of the user may write first, as texts or as token ids."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from xattn_widget.corpus.job import Job, TargetWriter
from xattn_widget.corpus.sources.rows import Window, read_text
from xattn_widget.corpus.store.tables import ScoredRow
from xattn_widget.inputs.decoders import known_start
from xattn_widget.inputs.generating import end_ids
from xattn_widget.inputs.paired import PairedModel


class GivenTargets:
    """Finds and encodes the targets of windows, for jobs in which the model does not generate them."""

    def __init__(self, paired: PairedModel, job: Job) -> None:
        self._side, self._limit = paired.target, job.limits[1]
        self._has_media = paired.source.hears or paired.source.sees
        self._write = job.write_targets
        if self._write is None:
            return
        self._closing: list[int] = []  # the ids that the tokenizer ends a text with, from the end symbol on
        self._padding = self._side.tokenizer.pad_token_id
        self._ends = end_ids(paired.model, job.extras) | {self._side.tokenizer.eos_token_id} - {None}
        [encoded] = self._side.try_encode(["a"], None)
        text = [] if isinstance(encoded, str) else encoded
        last = max((place for place, token in enumerate(text) if place and token in self._ends), default=len(text))
        self._closing = text[last:]
        start = known_start(paired.model)
        self._start = None if text[:1] == [start] else start

    def find(self, window: Window, rows: list[ScoredRow]) -> list[Any]:
        """The target of each row, as a text or as token ids; the function is called for rows without an error.

        The texts are also put into the rows, with an error where one is not a target.

        Raises:
            TypeError: the function does not return a list.
            ValueError: it returns another number of targets than it was given sources.
            Exception: whatever the function raises.
        """
        targets: list[Any] = [row.target for row in rows]
        readable = [row for row in rows if row.error is None]
        if self._write is None or not readable:
            return targets
        inputs = [window.rows[row.place] for row in readable]
        sources = [row.media if self._has_media else row.source for row in inputs]
        for row, target in zip(readable, _written(self._write, sources), strict=True):
            ids = _token_ids(target)
            if isinstance(target, str):
                row.target, row.error = read_text(target, "target")
            elif ids is None:
                row.error = (
                    f"target is not a text or a list of token ids: the function returned {type(target).__name__} "
                    f"{target!r:.60}"
                )
            targets[row.place] = row.target if ids is None else ids
        return targets

    def read(self, targets: list[str | list[int]]) -> list[list[int] | str]:
        """The ids of each target, without padding, or the reason why it cannot be run."""
        texts = iter(self._side.try_encode([target for target in targets if isinstance(target, str)], self._limit))
        return [next(texts) if isinstance(target, str) else self._read_ids(target) for target in targets]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a target that was given as ids."""
        return self._side.decode(ids[self._side.prompt_length(ids) :])

    def _read_ids(self, ids: list[int]) -> list[int] | str:
        """The ids up to their first end symbol, ended as the tokenizer ends a text; or why they cannot be run."""
        if self._start is not None and ids[:1] == [self._start]:
            return (
                f"begins with the decoder's start symbol: leave out the token id {self._start}, which is not part of "
                "a target"
            )
        length = next((place for place, token in enumerate(ids) if token in self._ends), len(ids))
        closing = self._closing or ids[length : length + 1]
        if length == len(ids):
            while length and ids[length - 1] == self._padding:
                length -= 1
        return self._side.try_ids([*ids[:length], *closing], self._limit)


def _written(write: TargetWriter, sources: list[Any]) -> list[Any]:
    """What the function returns for sources, after checking that it is a list with one target for each."""
    name = getattr(write, "__name__", type(write).__name__)
    given = write(list(sources))
    if not isinstance(given, Iterable) or isinstance(given, str | bytes | Mapping):
        raise TypeError(
            f"targets is a function ({name}), which must return a list with a target for each source, got "
            f"{type(given).__name__} for {len(sources)} sources"
        )
    targets = list(given)
    if len(targets) != len(sources):
        raise ValueError(
            f"targets is a function ({name}), which must return one target for each source, in order: it was called "
            f"with {len(sources)} sources and returned {len(targets)} targets"
        )
    return targets


def _token_ids(target: Any) -> list[int] | None:
    """A list, a tuple or an array of whole numbers as a list; None for anything else."""
    if isinstance(target, np.ndarray | torch.Tensor):
        target = target.tolist()
    if not isinstance(target, list | tuple) or any(isinstance(token, bool) for token in target):
        return None
    try:
        return [operator.index(token) for token in target]
    except TypeError:
        return None
