"""What source positions contribute to target positions, as measured with the model: ``Contributed``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, get_args

import torch

from xattn_widget.messages.characters import brief
from xattn_widget.messages.hints import did_you_mean
from xattn_widget.record.merging import averaged, merged
from xattn_widget.record.special import cut

ContributionKind = Literal["value_zeroing", "value_zeroing_heads", "alti", "gradient"]
CONTRIBUTION_KINDS: tuple[str, ...] = get_args(ContributionKind)
# Each head has its own contributions; the other kinds have one "head".
BY_HEAD = "value_zeroing_heads"
# How the kinds are called in pictures and lists.
CONTRIBUTION_TITLES = {
    "value_norm": "value norms",
    "value_zeroing": "value zeroing",
    "value_zeroing_heads": "value zeroing of single heads",
    "alti": "ALTI+",
    "gradient": "input x gradient",
}


def check_kinds(contributions: Any, *, and_gradient: bool = False) -> list[str]:
    """The requested kinds, each once, in the order of :data:`CONTRIBUTION_KINDS`.

    Args:
        contributions: what the user passed.
        and_gradient: whether ``"gradient"`` is needed anyway.

    Raises:
        TypeError: not a list of strings.
        ValueError: an unknown kind.
    """
    form = f"contributions must be a list of {', '.join(map(repr, CONTRIBUTION_KINDS))}"
    if isinstance(contributions, str):
        raise TypeError(f"{form}, got one alone; write contributions=[{brief(contributions)}]")
    if not isinstance(contributions, Iterable):
        raise TypeError(f"{form}, got {brief(contributions)}")
    kinds = list(contributions)
    for kind in kinds:
        if not isinstance(kind, str):
            raise TypeError(f"{form}, got {brief(kind)} in it")
        if kind.startswith("value_norm"):
            raise ValueError(f"{form}, got {brief(kind)}: value norms are kept with value_norms=True")
        if kind not in CONTRIBUTION_KINDS:
            raise ValueError(f"{form}, got {brief(kind)}; {did_you_mean(kind, CONTRIBUTION_KINDS)}")
    return [kind for kind in CONTRIBUTION_KINDS if kind in kinds or (and_gradient and kind == "gradient")]


@dataclass(frozen=True, eq=False)
class Contributed:
    """Contributions of one sentence pair, and how well its attention agrees with them.

    Attributes:
        maps: ``[layers, heads, target, source]`` by kind, float32. ``"value_zeroing_heads"`` has the heads of the
            record's weights; the other kinds have one head, ``"gradient"`` has one layer too. Rows sum to 1, those of
            ``"alti"`` to the share of the source; a row that is undefined is NaN.
        prefix: ``[layers, 1, target, target]`` what the tokens that the decoder has read contribute by ALTI+; each row
            and the row of ``maps["alti"]`` sum to 1 together. None without ALTI+. The columns are the tokens that were
            read, whatever happens to the rows.
        masking_drop: ``[layers, heads]`` how much more the log-probability of a target token drops when the source
            words that a head attends to most are masked than when random ones are, or None.
    """

    maps: Mapping[str, torch.Tensor] = field(default_factory=dict)
    prefix: torch.Tensor | None = None
    masking_drop: torch.Tensor | None = None

    def check(self, weights: torch.Size, grid: torch.Size) -> None:
        """Raise unless the shapes are those of a record with weights of this shape and this grid of heads.

        Raises:
            ValueError: they are not.
        """
        rows, columns = weights[2:]
        for kind, values in self.maps.items():
            if kind not in CONTRIBUTION_KINDS:
                raise ValueError(f"contributions must be of the kinds {', '.join(CONTRIBUTION_KINDS)}, got {kind!r}")
            shape = tuple(values.shape)
            if len(shape) != 4 or 0 in shape or shape[2:] != (rows, columns):
                raise ValueError(
                    f"contributions by {kind!r} must be [layers, heads, target, source] with target and source = "
                    f"{[rows, columns]}, got {list(shape)}"
                )
            if shape[:2] != (weights[:2] if kind == BY_HEAD else (shape[0], 1)):
                expected = list(weights[:2]) if kind == BY_HEAD else "[layers, 1]"
                raise ValueError(f"contributions by {kind!r} must have {expected} heads, got {list(shape[:2])}")
        if self.prefix is not None and (self.prefix.dim() != 4 or self.prefix.shape[1:3] != (1, rows)):
            raise ValueError(f"prefix must be [layers, 1, target = {rows}, target], got {list(self.prefix.shape)}")
        if self.masking_drop is not None and self.masking_drop.shape != grid:
            raise ValueError(
                f"masking_drop must be [layers, heads] = {list(grid)}, got {list(self.masking_drop.shape)}"
            )

    def check_values(self) -> None:
        """Raise unless the numbers are possible.

        Raises:
            ValueError: they are not.
        """
        for kind, values in [*self.maps.items(), ("the prefix", self.prefix)]:
            if values is None:
                continue
            undefined = values.isnan()
            if (undefined.any(-1) != undefined.all(-1)).any():
                raise ValueError(f"a row of contributions by {kind} is partly NaN")
            if (values < 0).any() or values.isinf().any():
                raise ValueError(f"contributions by {kind} must be finite and 0 or more")
        if self.masking_drop is not None and self.masking_drop.isinf().any():
            raise ValueError("masking_drop must be finite, or NaN where it is undefined")

    def merged(self, source_units: Sequence[Sequence[int]], target_units: Sequence[Sequence[int]]) -> Self:
        """The contributions with units as positions."""
        return replace(
            self,
            maps={kind: merged(values, source_units, target_units) for kind, values in self.maps.items()},
            prefix=None if self.prefix is None else averaged(self.prefix, target_units, -2),
        )

    def cut(self, rows: Sequence[int], columns: Sequence[int]) -> Self:
        """The contributions of these columns to these rows, as large as they were."""
        return replace(
            self,
            maps={kind: cut(values, rows, columns, "drop") for kind, values in self.maps.items()},
            prefix=None if self.prefix is None else self.prefix[:, :, list(rows)],
        )

    def instead_of_weights(self, kind: str) -> Self:
        """What remains true of a record that shows the contributions of a kind instead of its weights.

        The gradients remain, so that the kind can be compared with them, and with ALTI+ the part of the prefix.
        """
        maps = {name: values for name, values in self.maps.items() if name == "gradient"}
        return replace(self, maps=maps, prefix=self.prefix if kind == "alti" else None, masking_drop=None)

    def missing(self, kind: str) -> ValueError:
        """The error for contributions of a kind that the record does not hold."""
        if kind not in CONTRIBUTION_KINDS:
            kinds = ", ".join(map(repr, ("value_norm", *CONTRIBUTION_KINDS)))
            return ValueError(f"kind must be one of {kinds}, got {kind!r}")
        held = f"it holds {', '.join(map(repr, self.maps))}" if self.maps else "it holds none"
        return ValueError(
            f"this record holds no contributions by {kind!r} ({held}): make it with extract(..., "
            f"contributions=[{kind!r}])"
        )
