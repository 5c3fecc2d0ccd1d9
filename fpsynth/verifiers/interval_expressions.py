"""Interval bound propagation as expressions: the ends of every output as a graph, which solvers and samplers can read.

The same intervals as ``fpsynth.verifiers.intervals``, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from fpsynth import expressions as ex
from fpsynth.errors import InputError
from fpsynth.expressions import Expression, Op, topological
from fpsynth.formats import Format, power_of_two
from fpsynth.networks.lowering import lower
from fpsynth.networks.template import Template
from fpsynth.rounding import Flush, Rounding
from fpsynth.sums.arithmetic import Deployment
from fpsynth.verifiers.intervals import OUTWARD, Widening, addends_cut, cut_unit, widening_named

Ends = tuple[Expression, Expression]
"""Lower and upper end of an interval; the same node twice for a point."""


def lower_interval(
    network: Template[Expression], box: Sequence[Ends], deployment: Deployment, widening: str = ""
) -> tuple[Ends, ...]:
    """Return the lower and the upper end of every output of ``network`` over ``box``, one pair of expressions per input.

    Weights, biases and ends must be of the deployment's format.  Raises InputError for an unknown widening and for real
    arithmetic, ValueError where a format is another than the one of the arithmetic that reads it.
    """
    extra = widening_named(widening)
    worth: dict[int, Ends] = {}
    held: list[Expression] = []  # an id means nothing once its node is gone

    def stand_in(ends: Ends) -> Expression:
        """A leaf in place of what is given: how that is computed is not to be rounded outward."""
        node = Expression(Op.VARIABLE, format=ends[0].format, name=f"given{len(held)}")
        held.append(node)
        worth[id(node)] = ends
        return node

    known = network.map(lambda entry: stand_in((entry, entry)))
    roots = lower(known, [stand_in(ends) for ends in box], deployment)
    if any(root.format is None for root in roots):
        raise InputError("interval arithmetic rounds outward into a format: real arithmetic has none")
    for node in topological(roots):
        if id(node) not in worth:
            worth[id(node)] = _ends(node, [worth[id(arg)] for arg in node.args], extra)
    return tuple(worth[id(root)] for root in roots)


def _ends(node: Expression, args: list[Ends], widening: Widening) -> Ends:
    match node.op:
        case Op.CONSTANT:
            return node, node
        case Op.CAST if _exact_cast(node) and _is_point(args[0]):
            kept = Expression(Op.CAST, (args[0][0],), node.format)
            return kept, kept
        case Op.ALIGNED:
            return _aligned_ends(node, args)
    slack = None if widening is OUTWARD else _slack(node, args, widening)
    corners = _corners(node, args)
    low = [_rounded(node, operands[0], slack and ex.neg(slack), Rounding.RTN) for operands in corners]
    high = [_rounded(node, operands[1], slack, Rounding.RTP) for operands in corners]
    return _least(low), reduce(ex.maximum, high)


def _aligned_ends(node: Expression, args: list[Ends]) -> Ends:
    """The exact sum's ends, widened by what may be cut off (see ``intervals.cut_unit``) and rounded outward."""
    assert node.alignment is not None
    single, powers = len(node.numbers), []
    formats = [arg.format for arg in node.args]
    known = [_exactly(ends, fmt, node.flush) for ends, fmt in zip(args, formats, strict=True)]
    for ends, fmt in zip(known, formats, strict=True):
        assert fmt is not None
        powers.append(reduce(ex.maximum, [*map(_magnitude, _distinct(ends)), ex.constant(fmt.min_normal, None)]))
    pairs = range(single, len(args), 2)
    addends = [*known[:single], *(_product(known[k], known[k + 1]) for k in pairs)]
    largest = [*powers[:single], *(ex.mul(powers[k], powers[k + 1]) for k in pairs)]
    if node.alignment.least_exponent is not None:
        largest.append(ex.constant(power_of_two(node.alignment.least_exponent), None))
    room = ex.mul(reduce(ex.maximum, largest), ex.constant(addends_cut(node) * cut_unit(node), None))
    low, high = (reduce(ex.add, ends) for ends in zip(*addends, strict=True))
    if addends_cut(node):
        low, high = ex.add(low, ex.neg(room)), ex.add(high, room)
    return ex.cast(low, node.format, Rounding.RTN, node.flush), ex.cast(high, node.format, Rounding.RTP, node.flush)


def _exactly(ends: Ends, fmt: Format | None, flush: Flush) -> Ends:
    """An interval among the real numbers, flushed before; the same node twice for a point."""
    assert fmt is not None
    found = [ex.real(_flushed(end, fmt) if flush else end) for end in _distinct(ends)]
    return found[0], found[-1]


def _product(a: Ends, b: Ends) -> Ends:
    corners = [ex.mul(x, y) for x in _distinct(a) for y in _distinct(b)]
    return _least(corners), reduce(ex.maximum, corners)


def _magnitude(node: Expression) -> Expression:
    return ex.maximum(node, ex.neg(node))


def _corners(node: Expression, args: list[Ends]) -> list[tuple[tuple[Expression, ...], tuple[Expression, ...]]]:
    """Pairs (operands of a candidate for the lower end, the same for the upper end)."""
    if node.op not in (Op.MUL, Op.FMA):
        return [(tuple(arg[0] for arg in args), tuple(arg[1] for arg in args))]
    factors = [(x, y) for x in _distinct(args[0]) for y in _distinct(args[1])]
    return [((x, y, *(arg[0] for arg in args[2:])), (x, y, *(arg[1] for arg in args[2:]))) for x, y in factors]


def _rounded(node: Expression, operands: tuple[Expression, ...], slack: Expression | None, mode: Rounding) -> Expression:
    """The node's operation on these operands, widened and then rounded once."""
    if node.op is Op.MAX or slack is None or node.op is Op.CAST or node.format is None:
        return Expression(node.op, operands, node.format, mode, node.flush)
    fmt = node.format
    exact = [ex.real(_flushed(operand, fmt) if node.flush else operand) for operand in operands]
    match node.op:
        case Op.ADD:
            total = ex.add(exact[0], exact[1])
        case Op.MUL:
            total = ex.mul(exact[0], exact[1])
        case _:
            total = ex.add(ex.mul(exact[0], exact[1]), exact[2])
    return ex.cast(ex.add(total, slack), fmt, mode, node.flush)


def _flushed(node: Expression, fmt: Format) -> Expression:
    return ex.cast(node, fmt, flush=Flush.ROUNDED)  # both kinds are one here


def _slack(node: Expression, args: list[Ends], widening: Widening) -> Expression | None:
    """See ``Widening.slack``: a real number, None for zero."""
    if node.format is None or node.op not in (Op.ADD, Op.MUL, Op.FMA):
        return None
    fmt = node.format
    sizes = [_size(arg, fmt, node.flush) for arg in args]
    ulp = ex.constant(power_of_two(1 - fmt.precision), None)
    parts: list[Expression] = []
    product = None if node.op is Op.ADD else ex.mul(sizes[0], sizes[1])
    if widening.products and product is not None:
        parts.append(ex.mul(product, ulp))
    if widening.sums and node.op is not Op.MUL:
        parts.append(ex.mul(ex.add(sizes[0] if product is None else product, sizes[-1]), ulp))
    if widening.subnormal and node.op is not Op.MUL:
        parts.append(ex.constant(fmt.min_subnormal, None))
    return reduce(ex.add, parts) if parts else None


def _size(ends: Ends, fmt: Format, flush: Flush) -> Expression:
    """The largest magnitude in an interval, as a real number."""
    magnitudes = [ex.real(_flushed(end, fmt) if flush else end) for end in _distinct(ends)]
    return reduce(ex.maximum, map(_magnitude, magnitudes))


def _least(nodes: Sequence[Expression]) -> Expression:
    return nodes[0] if len(nodes) == 1 else ex.neg(reduce(ex.maximum, [ex.neg(node) for node in nodes]))


def _distinct(ends: Ends) -> Sequence[Expression]:
    return ends[:1] if _is_point(ends) else ends


def _is_point(ends: Ends) -> bool:
    return ends[0] is ends[1]


def _exact_cast(node: Expression) -> bool:
    """Whether a cast into the node's format changes no number, whichever way it rounds."""
    source, target = node.args[0].format, node.format
    if node.flush or source is None:
        return False
    return target is None or includes(target, source)


def includes(large: Format, small: Format) -> bool:
    """Whether every number of one format is a number of the other, and overflow means no more in it."""
    return (
        small.precision <= large.precision
        and small.emax <= large.emax
        and small.lsb_min >= large.lsb_min
        and small.max_finite <= large.max_finite
        and (large.has_infinity or not small.has_infinity)
    )
