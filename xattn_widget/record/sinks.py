"""Positions that get attention whatever is there, over many records of one model: ``position_sinks``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

import torch

from xattn_widget.record.data import AttentionData
from xattn_widget.record.special import renormalized

Data = TypeVar("Data", bound=AttentionData)


@dataclass(frozen=True, eq=False)
class PositionSinks:
    """The mean attention of each source position over records.

    Attributes:
        mean: ``[layers, heads, source]`` mean weight of each position over the rows of all records, in [0, 1].
        records: how many records were averaged.
    """

    mean: torch.Tensor
    records: int

    def divide(self, record: Data) -> Data:
        """The record with each weight divided by its position's mean, each row divided by its sum.

        What remains is where a row looks more than usual. A position that gets the same attention in every picture no
        longer stands out. A record of an n-best list is changed throughout.

        Raises:
            ValueError: the record has other layers, heads or source positions.
        """
        return record.changed(self._divided)

    def _divided(self, data: Data) -> Data:
        _check_shape(data, self.mean.shape)
        weights = data.weights.double() / self.mean.double()[:, :, None].clamp(min=torch.finfo(torch.float32).tiny)
        return replace(data, weights=renormalized(weights).to(data.weights.dtype), steps=(*data.steps, "sinks"))


def position_sinks(records: Iterable[AttentionData]) -> PositionSinks:
    """The mean attention of each source position over records of one model, such as of many pictures.

    Some patches are bright in every picture: the model parks attention there. Their mean is high, and
    :meth:`PositionSinks.divide` takes it out of a record. It needs sources of one length, as those of models that read
    a picture of fixed size. Rows of special tokens do not count. Records are read one at a time, so that a generator
    will do.

    Example:
        >>> import torch
        >>> from xattn_widget import CrossAttention, position_sinks
        >>> one = CrossAttention.from_tokens(torch.tensor([[[[0.8, 0.2]]]]), ["a", "b"], ["x"])
        >>> two = CrossAttention.from_tokens(torch.tensor([[[[0.6, 0.4]]]]), ["a", "b"], ["x"])
        >>> sinks = position_sinks([one, two])
        >>> sinks.divide(two).weights.flatten().tolist()
        [0.391..., 0.608...]

    Raises:
        ValueError: no records, or records that differ in layers, heads or source positions.
    """
    total: torch.Tensor | None = None
    rows = count = 0
    for record in records:
        summed = record.weights[:, :, ~record.target_special].double().nan_to_num(0.0).sum(2)
        if total is not None:
            _check_shape(record, total.shape)
        total = summed if total is None else total + summed
        rows, count = rows + int((~record.target_special).sum()), count + 1
    if total is None or not rows:
        raise ValueError("give at least one record with a target row that is not a special token")
    return PositionSinks((total / rows).float(), count)


def _check_shape(record: AttentionData, shape: torch.Size) -> None:
    layers, heads, _, source = record.weights.shape
    if (layers, heads, source) != tuple(shape):
        raise ValueError(
            f"sinks belong to positions of one model: expected [layers, heads, source] = {list(shape)}, got "
            f"{[layers, heads, source]}"
        )
