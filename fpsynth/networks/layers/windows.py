"""Windows that slide over an input: the geometry that convolutions and pooling share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.errors import InputError
from fpsynth.networks.layers.base import integers, shown
from fpsynth.networks.layers.structure import PADDING, Shape, strides

Padding = tuple[tuple[int, int], ...]
"""For each axis: how many places before and after the input."""

MAX_TABLE = 1 << 26
"""The most taps that all windows have together along one axis."""


def padding(values: Any, axes: int) -> Padding:
    """Padding from one number, one for each axis, or a pair for each axis.  Raises InputError."""
    if isinstance(values, int):
        values = (values,) * axes
    given = tuple((v, v) if isinstance(v, (int, np.integer)) else tuple(v) for v in values)
    if len(given) != axes or any(len(pair) != 2 for pair in given):
        raise InputError(f"padding needs a number, or a pair (before, after), for each of {axes} axes")
    return tuple((before, after) for before, after in (integers(pair, "padding", 0, 2) for pair in given))


@dataclass(frozen=True)
class Windows:
    """Windows of ``kernel`` taps, ``dilation`` apart, every ``stride`` places along each axis of a padded input."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Padding
    dilation: tuple[int, ...]
    ceil: bool = False
    """Whether a last window may reach beyond the padding, as long as it starts in the input or the padding before it."""

    def places(self, sizes: Shape) -> Shape:
        """How many windows there are along each axis of an input of these sizes.  Raises InputError for none or too many."""
        result = tuple(self._along(axis, size) for axis, size in enumerate(sizes))
        if any(count < 1 for count in result):
            raise InputError(f"a window of {shown(self.kernel)} does not fit into {shown(sizes)}")
        if any(count * taps > MAX_TABLE for count, taps in zip(result, self.kernel, strict=True)):
            raise InputError(
                f"windows of {shown(self.kernel)} at {shown(result)} places are more than {MAX_TABLE} taps on an axis"
            )
        return result

    def _along(self, axis: int, size: int) -> int:
        before, after = self.padding[axis]
        room = size + before + after - self.dilation[axis] * (self.kernel[axis] - 1) - 1
        if room < 0:
            return 0
        count = (room + (self.stride[axis] - 1) * self.ceil) // self.stride[axis] + 1
        return count - (self.ceil and (count - 1) * self.stride[axis] >= size + before)

    def coordinates(self, axis: int, size: int) -> NDArray[np.int64]:
        """What each window reads along one axis, of shape (windows, taps); PADDING outside."""
        starts = np.arange(self._along(axis, size)) * self.stride[axis] - self.padding[axis][0]
        read = starts[:, None] + np.arange(self.kernel[axis]) * self.dilation[axis]
        return np.where((read < 0) | (read >= size), PADDING, read)

    def tables(self, sizes: Shape) -> list[NDArray[np.int64]]:
        """The tables of ``Taps`` for one channel of an input."""
        steps = strides(sizes)
        coordinates = [self.coordinates(axis, size) for axis, size in enumerate(sizes)]
        return [np.where(c < 0, PADDING, c * step) for c, step in zip(coordinates, steps, strict=True)]

    def counts(self, sizes: Shape, with_padding: bool) -> NDArray[np.float64]:
        """How many taps of each window count, row-major: those in the input, or in the padding as well."""
        result = np.ones(1)
        for axis, size in enumerate(sizes):
            before, after = self.padding[axis] if with_padding else (0, 0)
            starts = np.arange(self._along(axis, size)) * self.stride[axis] - self.padding[axis][0]
            read = starts[:, None] + np.arange(self.kernel[axis]) * self.dilation[axis]
            inside = ((read >= -before) & (read < size + after)).sum(axis=1)
            result = (result[:, None] * inside).reshape(-1)
        return result
