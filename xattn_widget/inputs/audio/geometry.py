"""Where the positions of a speech model's encoder lie in time: its convolutions over samples or frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Convolution(NamedTuple):
    """A convolution along time: its kernel, its stride, and the zeros that it adds on the left and on the right."""

    kernel: int
    stride: int
    left: int = 0
    right: int = 0


@dataclass(frozen=True)
class Geometry:
    """A stack of convolutions over units of time, which are samples or frames of features.

    Attributes:
        convolutions: the convolutions in order; none if there is one position per unit.
        unit: seconds from one unit to the next.
        first: the center of the first unit in seconds.
    """

    convolutions: Sequence[Convolution]
    unit: float
    first: float = 0.0

    def count(self, units: int) -> int:
        """The number of positions that an input of this length gets; 0 if it is too short for any."""
        for kernel, stride, left, right in self.convolutions:
            if units < 1:
                return 0
            units = (units + left + right - kernel) // stride + 1
        return max(0, units)

    @property
    def shortest(self) -> int:
        """The least number of units that gives a position."""
        units = 1
        for kernel, stride, left, right in reversed(self.convolutions):
            units = max(1, (units - 1) * stride + kernel - left - right)
        return units

    @property
    def stride(self) -> int:
        """Units from one position to the next."""
        step = 1
        for convolution in self.convolutions:
            step *= convolution.stride
        return step

    @property
    def step(self) -> float:
        """Seconds from one position to the next."""
        return self.unit * self.stride

    def center(self, position: int) -> float:
        """The center, in seconds, of what a position hears before the encoder's layers mix positions."""
        before, step = 0.0, 1  # units from the first one to the center of position 0; units between positions so far
        for kernel, stride, left, _ in self.convolutions:
            before += ((kernel - 1) / 2 - left) * step
            step *= stride
        return self.first + self.unit * (before + position * step)

    def places(self, count: int) -> list[tuple[float, float]]:
        """Start and end, in seconds, of the first positions: a step around each center, from the sound's beginning."""
        half = self.step / 2
        centers = map(self.center, range(count))
        return [(max(0.0, center - half), max(0.0, center + half)) for center in centers]
