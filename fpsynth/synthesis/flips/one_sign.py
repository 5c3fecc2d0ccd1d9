"""Where all products are of one sign: the least and the largest magnitude that a program gives to their sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce

from fpsynth.formats import Format, floor_log2, power_of_two
from fpsynth.rounding import (
    Rounding,
    Value,
    exact_add,
    exact_mul,
    flushed,
    from_fraction,
    negate,
    round_value,
)
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind

Ends = tuple[Value, Value]
"""Finite numbers of one sign, or zeros: the one nearest to zero, and the one farthest from it."""


class _UnknownError(Exception):
    """A sum may overflow."""


def keeps_one_sign(program: Program, weights: Ends, inputs: Ends) -> bool:
    """Whether a program gives a finite number other than zero, of the sign of all products, to weights and inputs in a range.

    The ends of a range are numbers of the program's format of one sign, neither of them zero.

    Proof.  Let every number on the way be bounded in magnitude by two numbers of its sign, and be of the sign of the products
    (or a factor, which keeps its own).  Rounding in any mode, flushing, the product of two factors and the sum of numbers of
    one sign are monotone in the magnitudes, and give a number of that sign or zero: so what an operation makes of the lower
    bounds and of the upper bounds bounds what it makes of the numbers.  A step that aligns is bounded by hand.  It leaves of
    each addend, which it cuts to a multiple of 2**(e - F), a number of its sign or zero, less than one multiple beyond it; so
    the sum of the upper bounds and of one multiple for each is an upper bound, for the largest e that they allow.  If no factor
    and no number can be subnormal, an addend with the largest exponent e is at least 2**e, and F is at least 1: so the power of
    two next below the largest addend is a multiple of 2**(e - F), also for a least exponent e that is no more than F above it,
    and is left at least.  The largest addend is no less than the largest of the lower bounds.
    """
    if program.format is None or any(leaf.kind is not LeafKind.PRODUCT for leaf in program.leaves):
        return False
    try:
        low, high = _Walk(program, weights, inputs).result()
    except _UnknownError:
        return False
    return high.is_finite and not low.is_zero


@dataclass(frozen=True)
class _Node:
    ends: Ends
    normal: bool = True
    """Of an exact product: whether no factor is subnormal."""
    exponent: int | None = None
    """Of an exact product: the largest sum of its factors' exponents."""


class _Walk:
    """The ends of a program's nodes, one after the other."""

    def __init__(self, program: Program, weights: Ends, inputs: Ends) -> None:
        assert program.format is not None
        self.program, self.format = program, program.format
        self.weights, self.inputs = weights, inputs
        self._known: dict[tuple[Leaf, Step | None], _Node] = {}

    def result(self) -> Ends:
        """The ends of the sum.  Raises _UnknownError where a number on the way may overflow."""
        program, nodes = self.program, list[_Node]()
        for leaf, taker in zip(program.leaves, program.takers, strict=False):
            step = taker if leaf.exact else None
            if (leaf, step) not in self._known:
                self._known[leaf, step] = self._product(leaf, step)
            nodes.append(self._known[leaf, step])
        for operands, step in zip(program.tree.steps, program.steps, strict=True):
            of = [program.node_formats[operand] for operand in operands]
            nodes.append(_Node(_summed(step, [nodes[operand] for operand in operands], of)))
        root = program.node_formats[program.tree.root] or self.format
        return _rounded(nodes[-1].ends, root, program.result)

    def _product(self, leaf: Leaf, taker: Step | None) -> _Node:
        weight, x = (_rounded(ends, self.format, leaf.reads) for ends in (self.weights, self.inputs))
        own = leaf.reads[-1].format if leaf.reads else self.format
        into = leaf.rounds[0] if leaf.rounds else None if taker is None else taker.rounds[0]
        flush = into is not None and bool(into.flush)
        in_sum = into is not None and (bool(leaf.rounds) or (taker is not None and taker.kind is StepKind.FMA))
        fmt = into.format if into is not None and in_sum else own
        if flush:
            weight, x = (_each(ends, fmt) for ends in (weight, x))
        low, high = (exact_mul(a, b) for a, b in zip(weight, x, strict=True))
        if leaf.rounds:
            first, *rest = leaf.rounds
            ends = _checked((_into(low, first), _into(high, first)))
            return _Node(_rounded(ends, first.format, rest))
        normal = all(_normal(ends[0], own) for ends in (weight, x))
        return _Node((low, high), normal, sum(_exponent(ends[1], own) for ends in (weight, x)))


def _summed(step: Step, operands: Sequence[_Node], formats: Sequence[Format | None]) -> Ends:
    """The ends of a step's sum."""
    own = step.rounds[0]
    if step.kind is StepKind.ALIGNED:
        ends = _aligned(step, operands)
    else:
        read = list[Ends]()
        for node, fmt in zip(operands, formats, strict=True):
            at = None if fmt is None else fmt if step.kind is StepKind.EXACT else own.format
            read.append(_each(node.ends, at) if at is not None and own.flush else node.ends)
        low, high = (reduce(exact_add, (ends[k] for ends in read)) for k in (0, 1))
        ends = _into(low, own), _into(high, own)
    return _rounded(_checked(ends), own.format, step.rounds[1:])


def _aligned(step: Step, operands: Sequence[_Node]) -> Ends:
    align, own = step.alignment, step.rounds[0]
    assert align is not None
    negative = any(node.ends[1].negative for node in operands)
    least = max(abs(node.ends[0].fraction()) for node in operands)
    normal = all(node.normal and (node.exponent is not None or _normal(node.ends[0], own.format)) for node in operands)
    exponents = [_exponent(node.ends[1], own.format) if node.exponent is None else node.exponent for node in operands]
    if align.least_exponent is not None:
        exponents.append(align.least_exponent)
        normal = normal and least > 0 and floor_log2(least) >= align.least_exponent - align.fraction_bits
    most = sum((abs(node.ends[1].fraction()) for node in operands), Fraction(0))
    most += len(operands) * power_of_two(max(exponents) - align.fraction_bits)
    into = Round(own.format, align.rounding, own.flush)
    low, high = (from_fraction(power_of_two(floor_log2(least)) if normal else 0), from_fraction(most))
    low, high = (negate(end) if negative else end for end in (low, high))
    high = round_value(high, own.format, Rounding.RTN if negative else Rounding.RTP)  # an overflow is one in every mode
    return _into(low, into), high


def _normal(end: Value, fmt: Format) -> bool:
    return not end.is_zero and abs(end.fraction()) >= fmt.min_normal


def _exponent(end: Value, fmt: Format) -> int:
    return fmt.emin if end.is_zero else max(floor_log2(abs(end.fraction())), fmt.emin)


def _into(value: Value, one: Round) -> Value:
    return round_value(value, one.format, one.mode, one.flush)


def _each(ends: Ends, fmt: Format) -> Ends:
    """Both ends as an operation that flushes reads them."""
    return flushed(ends[0], fmt), flushed(ends[1], fmt)


def _rounded(ends: Ends, source: Format, rounds: Sequence[Round]) -> Ends:
    for one in rounds:
        read = _each(ends, source) if one.flush else ends
        ends, source = _checked((_into(read[0], one), _into(read[1], one))), one.format
    return ends


def _checked(ends: Ends) -> Ends:
    if not ends[1].is_finite:
        raise _UnknownError
    return ends
