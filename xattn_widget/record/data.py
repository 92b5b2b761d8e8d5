"""Attention with its axes, and what tensor operations alone derive from it: ``AttentionData``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeVar, get_args

import torch

from xattn_widget.record.axis import Axis, Word
from xattn_widget.record.heads import check_heads, head_pairs
from xattn_widget.record.kept import WEIGHT_TYPES, KeptHeads
from xattn_widget.record.sound import Sound
from xattn_widget.record.special import Special, cut, renormalized
from xattn_widget.record.timing import Timing

Reading = Literal["output", "input"]
Aggregate = Literal["mean", "max"]


@dataclass(frozen=True, eq=False, repr=False)
class AttentionData:
    """The data of a record: attention, its axes, and what was derived from it.

    :class:`xattn_widget.CrossAttention` describes the fields and adds scores, alignments and plots.

    Raises:
        ValueError: the shapes of weights and axes do not fit each other.
    """

    weights: torch.Tensor
    source: Axis
    targets: dict[Reading, Axis]
    reading: Reading = "output"
    logprobs: torch.Tensor | None = None
    generated: bool = False
    sequence_score: float | None = None
    model: str = ""
    hypotheses: tuple[Self, ...] = ()
    value_norms: torch.Tensor | None = None
    importance: Mapping[str, torch.Tensor] = field(default_factory=dict)
    steps: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    sound: Sound | None = None
    outside: torch.Tensor | None = None
    end_row: torch.Tensor | None = None
    timing: Timing | None = None
    kept: KeptHeads | None = None

    def __post_init__(self) -> None:
        if self.weights.dim() != 4 or self.weights.numel() == 0:
            raise ValueError(
                "weights must be [layers, heads, target, source], none of which may be 0, got a tensor of shape "
                f"{list(self.weights.shape)}"
            )
        if self.reading not in self.targets:
            raise ValueError(f"reading {self.reading!r} has no target axis; the record has {sorted(self.targets)}")
        expected = {(len(target), len(self.source)) for target in self.targets.values()}
        if expected != {tuple(self.weights.shape[2:])}:
            raise ValueError(
                f"weights have {self.weights.shape[2]} target rows and {self.weights.shape[3]} source columns, but the "
                f"axes have (target, source) = {sorted(expected)}"
            )
        if self.logprobs is not None and tuple(self.logprobs.shape) != (self.weights.shape[2],):
            raise ValueError(f"logprobs must be [target] = [{self.weights.shape[2]}], got {list(self.logprobs.shape)}")
        if self.value_norms is not None and self.value_norms.shape != self.weights.shape:
            raise ValueError(
                f"value_norms must have the weights' shape {list(self.weights.shape)}, got "
                f"{list(self.value_norms.shape)}"
            )
        if self.kept is not None and tuple(self.weights.shape[:2]) != self.kept.shape:
            raise ValueError(
                f"weights must have the kept heads as their first axes, {list(self.kept.shape)}, got "
                f"{list(self.weights.shape)}"
            )
        grid_shape = torch.Size([self.layers, self.heads])
        for method, grid in self.importance.items():
            if grid.shape != grid_shape:
                raise ValueError(
                    f"importance by {method!r} must be [layers, heads] = {list(grid_shape)}, got {list(grid.shape)}"
                )
        *first, rows, columns = self.weights.shape
        for name, shape in (("outside", (*grid_shape, rows)), ("end_row", (*first, columns))):
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                axes = "target" if name == "outside" else "source"
                raise ValueError(f"{name} must be [layers, heads, {axes}] = {list(shape)}, got {list(value.shape)}")
        if self.timing is not None:
            check_heads(self.timing.heads + self.timing.model_heads, self.layers, self.heads)
        dtype = self.weights.dtype if self.weights.dtype in WEIGHT_TYPES else torch.float32
        object.__setattr__(self, "weights", self.weights.detach().to("cpu", dtype))

    def __repr__(self) -> str:
        texts = " -> ".join(repr(axis.preview()) for axis in (self.source, self.target))
        target, source = self.weights.shape[2:]
        return (
            f"{type(self).__name__}({texts}: {self.layers} layers of {self.heads} heads, "
            f"{'' if self.kept is None else f'{len(self.kept.pairs)} of them kept, '}{target} target rows by {source} "
            f"source columns, target {'generated' if self.generated else 'given'})"
        )

    @classmethod
    def from_tokens(
        cls,
        weights: torch.Tensor,
        source_tokens: Sequence[str] | Axis,
        target_tokens: Sequence[str] | Axis,
        **fields: Any,
    ) -> Self:
        """A record of attention that comes from elsewhere.

        Args:
            weights: ``[layers, heads, target, source]``; the record holds them in float32.
            source_tokens: a display string for each source position, or an :class:`~xattn_widget.record.axis.Axis`,
                which can also say which positions are special, audio or image, and where they lie.
            target_tokens: the same for the target positions.
            fields: further fields of the record, such as ``logprobs``.
        """
        source, target = (
            tokens if isinstance(tokens, Axis) else Axis(tuple(tokens)) for tokens in (source_tokens, target_tokens)
        )
        return cls(weights=torch.as_tensor(weights).float(), source=source, targets={"output": target}, **fields)

    @property
    def layers(self) -> int:
        """Number of layers with cross-attention, whether their weights are kept or not."""
        return self.weights.shape[0] if self.kept is None else self.kept.layers

    @property
    def heads(self) -> int:
        """Number of heads per layer, whether their weights are kept or not."""
        return self.weights.shape[1] if self.kept is None else self.kept.heads

    @property
    def kept_heads(self) -> list[tuple[int, int]]:
        """The (layer, head) pairs whose weights the record holds, in the order of ``weights.flatten(0, 1)``."""
        if self.kept is not None:
            return list(self.kept.pairs)
        return [(layer, head) for layer in range(self.layers) for head in range(self.heads)]

    def head_weights(self, heads: Sequence[tuple[int, int]] | None = None) -> torch.Tensor:
        """``[heads, target, source]`` float32 weights of some heads, numbered as in the model.

        Args:
            heads: (layer, head) pairs; all that the record keeps by default.

        Raises:
            ValueError: a head that the model does not have, or whose weights the record does not keep.
        """
        matrices = self.weights.flatten(0, 1)
        return (matrices if heads is None else matrices[self.places_of(heads)]).float()

    def places_of(self, heads: Sequence[Sequence[int]]) -> list[int]:
        """Where the weights of heads are in ``weights.flatten(0, 1)``.

        Args:
            heads: (layer, head) pairs.

        Raises:
            ValueError: a head that the model does not have, or whose weights the record does not keep.
        """
        pairs = head_pairs(heads)
        check_heads(pairs, self.layers, self.heads)
        if self.kept is None:
            return [layer * self.heads + head for layer, head in pairs]
        places = {pair: place for place, pair in enumerate(self.kept.pairs)}
        for layer, head in pairs:
            if (layer, head) not in places:
                raise ValueError(
                    f"this record does not keep layer {layer} head {head}; it keeps {self.kept.describe()}. Name the "
                    "head in extract(..., heads=...), or leave out layers and heads to keep all"
                )
        return [places[pair] for pair in pairs]

    def on_grid(self, values: torch.Tensor) -> torch.Tensor:
        """``[layers, heads, ...]`` values of all heads: NaN where weights are not kept.

        Args:
            values: ``[kept heads, ...]`` floats, in the order of :attr:`kept_heads`.
        """
        if self.kept is not None:
            return self.kept.spread(values)
        return values.reshape(self.layers, self.heads, *values.shape[1:])

    @property
    def target(self) -> Axis:
        """The axis of target positions under the current reading."""
        return self.targets[self.reading]

    @property
    def source_tokens(self) -> list[str]:
        """A display string for each source position."""
        return list(self.source.labels)

    @property
    def target_tokens(self) -> list[str]:
        """A display string for each target position, by the current reading."""
        return list(self.target.labels)

    @property
    def source_special(self) -> torch.Tensor:
        """``[source]`` bool, True at special tokens."""
        return torch.tensor(self.source.special, dtype=torch.bool)

    @property
    def target_special(self) -> torch.Tensor:
        """``[target]`` bool, True at special tokens of the current reading."""
        return torch.tensor(self.target.special, dtype=torch.bool)

    @property
    def source_words(self) -> list[Word]:
        """The source words with their positions."""
        return self.source.word_spans()

    @property
    def target_words(self) -> list[Word]:
        """The target words with their positions, by the current reading."""
        return self.target.word_spans()

    def read_as(self, reading: Reading) -> Self:
        """The record with its rows labeled by the token written (``"output"``) or read (``"input"``).

        Raises:
            ValueError: an unknown reading, or a record whose rows were merged into words under the other reading.
        """
        if reading not in get_args(Reading):
            raise ValueError(f"reading must be 'output' or 'input', got {reading!r}")
        if reading not in self.targets:
            raise ValueError(
                f"this record has no {reading!r} reading: its rows were merged or created under {self.reading!r}. "
                f"Call read_as({reading!r}) before words()"
            )
        return self.changed(lambda data: replace(data, reading=reading))

    def words(self) -> Self:
        """The record with subwords merged into words: sum over source pieces, mean over target pieces.

        Rows remain distributions, and special tokens remain separate positions. The log-probability of a word is the
        sum over its pieces. The result has only the current reading. Every hypothesis of an n-best list is merged.
        """
        return self.changed(_merge_words)

    def drop_special(self, *, renormalize: bool = True) -> Self:
        """The record without the rows and columns of special tokens.

        Args:
            renormalize: divide each row by its sum over the remaining columns, so that it is a distribution again; a
                row without any weight there becomes NaN (undefined).

        Raises:
            ValueError: nothing would be left.
        """
        policy: Special = "renormalize" if renormalize else "drop"
        return self.changed(lambda data: _drop_special(data, policy))

    def cropped(self) -> Self:
        """The record over the sound alone: without the positions after its end, each row divided by its sum.

        A model that pads sound, such as Whisper to 30 s, also attends to the padding. What is cut stays readable as
        :attr:`outside`. A row whose weight is all outside becomes NaN (undefined). A record without such positions is
        returned as it is.
        """
        return self.changed(_crop)

    def contributions(self) -> Self:
        """The record with value norms instead of attention weights, each row divided by its sum.

        What a source position contributes through a head also depends on its value vector: a sink receives much weight
        but contributes little. Scores, alignments, plots and the widget then show contributions, and signatures say so.

        Raises:
            ValueError: the record holds no value norms.

        Source: Kobayashi et al. 2020.
        """
        return self.changed(_contributions)

    def changed(self, change: Callable[[Self], Self]) -> Self:
        """The record after ``change``, which is applied to every hypothesis of an n-best list.

        Raises:
            Exception: whatever ``change`` raises, with a note that names the hypothesis.
        """
        if not self.hypotheses:
            return change(self)
        changed = []
        for rank, hypothesis in enumerate(self.hypotheses):
            try:
                changed.append(change(hypothesis))
            except Exception as error:
                error.add_note(f"This is about hypothesis {rank + 1} of {len(self.hypotheses)}.")
                raise
        return replace(changed[0], hypotheses=tuple(changed))


def combined(weights: torch.Tensor, aggregate: str) -> torch.Tensor:
    """The mean or maximum of ``[heads, ...]`` weights over their first axis.

    Raises:
        ValueError: ``aggregate`` is neither ``"mean"`` nor ``"max"``.
    """
    if aggregate not in get_args(Aggregate):
        raise ValueError(f"aggregate must be 'mean' or 'max' (over the heads), got {aggregate!r}")
    return weights.mean(0) if aggregate == "mean" else weights.amax(0)


Data = TypeVar("Data", bound=AttentionData)


def _merge_words(data: Data) -> Data:
    source_units, target_units = data.source.units(), data.target.units()
    is_merged = len(target_units) == len(data.target) and len(source_units) == len(data.source)
    if is_merged and "words" in data.steps:
        return data

    def merged(matrices: torch.Tensor) -> torch.Tensor:
        sizes = torch.tensor([len(unit) for unit in target_units], dtype=torch.float32)
        return (_added(_added(matrices, source_units, -1), target_units, -2) / sizes[:, None]).to(matrices.dtype)

    logprobs = data.logprobs
    if logprobs is not None:
        logprobs = _added(logprobs, target_units, 0)
    return replace(
        data,
        weights=merged(data.weights),
        source=data.source.merge_words(),
        targets={data.reading: data.target.merge_words()},
        logprobs=logprobs,
        value_norms=None if data.value_norms is None else merged(data.value_norms),
        outside=None if data.outside is None else _mean_of_rows(data.outside, target_units),
        end_row=None if data.end_row is None else _added(data.end_row, source_units, -1).to(data.end_row.dtype),
        steps=(*data.steps, "words"),
    )


def _mean_of_rows(values: torch.Tensor, units: Sequence[Sequence[int]]) -> torch.Tensor:
    """The mean of ``[..., target]`` over the positions of each unit."""
    return _added(values, units, -1) / torch.tensor([len(unit) for unit in units], dtype=values.dtype)


def _added(matrices: torch.Tensor, units: Sequence[Sequence[int]], axis: int) -> torch.Tensor:
    """The sum over the positions of each unit, in one pass over the matrices; units have all positions in order.

    Half precision is added in single precision, because each addition would round.
    """
    unit_of = torch.tensor([number for number, unit in enumerate(units) for _ in unit])
    shape = list(matrices.shape)
    shape[axis] = len(units)
    matrices = matrices.float() if matrices.dtype in WEIGHT_TYPES else matrices
    return torch.zeros(shape, dtype=matrices.dtype).index_add_(axis, unit_of, matrices)


def _drop_special(data: Data, policy: Special) -> Data:
    rows = [position for position, special in enumerate(data.target.special) if not special]
    columns = [position for position, special in enumerate(data.source.special) if not special]
    if not rows or not columns:
        side = "source" if not columns else "target"
        raise ValueError(f"every position of the {side} is a special token: nothing would be left")
    return replace(
        data,
        weights=cut(data.weights, rows, columns, policy),
        source=data.source.select(columns),
        targets={data.reading: data.target.select(rows)},
        logprobs=None if data.logprobs is None else data.logprobs[rows],
        # Norms are not distributions.
        value_norms=None if data.value_norms is None else cut(data.value_norms, rows, columns, "drop"),
        outside=None if data.outside is None else data.outside[..., rows],
        end_row=None if data.end_row is None else cut(data.end_row[:, :, None], [0], columns, policy)[:, :, 0],
        steps=(*data.steps, policy),
    )


def _crop(data: Data) -> Data:
    columns = [position for position, outside in enumerate(data.source.outside) if not outside]
    if len(columns) == len(data.source):
        return data
    if not columns:
        raise ValueError("the whole source is outside the sound: nothing would be left")
    end_row = None if data.end_row is None else cut(data.end_row[:, :, None], [0], columns, "renormalize")[:, :, 0]
    rows = range(data.weights.shape[2])
    return replace(
        data,
        weights=cut(data.weights, rows, columns, "renormalize"),
        source=data.source.select(columns),
        value_norms=None if data.value_norms is None else cut(data.value_norms, rows, columns, "drop"),
        end_row=end_row,
        steps=(*data.steps, "crop"),
    )


def _contributions(data: Data) -> Data:
    if data.value_norms is None:
        raise ValueError("this record holds no value norms: make it with extract(..., value_norms=True)")
    return replace(
        data,
        weights=renormalized(data.value_norms),
        steps=(*data.steps, "contributions"),
    )
