"""Records of a recording that is too long for one forward: one for each window, made when they are asked for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, overload

import torch

from xattn_widget.cross_attention import CrossAttention
from xattn_widget.inputs.arguments import continued
from xattn_widget.inputs.audio.sound_side import SoundSide
from xattn_widget.inputs.audio.speech_target import SpeechTarget
from xattn_widget.inputs.audio.windows import WhisperWindows
from xattn_widget.inputs.evaluating import evaluating
from xattn_widget.inputs.extras import Extras
from xattn_widget.inputs.generating import generate
from xattn_widget.inputs.paired import PairedModel
from xattn_widget.inputs.pairs import Pair

Make = Callable[[list[Pair]], list[CrossAttention]]


class _Window(NamedTuple):
    """A window whose target is known."""

    first: int  # its first frame
    pair: Pair  # without its source, which takes memory
    next: int  # the first frame of the next window


class WindowRecords(Sequence[CrossAttention]):
    """The records of a long recording, one for each window, in order.

    The model writes the target of a window when that window is first asked for, because its last timestamp says where
    the next window begins. Only the targets are kept: a record is made again each time it is asked for, so that a
    recording of any length fits into memory. Iterate over the records; their number is known only at the end, so that
    ``len(records)`` transcribes the whole recording.

    Attributes:
        seconds: the length of the recording.
        name: the name of its file, or "".
    """

    def __init__(
        self,
        paired: PairedModel,
        windows: WhisperWindows,
        extras: Extras,
        make: Make,
        name: str = "",
    ) -> None:
        """Records of windows.

        Args:
            paired: the model.
            windows: the windows of the recording.
            extras: how targets are generated.
            make: makes records of pairs; called inside ``torch.no_grad`` with the model in evaluation mode.
            name: the name of the recording's file.

        Raises:
            ValueError: settings with which the model does not split a recording.
        """
        settings = extras.settings
        if settings.get("return_timestamps") is False or (settings.get("num_return_sequences") or 1) > 1:
            name_of = "return_timestamps" if settings.get("return_timestamps") is False else "num_return_sequences"
            raise ValueError(
                f"a long recording is split at the timestamps of the best hypothesis: leave out {name_of} in generation"
            )
        self.seconds = windows.recording.length / windows.recording.rate
        self.name = name
        self._paired, self._windows, self._make = paired, windows, make
        self._extras = replace(extras, settings=settings | {"return_timestamps": True})
        self._known: list[_Window] = []

    def __repr__(self) -> str:
        count = len(self._known)
        known = f"{count} windows" if self.is_complete else f"{count} windows so far"
        return f"{type(self).__name__}({self.seconds:.1f} s{f' of {self.name!r}' if self.name else ''}: {known})"

    def __len__(self) -> int:
        while not self.is_complete:
            self._transcribe_next()
        return len(self._known)

    def __iter__(self) -> Iterator[CrossAttention]:
        index = 0
        while index < len(self._known) or not self.is_complete:
            yield self._record(index)
            index += 1

    @overload
    def __getitem__(self, index: int) -> CrossAttention: ...

    @overload
    def __getitem__(self, index: slice) -> list[CrossAttention]: ...

    def __getitem__(self, index: int | slice) -> CrossAttention | list[CrossAttention]:
        """One record, or a list of several. A window that is not known yet is transcribed after those before it.

        A slice from the beginning forward to a number transcribes no more than it needs.
        """
        if isinstance(index, slice):
            start, stop, step = index.start or 0, index.stop, index.step or 1
            if stop is not None and min(start, stop) >= 0 and step > 0:
                return list(itertools.islice(self, start, stop, step))
            return [self._record(number) for number in range(*index.indices(len(self)))]
        return self._record(index if index >= 0 else len(self) + index)

    @property
    def is_complete(self) -> bool:
        """Whether the model has written the targets of all windows."""
        return bool(self._known) and self._known[-1].next >= self._windows.frames

    def _record(self, index: int) -> CrossAttention:
        while index >= len(self._known) and not self.is_complete:
            self._transcribe_next()
        if not 0 <= index < len(self._known):
            raise IndexError(f"the recording has {len(self._known)} windows, there is no window {index}")
        window = self._known[index]
        with evaluating(self._paired.model), torch.no_grad():
            [record] = self._make([replace(window.pair, source=self._windows.source(window.first))])
        return record

    def _transcribe_next(self) -> None:
        first = self._known[-1].next if self._known else 0
        source = self._windows.source(first)
        model, target = self._paired.model, self._paired.target
        assert isinstance(target, SpeechTarget)
        with evaluating(model), torch.no_grad():
            [arguments] = self._extras.by_sentence(model, [source], self._paired.padding_sides)
            [pair], _ = generate(self._paired, [source], [arguments], self._with_context(target))
        frames = min(self._windows.frames - first, source.features.values.shape[1])
        kept, step = _split(pair, target, frames, source.family.geometry.stride)
        self._known.append(_Window(first, replace(kept, source=None), first + step))  # type: ignore[arg-type]

    def _with_context(self, target: SpeechTarget) -> Extras:
        """The settings, with the text so far as the prompt if the user wants windows to continue it."""
        settings = dict(self._extras.settings)
        if not settings.pop("condition_on_prev_tokens", None) or not self._known:
            return self._extras
        config = settings.get("generation_config") or self._paired.model.generation_config
        before = [token for window in self._known for token in window.pair.predicted[window.pair.prompt :]]
        text = [token for token, special in zip(before, target.special(before), strict=True) if not special]
        longest = self._paired.model.config.max_target_positions // 2 - 1
        prompt = torch.tensor([config.prev_sot_token_id, *text[-longest + 1 :]], device=self._paired.model.device)
        return replace(self._extras, settings=settings | {"prompt_ids": prompt})


def window_records(paired: PairedModel, item: Any, extras: Extras, make: Make) -> WindowRecords:
    """The records of a long recording, an item of the model's source side; see :class:`WindowRecords`."""
    assert isinstance(paired.source, SoundSide)
    return WindowRecords(paired, paired.source.windows(item), extras, make, item.name)


def _split(pair: Pair, target: SpeechTarget, frames: int, stride: int) -> tuple[Pair, int]:
    """What counts of a window's target, and how many frames later the next window begins, as in Whisper's ``generate``.

    Two timestamps in a row end one segment and begin another. The next window begins at the last such place, and what
    follows it is dropped; if a single timestamp ends the target or there is no such place, it begins where this one
    ends.

    Args:
        pair: the window's source and its whole generated target.
        target: the target side.
        frames: how many frames of the window are sound.
        stride: frames per position, the unit of timestamps.
    """
    first = target.timestamps
    assert first is not None
    ids, special = pair.predicted, target.special(pair.predicted)
    begin = pair.prompt
    while begin < len(ids) and special[begin] and ids[begin] < first:
        begin += 1
    text = ids[begin:]
    while text and text[-1] < first and special[begin + len(text) - 1]:  # the end token
        text = text[:-1]
    stamps = [token >= first for token in text]
    breaks = [place for place in range(1, len(stamps)) if stamps[place - 1] and stamps[place]]
    if not breaks or stamps[-2:] == [False, True]:
        return pair, frames
    step = (text[breaks[-1] - 1] - first) * stride
    if step <= 0:  # transformers would read the same window for ever
        return pair, frames
    length = begin + breaks[-1] + 1
    arguments = continued(pair.arguments, length)
    return replace(pair, read=pair.read[:length], predicted=ids[:length], arguments=arguments), step
