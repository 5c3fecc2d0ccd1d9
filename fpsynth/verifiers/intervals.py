"""Interval bound propagation: what a network's outputs lie between for a box of inputs, in a given arithmetic, exactly rounded.

The reference.  Each node of the graph that a deployment evaluates gets an interval: every sum along the tree of its order,
lower ends rounded toward minus infinity and upper ends toward plus infinity into the very formats of that arithmetic, a fused
product only once.  An end that is NaN bounds nothing.

ELINA (Singh et al., the library behind DeepPoly and DeepZ) instead widens each sum and product by a bound on its rounding
error, with rounding upward: [a] + [b] by (max|a| + max|b|) * 2**-52 + 2**-1074, [a] * [b] by max|a| * max|b| * 2**-52.  Here
2**-52 and 2**-1074 are 2**(1-p) and the least subnormal of the format at hand, and each end is rounded once, widening
included, which is the narrowest reading.  A fused product is widened as a product and as a sum; casts, and sums of more than
two terms in one step, are rounded outward only.

An aligned sum is not monotone in its addends: a larger one can make others lose more.  Its interval is that of the exact sum,
widened by all that can be cut off (see ``cut_unit`` and ``addends_cut``), and then rounded outward.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce

from fpsynth import rounding as r
from fpsynth.errors import InputError
from fpsynth.expressions import Expression, Op, topological, variable
from fpsynth.formats import Format, floor_log2, power_of_two
from fpsynth.networks.lowering import lower
from fpsynth.networks.network import Network
from fpsynth.rounding import Rounding, Value
from fpsynth.sums.arithmetic import Deployment

Ends = tuple[Value, Value]
"""Lower and upper end of an interval."""


@dataclass(frozen=True)
class Widening:
    """What an interval is widened by beside outward rounding: relative to the operands, and absolutely."""

    sums: bool = False
    """(max|a| + max|b|) * 2**(1-p) for [a] + [b]."""
    products: bool = False
    """max|a| * max|b| * 2**(1-p) for [a] * [b]."""
    subnormal: bool = False
    """The least subnormal for each sum."""

    def slack(self, node: Expression, sizes: Sequence[Value]) -> Value | None:
        """How much wider a node becomes, exactly; None where it is rounded outward only.

        ``sizes`` are the largest magnitudes of its arguments.
        """
        fmt, parts = node.format, []
        if fmt is None or node.op not in (Op.ADD, Op.MUL, Op.FMA):
            return None
        product = None if node.op is Op.ADD else r.exact_mul(sizes[0], sizes[1])
        if self.products and product is not None:
            parts.append(r.exact_mul(product, r.from_fraction(power_of_two(1 - fmt.precision))))
        if self.sums and node.op is not Op.MUL:
            both = r.exact_add(sizes[0] if product is None else product, sizes[-1])
            parts.append(r.exact_mul(both, r.from_fraction(power_of_two(1 - fmt.precision))))
        if self.subnormal and node.op is not Op.MUL:
            parts.append(r.from_fraction(fmt.min_subnormal))
        return reduce(r.exact_add, parts) if parts else None


OUTWARD = Widening()
WIDENINGS: dict[str, Widening] = {
    "": OUTWARD,
    "elina": Widening(sums=True, products=True, subnormal=True),
    "elina-sums": Widening(sums=True),
}
"""By name: outward rounding alone; ELINA's; and only its relative term for sums, as it is often quoted."""


def widening_named(name: str) -> Widening:
    """Return the widening called ``name``.  Raises InputError that lists the names for an unknown one."""
    if name not in WIDENINGS:
        raise InputError(f"unknown widening {name!r}; choose from '' (outward rounding), {', '.join(filter(None, WIDENINGS))}")
    return WIDENINGS[name]


def network_intervals(
    network: Network,
    box: Sequence[tuple[float, float]],
    fmt: Format,
    deployment: Deployment,
    widening: str = "",
) -> tuple[Ends, ...]:
    """Return an interval for each output, row-major, for all points of ``box`` (two ends for each input).

    That of an output is NaN where a number that it is made of may overflow.
    Weights and ends must be of ``fmt``, the format of the deployment's arithmetics.  Raises InputError for an unknown
    widening, a box of another size or with reversed ends, a deployment in real arithmetic, a batch normalisation that is not
    folded, and a bound or slope of a selection that is no number of the format.
    """
    inputs = math.prod(network.input_shape)
    if len(box) != inputs or any(not low <= high for low, high in box):
        raise InputError(f"a box needs a lower and an upper end, in this order, for each of {inputs} inputs")
    boxes: dict[str, Ends] = {}

    def known(low: float, high: float) -> Expression:
        name = f"v{len(boxes)}"
        boxes[name] = r.from_float(low), r.from_float(high)
        return variable(name, fmt)

    lowered = network.map(lambda w: known(w, w))
    point = [known(low, high) for low, high in box]
    try:
        roots = lower(lowered, point, deployment)
    except ValueError as error:  # of formats that do not fit, which has no more to it than its line
        raise InputError(error) from None
    return tuple(_without_overflow(roots, _of_each(roots, boxes, widening)))


def finite_bounds(ends: Sequence[Ends]) -> tuple[tuple[Fraction, Fraction], ...] | None:
    """The intervals as exact numbers; None where an end is infinite or NaN."""
    if not all(low.is_finite and high.is_finite for low, high in ends):
        return None
    return tuple((low.fraction(), high.fraction()) for low, high in ends)


def propagate(roots: Sequence[Expression], boxes: Mapping[str, Ends], widening: str = "") -> list[Ends]:
    """Return the interval of each root, for intervals of the variables by name.

    Nodes are numbers in a format; real ones may stand between them.  Where one below a root has an end that is not finite, that
    of a root may leave NaN out.  Raises InputError for a root that is a real number, a truth value, or an unknown widening, and
    KeyError for a variable without an interval.
    """
    worth = _of_each(roots, boxes, widening)
    return [worth[id(root)] for root in roots]


def _of_each(roots: Sequence[Expression], boxes: Mapping[str, Ends], widening: str) -> dict[int, Ends]:
    """The interval of every expression below the roots, by its identity."""
    if any(root.format is None for root in roots):
        raise InputError("interval arithmetic rounds outward into a format: real arithmetic has none")
    extra = widening_named(widening)
    worth: dict[int, Ends] = {}
    for node in topological(roots):
        worth[id(node)] = _ends(node, [worth[id(arg)] for arg in node.args], boxes, extra)
    return worth


def _without_overflow(roots: Sequence[Expression], worth: Mapping[int, Ends]) -> list[Ends]:
    """The intervals of the roots; NaN where what they are made of has an end that is not finite.

    It may be NaN itself then, as infinity less infinity is, which the ends of a maximum or a minimum hide.
    """
    doubtful = set[int]()
    for node in topological(roots):
        if any(id(arg) in doubtful or not all(end.is_finite for end in worth[id(arg)]) for arg in node.args):
            doubtful.add(id(node))
    return [(r.NAN, r.NAN) if id(root) in doubtful else worth[id(root)] for root in roots]


def _ends(node: Expression, args: list[Ends], boxes: Mapping[str, Ends], widening: Widening) -> Ends:
    match node.op:
        case Op.VARIABLE:
            return boxes[node.name]
        case Op.CONSTANT:
            assert node.value is not None
            return _around(node.value)
        case Op.NEG:
            return r.negate(args[0][1]), r.negate(args[0][0])
    args = [_read(node, k, arg) for k, arg in enumerate(args)]
    if node.op is Op.ALIGNED:
        return _aligned_ends(node, args)
    slack = None if widening is OUTWARD else widening.slack(node, [_size(arg) for arg in args])
    less = None if slack is None else r.negate(slack)
    low = [_rounded(node, corner, less, Rounding.RTN) for corner in _corners(node, args, 0)]
    high = [_rounded(node, corner, slack, Rounding.RTP) for corner in _corners(node, args, 1)]
    return _least(low), reduce(r.maximum, high)


def _around(number: Fraction) -> Ends:
    """A number itself, or numbers on both sides of one that no power of two is a denominator of, such as 1/3."""
    if not number.denominator & (number.denominator - 1):
        return r.from_fraction(number), r.from_fraction(number)
    unit = power_of_two(floor_log2(abs(number)) - _CLOSE)
    below = (number / unit).__floor__()
    return r.from_fraction(below * unit), r.from_fraction((below + 1) * unit)


_CLOSE = 256
"""Bits of the ends around such a number."""


def addends_cut(node: Expression) -> int:
    """How many addends of an aligned sum may lose something.

    Where that with the largest exponent is kept whole, it is all but one; unless none need have the largest exponent.
    """
    alignment, fmt, addends = node.alignment, node.format, len(node.args) - node.products
    assert alignment is not None
    assert fmt is not None
    places = [fmt.precision - 1] if node.numbers else []
    places += [2 * (factor.format.precision - 1) for factor in node.factors[:1] if factor.format is not None]
    return addends - (alignment.least_exponent is None and alignment.fraction_bits >= max(places))


def cut_unit(node: Expression) -> Fraction:
    """What one addend of an aligned sum loses at most, relative to 2**(largest exponent).

    That power is at most the largest of max(|c|, 2**emin) over numbers c, of max(|a|, 2**emin) * max(|b|, 2**emin) over
    products a*b, emin being that of their own format, and of 2**least_exponent.
    """
    assert node.alignment is not None
    return power_of_two(-node.alignment.fraction_bits)


def _aligned_ends(node: Expression, args: Sequence[Ends]) -> Ends:
    assert node.alignment is not None
    assert node.format is not None
    single = len(node.numbers)
    known = [(_real(low), _real(high)) for low, high in args]
    sizes = [_power(ends, arg.format) for ends, arg in zip(args, node.args, strict=True)]
    pairs = range(single, len(args), 2)
    addends = [*known[:single], *(_product(known[k], known[k + 1]) for k in pairs)]
    low, high = (reduce(r.exact_add, ends) for ends in zip(*addends, strict=True))
    powers = [*sizes[:single], *(r.exact_mul(sizes[k], sizes[k + 1]) for k in pairs)]
    if node.alignment.least_exponent is not None:
        powers.append(r.from_fraction(power_of_two(node.alignment.least_exponent)))
    room = r.exact_mul(reduce(r.maximum, powers), r.from_fraction(addends_cut(node) * cut_unit(node)))
    low, high = _real(r.exact_add(low, r.negate(room))), _real(r.exact_add(high, room))
    return (
        r.round_value(low, node.format, Rounding.RTN, node.flush),
        r.round_value(high, node.format, Rounding.RTP, node.flush),
    )


def _power(ends: Ends, fmt: Format | None) -> Value:
    """A bound on 2**(exponent) of the numbers in an interval."""
    assert fmt is not None
    return r.maximum(_size(ends), r.from_fraction(fmt.min_normal))


def _product(a: Ends, b: Ends) -> Ends:
    corners = [r.exact_mul(x, y) for x in a for y in b]
    return _least(corners), reduce(r.maximum, corners)


def _read(node: Expression, position: int, ends: Ends) -> Ends:
    """An argument as the node reads it: flushed."""
    source = node.args[position].format
    low, high = ends
    return (r.flushed(low, source), r.flushed(high, source)) if node.flush and source is not None else (low, high)


def _corners(node: Expression, args: list[Ends], end: int) -> list[tuple[Value, ...]]:
    """The choices of one end of each argument, one of which gives that end of the result."""
    if node.op not in (Op.MUL, Op.FMA):
        return [tuple(arg[end] for arg in args)]
    rest = tuple(arg[end] for arg in args[2:])
    return [(x, y, *rest) for x in dict.fromkeys(args[0]) for y in dict.fromkeys(args[1])]


def _rounded(node: Expression, operands: tuple[Value, ...], slack: Value | None, mode: Rounding) -> Value:
    """The operation on these operands, widened and then rounded once."""
    real = node.format is None or slack is not None
    if real:  # real numbers know no infinity and one zero
        operands = tuple(_real(v) for v in operands)
    match node.op:
        case Op.MAX:
            exact = r.maximum(*operands)
        case Op.ADD:
            exact = r.exact_add(operands[0], operands[1], mode)
        case Op.MUL:
            exact = r.exact_mul(operands[0], operands[1])
        case Op.FMA:
            exact = r.exact_add(r.exact_mul(operands[0], operands[1]), operands[2], mode)
        case Op.CAST:
            (exact,) = operands
        case _:
            raise InputError(f"interval arithmetic evaluates sums of products, not {node.op.value}")
    if slack is not None:
        exact = r.exact_add(exact, slack)
    if real:
        exact = _real(exact)
    return exact if node.format is None or node.op is Op.MAX else r.round_value(exact, node.format, mode, node.flush)


def _real(value: Value) -> Value:
    """A datum among the real numbers: no number where it is infinite, one zero."""
    if not value.is_finite:
        return r.NAN
    return r.PLUS_ZERO if value.is_zero else value


def _size(ends: Ends) -> Value:
    """The largest magnitude in an interval, as a real number."""
    return reduce(r.maximum, [_real(r.negate(v) if v.negative else v) for v in ends])


def _least(values: Sequence[Value]) -> Value:
    return r.negate(reduce(r.maximum, [r.negate(v) for v in values]))
