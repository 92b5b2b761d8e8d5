"""The values of a score for every head, with their signature, direction and axes: ``ScoreGrid``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, Self, get_args

import numpy as np
import torch

from xattn_widget._compat import plain_tensors

Direction = Literal["higher", "lower"]
GridAxis = Literal["layers", "heads"]

# Copies and conversions: the numbers stay those of the score.
_KEEPING = {
    torch.clone,
    torch.detach,
    torch.Tensor.clone,
    torch.Tensor.contiguous,
    torch.Tensor.cpu,
    torch.Tensor.cuda,
    torch.Tensor.detach,
    torch.Tensor.double,
    torch.Tensor.float,
    torch.Tensor.to,
}


class ScoreGrid(torch.Tensor):
    """Values of a score: a tensor that knows what it holds.

    A grid works wherever a tensor does, and ``numpy.asarray`` makes an array of it. Copies, conversions, and parts
    taken by whole numbers and slices keep ``signature`` and ``direction``. Every other operation returns a plain
    tensor, because its result is no longer a value of the score; an operation in place changes the grid itself.
    ``pickle`` keeps the class. ``torch.load`` reads what ``torch.save`` wrote as a plain tensor with the same
    attributes, even if this package is not installed.

    Attributes:
        signature: how the values were computed, see :meth:`Score.signature`.
        direction: which values rank best, ``"higher"`` or ``"lower"``.
        axes: the meaning of the last dimensions: ``("layers", "heads")`` or a part of it. Dimensions before them are
            those of a batch.
    """

    signature: str
    direction: Direction
    axes: tuple[GridAxis, ...]

    def __new__(
        cls, values: torch.Tensor, signature: str, direction: Direction, axes: Sequence[GridAxis] = get_args(GridAxis)
    ) -> ScoreGrid:
        """A grid that shares the memory of the values, without gradient."""
        grid = values.detach().as_subclass(cls)
        grid.signature, grid.direction, grid.axes = signature, direction, tuple(axes)
        return grid

    @property
    def values(self) -> torch.Tensor:  # type: ignore[override] # torch's method of this name is for sparse tensors
        """The values as a plain tensor that shares their memory."""
        return self.as_subclass(torch.Tensor)

    @classmethod
    def __torch_function__(
        cls,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        with plain_tensors():
            result = function(*args, **(kwargs or {}))
        grid = args[0] if args else None
        if not isinstance(grid, ScoreGrid) or type(result) is not torch.Tensor:
            return result
        axes: tuple[GridAxis, ...] | None = None
        if function in _KEEPING:
            axes = grid.axes
        elif function is torch.Tensor.__getitem__:
            axes = _remaining_axes(grid, args[1])
        return result if axes is None else grid._with(result, axes)

    def __iter__(self) -> Iterator[torch.Tensor]:
        return (self[place] for place in range(len(self)))

    def __repr__(self) -> str:  # type: ignore[override]
        numbers = repr(self.values).removeprefix("tensor(").removesuffix(")").replace("\n", "\n   ")
        gap = ",\n          " if self.dim() else ", "
        about = f"signature={self.signature!r}, direction={self.direction!r}, axes={self.axes!r}"
        return f"ScoreGrid({numbers}{gap}{about})"

    def __format__(self, format_spec: str) -> str:
        return format(self.values, format_spec) if format_spec else repr(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self._with(self.values.clone(), self.axes)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if protocol == 2:  # the protocol of torch.save: torch.load refuses classes that it does not know
            plain = self.values
            vars(plain).update(vars(self))
            return plain.__reduce_ex__(protocol)  # type: ignore[no-untyped-call]
        return type(self), (self.values, self.signature, self.direction, self.axes)

    def _with(self, values: torch.Tensor, axes: tuple[GridAxis, ...]) -> Self:
        """Other values of the same score."""
        return type(self)(values, self.signature, self.direction, axes)


def _remaining_axes(grid: ScoreGrid, index: Any) -> tuple[GridAxis, ...] | None:
    """The axes of a part taken by whole numbers and slices; None for any other index."""
    parts = index if isinstance(index, tuple) else (index,)
    if not all(part is Ellipsis or isinstance(part, slice) or _is_whole_number(part) for part in parts):
        return None
    if Ellipsis in parts:
        place = parts.index(Ellipsis)
        parts = (*parts[:place], *[slice(None)] * (grid.dim() - len(parts) + 1), *parts[place + 1 :])
    names: list[GridAxis | None] = [*[None] * (grid.dim() - len(grid.axes)), *grid.axes]
    parts = (*parts, *[slice(None)] * (grid.dim() - len(parts)))
    return tuple(name for name, part in zip(names, parts, strict=True) if name and isinstance(part, slice))


def _is_whole_number(part: Any) -> bool:
    # A tensor or an array of one number may index like a list.
    return isinstance(part, int | np.integer) and not isinstance(part, bool)
