"""What a score may request besides attention and masks: one entry of ``INPUTS`` for each kind of input.

A score requests an input by naming it among its arguments. Everything else about an input is read here: by scores when
they are called, by :func:`check_score`, and by corpus jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Literal, NamedTuple, Protocol, get_args

import torch

from xattn_widget.record.axis import Axis
from xattn_widget.record.data import AttentionData
from xattn_widget.record.picture import Picture
from xattn_widget.record.sound import Sound
from xattn_widget.record.special import Action
from xattn_widget.record.token_kinds import ends, kinds, languages, punctuation
from xattn_widget.scores.image_inputs import source_blank, source_centers
from xattn_widget.scores.largest import largest_columns
from xattn_widget.scores.sound_inputs import source_loudness, source_seconds, spoken_words

InputAxis = Literal["layers", "heads", "target", "source"]
Indices = Mapping[InputAxis, slice | torch.Tensor]
ImportanceMethod = Literal["gradient", "ablation"]
# What the value of a head depends on, see :class:`xattn_widget.scores.Score`.
Scope = Literal["head", "layer", "model"]


class Media(Protocol):
    """What has the sound or the picture that an axis was made from: a record, or a source of a corpus."""

    @property
    def sound(self) -> Sound | None:
        """What can be heard."""

    @property
    def image(self) -> Picture | None:
        """What can be seen."""


class ScoreInput(NamedTuple):
    """One kind of input: a tensor, or tensors by key.

    Attributes:
        axes: which axes of attention ``[..., layers, heads, target, source]`` it has, in this order; with ``"heads"``
            it has ``"layers"`` too.
        missing: how to get it, for the error of a score that did not get it.
        from_record: takes it from a record, with the layers and heads of the record's weights; returns None where the
            record does not hold it. Left out where ``from_source``, ``from_target`` or ``from_attention`` says it all.
        boolean: whether it holds flags.
        numbers: whether it holds whole numbers of groups, such as words; -1 for none.
        of_sound: whether only records of sound hold it.
        of_image: whether only records of a picture hold it.
        keys: the keys where it is a mapping of tensors.
        captured: whether the forward yields it layer by layer, as the attribute of ``CrossAttentionCall`` with the name
            of the input. Its first axis is ``"layers"`` then.
        cut_off: whether it is the mass after the end of the sound, which a corpus job cuts off layer by layer.
        from_source: takes it from the axis of a source, cropped to the sound, and from its sound or its picture.
        from_target: takes it from the axis of a target.
        from_attention: computes it from attention and masks, where nobody has done so for several scores at once.
        outside_jobs: why a corpus job cannot compute a score that needs it; "" if it can.
        policies: what makes sense to do with special tokens in a score that needs it.
        policies_reason: why the other policies do not, such as ``"measures special tokens"``.
        measures_special: whether it measures special source tokens, whose columns then count under every policy.
    """

    axes: tuple[InputAxis, ...]
    missing: str
    from_record: Callable[[AttentionData], Any] | None = None
    boolean: bool = False
    numbers: bool = False
    of_sound: bool = False
    of_image: bool = False
    keys: tuple[str, ...] = ()
    captured: bool = False
    cut_off: bool = False
    from_source: Callable[[Axis, Media], Any] | None = None
    from_target: Callable[[Axis], Any] | None = None
    from_attention: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], Any] | None = None
    outside_jobs: str = ""
    policies: tuple[Action, ...] = get_args(Action)
    policies_reason: str = ""
    measures_special: bool = False

    @property
    def looks_at_tokens(self) -> bool:
        """Whether it has a value for each token of a side."""
        return bool({"target", "source"} & set(self.axes))

    @property
    def asked_for(self) -> bool:
        """Whether only records for which the user asked for it hold it."""
        return self.captured or bool(self.outside_jobs)

    @property
    def on_request(self) -> bool:
        """Whether only some records hold it: those of sound, of a picture, or for which the user asked for it."""
        return self.of_sound or self.of_image or self.asked_for

    def of(self, record: AttentionData) -> Any:
        """The input of a record, or None where the record does not hold it."""
        if self.from_record is not None:
            return self.from_record(record)
        if self.from_source is not None:
            return self.from_source(record.source, record)
        if self.from_target is not None:
            return self.from_target(record.target)
        if self.from_attention is not None:
            rows, columns = (torch.ones(size, dtype=torch.bool) for size in record.weights.shape[2:])
            return self.from_attention(record.weights.float(), columns, rows)
        return None

    def fit(self, value: Any, attention: torch.Tensor, name: str) -> Any:
        """The value on the attention's device, with the attention's batch axes.

        Args:
            value: ``[..., *axes]``, with or without batch axes.
            attention: ``[..., layers, heads, target, source]``.
            name: the input's name, for the error.

        Raises:
            ValueError: the shape is not the attention's.
        """
        shape = self._shape(attention)
        expected = (*attention.shape[:-4], *shape)

        def fit_tensor(tensor: torch.Tensor) -> torch.Tensor:
            tensor = torch.as_tensor(tensor, device=attention.device)
            problem = ValueError(
                f"{name} must be [..., {', '.join(self.axes)}] = {list(expected)} as the attention, got "
                f"{list(tensor.shape)}"
            )
            if tuple(tensor.shape[-len(shape) :]) != shape:
                raise problem
            try:
                tensor = tensor.bool() if self.boolean else tensor.long() if self.numbers else tensor
                return tensor.expand(expected)
            except RuntimeError:
                raise problem from None

        return map_tensors(fit_tensor, value)

    def sentences(self, value: Any, attention: torch.Tensor) -> Any:
        """What :meth:`fit` returned, with its batch axes as one: ``[sentences, *axes]``."""
        return map_tensors(lambda tensor: tensor.reshape(-1, *self._shape(attention)), value)

    def part(self, value: Any, indices: Indices) -> Any:
        """The part of ``[..., *axes]`` at these indices (masks or slices); axes without an index are whole."""
        for axis, index in indices.items():
            if axis in self.axes:
                behind = [slice(None)] * (len(self.axes) - self.axes.index(axis) - 1)
                value = map_tensors(itemgetter((..., index, *behind)), value)
        return value

    def example(self, attention: torch.Tensor, generator: torch.Generator) -> Any:
        """A random value for attention ``[layers, heads, target, source]``; flags are True at the last position.

        Groups have two positions each, and the last position is in none.
        """
        shape = self._shape(attention)

        def tensor() -> torch.Tensor:
            if self.boolean:
                return (torch.arange(shape[-1]) == shape[-1] - 1).repeat(*shape[:-1], 1)
            if self.numbers:
                positions = torch.arange(shape[-1])
                groups = positions.div(2, rounding_mode="floor").masked_fill(positions == shape[-1] - 1, -1)
                return groups.repeat(*shape[:-1], 1)
            return torch.rand(shape, generator=generator)

        return {key: tensor() for key in self.keys} if self.keys else tensor()

    def _shape(self, attention: torch.Tensor) -> tuple[int, ...]:
        sizes = dict(zip(get_args(InputAxis), attention.shape[-4:], strict=True))
        return tuple(sizes[axis] for axis in self.axes)


def map_tensors(function: Callable[..., Any], value: Any, *others: Any) -> Any:
    """The function's value for a tensor (and the others like it), or for each tensor of a mapping."""
    if isinstance(value, Mapping):
        return {key: function(tensor, *(other[key] for other in others)) for key, tensor in value.items()}
    return function(value, *others)


def _importance_of(record: AttentionData) -> dict[str, torch.Tensor]:
    kept = record.kept
    return {method: grid if kept is None else kept.cut(grid) for method, grid in record.importance.items()}


def _saliency_of(record: AttentionData) -> torch.Tensor | None:
    """``[target, source]`` input x gradient, NaN at special tokens."""
    gradients = record.contributed.maps.get("gradient")
    if gradients is None:
        return None
    left_out = record.target_special[:, None] | record.source_special
    return gradients[0, 0].masked_fill(left_out, torch.nan)


def _masking_drop_of(record: AttentionData) -> torch.Tensor | None:
    drop, kept = record.contributed.masking_drop, record.kept
    return drop if drop is None or kept is None else kept.cut(drop)


def _not_special(axis: Axis) -> torch.Tensor:
    return ~torch.tensor(axis.special, dtype=torch.bool)


_PICTURE = "use the record of a picture, from extract(model, processor, image)"
_SOUND = "use the record of a sound, from extract(model, processor, audio)"


def _sinks(name: str, kind: str, reason: str, find: Callable[[Axis], torch.Tensor] | None = None) -> ScoreInput:
    """Flags of the source tokens of one kind."""
    return ScoreInput(
        axes=("source",),
        missing=f"pass {name}, a bool for each source column (True = {kind})",
        boolean=True,
        from_source=None if find is None else lambda axis, media: find(axis),
        policies=("keep", "drop"),
        policies_reason=reason,
        measures_special=True,
    )


INPUTS = {
    "source_special": _sinks("source_special", "special", "measures special tokens")._replace(
        from_record=lambda record: record.source_special,  # corpus jobs pass those of all sources in any case
    ),
    "source_ends": _sinks("source_ends", "the end of the sentence", "measures special tokens", ends),
    "source_languages": _sinks("source_languages", "a language code", "measures special tokens", languages),
    "source_punctuation": _sinks("source_punctuation", "punctuation", "measures punctuation", punctuation),
    "source_kinds": ScoreInput(
        axes=("source",),
        missing="pass source_kinds, the number of each source column's kind as in xattn_widget.record.token_kinds",
        numbers=True,
        from_source=lambda axis, media: kinds(axis),
    ),
    "written_words": ScoreInput(
        axes=("target",),
        missing="pass written_words, a bool for each target row (True = it writes a token that is not special)",
        from_record=lambda record: _not_special(record.targets.get("output", record.target)),
        boolean=True,
        from_target=_not_special,
    ),
    "largest_columns": ScoreInput(
        axes=("layers", "heads", "target"),
        missing="it is computed from the attention",
        numbers=True,
        from_attention=largest_columns,
        policies=("keep",),
        policies_reason="looks at whole rows",
    ),
    "value_norms": ScoreInput(
        axes=("layers", "heads", "target", "source"),
        missing="use extract(..., value_norms=True), or pass value_norms from capture(...).value_norms",
        from_record=lambda record: record.value_norms,
        captured=True,
        policies=("keep", "drop"),
        policies_reason="measures norms, which are not distributions",
    ),
    "importance": ScoreInput(
        axes=("layers", "heads"),
        missing="use extract(..., importance='gradient'), or pass {'gradient': head_importance(...)}",
        from_record=lambda record: _importance_of(record) or None,
        keys=get_args(ImportanceMethod),
        outside_jobs="needs a backward pass, which a corpus job does not run: use head_importance",
        policies=("keep",),
        policies_reason="does not look at tokens",
    ),
    "saliency": ScoreInput(
        axes=("target", "source"),
        missing="use extract(..., faithfulness=True), or pass saliency, [target, source], NaN at special tokens",
        from_record=_saliency_of,
        outside_jobs="needs gradients, which a corpus job does not compute: use extract(..., faithfulness=True)",
        policies=("keep",),
        policies_reason="leaves special tokens out itself",
    ),
    "masking_drop": ScoreInput(
        axes=("layers", "heads"),
        missing="use extract(..., faithfulness=True) with a model that reads text",
        from_record=_masking_drop_of,
        outside_jobs="needs a forward for each masked word, which a corpus job does not run: use extract(..., "
        "faithfulness=True)",
        policies=("keep",),
        policies_reason="does not look at tokens",
    ),
    "source_loudness": ScoreInput(
        axes=("source",),
        missing=f"{_SOUND}, or pass source_loudness, the decibels of each source column",
        of_sound=True,
        from_source=lambda axis, media: source_loudness(axis, media.sound),
    ),
    "source_seconds": ScoreInput(
        axes=("source",),
        missing=f"{_SOUND}, or pass source_seconds, the duration of each source column",
        of_sound=True,
        from_source=lambda axis, media: source_seconds(axis),
    ),
    "outside": ScoreInput(
        axes=("layers", "heads", "target"),
        missing=f"{_SOUND} that is padded, or pass outside, the mass of each row after the end of the sound",
        from_record=lambda record: record.outside,
        of_sound=True,
        cut_off=True,
        policies=("keep", "drop"),
        policies_reason="measures what is outside the sound",
    ),
    "source_centers": ScoreInput(
        axes=("source",),
        missing=f"{_PICTURE}, or pass {{'x': ..., 'y': ...}}, the center of each source column",
        of_image=True,
        keys=("x", "y"),
        from_source=lambda axis, media: source_centers(axis),
    ),
    "source_blank": ScoreInput(
        axes=("source",),
        missing=f"{_PICTURE}, or pass source_blank, a bool for each source column (True = blank)",
        boolean=True,
        of_image=True,
        from_source=lambda axis, media: source_blank(axis, media.image),
    ),
    "spoken_words": ScoreInput(
        axes=("target",),
        missing="pass spoken_words, the number of each target row's word (-1 = in none)",
        numbers=True,
        from_target=spoken_words,
    ),
}
