"""The heads that time the words of a speech model: measured on recordings, and saved with the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from xattn_widget.alignment.timing_choice import GoldTimes, choose_timing
from xattn_widget.extraction.extraction import extract
from xattn_widget.extraction.model_timing import named_heads
from xattn_widget.extraction.saved_hints import save_hints, write_alignment_heads
from xattn_widget.record.timing import Timing, TimingMethod


@dataclass(frozen=True)
class HeadCalibration:
    """The heads and the lag that time the words of a model best; what :func:`calibrate_heads` returns.

    Attributes:
        timing: heads, lag and method, as records keep them.
        error: the mean absolute error of word starts and ends on the recordings that chose them, in seconds.
        model: the model.
    """

    timing: Timing
    error: float
    model: torch.nn.Module

    @property
    def heads(self) -> tuple[tuple[int, int], ...]:
        """The (layer, head) pairs."""
        return self.timing.heads

    @property
    def lag(self) -> float:
        """How many seconds late these heads are."""
        return self.timing.lag

    def save(self, folder: str | Path) -> Path:
        """Write the calibration next to the saved model, and its heads into the generation config of the folder.

        A model loaded from the folder then times words with it.

        Args:
            folder: the folder with the model's weights.

        Returns:
            The file written, ``alignment_heads.json``. ``generation_config.json`` gets these ``alignment_heads``, for
            transformers' own timestamps.

        Raises:
            FileNotFoundError: there is no such folder.
            ValueError: the model's weights are not in memory, or the folder's generation config is not JSON.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no folder {folder}: save the model there first")
        fields = asdict(self._with_model_heads())
        del fields["source"]
        about = "The heads that time words best, their lag in seconds, and the mean absolute error of word boundaries"
        path = save_hints(self.model, folder, about, timing=fields | {"error": round(self.error, 4)})
        write_alignment_heads(self.model, folder, self.heads)
        return path

    def _with_model_heads(self) -> Timing:
        """The timing with the heads that the model itself names, which the file of the folder takes the place of."""
        heads = named_heads(self.model)
        return self.timing if set(heads) == set(self.heads) else replace(self.timing, model_heads=heads)


def calibrate_heads(
    model: Any,
    processor: Any,
    recordings: Sequence[Any],
    times: Sequence[GoldTimes],
    *,
    method: TimingMethod = "pauses",
) -> HeadCalibration:
    """Choose the heads that time words best, and their constant lag, by recordings with known word times.

    The words are forced (teacher forcing), so that only their times are measured. Twenty sentences are enough, and
    synthetic speech will do: heads and lag carry over from espeak-ng's voice to human speech. Keep other recordings for
    tests.

    Args:
        model: a speech model.
        processor: its processor.
        recordings: the recordings, each as :func:`extract` takes it.
        times: for each recording the words in order, as (word, start, end) in seconds from its beginning.
        method: the method to choose for, see :meth:`CrossAttention.word_times`.

    Returns:
        The calibration; save it next to the model with ``.save(folder)``, or pass its ``heads``, ``lag`` and
        ``timing.method`` to ``record.word_times``.

    Raises:
        ValueError: no recordings, times for another number of them, or words without text.
    """
    recordings = list(recordings)
    if not recordings or len(recordings) != len(times):
        raise ValueError(
            f"give the word times of each recording, got {len(recordings)} recordings and {len(times)} lists of times"
        )
    records = [
        extract(model, processor, recording, " ".join(word for word, _, _ in gold))
        for recording, gold in zip(recordings, times, strict=True)
    ]
    timing, error = choose_timing(records, times, method=method)
    return HeadCalibration(timing, error, model)
