"""Script: a problem as SMT-LIB text, and how to read a solver's model of it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fpsynth.formats import Format
from fpsynth.rounding import Value, dyadic, from_bits


@dataclass(frozen=True)
class Unknown:
    """A bit-vector constant of a script that stands for a variable of the problem."""

    name: str
    """The bit-vector constant in the script."""
    variable: str
    """The variable of the problem."""
    width: int
    """Bits of the bit-vector."""
    kind: Literal["bits", "fixed"]
    """bits: the encoding of the number in ``format``; fixed: an integer multiple of 2**lsb."""
    format: Format
    lsb: int = 0
    """For fixed: the exponent of the unit."""
    offset: int = 0
    """For fixed: what is added to the integer before it is scaled."""
    signed: bool = False
    """For fixed: the integer is in two's complement."""

    def value(self, bits: int) -> Value:
        """The number that the unsigned integer ``bits`` stands for; a fixed zero is +0."""
        if self.kind == "bits":
            return from_bits(bits, self.format)
        integer = bits - (1 << self.width) if self.signed and bits >> (self.width - 1) else bits
        integer += self.offset
        return dyadic(integer < 0, abs(integer), self.lsb)


@dataclass(frozen=True)
class Script:
    """Complete SMT-LIB 2.6 text: set-logic, declarations, assertions, check-sat; no header and no get-model."""

    encoding: str
    logic: str
    text: str
    unknowns: tuple[Unknown, ...]

    def decode(self, model: Mapping[str, int]) -> dict[str, Value]:
        """Return the Value of every variable, given the unsigned integer of every bit-vector constant in ``unknowns``.

        Raises KeyError for a constant without an integer.
        """
        return {unknown.variable: unknown.value(model[unknown.name]) for unknown in self.unknowns}
