"""Attention with its axes, and what tensor operations alone derive from it: ``AttentionData``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeVar, get_args

import torch

from xattn_widget.record.axis import Axis, Word
from xattn_widget.record.contributed import BY_HEAD, Contributed
from xattn_widget.record.heads import check_heads, head_pairs
from xattn_widget.record.kept import WEIGHT_TYPES, KeptHeads
from xattn_widget.record.merging import Aggregate as Aggregate
from xattn_widget.record.merging import added, averaged, merged
from xattn_widget.record.merging import combined as combined
from xattn_widget.record.picture import Picture
from xattn_widget.record.sound import Sound
from xattn_widget.record.special import LeavesOut, Policy, cut, renormalized
from xattn_widget.record.timing import Timing
from xattn_widget.record.token_kinds import is_punctuation

Reading = Literal["output", "input"]


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
    image: Picture | None = None
    outside: torch.Tensor | None = None
    end_row: torch.Tensor | None = None
    timing: Timing | None = None
    kept: KeptHeads | None = None
    contributed: Contributed = field(default_factory=Contributed)
    prompt: str | None = None

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
        self.contributed.check(self.weights.shape, grid_shape)
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

    def drop_special(self, *, renormalize: bool = True, also: Literal["punctuation"] | LeavesOut | None = None) -> Self:
        """The record without the rows and columns of special tokens.

        Args:
            renormalize: divide each row by its sum over the remaining columns, so that it is a distribution again; a
                row without any weight there becomes NaN (undefined).
            also: drop ``"punctuation"`` too, or the positions for whose text this function returns True.

        Raises:
            ValueError: nothing would be left, or ``also`` is something else.
        """
        if not (also is None or also == "punctuation" or callable(also)):
            raise ValueError(f"also must be 'punctuation' or a function of a token's text, got {also!r:.60}")
        leaves_out = is_punctuation if also == "punctuation" else also
        policy = Policy("renormalize" if renormalize else "drop", leaves_out)
        return self.changed(lambda data: _drop_special(data, policy))

    def cropped(self) -> Self:
        """The record over the sound alone: without the positions after its end, each row divided by its sum.

        A model that pads sound, such as Whisper to 30 s, also attends to the padding. What is cut stays readable as
        :attr:`outside`. A row whose weight is all outside becomes NaN (undefined). A record without such positions is
        returned as it is.
        """
        return self.changed(_crop)

    def contributions(self, kind: str = "value_norm") -> Self:
        """The record with contributions instead of attention weights, each row divided by its sum.

        What a source position contributes also depends on its value vector: a sink receives much weight but contributes
        little. Scores, alignments, plots and the widget then show contributions, and signatures name the kind.

        Args:
            kind: ``"value_norm"`` (Kobayashi et al. 2020), which has the heads of the record, or a kind that
                :func:`xattn_widget.extract` measures: ``"value_zeroing"``, ``"value_zeroing_heads"``, ``"alti"`` or
                ``"gradient"``. All of these but ``"value_zeroing_heads"`` have one head in each layer, called 0, and
                ``"gradient"`` has one layer.

        Returns:
            The record. If heads of the model are not its heads, it holds nothing that is about them, such as
            ``importance``.

        Raises:
            ValueError: an unknown kind, or one that the record does not hold.
        """
        return self.changed(lambda data: _contributions(data, kind))

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


Data = TypeVar("Data", bound=AttentionData)


def _merge_words(data: Data) -> Data:
    source_units, target_units = data.source.units(), data.target.units()
    is_merged = len(target_units) == len(data.target) and len(source_units) == len(data.source)
    if is_merged and "words" in data.steps:
        return data

    logprobs = data.logprobs
    if logprobs is not None:
        logprobs = added(logprobs, target_units, 0)
    return replace(
        data,
        weights=merged(data.weights, source_units, target_units),
        source=data.source.merge_words(),
        targets={data.reading: data.target.merge_words()},
        logprobs=logprobs,
        value_norms=None if data.value_norms is None else merged(data.value_norms, source_units, target_units),
        outside=None if data.outside is None else averaged(data.outside, target_units, -1),
        end_row=None if data.end_row is None else added(data.end_row, source_units, -1).to(data.end_row.dtype),
        contributed=data.contributed.merged(source_units, target_units),
        steps=(*data.steps, "words"),
    )


def _drop_special(data: Data, policy: Policy) -> Data:
    rows = [position for position, left_out in enumerate(policy.left_out(data.target)) if not left_out]
    columns = [position for position, left_out in enumerate(policy.left_out(data.source)) if not left_out]
    if not rows or not columns:
        side = "source" if not columns else "target"
        what = "a special token" if policy.leaves_out is None else "special or left out"
        raise ValueError(f"every position of the {side} is {what}: nothing would be left")
    return replace(
        data,
        weights=cut(data.weights, rows, columns, policy.action),
        source=data.source.select(columns),
        targets={data.reading: data.target.select(rows)},
        logprobs=None if data.logprobs is None else data.logprobs[rows],
        # Norms are not distributions.
        value_norms=None if data.value_norms is None else cut(data.value_norms, rows, columns, "drop"),
        outside=None if data.outside is None else data.outside[..., rows],
        end_row=None if data.end_row is None else cut(data.end_row[:, :, None], [0], columns, policy.action)[:, :, 0],
        contributed=data.contributed.cut(rows, columns),
        steps=(*data.steps, policy.name),
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
        contributed=data.contributed.cut(rows, columns),
        steps=(*data.steps, "crop"),
    )


def _contributions(data: Data, kind: str) -> Data:
    if kind == "value_norm":
        if data.value_norms is None:
            raise ValueError("this record holds no value norms: make it with extract(..., value_norms=True)")
        return replace(data, weights=renormalized(data.value_norms), steps=(*data.steps, "contributions"))
    if kind not in data.contributed.maps:
        raise data.contributed.missing(kind)
    by_layer: dict[str, Any] = {"kept": None, "importance": {}, "value_norms": None, "timing": None}
    return replace(
        data,
        weights=renormalized(data.contributed.maps[kind]),
        outside=None,
        end_row=None,
        contributed=data.contributed.instead_of_weights(kind),
        steps=(*data.steps, kind),
        **({} if kind == BY_HEAD else by_layer),
    )
