"""The windows of a long recording in the panel: read one by one, with few of their records in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Protocol

from xattn_widget.record.data import AttentionData

# Records in memory at a time: that of the shown window, and those of the windows beside it.
MOST_HELD = 3


class Recording(Protocol):
    """A recording that gives the records of its windows, such as ``extract`` returns for a long one.

    Attributes:
        seconds: its length.
    """

    seconds: float

    @property
    def is_complete(self) -> bool:
        """Whether the last window has been read."""

    def __getitem__(self, index: int, /) -> AttentionData:
        """The record of a window; the first time, the window is read."""


class HeldWindows:
    """The windows of a recording that have been read, of which at most :data:`MOST_HELD` have their records in memory.

    Records that were used longest ago are let go, and made again when they are needed: that takes a forward of the
    model. Any thread may ask for one.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._held: OrderedDict[int, AttentionData] = OrderedDict()
        self._state = threading.Lock()
        self._making = threading.Lock()
        self._reading = threading.Lock()
        self._ready = 0
        self._end = 0.0

    @property
    def seconds(self) -> float:
        """The length of the recording."""
        return self._recording.seconds

    @property
    def ready(self) -> int:
        """How many windows have been read."""
        return self._ready

    @property
    def end(self) -> float:
        """Where the last window that has been read ends, in seconds."""
        return self._end

    @property
    def is_complete(self) -> bool:
        """Whether all windows have been read."""
        return self._ready > 0 and self._recording.is_complete

    @property
    def first(self) -> AttentionData:
        """The record of the first window, which is read if it was not."""
        if self._ready == 0:
            self.read_next()
        return self.record(0)

    @property
    def held(self) -> int:
        """How many records are in memory."""
        return len(self._held)

    def read_next(self) -> bool:
        """Read one more window; False if there is none.

        Raises:
            Exception: what the model raises.
        """
        with self._reading:
            if self.is_complete:
                return False
            record = self._recording[self._ready]
            self._keep(self._ready, record)
            self._end = self.seconds if record.sound is None else record.sound.offset + record.sound.seconds
            self._ready += 1
            return True

    def record(self, index: int) -> AttentionData:
        """The record of a window that has been read."""
        record = self._find(index)
        if record is None:
            with self._making:
                record = self._find(index)  # another thread may have made it meanwhile
                if record is None:
                    record = self._recording[index]
                    self._keep(index, record)
        return record

    def _find(self, index: int) -> AttentionData | None:
        with self._state:
            record = self._held.get(index)
            if record is not None:
                self._held.move_to_end(index)
            return record

    def _keep(self, index: int, record: AttentionData) -> None:
        with self._state:
            self._held[index] = record
            while len(self._held) > MOST_HELD:
                self._held.popitem(last=False)
