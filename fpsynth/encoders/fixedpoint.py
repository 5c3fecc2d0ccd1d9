"""Fixed-point integers of known bounds as bit-vector text: exact arithmetic in just as many bits as the bounds need."""

from __future__ import annotations

from dataclasses import dataclass

from fpsynth.encoders.smtlib import Writer, literal


def width_for(lower: int, upper: int) -> int:
    """The least width, at least 1, that holds lower..upper: unsigned where lower >= 0, else in two's complement."""
    if lower >= 0:
        return max(1, upper.bit_length())
    return max(upper.bit_length(), (-lower - 1).bit_length()) + 1


@dataclass(frozen=True)
class Fixed:
    """The number n * 2**lsb, where the bit-vector ``term`` holds n: unsigned if lower >= 0, else in two's complement."""

    term: str
    lower: int
    upper: int
    lsb: int

    @property
    def width(self) -> int:
        """Bits of the term."""
        return width_for(self.lower, self.upper)

    @property
    def constant(self) -> bool:
        """Whether there is only one value."""
        return self.lower == self.upper


class FixedPoint:
    """Operations on Fixed numbers.  Every result is exact; its bounds are the given ones, which must be sound."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer

    def number(self, integer: int, lsb: int) -> Fixed:
        """A known number."""
        width = width_for(integer, integer)
        return Fixed(literal(integer % (1 << width), width), integer, integer, lsb)

    def make(self, term: str, lower: int, upper: int, lsb: int) -> Fixed:
        """A named number; a literal where the bounds leave one value."""
        if lower == upper:
            return self.number(lower, lsb)
        width = width_for(lower, upper)
        return Fixed(self.writer.define(term, f"(_ BitVec {width})"), lower, upper, lsb)

    def fit(self, a: Fixed, width: int) -> str:
        """The integer of ``a`` modulo 2**width."""
        if a.constant:
            return literal(a.lower % (1 << width), width)
        if a.width < width:
            return f"((_ {'sign' if a.lower < 0 else 'zero'}_extend {width - a.width}) {a.term})"
        return a.term if a.width == width else f"((_ extract {width - 1} 0) {a.term})"

    def scaled(self, a: Fixed, lsb: int) -> Fixed:
        """The same number in a finer unit, lsb <= a.lsb."""
        shift = a.lsb - lsb
        if shift == 0:
            return a
        if a.constant:
            return self.number(a.lower << shift, lsb)
        return self.make(f"(concat {a.term} {literal(0, shift)})", a.lower << shift, a.upper << shift, lsb)

    def common(self, a: Fixed, b: Fixed) -> tuple[Fixed, Fixed]:
        """Both numbers in the finer unit of the two (zero has any unit)."""
        if a.constant and a.lower == 0:
            return self.number(0, b.lsb), b
        if b.constant and b.lower == 0:
            return a, self.number(0, a.lsb)
        lsb = min(a.lsb, b.lsb)
        return self.scaled(a, lsb), self.scaled(b, lsb)

    def neg(self, a: Fixed) -> Fixed:
        """-a."""
        width = width_for(-a.upper, -a.lower)
        return self.make(f"(bvneg {self.fit(a, width)})", -a.upper, -a.lower, a.lsb)

    def add(self, a: Fixed, b: Fixed) -> Fixed:
        """a + b."""
        a, b = self.common(a, b)
        if a.constant and a.lower == 0:
            return b
        if b.constant and b.lower == 0:
            return a
        lower, upper = a.lower + b.lower, a.upper + b.upper
        width = width_for(lower, upper)
        return self.make(f"(bvadd {self.fit(a, width)} {self.fit(b, width)})", lower, upper, a.lsb)

    def mul(self, a: Fixed, b: Fixed) -> Fixed:
        """a * b."""
        corners = [x * y for x in (a.lower, a.upper) for y in (b.lower, b.upper)]
        lower, upper = min(corners), max(corners)
        if a == b and lower < 0:
            lower = 0
        for one, other in ((a, b), (b, a)):
            if one.constant and one.lower == 1:
                return Fixed(other.term, other.lower, other.upper, a.lsb + b.lsb)
        width = width_for(lower, upper)
        return self.make(f"(bvmul {self.fit(a, width)} {self.fit(b, width)})", lower, upper, a.lsb + b.lsb)

    def maximum(self, a: Fixed, b: Fixed) -> Fixed:
        """The larger of a and b."""
        a, b = self.common(a, b)
        if a.lower >= b.upper:
            return a
        if b.lower >= a.upper:
            return b
        lower, upper = max(a.lower, b.lower), max(a.upper, b.upper)
        width = width_for(lower, upper)
        return self.make(f"(ite {self.less(a, b)} {self.fit(b, width)} {self.fit(a, width)})", lower, upper, a.lsb)

    def absolute(self, a: Fixed) -> Fixed:
        """|a|."""
        if a.lower >= 0:
            return a
        upper = max(a.upper, -a.lower)
        width = width_for(0, upper)
        fitted = self.fit(a, width)
        return self.make(f"(ite {self.negative(a)} (bvneg {fitted}) {fitted})", 0 if a.upper >= 0 else -a.upper, upper, a.lsb)

    def negative(self, a: Fixed) -> str:
        """Whether a < 0."""
        if a.lower >= 0 or a.upper < 0:
            return "false" if a.lower >= 0 else "true"
        return f"(= {self.bit(a, a.width - 1)} #b1)"

    def sign(self, a: Fixed) -> str:
        """A bit: whether a < 0."""
        if a.lower >= 0 or a.upper < 0:
            return "#b0" if a.lower >= 0 else "#b1"
        return self.bit(a, a.width - 1)

    def bit(self, a: Fixed, position: int) -> str:
        """A bit of the term as a bit-vector of width 1."""
        return f"((_ extract {position} {position}) {a.term})" if a.width > 1 else a.term

    def less(self, a: Fixed, b: Fixed) -> str:
        """Whether a < b."""
        return self._compared("lt", a, b, a.lower >= b.upper, a.upper < b.lower)

    def less_or_equal(self, a: Fixed, b: Fixed) -> str:
        """Whether a <= b."""
        return self._compared("le", a, b, a.lower > b.upper, a.upper <= b.lower)

    def equal(self, a: Fixed, b: Fixed) -> str:
        """Whether a = b."""
        a, b = self.common(a, b)
        if a.lower > b.upper or a.upper < b.lower:
            return "false"
        if a.constant and b.constant:
            return "true"
        width = self._width(a, b)
        return f"(= {self.fit(a, width)} {self.fit(b, width)})"

    def _compared(self, how: str, a: Fixed, b: Fixed, never: bool, always: bool) -> str:
        if a.lsb != b.lsb:
            aligned = self.common(a, b)
            return self.less(*aligned) if how == "lt" else self.less_or_equal(*aligned)
        if never or always:
            return "true" if always else "false"
        width = self._width(a, b)
        signed = "s" if min(a.lower, b.lower) < 0 else "u"
        return f"(bv{signed}{how} {self.fit(a, width)} {self.fit(b, width)})"

    def _width(self, a: Fixed, b: Fixed) -> int:
        return width_for(min(a.lower, b.lower), max(a.upper, b.upper))
