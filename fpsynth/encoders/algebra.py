"""Sorts of the floating-point theory, and the algebra of terms over which problems are written in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.rounding import Rounding, Value

T = TypeVar("T")


@dataclass(frozen=True)
class Sort:
    """(_ FloatingPoint exponent_bits precision)."""

    exponent_bits: int
    precision: int

    @property
    def ieee(self) -> Format:
        """The IEEE format whose values the sort has."""
        return Format(f"({self.exponent_bits}, {self.precision})", self.exponent_bits, self.precision)


class Algebra(Protocol[T]):
    """Terms of the theory.  Operators go by their SMT-LIB names."""

    def unknown(self, name: str, width: int) -> T:
        """A declared bit-vector constant."""

    def from_bits(self, bits: T, width: int, sort: Sort) -> T:
        """The number encoded by a bit-vector, zeros inserted below its sign where the sort is wider."""

    def number(self, value: Value, sort: Sort) -> T:
        """A literal."""

    def convert(self, mode: Rounding, term: T, sort: Sort) -> T:
        """A number rounded into another sort."""

    def rounded(self, operator: str, mode: Rounding, *args: T) -> T:
        """An operation that rounds: fp.add, fp.mul, fp.fma."""

    def apply(self, operator: str, *args: T) -> T:
        """Any other operation."""

    def named(self, term: T, sort: Sort | None) -> T:
        """The same term, to be used more than once (sort None: a truth value)."""


STANDARD = (Sort(8, 24), Sort(11, 53), Sort(15, 113))
"""Sorts that solvers accept even where they refuse others: a real number gets one of these where it fits."""


def carrier(fmt: Format) -> Sort:
    """The sort that the values of a format are carried in.

    Raises InputError for less than 2 bits of exponent or 3 of precision, which z3 does not take.
    """
    if fmt.exponent_bits < 2 or fmt.precision < 3:
        raise InputError(f"{fmt} is too narrow for the floating-point theory of solvers")
    return Sort(fmt.exponent_bits + (not fmt.has_infinity), fmt.precision)


def sort_for(lsb: int, top: int, bits: int, standard: bool) -> Sort:
    """The least sort that holds all multiples of 2**lsb below 2**(top + 1) with at most ``bits`` significant bits."""

    def fits(sort: Sort) -> bool:
        return bits <= sort.precision and top <= sort.ieee.emax and sort.ieee.lsb_min <= lsb

    for sort in STANDARD if standard else ():
        if fits(sort):
            return sort
    exponent_bits = 2
    # z3 adds only in sorts with at least as many bits of precision as of exponent, and those are 3 at least
    while not fits(sort := Sort(exponent_bits, max(bits, 3, exponent_bits))) or sort.precision > _trusted(exponent_bits):
        exponent_bits += 1
    return sort


def _trusted(exponent_bits: int) -> int:
    """The precision up to which z3 5.4 multiplies subnormals rightly: beyond it, it counts leading zeros in too few bits."""
    return (1 << (exponent_bits - 1)) + 3
