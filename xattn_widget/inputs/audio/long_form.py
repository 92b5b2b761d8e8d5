"""The transcript of a long recording, window by window: each window begins where the last timestamp before it ends."""

from __future__ import annotations

from typing import NamedTuple

import torch

from xattn_widget.inputs.arguments import continued
from xattn_widget.inputs.audio.speech_target import SpeechTarget
from xattn_widget.inputs.audio.windows import WhisperWindows
from xattn_widget.inputs.extras import Extras
from xattn_widget.inputs.generating import generate
from xattn_widget.inputs.paired import PairedModel
from xattn_widget.inputs.pairs import Pair


class TranscribedWindow(NamedTuple):
    """A window whose target is known.

    Attributes:
        first: its first frame.
        pair: its source and target. A transcript keeps it without the source, which takes memory.
        next: the first frame of the next window.
    """

    first: int
    pair: Pair
    next: int


class Transcript:
    """The windows of a long recording whose targets are known so far.

    Attributes:
        windows: the windows of the recording.
        known: the windows that have been transcribed, without their sources.
    """

    def __init__(self, paired: PairedModel, windows: WhisperWindows, extras: Extras) -> None:
        """A transcript without any window.

        Args:
            paired: the model.
            windows: the windows of the recording.
            extras: how targets are generated.

        Raises:
            ValueError: settings with which the model does not split a recording.
        """
        settings = extras.settings
        if settings.get("return_timestamps") is False or (settings.get("num_return_sequences") or 1) > 1:
            name = "return_timestamps" if settings.get("return_timestamps") is False else "num_return_sequences"
            raise ValueError(
                f"a long recording is split at the timestamps of the best hypothesis: leave out {name} in generation"
            )
        self.windows = windows
        self.known: list[TranscribedWindow] = []
        self._paired = paired
        self._extras = extras._replace(settings=settings | {"return_timestamps": True})

    @property
    def is_complete(self) -> bool:
        """Whether the last window is known."""
        return bool(self.known) and self.known[-1].next >= self.windows.frames

    @property
    def next_frame(self) -> int:
        """The first frame of the next window."""
        return self.known[-1].next if self.known else 0

    def transcribe_next(self) -> TranscribedWindow:
        """Generate the target of the next window, with the model in the mode that it should generate in.

        Returns:
            The window with its source.
        """
        first = self.next_frame
        source = self.windows.source(first)
        model, target = self._paired.model, self._paired.target
        assert isinstance(target, SpeechTarget)
        [arguments] = self._extras.by_sentence(model, [source], self._paired.padding_sides)
        [pair], _ = generate(self._paired, [source], [arguments], self._with_context(target))
        frames = min(self.windows.frames - first, source.features.values.shape[1])
        kept, step = _split(pair, target, frames, source.family.geometry.stride)
        window = TranscribedWindow(first, kept, first + step)
        self.known.append(window._replace(pair=kept._replace(source=None)))  # type: ignore[arg-type]
        return window

    def _with_context(self, target: SpeechTarget) -> Extras:
        """The settings, with the text so far as the prompt if the user wants windows to continue it."""
        settings = dict(self._extras.settings)
        if not settings.pop("condition_on_prev_tokens", None) or not self.known:
            return self._extras
        config = settings.get("generation_config") or self._paired.model.generation_config
        before = [token for window in self.known for token in window.pair.predicted[window.pair.prompt :]]
        text = [token for token, special in zip(before, target.special(before), strict=True) if not special]
        longest = self._paired.model.config.max_target_positions // 2 - 1
        prompt = torch.tensor([config.prev_sot_token_id, *text[-longest + 1 :]], device=self._paired.model.device)
        return self._extras._replace(settings=settings | {"prompt_ids": prompt})


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
    return pair._replace(read=pair.read[:length], predicted=ids[:length], arguments=arguments), step
