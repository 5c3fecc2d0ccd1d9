"""What a layer is to whoever evaluates it: sums, a selection or a view of flat inputs.

Several inputs of a layer are one flat vector: each input flattened (row-major), one after the other.  Everything is said by
flat positions in that vector, so that no interpreter, encoder or solver needs to know a layer type.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]
"""Of one example: the axis of the batch is never part of it."""
Indices = NDArray[np.int32]
PADDING = -1
"""The flat position of a tap outside the input: it reads +0 in a sum, nothing in a maximum, a view's ``fill`` in a view."""


@dataclass(frozen=True, eq=False)
class Taps:
    """Which inputs every position reads, kept as one small table per axis.

    Table k has a row for each place along its axis and a column for each tap; the flat input position of tap (t1, t2, ...) at
    position (p1, p2, ...) is the sum of the entries ``tables[k][pk, tk]``, or PADDING where one of them is.  Positions and taps
    are counted row-major.
    """

    tables: tuple[NDArray[np.int64], ...]

    @cached_property
    def positions(self) -> int:
        """How many positions there are."""
        return math.prod(table.shape[0] for table in self.tables)

    @cached_property
    def terms(self) -> int:
        """How many taps each position has, those outside the input included."""
        return math.prod(table.shape[1] for table in self.tables)

    @cached_property
    def padded(self) -> bool:
        """Whether any tap lies outside the input."""
        return any(bool((table < 0).any()) for table in self.tables)

    def at(self, positions: slice | NDArray[np.integer[Any]]) -> Indices:
        """The flat input positions that these positions read, of shape (len(positions), terms)."""
        chosen = np.arange(*positions.indices(self.positions)) if isinstance(positions, slice) else np.asarray(positions)
        places = np.unravel_index(chosen, [table.shape[0] for table in self.tables])
        result, outside = np.zeros((len(chosen), 1), np.int32), np.zeros((len(chosen), 1), bool)
        for table, place in zip(self.tables, places, strict=True):
            rows = table[place]
            count = result.shape[1] * rows.shape[1]
            result = (result[:, :, None] + rows.astype(np.int32)[:, None, :]).reshape(len(chosen), count)
            if self.padded:
                outside = (outside[:, :, None] | (rows < 0)[:, None, :]).reshape(len(chosen), count)
        return np.where(outside, np.int32(PADDING), result) if self.padded else result


def taps(*tables: Any) -> Taps:
    """Taps from anything that numpy makes two-dimensional tables of."""
    return Taps(tuple(np.asarray(table, np.int64) for table in tables))


def moved(read: Indices, offset: int | Indices) -> Indices:
    """Flat positions further on by ``offset``, or by each of several that broadcast to them; padding stays padding."""
    if isinstance(offset, int):
        return read if not offset else np.where(read == PADDING, np.int32(PADDING), read + np.int32(offset))
    return np.where(read == PADDING, np.int32(PADDING), read + offset)


@dataclass(frozen=True, eq=False)
class Normalisation:
    """What follows the sum t of each group: scale (t - mean) / sqrt(variance + epsilon) + shift; arrays of shape (groups,)."""

    mean: NDArray[Any]
    variance: NDArray[Any]
    scale: NDArray[Any]
    shift: NDArray[Any]
    epsilon: float

    def factor(self, group: int, bits: int = 256) -> tuple[Fraction, Fraction]:
        """Rationals around scale / sqrt(variance + epsilon), equal where it is rational, else 2**-bits apart, relatively."""
        square = Fraction(float(self.variance[group])) + Fraction(self.epsilon)
        scale = Fraction(float(self.scale[group]))
        numerator, denominator = square.numerator, square.denominator
        roots = math.isqrt(numerator), math.isqrt(denominator)
        if roots[0] ** 2 == numerator and roots[1] ** 2 == denominator:
            return scale * roots[1] / roots[0], scale * roots[1] / roots[0]
        # isqrt(square * 4**places) has more than ``bits`` significant bits, and the root lies between it and the next integer
        places = bits + max(0, (denominator.bit_length() - numerator.bit_length()) // 2 + 2)
        below = math.isqrt((numerator << 2 * places) // denominator)
        ends = (scale * Fraction(1 << places, below + 1), scale * Fraction(1 << places, below))
        return min(ends), max(ends)

    def factors(self) -> NDArray[np.float64]:
        """All of them in float64, each operation rounded."""
        return np.asarray(self.scale / np.sqrt(self.variance.astype(np.float64) + self.epsilon), np.float64)


@dataclass(frozen=True, eq=False)
class Addends:
    """One output: the sum of weights[t] * inputs[read[t]] and of the bias, divided by the divisor."""

    read: Indices
    """Flat input positions, of shape (terms,); PADDING for taps that read +0."""
    weights: NDArray[Any] | None
    """Of shape (terms,); None where the inputs are added as they are."""
    bias: Any
    """A number (in a template: whatever its entries are), or None."""
    divisor: float
    group: int
    """Its row in ``Sums.normalisation``."""


@dataclass(frozen=True, eq=False)
class Sums:
    """Every output is a sum: of weight[g, c, t] * input[read[p, t] + g * group_stride] over the taps t, and of bias[g, c].

    g is its group, c its class within the group, p its position: a dense layer has one group, its outputs as classes, one
    position; a convolution has channels as groups and classes; average pooling has a group for each channel and one class.
    """

    taps: Taps
    """Of the first group."""
    groups: int = 1
    classes: int = 1
    """In each group."""
    group_stride: int = 0
    """How far apart the inputs of neighbouring groups are."""
    weight: NDArray[Any] | None = None
    """(groups, classes, terms); None where inputs are added as they are.  A template's arrays hold objects."""
    bias: NDArray[Any] | None = None
    """(groups, classes), or None."""
    divisor: NDArray[np.float64] | None = None
    """(positions,): what each sum is divided by, after the addition of everything else; None: nothing is divided."""
    normalisation: Normalisation | None = None
    """What follows, with a square root in it: no arithmetic says how, and in exact arithmetic it may be irrational."""
    classes_last: bool = False
    """Whether outputs are arranged (positions, classes), as those of a dense layer, instead of (groups, classes, positions)."""

    @property
    def terms(self) -> int:
        """Addends of each sum, the bias apart."""
        return self.taps.terms

    @property
    def positions(self) -> int:
        """Positions of each class."""
        return self.taps.positions

    @property
    def outputs(self) -> int:
        """How many sums there are."""
        return self.groups * self.classes * self.positions

    def place(self, output: int) -> tuple[int, int, int]:
        """(group, class, position) of a flat output position."""
        if self.classes_last:
            return 0, output % self.classes, output // self.classes
        row, position = divmod(output, self.positions)
        return row // self.classes, row % self.classes, position

    def flat(self, group: Any, of_class: Any, position: Any) -> Any:
        """The flat output position of a class at a position; arrays broadcast."""
        return (
            position * self.classes + of_class
            if self.classes_last
            else (group * self.classes + of_class) * self.positions + position
        )

    def addends(self, output: int) -> Addends:
        """What one flat output position is the sum of; its cost is that of its terms, whatever the layer's size."""
        group, of_class, position = self.place(output)
        return Addends(
            moved(self.taps.at(np.array([position]))[0], group * self.group_stride),
            None if self.weight is None else self.weight[group, of_class],
            None if self.bias is None else self.bias[group, of_class],
            1.0 if self.divisor is None else float(self.divisor[position]),
            group,
        )


@dataclass(frozen=True, eq=False)
class Selection:
    """Every output is one of its inputs, or a bound: group g at position p selects among input[read[p, t] + g * group_stride].

    ``maximum``: the largest of them; then the larger of that and ``floor``, the smaller of that and ``ceiling``; negative
    results are multiplied by ``slope``, which is rounded once.  ``argmax``: the lowest index of the largest.  ``softmax``: each
    of them as exp of it over the sum of all exp, which no arithmetic says: only orders of its results are known.
    Outputs are arranged (groups, positions) and, for softmax, (groups, positions, taps).
    """

    taps: Taps
    groups: int = 1
    group_stride: int = 0
    floor: float | None = None
    ceiling: float | None = None
    slope: float | None = None
    """Between 0 and 1."""
    rule: str = "maximum"

    @property
    def outputs(self) -> int:
        """How many there are."""
        return self.groups * self.taps.positions * (self.taps.terms if self.rule == "softmax" else 1)


@dataclass(frozen=True, eq=False)
class Rearrangement:
    """Every output is an input, or ``fill``: nothing is computed."""

    read: Indices | None
    """(outputs,): flat input positions, PADDING for ``fill``; None where all inputs are kept in their order."""
    fill: float = 0.0


Structure = Sums | Selection | Rearrangement


@dataclass(frozen=True)
class Outline:
    """How large a structure is, which shapes say before any of its tables are laid out."""

    positions: int
    """Of its taps; of a rearrangement, its outputs."""
    terms: int = 1
    """What each sum adds, the bias apart; among how many numbers one is selected; 1 where numbers are moved."""
    adds: bool = False
    """Whether it is sums."""
    biased: bool = False
    """Whether a bias is added to each."""
    divisor_bits: int = 0
    """Bits by which its divisors make a common denominator longer at most, powers of two apart."""


def outlined(structure: Structure, outputs: int) -> Outline:
    """The outline of a structure that is laid out."""
    if isinstance(structure, Sums):
        divisors = 0 if structure.divisor is None else odd_bits(structure.divisor)
        roots = 0 if structure.normalisation is None else ROOT_BITS * structure.groups
        return Outline(structure.positions, structure.terms, True, structure.bias is not None, divisors + roots)
    if isinstance(structure, Selection):
        return Outline(structure.taps.positions, structure.taps.terms)
    return Outline(outputs)


ROOT_BITS = 1100
"""What the square root of a float64 variance and an epsilon has at most, where it is rational."""


def odd_bits(divisors: NDArray[np.float64]) -> int:
    """Bits of the least common multiple of divisors at most, powers of two apart."""
    odd = np.unique(np.abs(np.frexp(divisors)[0]))
    return sum(part.as_integer_ratio()[0].bit_length() for part in odd.tolist() if part != 0.5)


def strides(shape: Shape) -> tuple[int, ...]:
    """How far apart neighbours along each axis are, row-major."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
