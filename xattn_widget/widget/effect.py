"""What muting heads changes, for Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from xattn_widget.cross_attention import CrossAttention


@dataclass(frozen=True)
class MutingEffect:
    """What muting heads changes in the shown sentence: ``widget.effect``.

    Log-probabilities are sums over the tokens of the target, and None where they are not known.

    Attributes:
        before: the record with all heads.
        forced: the record of the same target, read without the muted heads.
        written: the record of what the model writes without the muted heads.
        before_logprob: the log-probability of the target with all heads.
        forced_logprob: the log-probability of the same target without the muted heads.
        written_logprob: the log-probability of what the model writes without the muted heads.
        written_text: what it writes, shortened to one line.
        same_target: whether it writes the same target as before.
    """

    before: CrossAttention = field(repr=False)
    forced: CrossAttention = field(repr=False)
    written: CrossAttention = field(repr=False)
    before_logprob: float | None
    forced_logprob: float | None
    written_logprob: float | None
    written_text: str
    same_target: bool

    @classmethod
    def read(cls, described: Mapping[str, Any], records: Sequence[CrossAttention]) -> Self:
        """The effect that the panel is told about, with the records of the widget's list."""
        return cls(
            before=records[described["base"]],
            forced=records[described["forced"]],
            written=records[described["written"]],
            before_logprob=described["before_logprob"],
            forced_logprob=described["forced_logprob"],
            written_logprob=described["written_logprob"],
            written_text=described["written_text"],
            same_target=described["same"],
        )
