"""Upper bounds that grow linearly with a radius and with the norms at a point; evaluated in integers, always upward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from fpsynth.verifiers.bounds import round_up

UNIT_BITS = 1200
"""What is computed per point is computed in integers, in units of 2**-1200: finer than any float64, and rounded up."""


def in_units(number: Fraction) -> int:
    """``number`` in units of 2**-UNIT_BITS, rounded up (exact for a float64)."""
    return -(-(number.numerator << UNIT_BITS) // number.denominator)


def products_in_units(*products: tuple[int, int]) -> int:
    """The sum of products of two numbers in units, in units, rounded up."""
    return -(-sum(a * b for a, b in products) >> UNIT_BITS)


@dataclass(frozen=True)
class LinearBound:
    """An upper bound: sum of norms[l] * |h_l(x)|, plus radius * eps, plus constant; no coefficient is negative."""

    norms: tuple[Fraction, ...]
    radius: Fraction
    constant: Fraction

    def __add__(self, other: LinearBound) -> LinearBound:
        norms = tuple(a + b for a, b in zip(self.norms, other.norms, strict=True))
        return LinearBound(norms, self.radius + other.radius, self.constant + other.constant)

    def scaled(self, factor: Fraction) -> LinearBound:
        """``factor`` >= 0 times this, every coefficient rounded up to 64 bits."""
        norms = tuple(round_up(factor * norm) for norm in self.norms)
        return LinearBound(norms, round_up(factor * self.radius), round_up(factor * self.constant))

    def plus(self, constant: Fraction) -> LinearBound:
        """This and a constant."""
        return LinearBound(self.norms, self.radius, self.constant + constant)

    @cached_property
    def units(self) -> tuple[tuple[int, ...], int, int]:
        """Every coefficient in units: of the norms, of eps, and the constant."""
        return tuple(map(in_units, self.norms)), in_units(self.radius), in_units(self.constant)

    def limit(self, available: int, norms: Sequence[int]) -> tuple[int, int]:
        """The eps at which this reaches ``available``, for the norms given (all in units), as numerator and denominator."""
        coefficients, radius, constant = self.units
        return available - constant - products_in_units(*zip(coefficients, norms, strict=True)), radius
