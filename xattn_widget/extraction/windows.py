"""Records of a recording that is too long for one forward: one for each window, made when they are asked for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import torch

from xattn_widget.cross_attention import CrossAttention
from xattn_widget.inputs.evaluating import evaluating
from xattn_widget.inputs.extras import Extras
from xattn_widget.inputs.paired import PairedModel
from xattn_widget.inputs.pairs import Pair

if TYPE_CHECKING:
    from xattn_widget.inputs.audio.windows import WhisperWindows

Make = Callable[[list[Pair]], list[CrossAttention]]


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
        from xattn_widget.inputs.audio.long_form import Transcript

        self.seconds = windows.recording.length / windows.recording.rate
        self.name = name
        self._paired, self._make = paired, make
        self._transcript = Transcript(paired, windows, extras)

    def __repr__(self) -> str:
        count = len(self._transcript.known)
        known = f"{count} windows" if self.is_complete else f"{count} windows so far"
        return f"{type(self).__name__}({self.seconds:.1f} s{f' of {self.name!r}' if self.name else ''}: {known})"

    def __len__(self) -> int:
        while not self.is_complete:
            self._transcribe_next()
        return len(self._transcript.known)

    def __iter__(self) -> Iterator[CrossAttention]:
        index = 0
        while index < len(self._transcript.known) or not self.is_complete:
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
        return self._transcript.is_complete

    def _record(self, index: int) -> CrossAttention:
        known = self._transcript.known
        while index >= len(known) and not self.is_complete:
            self._transcribe_next()
        if not 0 <= index < len(known):
            raise IndexError(f"the recording has {len(known)} windows, there is no window {index}")
        window = known[index]
        with evaluating(self._paired.model), torch.no_grad():
            [record] = self._make([window.pair._replace(source=self._transcript.windows.source(window.first))])
        return record

    def _transcribe_next(self) -> None:
        with evaluating(self._paired.model), torch.no_grad():
            self._transcript.transcribe_next()


def window_records(paired: PairedModel, item: Any, extras: Extras, make: Make) -> WindowRecords:
    """The records of a long recording, an item of the model's source side; see :class:`WindowRecords`."""
    from xattn_widget.inputs.audio.sound_side import SoundSide

    assert isinstance(paired.source, SoundSide)
    return WindowRecords(paired, paired.source.windows(item), extras, make, item.name)
