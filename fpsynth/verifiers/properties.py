"""What verifiers are asked: boxes or balls of inputs, and with each the outputs that are unsafe there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.verifiers.claims import Region


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

    @property
    def near_bound(self) -> float:
        """The bound in float64, about; the largest number where it is beyond all."""
        limit = Fraction(sys.float_info.max)
        return float(min(max(self.bound, -limit), limit))

    def excluded_by(self, least: float) -> bool:
        """The same of a number that may be infinite, or none."""
        return least == np.inf or (bool(np.isfinite(least)) and self.beyond(Fraction(least)))


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
        """A row of coefficients in float64 for each inequality, and the bounds.

        Raises InputError for a coefficient that float64 does not hold: bounds of other rows would be of something else.
        """
        rows = np.zeros((len(self.inequalities), outputs))
        for row, one in zip(rows, self.inequalities, strict=True):
            for k, coefficient in one.coefficients:
                if (number := _held(coefficient)) is None:
                    raise InputError(f"a coefficient of output {k} in the property is no float64")
                row[k] = number
        return rows, tuple(one.bound for one in self.inequalities)

    def excluded(self, least: Sequence[float]) -> bool:
        """Whether no outputs are unsafe whose inequalities' left sides are at least these numbers, in their order."""
        least_of = dict(zip(self.inequalities, least, strict=True))
        return all(any(one.excluded_by(least_of[one]) for one in conjunction) for conjunction in self.unsafe)


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

    def contains(self, point: Sequence[float]) -> bool:
        """Whether a point lies in it, ends included."""
        return all(low <= Fraction(x) <= high for low, x, high in zip(self.lower, point, self.upper, strict=True))


@dataclass(frozen=True)
class Case:
    """One region of inputs, and what is unsafe in it."""

    region: Region
    property: Property | None
    """None: whatever has not the same class throughout."""
    exact: ExactBox | None = None
    """What was asked for, where ``region`` is a box of float64 around it."""
