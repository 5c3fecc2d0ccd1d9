"""What every rounding of a sum loses at most, step by step in its own order, for inputs between given ends.

Closer than ``rounding_bounds`` for small layers: a step whose exact results all are multiples of a power of two, and few enough
of them for the format, loses nothing; any other at most half a unit in the last place of the largest of them (a whole one where
it does not round to nearest).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache

from fpsynth.formats import Format, floor_log2, holds, power_of_two
from fpsynth.networks.layers.structure import PADDING, Addends, Sums
from fpsynth.rounding import Rounding, round_fraction
from fpsynth.sums.arithmetic import Deployment
from fpsynth.sums.building import program_of
from fpsynth.sums.program import LeafKind, Program, Round, StepKind

MAX_TERMS = 1 << 14
"""Products of a layer whose every step is followed."""
MULTIPLE_OF_ALL = 1 << 20
"""The unit of 0, which is a multiple of everything."""
_COARSEST = 4000
"""The largest unit that is made a number: no format's numbers are multiples of more but 0."""


_ZERO = Fraction(0)


@dataclass(frozen=True)
class Reach:
    """Numbers that a node of a sum can be."""

    low: Fraction
    high: Fraction
    unit: int
    """All are multiples of 2**unit."""
    lost: Fraction = _ZERO
    """How far they are, at most, from what exact arithmetic makes of the same inputs."""

    @cached_property
    def largest(self) -> Fraction:
        """The largest magnitude."""
        return max(abs(self.low), abs(self.high))

    @cached_property
    def smallest(self) -> Fraction:
        """The smallest magnitude."""
        if self.low.numerator > 0:
            return self.low
        return -self.high if self.high.numerator < 0 else _ZERO

    def __add__(self, other: Reach) -> Reach:
        lost = self.lost + other.lost if self.lost and other.lost else self.lost or other.lost
        low = self.low + other.low
        # numbers are fractions, which take their time: those that are equal are added once
        high = low if self.low is self.high and other.low is other.high else self.high + other.high
        return Reach(low, high, min(self.unit, other.unit), lost)


class Lost(Exception):
    """Nothing is known of how far a sum is from the exact one."""


def followable(sums: Sums) -> bool:
    """Whether ``stepwise`` says anything of these sums: at most MAX_TERMS products, and nothing follows them."""
    return sums.outputs * sums.terms <= MAX_TERMS and sums.divisor is None and sums.normalisation is None


def stepwise(
    sums: Sums,
    deployment: Deployment,
    index: int,
    ends: Sequence[tuple[float, float]],
    units: Sequence[int] | None = None,
) -> list[Reach | None] | None:
    """For each output what it can be and how far from the exact sum, for inputs that are numbers of the format between ends.

    ``units``: of what power of two each input is a multiple, as its exponent, where more is known than the format says.
    None for an output of which nothing is known, because it aligns, rounds its operands or may overflow; None for all where
    they are not ``followable``, or nothing is rounded.
    """
    if not followable(sums):
        return None
    found: list[Reach | None] = []
    for output in range(sums.outputs):
        arithmetic = deployment.at(index, output)
        if arithmetic.format is None:
            return None
        addends = _addends(sums)[output]
        try:
            found.append(_output(program_of(arithmetic, sums.terms, addends.bias is not None), addends, ends, units))
        except Lost:
            found.append(None)
    return found


@lru_cache(maxsize=64)
def _addends(sums: Sums) -> tuple[Addends, ...]:
    """Of every output: a layer is followed again and again, each time between other ends."""
    return tuple(sums.addends(output) for output in range(sums.outputs))


def _output(program: Program, addends: Addends, ends: Sequence[tuple[float, float]], units: Sequence[int] | None) -> Reach:
    fmt = program.format
    assert fmt is not None
    weights = [1.0] * len(addends.read) if addends.weights is None else addends.weights.tolist()
    nodes: list[Reach] = []
    for k, leaf in enumerate(program.leaves):
        if any(not holds(one.format, fmt) for one in leaf.reads):
            raise Lost
        if leaf.kind is LeafKind.ADDEND:
            raise Lost
        if leaf.kind is LeafKind.BIAS:
            nodes.append(_flushed(_number(float(addends.bias)), leaf.reads, fmt))
            continue
        place, taker = int(addends.read[k]), program.takers[k]
        unit = fmt.lsb_min if units is None or place == PADDING else units[place]
        given = _number(0.0) if place == PADDING else _between(*ends[place], unit, fmt)
        # whoever rounds reads the factors: the product itself, or the step that adds it exact
        reads = (*leaf.reads, *(leaf.rounds or (taker.rounds[:1] if taker is not None else ())))
        product = _product(_flushed(_number(weights[k]), reads, fmt), _flushed(given, reads, fmt))
        nodes.append(_rounded(product, leaf.rounds))
    formats = program.node_formats
    for operands, step in zip(program.tree.steps, program.steps, strict=True):
        if step.kind is StepKind.ALIGNED:
            raise Lost
        read = [nodes[k] if program.exact(k) else _flushed(nodes[k], step.rounds[:1], formats[k]) for k in operands]
        total = read[0]
        for one in read[1:]:
            total = total + one
        nodes.append(_rounded(total, step.rounds))
    return _rounded(nodes[program.tree.root], program.result, formats[program.tree.root])


@lru_cache(maxsize=4096)
def _number(value: float) -> Reach:
    exact = Fraction(value)
    return Reach(exact, exact, unit_of(exact))


@lru_cache(maxsize=4096)
def unit_of(value: Fraction) -> int:
    """The largest power of two that a dyadic number is a multiple of, as its exponent."""
    if not value:
        return MULTIPLE_OF_ALL
    numerator = abs(value.numerator)
    return (numerator & -numerator).bit_length() - value.denominator.bit_length()


@lru_cache(maxsize=4096)
def _between(low: float, high: float, unit: int, fmt: Format) -> Reach:
    """The numbers of the format between two ends that are multiples of 2**unit.

    Raises Lost where an end is not finite, or there are none.
    """
    if not (abs(low) <= float(fmt.max_finite) and abs(high) <= float(fmt.max_finite)):
        raise Lost
    first = round_fraction(Fraction(low), fmt, Rounding.RTP).fraction()
    last = round_fraction(Fraction(high), fmt, Rounding.RTN).fraction()
    if first > last:
        raise Lost
    if first == last:
        return Reach(first, first, unit_of(first))
    if unit > fmt.lsb_min:
        step = power_of_two(min(unit, _COARSEST))
        first, last = -(-first // step) * step, last // step * step
        if first > last:
            raise Lost
        if first == last:
            return Reach(first, first, unit_of(first))
    return _on_grid(Reach(first, last, max(unit, fmt.lsb_min)), fmt)


def _on_grid(reach: Reach, fmt: Format) -> Reach:
    """The same numbers, known to be of the format: those far from 0 are multiples of more."""
    if not reach.smallest:
        return reach
    return replace(reach, unit=max(reach.unit, floor_log2(reach.smallest) - fmt.precision + 1))


def _product(a: Reach, b: Reach) -> Reach:
    unit = min(a.unit + b.unit, MULTIPLE_OF_ALL)
    lost = a.lost * b.largest + b.lost * a.largest + a.lost * b.lost if a.lost or b.lost else _ZERO
    if a.low is a.high:  # a weight
        first = a.low * b.low
        last = first if b.low is b.high else a.low * b.high
        return Reach(first, last, unit, lost) if a.low.numerator >= 0 else Reach(last, first, unit, lost)
    corners = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    return Reach(min(corners), max(corners), unit, lost)


def _flushed(reach: Reach, rounds: Sequence[Round], source: Format | None = None) -> Reach:
    """With what is lost where numbers no larger than the smallest normal one may be taken for zeros.

    ``source``: the format of numbers that are read, which are subnormal in their own: a wider one may hold them as normal ones.
    """
    for one in rounds:
        if not one.flush:
            continue
        least = one.format.min_normal if source is None else max(one.format.min_normal, source.min_normal)
        if reach.smallest <= least and power_of_two(max(reach.unit, -4000)) < least:
            low, high = min(reach.low, Fraction(0)), max(reach.high, Fraction(0))
            reach = Reach(low, high, reach.unit, reach.lost + least)
    return reach


def _rounded(reach: Reach, rounds: Sequence[Round], source: Format | None = None) -> Reach:
    """After some roundings, the first of a number of ``source``, where it is one.  Raises Lost where one may overflow."""
    for one in rounds:
        reach = reach if source is None else _flushed(reach, [one], source)
        source = one.format
        fmt, unit = one.format, reach.unit
        if reach.largest > fmt.max_finite:
            raise Lost
        kept = unit >= fmt.lsb_min and reach.largest <= power_of_two(min(unit, 4000) + fmt.precision)
        if not kept:
            low, high = (round_fraction(end, fmt, one.mode).fraction() for end in (reach.low, reach.high))
            nearest = one.mode in (Rounding.RNE, Rounding.RNA)
            lost = _spacing(reach.largest, fmt) / (2 if nearest else 1)
            reach = Reach(low, high, max(unit, fmt.lsb_min), reach.lost + lost)
        reach = _on_grid(_flushed(reach, [one]), fmt)
    return reach


def _spacing(largest: Fraction, fmt: Format) -> Fraction:
    """How far apart the numbers of the format are, at most, up to a magnitude."""
    exponent = floor_log2(largest)
    if largest == power_of_two(exponent):
        exponent -= 1  # the magnitude itself is a number of the format, and those below it are closer
    return power_of_two(max(exponent - fmt.precision + 1, fmt.lsb_min))
