"""Three summands of which one arithmetic loses the smallest and another one keeps it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import permutations

from fpsynth.errors import InputError
from fpsynth.evaluators.exact import evaluate
from fpsynth.expressions import constant
from fpsynth.formats import power_of_two
from fpsynth.orders import fixed_order, restrict
from fpsynth.orders.comparing import difference
from fpsynth.rounding import Value, from_fraction, representable
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_of, restricted
from fpsynth.sums.graph import sum_graph
from fpsynth.sums.numbers import of_numbers, widest
from fpsynth.sums.program import Program


@dataclass(frozen=True)
class Swallowing:
    """Leaves of a sum: -omega stands at ``minus``, omega at ``plus``, the small summand at ``small``; all others are 0."""

    minus: int
    plus: int
    small: int
    omega: Fraction
    """A power of two."""


def swallowing(a: Arithmetic, b: Arithmetic, terms: int, small: Fraction) -> Swallowing:
    """Where -omega, omega and ``small``, a power of two, must stand for the results of a and b to be ``small`` apart at least.

    Two trees that differ do so on some triple of leaves: one computes (-omega + omega) + small = small there, the other
    -omega + (omega + small) = 0, for omega = small * 2**p in a format of p bits.  Where the trees are the same, the formats or
    the roundings may still do it.  Of several ways one is taken in which the results are 0 and ``small``.

    Raises InputError where there are less than three terms, and where no such summands tell a and b apart.
    """
    require_three(terms)
    a, b = without_bias(a, terms), without_bias(b, terms)
    fallback: Swallowing | None = None
    for active in _triples(a, b, terms):
        parts = [_Part.of(how, terms, active) for how in (a, b)]
        for placed, summands in _placements([program_of(how, terms) for how in (a, b)], active, small):
            x, y = (part.sum(summands) for part in parts)
            if x is None or y is None or abs(x - y) < small:
                continue
            if {x, y} == {Fraction(0), small}:
                return placed
            fallback = fallback or placed
    if fallback is None:
        raise InputError("no large and small summands tell the two arithmetics apart: they differ in other ways, or not at all")
    return fallback


def require_three(terms: int) -> None:
    """Raise InputError where there are too few summands for one to be lost."""
    if terms < 3:
        raise InputError("two arithmetics can lose different summands only in a sum of at least 3 terms")


def without_bias(how: Arithmetic, terms: int) -> Arithmetic:
    """The arithmetic of a neuron whose bias is zero or absent, where ``how`` may have a leaf for it."""
    if not how.needs_bias:
        return how
    tree, _ = restrict(how.order.tree(terms + 1), range(terms))
    return replace(how, order=fixed_order(tree), bias_leaf=False)


def _triples(a: Arithmetic, b: Arithmetic, terms: int) -> list[tuple[int, int, int]]:
    """Three leaves that are joined differently; some that are far apart and some that are not where all are joined alike."""
    if a.format is not None and b.format is not None:
        triple = difference(program_of(a, terms).tree, program_of(b, terms).tree)
        if triple is not None:
            return [triple.leaves]
    return list(dict.fromkeys([(0, 1, 2), (0, 1, terms - 1), (0, terms - 2, terms - 1)]))


def _placements(
    programs: Sequence[Program], active: tuple[int, int, int], small: Fraction
) -> Iterator[tuple[Swallowing, dict[int, Fraction]]]:
    """Every arrangement of the three summands, by their leaves; the smallest omega first."""
    exponents = {fmt.precision + more for program in programs for fmt in program.sum_formats for more in (0, 1)}
    exponents |= {align.fraction_bits + 1 for program in programs for align in program.alignments}
    for exponent in sorted(exponents):
        omega = small * power_of_two(exponent)
        for minus, plus, last in permutations(active):
            yield Swallowing(minus, plus, last, omega), {minus: -omega, plus: omega, last: small}


@dataclass(frozen=True)
class _Part:
    """A sum of which three leaves are not zero."""

    program: Program
    leaves: tuple[int, ...]
    """Those that are added up: the three, or all where the sum of the three alone would be another."""

    @classmethod
    def of(cls, how: Arithmetic, terms: int, active: tuple[int, int, int]) -> _Part:
        try:
            return cls(program_of(restricted(how, terms, active), len(active)), tuple(sorted(active)))
        except InputError:
            return cls(program_of(how, terms), tuple(range(terms)))

    def sum(self, summands: Mapping[int, Fraction]) -> Fraction | None:
        """The sum of the summands; None where it is not a number, or not all are of one format that holds the program's sums.

        The summands are products of a network that is yet to be built, which are exact in that format.
        """
        program, numbers = self.program, [summands.get(leaf, Fraction(0)) for leaf in self.leaves]
        if program.format is None:
            return sum(numbers, Fraction(0))
        wide = widest(program)
        if wide is None or not all(representable(from_fraction(number), wide) for number in numbers):
            return None
        addends = [constant(number, wide) for number in numbers]
        (result,) = evaluate([sum_graph(of_numbers(program, wide), (), addends=addends)], {})
        assert isinstance(result, Value)
        return result.fraction() if result.is_finite else None
