"""Which heads of a speech model time words, and how late they are: ``Timing``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from xattn_widget.record.heads import head_pairs

TimingSource = Literal["calibrated", "model", "guessed"]
TimingMethod = Literal["dtw", "pauses"]


@dataclass(frozen=True)
class Timing:
    """The heads whose attention times the words of a model, and their constant lag.

    Attributes:
        heads: (layer, head) pairs, counted from 0; at least one.
        lag: how many seconds later than the true boundaries the boundaries of these heads are; negative if they are
            early.
        source: ``"calibrated"`` on recordings with known word times, named by the ``"model"`` in its generation config,
            or ``"guessed"``.
        method: the method that these heads and this lag are for; see :meth:`xattn_widget.CrossAttention.word_times`.
        model_heads: the heads that the model's own generation config names, where a calibration chose others; else
            empty.

    Raises:
        ValueError: no heads, pairs that are not whole numbers from 0, a lag that is not finite, an unknown source or
            method.
    """

    heads: tuple[tuple[int, int], ...]
    lag: float = 0.0
    source: TimingSource = "guessed"
    method: TimingMethod = "dtw"
    model_heads: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        pairs = tuple(head_pairs(self.heads))
        own_pairs = tuple(head_pairs(self.model_heads))
        if not pairs or any(number < 0 for pair in pairs + own_pairs for number in pair):
            raise ValueError(f"heads must be one or more (layer, head) pairs, counted from 0, got {self.heads!r:.80}")
        if isinstance(self.lag, bool) or not math.isfinite(self.lag):
            raise ValueError(f"lag must be a finite number of seconds, got {self.lag!r}")
        for name, known in (("source", get_args(TimingSource)), ("method", get_args(TimingMethod))):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r:.80}")
        object.__setattr__(self, "heads", pairs)
        object.__setattr__(self, "model_heads", own_pairs)
        object.__setattr__(self, "lag", float(self.lag))
