"""Aligned sums in the floating-point theory: what one step of a tensor core computes, over the abstract algebra of terms.

Let g be the place that addends are cut at, and P the precision of a sort wide enough for everything.  The number
M = g * 2**(P-1) has its last place at g, as has every number of that sort up to 2M: adding M to the magnitude of an addend,
rounded, and taking it away again cuts the addend at g.  M is the largest of the addends' powers of two, times a constant; a
power of two is had by comparing with all that there can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

from fpsynth.encoders.algebra import Algebra, Sort, T, carrier, sort_for
from fpsynth.encoders.ranges import Range
from fpsynth.errors import InputError
from fpsynth.expressions import Expression
from fpsynth.formats import Format, floor_log2, power_of_two
from fpsynth.rounding import MINUS_INFINITY, NAN, PLUS_INFINITY, PLUS_ZERO, Rounding, from_fraction

_MIRRORED = {Rounding.RTN: Rounding.RTP, Rounding.RTP: Rounding.RTN}


@dataclass(frozen=True)
class Exponents:
    """The exponents that an operand may have."""

    least: int
    most: int
    zero: bool
    """It may be zero, which has none."""


def exponents_of(known: Range, fmt: Format) -> Exponents | None:
    """Of numbers of a format within a range; None where zero is the only number in it."""
    if known.is_zero:
        return None
    least = floor_log2(known.least) if known.least else fmt.emin
    return Exponents(max(least, fmt.emin), max(known.top, fmt.emin), known.least == 0)


class AlignedSum(Generic[T]):
    """One node: its operands' terms, already flushed, and what is known of them."""

    def __init__(
        self, algebra: Algebra[T], node: Expression, terms: Sequence[T], known: Sequence[Range], standard: bool
    ) -> None:
        """``known``: of the operands as the node reads them; ``standard``: prefer the sorts that all solvers accept."""
        assert node.alignment is not None
        assert node.format is not None
        self.t, self.how, self.fmt = algebra, node.alignment, node.format
        self.special = any(r.special for r in known)
        single = len(node.numbers)
        self.factors = (node.factors[0].format if node.products else None) or node.format
        self.groups = [(k,) for k in range(single)] + [(k, k + 1) for k in range(single, len(terms), 2)]
        self.terms, self.known = terms, known
        formats = [self.fmt] * single + [self.factors] * (len(terms) - single)
        self.sorts = [carrier(fmt) for fmt in formats]
        self.exponents = [exponents_of(r, fmt) for r, fmt in zip(known, formats, strict=True)]
        self.live = [group for group in self.groups if all(self.exponents[k] for k in group)]
        if self.live:
            self._choose_sorts(standard)

    def term(self) -> T:
        """The result in the carrier of the node's format."""
        if not self.live and not self.special:
            return self._zero(carrier(self.fmt))
        result = self._rounded(self._total()) if self.live else self._zero(carrier(self.fmt))
        return self._with_specials(result) if self.special else result

    # exponents

    def _bounds(self, group: Sequence[int]) -> tuple[int, int]:
        """The least and the largest exponent of an addend."""
        found = [e for k in group if (e := self.exponents[k])]
        return sum(e.least for e in found), sum(e.most for e in found)

    def _choose_sorts(self, standard: bool) -> None:
        """The sort in which everything is exact, and the sort of powers of two; and how far M is above them."""
        least = min(self._bounds(group)[0] for group in self.live)
        most = max(self._bounds(group)[1] for group in self.live)
        floor = self.how.least_exponent
        self.floor = floor if floor is not None and floor > least else None
        """The exponent that a zero has, where it can matter."""
        if self.floor is not None:
            least, most = self.floor, max(most, self.floor)
        kept = self.how.fraction_bits
        parts = [self.known[k] for group in self.live for k in group]
        lowest = min(least - kept, *(r.lsb for r in parts), *(sum(self.known[k].lsb for k in g) for g in self.live))
        longest = max(sum(self.known[k].bits for k in group) for group in self.live)
        # products are below 4 times the power of two of their exponent, and so many of them are added
        bits = max(longest, kept + 3 + len(self.live).bit_length())
        highest = max(r.top for r in parts)
        self.sort = sort_for(lowest, max(highest, most + bits - kept), bits, standard)
        while self.sort.ieee.emax < most + self.sort.precision - kept:  # M grows with the precision
            top = max(highest, most + self.sort.precision - kept)
            self.sort = sort_for(lowest, top, self.sort.precision, standard)
        self.shift = self.sort.precision - 1 - kept
        powers = [e for k in range(len(self.terms)) if (e := self.exponents[k])]
        low, top = min(e.least for e in powers), max(e.most for e in powers)
        lows, tops = [low, low + self.shift, least + self.shift], [top, top + self.shift, most + self.shift]
        lows += [sum(e.least for e in self._found(group)) + self.shift for group in self.live]
        self.powers = sort_for(min(lows), max(tops), 1, standard)

    def _found(self, group: Sequence[int]) -> list[Exponents]:
        return [e for k in group if (e := self.exponents[k])]

    def _power(self, operand: int, shift: int) -> T:
        """2**(exponent of an operand + shift); 0 for a zero."""
        t, term, sort, known = self.t, self.terms[operand], self.sorts[operand], self.exponents[operand]
        assert known is not None
        size = t.named(t.apply("fp.abs", term), sort)
        result = self._constant(known.least + shift)
        for exponent in range(known.least + 1, known.most + 1):
            reached = t.apply("fp.leq", t.number(from_fraction(power_of_two(exponent)), sort), size)
            result = t.apply("ite", reached, self._constant(exponent + shift), result)
        if known.zero:
            result = t.apply("ite", t.apply("fp.isZero", term), self._zero(self.powers), result)
        return t.named(result, self.powers)

    def _constant(self, exponent: int) -> T:
        return self.t.number(from_fraction(power_of_two(exponent)), self.powers)

    def _magic(self) -> T:
        """M, in the wide sort."""
        t, found = self.t, []
        if self.floor is not None:
            found.append(self._constant(self.floor + self.shift))
        for group in self.live:
            power = self._power(group[0], self.shift)
            if len(group) == 2:
                power = t.rounded("fp.mul", Rounding.RNE, power, self._power(group[1], 0))
            found.append(t.named(power, self.powers))
        largest = found[0]
        for power in found[1:]:
            largest = t.named(t.apply("ite", t.apply("fp.lt", largest, power), power, largest), self.powers)
        return t.named(self._resized(largest, self.powers, self.sort), self.sort)

    # the sum

    def _total(self) -> T:
        t, magic = self.t, self._magic()
        total: T | None = None
        for group in self.live:
            cut = self._cut(t.named(self._exact(group), self.sort), magic)
            total = cut if total is None else t.named(t.rounded("fp.add", Rounding.RNE, total, cut), self.sort)
        assert total is not None
        return total

    def _exact(self, group: Sequence[int]) -> T:
        """An addend, exactly."""
        parts = [self._resized(self.terms[k], self.sorts[k], self.sort) for k in group]
        return parts[0] if len(parts) == 1 else self.t.rounded("fp.mul", Rounding.RNE, *parts)

    def _cut(self, addend: T, magic: T) -> T:
        t, mode = self.t, self.how.cut
        size = t.named(t.apply("fp.abs", addend), self.sort)
        negative = t.apply("fp.isNegative", addend)

        def cut(mode: Rounding) -> T:
            return t.rounded("fp.add", Rounding.RNE, t.rounded("fp.add", mode, size, magic), t.apply("fp.neg", magic))

        up = t.named(cut(mode), self.sort)
        down = t.named(cut(_MIRRORED[mode]), self.sort) if mode in _MIRRORED else up
        return t.named(t.apply("ite", negative, t.apply("fp.neg", down), up), self.sort)

    def _rounded(self, total: T) -> T:
        """The exact sum in the node's format; where it is too large an infinity in every mode, NaN where there is none."""
        t, own, fmt = self.t, carrier(self.fmt), self.fmt
        result = t.convert(self.how.rounding, total, own) if fmt.has_infinity else self._into_finite(total)
        limit = power_of_two(fmt.emax + 1)
        if limit <= power_of_two(self.sort.ieee.emax):
            large = t.apply("fp.leq", t.number(from_fraction(limit), self.sort), t.named(t.apply("fp.abs", total), self.sort))
            result = t.apply("ite", large, self._infinity(t.apply("fp.isNegative", total)), result)
        return t.apply("ite", t.apply("fp.isZero", total), self._zero(own), result)

    def _into_finite(self, total: T) -> T:
        """Formats without infinity are no accumulators of any hardware."""
        raise InputError(f"an aligned sum in {self.fmt}, which has no infinity, is not encoded; choose a wider accumulator")

    def _infinity(self, negative: T) -> T:
        own = carrier(self.fmt)
        return self.t.apply("ite", negative, self.t.number(MINUS_INFINITY, own), self.t.number(PLUS_INFINITY, own))

    def _with_specials(self, result: T) -> T:
        """An infinity or NaN among the addends decides alone: what adding them all in the theory gives."""
        t, own, wide = self.t, carrier(self.fmt), self._sort_of_specials()
        plain: T | None = None
        for group in self.groups:
            parts = [self._special(self.terms[k], self.sorts[k], wide) for k in group]
            addend = parts[0] if len(parts) == 1 else t.named(t.rounded("fp.mul", Rounding.RNE, *parts), wide)
            plain = addend if plain is None else t.named(t.rounded("fp.add", Rounding.RNE, plain, addend), wide)
        assert plain is not None
        infinite = t.apply("ite", t.apply("fp.isInfinite", plain), self._infinity(t.apply("fp.isNegative", plain)), result)
        return t.apply("ite", t.apply("fp.isNaN", plain), t.number(NAN, own), infinite)

    def _sort_of_specials(self) -> Sort:
        """Small: all numbers are made 0, 1 or -1 in it."""
        return sort_for(0, 1 + len(self.groups).bit_length(), 1 + len(self.groups).bit_length(), standard=True)

    def _special(self, term: T, own: Sort, wide: Sort) -> T:
        """Infinities and NaN as they are, zero as 0, other numbers as 1 or -1."""
        t = self.t
        one, minus = (t.number(from_fraction(number), wide) for number in (1, -1))
        number = t.apply("ite", t.apply("fp.isNegative", term), minus, one)
        number = t.apply("ite", t.apply("fp.isZero", term), self._zero(wide), number)
        infinity = t.apply("ite", t.apply("fp.isNegative", term), t.number(MINUS_INFINITY, wide), t.number(PLUS_INFINITY, wide))
        number = t.apply("ite", t.apply("fp.isInfinite", term), infinity, number)
        return t.named(t.apply("ite", t.apply("fp.isNaN", term), t.number(NAN, wide), number), wide)

    def _resized(self, term: T, own: Sort, sort: Sort) -> T:
        return term if own == sort else self.t.convert(Rounding.RNE, term, sort)

    def _zero(self, sort: Sort) -> T:
        return self.t.number(PLUS_ZERO, sort)
