"""Constraints that a problem's assertions imply and that bit-level solvers cannot see: rounded products that compare.

Rounding is monotone and moves a number by at most one unit in the last place.  So if w1 x and w2 x round to the same
number, then |w1 - w2| |x| is at most the sum of both errors, and |w1 - w2| at most that by the least |x|; and if one rounds to
less than the other and x > 0, then w1 < w2.  A solver that has the products as circuits does not know that they distribute;
told so, it finds ties a hundred times faster.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from fpsynth.encoders.ranges import NodeRange, Range, analyse
from fpsynth.expressions import Expression, Op, add, conjunction, constant, le, lt, mul, neg, real
from fpsynth.formats import Format, floor_log2, power_of_two
from fpsynth.rounding import Rounding

Ranges = Mapping[int, NodeRange]


@dataclass(frozen=True)
class _Product:
    """A product behind roundings: its factors, a bound on the total rounding error, and which roundings they were."""

    factors: tuple[Expression, Expression]
    error: Fraction
    path: tuple[tuple[Format | None, Rounding], ...]


def with_implied(roots: Sequence[Expression], variables: Mapping[str, Range]) -> tuple[list[Expression], dict[int, NodeRange]]:
    """Return the assertions and what they imply, and the ranges of all their nodes; ``variables``: Ranges by name."""
    extra = implied(roots, analyse(roots, variables))
    if not extra.args:
        return list(roots), analyse(roots, variables)
    return [*roots, extra], analyse([*roots, extra], variables)


def implied(assertions: Sequence[Expression], ranges: Ranges) -> Expression:
    """Return a condition that holds wherever all assertions hold, over nodes of their graph and new real ones.

    ``ranges``: those of the assertions' nodes (see ranges.analyse).
    """
    found: list[Expression] = []
    for node in _conjuncts(assertions):
        if node.op in (Op.EQ, Op.LT) and (pair := _shared(node, ranges)):
            (a, b), factor, products = pair
            found += _close(a, b, factor, products, ranges) if node.op is Op.EQ else _ordered(a, b, factor, products, ranges)
    return conjunction(found)


def _conjuncts(assertions: Sequence[Expression]) -> Iterator[Expression]:
    stack = list(reversed(assertions))
    while stack:
        node = stack.pop()
        if node.op is Op.AND:
            stack.extend(reversed(node.args))
        else:
            yield node


def _shared(node: Expression, ranges: Ranges) -> tuple[tuple[Expression, Expression], Expression, list[_Product]] | None:
    """The two factors that differ, the one that is shared, and the products, if a comparison is of such products."""
    products = [found for arg in node.args if (found := _product(arg, ranges))]
    if len(products) < 2:
        return None
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        one, other = products[0].factors, products[1].factors
        if _same(one[i], other[j]) and not _same(one[1 - i], other[1 - j]):
            return (one[1 - i], other[1 - j]), one[i], products
    return None


def _same(a: Expression, b: Expression) -> bool:
    return a is b or (a.op is Op.VARIABLE and b.op is Op.VARIABLE and a.name == b.name)


def _product(node: Expression, ranges: Ranges) -> _Product | None:
    """What product a node is the rounding of, if it is one and nothing overflows or is flushed on the way."""
    error, path = Fraction(0), []
    while node.op in (Op.CAST, Op.MUL):
        if node.flush or any(ranges[id(n)].value.special for n in (node, *node.args)):
            return None
        bound = _rounding_error(node, ranges[id(node)])
        if bound is None:
            return None
        error += bound
        path.append((node.format, node.rounding))
        if node.op is Op.MUL:
            return _Product((_source(node.args[0]), _source(node.args[1])), error, tuple(path))
        node = node.args[0]
    return None


def _rounding_error(node: Expression, known: NodeRange) -> Fraction | None:
    """How far the node's rounding can move a number of its range; None where it might saturate."""
    fmt, largest = node.format, max(-known.exact.lower, known.exact.upper)
    if fmt is None or largest == 0:
        return Fraction(0)
    if largest > fmt.max_finite:
        return None
    top = floor_log2(largest)
    if largest == power_of_two(top):
        top -= 1  # the spacing below a power of two is what counts at the end of the range
    unit = power_of_two(max(top, fmt.emin) - fmt.precision + 1)
    return unit / 2 if node.rounding in (Rounding.RNE, Rounding.RNA) else unit


def _source(node: Expression) -> Expression:
    """The node below casts that change nothing."""
    while node.op is Op.CAST and not node.flush and _widens(node.args[0].format, node.format):
        node = node.args[0]
    return node


def _widens(source: Format | None, target: Format | None) -> bool:
    if source is None or target is None:
        return source is not None or target is None
    return target.precision >= source.precision and target.lsb_min <= source.lsb_min and target.max_finite >= source.max_finite


def _close(a: Expression, b: Expression, factor: Expression, products: list[_Product], ranges: Ranges) -> list[Expression]:
    bound = products[0].error + products[1].error
    difference = add(real(b), neg(real(a)))
    least = ranges[id(factor)].value.least
    found = _between(mul(difference, real(factor)), bound)
    if least > 0:
        unit = power_of_two(min(ranges[id(a)].value.lsb, ranges[id(b)].value.lsb))
        found = _between(difference, math.floor(bound / least / unit) * unit) + found
    return found


def _between(node: Expression, bound: Fraction) -> list[Expression]:
    """-bound <= node <= bound."""
    return [le(node, constant(bound, None)), le(constant(-bound, None), node)]


def _ordered(a: Expression, b: Expression, factor: Expression, products: list[_Product], ranges: Ranges) -> list[Expression]:
    known = ranges[id(factor)].value
    if known.least == 0 or products[0].path != products[1].path:
        return []
    left, right = (a, b) if known.lower > 0 else (b, a)
    return [lt(left, right) if a.format == b.format else lt(real(left), real(right))]
