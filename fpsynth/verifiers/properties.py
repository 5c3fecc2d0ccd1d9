"""What verifiers are asked: boxes or balls of inputs, and with each the outputs that are unsafe there."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.formats import floor_log2, power_of_two
from fpsynth.verifiers.bounds import float_up, round_up, sqrt_upper
from fpsynth.verifiers.claims import Ball, Region


@dataclass(frozen=True)
class FloatRow:
    """A positive multiple of the left side of an inequality, in float64."""

    factor: Fraction
    """What the left side is multiplied by."""
    numbers: tuple[float, ...]
    """In the order of the coefficients."""
    off: tuple[float, ...]
    """How far each is from the coefficient's multiple, at most; all are 0 where float64 holds them."""

    @classmethod
    def of(cls, coefficients: Sequence[Fraction]) -> FloatRow:
        """As they are, or over their common denominator, where float64 holds that; else the nearest, the largest near 1."""
        nothing = (0.0,) * len(coefficients)
        common = math.lcm(*(c.denominator for c in coefficients))
        divisor = math.gcd(*(int(c * common) for c in coefficients)) or 1
        for factor in (Fraction(1), Fraction(common, divisor)):
            held = [_held(c * factor) for c in coefficients]
            if None not in held:
                return cls(factor, tuple(number for number in held if number is not None), nothing)
        factor = power_of_two(-floor_log2(max(map(abs, coefficients))))
        near = tuple(float(c * factor) for c in coefficients)
        return cls(
            factor, near, tuple(float_up(abs(c * factor - Fraction(x))) for c, x in zip(coefficients, near, strict=True))
        )


@dataclass(frozen=True)
class Inequality:
    """sum of coefficient * output <= bound, over flat outputs; < where it is strict."""

    coefficients: tuple[tuple[int, Fraction], ...]
    """Pairs (output, coefficient), each output once."""
    bound: Fraction
    strict: bool = False

    def holds(self, outputs: Sequence[Fraction | float]) -> bool:
        """Whether it is true of these outputs, exactly."""
        total = sum((c * Fraction(outputs[k]) for k, c in self.coefficients), Fraction(0))
        return total < self.bound if self.strict else total <= self.bound

    def least(self, bounds: Sequence[tuple[Fraction, Fraction]]) -> Fraction:
        """The least that its left side is for outputs between these bounds."""
        return sum((c * bounds[k][0 if c > 0 else 1] for k, c in self.coefficients), Fraction(0))

    def beyond(self, least: Fraction) -> bool:
        """Whether it is false wherever its left side is at least ``least``."""
        return least >= self.bound if self.strict else least > self.bound

    @cached_property
    def row(self) -> FloatRow:
        """The left side in float64, up to a factor."""
        return FloatRow.of([coefficient for _, coefficient in self.coefficients])

    @property
    def near_bound(self) -> float:
        """The bound of its row in float64, about; the largest number where it is beyond all."""
        return _near(self.bound * self.row.factor)

    def excluded_by(self, least: float) -> bool:
        """Whether it is false wherever its row is at least a number that may be infinite, or none."""
        return least == np.inf or (bool(np.isfinite(least)) and self.beyond(Fraction(least) / self.row.factor))

    def unscaled(self, least: float) -> float:
        """What a finite number of its row is of its left side, about."""
        return _near(Fraction(least) / self.row.factor)


@dataclass(frozen=True)
class Property:
    """Outputs are unsafe where all inequalities of one of several conjunctions hold; all are where one has none."""

    unsafe: tuple[tuple[Inequality, ...], ...]

    def violated(self, outputs: Sequence[Fraction | float]) -> bool:
        """Whether these outputs are unsafe."""
        return any(all(one.holds(outputs) for one in conjunction) for conjunction in self.unsafe)

    def require(self, outputs: int) -> None:
        """Raise InputError where it speaks of an output that a network of so many has not."""
        named = [k for conjunction in self.unsafe for one in conjunction for k, _ in one.coefficients]
        if named and max(named) >= outputs:
            raise InputError(f"the property speaks of output {max(named)}, but the network has outputs 0 to {outputs - 1}")

    @cached_property
    def inequalities(self) -> tuple[Inequality, ...]:
        """Each inequality once, in the order in which they come up."""
        return tuple(dict.fromkeys(one for conjunction in self.unsafe for one in conjunction))

    def rows(self, outputs: int) -> tuple[Floats, tuple[Fraction, ...]]:
        """A row in float64 for each inequality, the multiple that ``Inequality.row`` says, and that multiple of its bound.

        Where float64 holds no such multiple, bounds of a row are of the left side only up to ``off``.
        """
        rows = self._spread(outputs, (one.row.numbers for one in self.inequalities))
        return rows, tuple(one.bound * one.row.factor for one in self.inequalities)

    def off(self, outputs: int) -> Floats | None:
        """How far each number of ``rows`` is from the exact one, at most; None where all are exact."""
        if not any(any(one.row.off) for one in self.inequalities):
            return None
        return self._spread(outputs, (one.row.off for one in self.inequalities))

    def _spread(self, outputs: int, numbers: Iterable[Sequence[float]]) -> Floats:
        rows = np.zeros((len(self.inequalities), outputs))
        for row, one, own in zip(rows, self.inequalities, numbers, strict=True):
            for (k, _), number in zip(one.coefficients, own, strict=True):
                row[k] = number
        return rows

    def excluded(self, least: Sequence[float]) -> bool:
        """Whether no outputs are unsafe whose inequalities' rows are at least these numbers, in their order."""
        least_of = dict(zip(self.inequalities, least, strict=True))
        return all(any(one.excluded_by(least_of[one]) for one in conjunction) for conjunction in self.unsafe)


def _near(number: Fraction) -> float:
    """The nearest float64; the largest where it is beyond all."""
    limit = Fraction(sys.float_info.max)
    return float(min(max(number, -limit), limit))


def _held(coefficient: Fraction) -> float | None:
    """The float64 that it is; None where there is none."""
    try:
        number = float(coefficient)
    except OverflowError:
        return None
    return number if Fraction(number) == coefficient else None


def one_class(label: int, outputs: int) -> Property:
    """Unsafe where another output is at least as large as that of ``label``: a tie counts.

    Raises InputError for a label that is no output, and where there is only one output.
    """
    if not 0 <= label < outputs:
        raise InputError(f"there is no class {label}: the network has {outputs} outputs, counted from 0")
    if outputs < 2:
        raise InputError("a network with one output has no classes: give a property of its output (VNN-LIB)")
    others = (k for k in range(outputs) if k != label)
    return Property(tuple((Inequality(((label, Fraction(1)), (k, Fraction(-1))), Fraction(0)),) for k in others))


@dataclass(frozen=True)
class ExactBox:
    """A box of any rational ends, number by number: what a property file says, before it is made of floats."""

    lower: tuple[Fraction, ...]
    upper: tuple[Fraction, ...]

    def contains(self, point: Sequence[float | Fraction]) -> bool:
        """Whether a point lies in it, ends included."""
        return all(low <= Fraction(x) <= high for low, x, high in zip(self.lower, point, self.upper, strict=True))


@dataclass(frozen=True)
class ExactBall:
    """All points within an L2 distance of any rational one: what was asked for, before its centre is made of floats."""

    centre: tuple[Fraction, ...]
    radius: Fraction

    def contains(self, point: Sequence[float]) -> bool:
        """Whether a point lies in it, its surface included."""
        return self._square(map(Fraction, point)) <= self.radius**2

    def around(self, centre: tuple[float, ...]) -> Ball:
        """A ball around another centre that holds all of it: larger by the distance of the two, rounded up."""
        return Ball(centre, self.radius + round_up(sqrt_upper(self._square(map(Fraction, centre)))))

    def _square(self, point: Iterable[Fraction]) -> Fraction:
        """Of the distance from the centre."""
        return sum(((x - c) ** 2 for x, c in zip(point, self.centre, strict=True)), Fraction(0))


@dataclass(frozen=True)
class Case:
    """One region of inputs, and what is unsafe in it."""

    region: Region
    property: Property | None
    """None: whatever has not the same class throughout."""
    exact: ExactBox | ExactBall | None = None
    """What was asked for, where ``region`` is a box or a ball of floats around it."""
