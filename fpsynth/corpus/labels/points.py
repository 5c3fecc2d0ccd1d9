"""The float32 inputs of a box: how many there are, the k-th of each axis, all of them, some of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from random import Random

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.rounding import Rounding, round_fraction
from fpsynth.verifiers.properties import ExactBox


def ordinal(number: float) -> int:
    """The place of a float32 among all of them: 0 for both zeros, 1 for the least above, -1 for its negative."""
    bits = int(np.float32(number).view(np.uint32))
    return bits if bits < 1 << 31 else (1 << 31) - bits


def floats_of(ordinals: NDArray[np.int64]) -> Floats:
    """The float32 at these places, as float64."""
    patterns = np.where(ordinals >= 0, ordinals, (1 << 31) - ordinals).astype(np.uint32)
    return patterns.view(np.float32).astype(np.float64)


@dataclass(frozen=True)
class Grid:
    """The float32 inputs of a box, axis by axis, as ranges of ordinals with both ends."""

    first: tuple[int, ...]
    last: tuple[int, ...]

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """How many there are along each axis."""
        return tuple(b - a + 1 for a, b in zip(self.first, self.last, strict=True))

    @property
    def total(self) -> int:
        """How many inputs."""
        return math.prod(self.lengths)

    def ends(self) -> tuple[tuple[float, float], ...]:
        """The smallest and the largest number of each axis."""
        low, high = (floats_of(np.array(ends, np.int64)).tolist() for ends in (self.first, self.last))
        return tuple(zip(low, high, strict=True))

    def axis(self, k: int) -> Floats:
        """All numbers of one axis, ascending."""
        return floats_of(np.arange(self.first[k], self.last[k] + 1, dtype=np.int64))

    def pieces(self, size: int) -> Iterator[Floats]:
        """All inputs, at most ``size`` at a time, (points, inputs)."""
        for start in range(0, self.total, size):
            left = np.arange(start, min(self.total, start + size), dtype=np.int64)
            places = []
            for length in reversed(self.lengths):  # numpy's own way knows no more than 64 axes
                left, place = np.divmod(left, length)
                places.append(place)
            yield self._at(places[::-1])

    def drawn(self, count: int, rng: Random) -> Floats:
        """Some inputs, each as likely as any other, (count, inputs)."""
        rows = [[rng.randrange(length) for length in self.lengths] for _ in range(count)]
        return self._at(np.array(rows, np.int64).reshape(count, len(self.lengths)).T)

    def tried(self, count: int) -> Floats:
        """The lowest and the highest input, and others that are the same every time, (count, inputs)."""
        low, high = zip(*self.ends(), strict=True)
        return np.vstack([[low], [high], self.drawn(count, Random("runs"))])[:count]

    def _at(self, places: object) -> Floats:
        columns = np.asarray(places, np.int64).T + np.array(self.first, np.int64)
        return floats_of(columns)


def grid_of(box: ExactBox) -> Grid:
    """The float32 inputs of a box.  Raises InputError where an axis has none."""
    low = [round_fraction(end, FLOAT32, Rounding.RTP) for end in box.lower]
    high = [round_fraction(end, FLOAT32, Rounding.RTN) for end in box.upper]
    if not all(end.is_finite for end in (*low, *high)):
        raise InputError("the box goes beyond the range of float32")
    first, last = (tuple(ordinal(float(end)) for end in ends) for ends in (low, high))
    if any(a > b for a, b in zip(first, last, strict=True)):
        raise InputError("the box has no input of float32")
    return Grid(first, last)
