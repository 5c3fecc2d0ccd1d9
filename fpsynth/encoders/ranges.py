"""Exact range analysis: bounds of every numeric node of a graph, and the place of its lowest possible bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.expressions import Expression, Op, topological
from fpsynth.formats import Format, floor_log2, power_of_two
from fpsynth.problems import Variable
from fpsynth.rounding import Rounding, Value, from_fraction, round_fraction, round_value


@dataclass(frozen=True)
class Range:
    """What is known of a number: lower <= value <= upper and value = n * 2**lsb, with at most ``bits`` significant bits.

    Holds of the finite values; ``special`` says that infinities or NaN may occur as well.
    """

    lower: Fraction
    upper: Fraction
    lsb: int
    bits: int
    special: bool = False

    @property
    def is_zero(self) -> bool:
        """Whether zero is the only number in it."""
        return self.lower == 0 == self.upper

    @property
    def top(self) -> int:
        """Exponent of the leading bit of the largest magnitude (that of the lowest bit, for zero)."""
        return self.lsb if self.is_zero else floor_log2(max(-self.lower, self.upper))

    @property
    def least(self) -> Fraction:
        """The least magnitude in the interval."""
        return max(self.lower, -self.upper, Fraction(0))


ZERO = Range(Fraction(0), Fraction(0), 0, 1)


def point(number: Fraction) -> Range:
    """The Range of one dyadic number.  Raises ValueError where it is not dyadic."""
    value = from_fraction(number)
    return Range(number, number, value.exponent, max(1, value.significand.bit_length()))


def inner_bounds(variable: Variable) -> tuple[Fraction, Fraction] | None:
    """The least and the greatest number of the variable's format within its bounds; None where there is none."""
    lower = round_fraction(variable.lower, variable.format, Rounding.RTP)
    upper = round_fraction(variable.upper, variable.format, Rounding.RTN)
    if not (lower.is_finite and upper.is_finite) or lower.fraction() > upper.fraction():
        return None
    return lower.fraction(), upper.fraction()


def variable_range(variable: Variable) -> Range:
    """The Range of a variable; that of zero where its bounds contain no number at all."""
    bounds = inner_bounds(variable)
    if bounds is None:
        return ZERO
    if bounds[0] == bounds[1]:
        return point(bounds[0])
    return _on_grid(Range(*bounds, variable.format.lsb_min, variable.format.precision), variable.format)


def value_range(value: Value, fmt: Format) -> Range:
    """The Range of a known datum of a format."""
    return (
        point(value.fraction()) if value.is_finite else Range(-fmt.max_finite, fmt.max_finite, fmt.lsb_min, fmt.precision, True)
    )


@dataclass(frozen=True)
class NodeRange:
    """Ranges of a numeric node: of the exact result of its operation, and of its value, rounded and flushed."""

    exact: Range
    value: Range


def analyse(roots: Sequence[Expression], variables: Mapping[str, Range]) -> dict[int, NodeRange]:
    """Return the ranges of every numeric node below ``roots``, by id(node).

    ``variables`` gives the Range of each variable by name; every constant must be dyadic.  Raises InputError for a variable
    without a Range.
    """
    known: dict[int, NodeRange] = {}
    for node in topological(roots):
        if not node.op.boolean:
            exact = _exact(node, [known[id(arg)].value for arg in node.args], variables)
            rounds = node.format is not None and node.op in (Op.ADD, Op.MUL, Op.FMA, Op.CAST)
            value = rounded_range(exact, node) if rounds else exact
            known[id(node)] = NodeRange(exact, _rounded_aligned(exact, node) if node.op is Op.ALIGNED else value)
    return known


def flushed_range(known: Range, fmt: Format) -> Range:
    """The Range after subnormals have become zeros."""

    def flush(bound: Fraction) -> Fraction:
        return Fraction(0) if abs(bound) < fmt.min_normal else bound

    lower, upper = flush(known.lower), flush(known.upper)
    return ZERO if lower == upper == 0 and not known.special else Range(lower, upper, known.lsb, known.bits, known.special)


def operand_range(node: Expression, position: int, known: Range) -> Range:
    """The Range of an argument as the node reads it: with ``flush``, subnormals of the argument's format are zeros."""
    fmt = node.args[position].format
    return flushed_range(known, fmt) if node.flush and fmt is not None and node.op is not Op.NEG else known


def rounded_range(exact: Range, node: Expression) -> Range:
    """The Range of ``exact`` rounded (and flushed) as the floating-point node says.

    Rounding and flushing are monotone, so rounding the bounds bounds the results; and rounding never leaves the grid that a
    number is on.
    """
    fmt = node.format
    assert fmt is not None
    special, bounds, overflow = exact.special, [], False
    for bound in (exact.lower, exact.upper):
        value = round_value(from_fraction(bound), fmt, node.rounding, node.flush)
        if not value.is_finite:
            special = True
            bounds.append(fmt.max_finite if bound > 0 else -fmt.max_finite)
        else:
            bounds.append(value.fraction())
        overflow = overflow or abs(bound) > fmt.max_finite
    if bounds[0] == bounds[1] == 0 and not special:
        return ZERO
    # a saturated result is the largest finite number, whose last bit may be below that of what overflowed
    lsb = min(exact.lsb, fmt.emax - fmt.precision + 1) if overflow else exact.lsb
    return _on_grid(
        Range(bounds[0], bounds[1], lsb, min(exact.bits, fmt.precision) if not overflow else fmt.precision, special), fmt
    )


def _on_grid(known: Range, fmt: Format) -> Range:
    """Raise the lowest bit to the last place of the least magnitude, as all values are numbers of ``fmt``."""
    lsb = max(known.lsb, fmt.lsb_min)
    if known.least > 0:
        lsb = max(lsb, floor_log2(known.least) - fmt.precision + 1)
    top = floor_log2(max(-known.lower, known.upper)) if not known.is_zero else lsb
    return Range(known.lower, known.upper, lsb, max(1, min(known.bits, top - lsb + 1)), known.special)


def _exact(node: Expression, args: list[Range], variables: Mapping[str, Range]) -> Range:
    if node.op is Op.VARIABLE:
        if node.name not in variables:
            raise InputError(f"the problem's assertions read {node.name}, which is not among its variables")
        return variables[node.name]
    if node.op is Op.CONSTANT:
        assert node.value is not None
        return point(node.value)
    args = [operand_range(node, k, arg) for k, arg in enumerate(args)]
    match node.op:
        case Op.NEG:
            return Range(-args[0].upper, -args[0].lower, args[0].lsb, args[0].bits, args[0].special)
        case Op.CAST:
            return args[0]
        case Op.MAX:
            return _maximum(node, args[0], args[1])
        case Op.ADD:
            return _sum(args[0], args[1])
        case Op.MUL:
            return _product(args[0], args[1], node.args[0] is node.args[1])
        case Op.FMA:
            return _sum(_product(args[0], args[1], node.args[0] is node.args[1]), args[2])
        case Op.ALIGNED:
            return _aligned(node, args)
    raise AssertionError(node.op)


def _sum(a: Range, b: Range) -> Range:
    special = a.special or b.special
    if a.is_zero or b.is_zero:
        other = b if a.is_zero else a
        return Range(other.lower, other.upper, other.lsb, other.bits, special)
    lower, upper, lsb = a.lower + b.lower, a.upper + b.upper, min(a.lsb, b.lsb)
    if lower == upper == 0 and not special:
        return ZERO
    return _sized(Range(lower, upper, lsb, 0, special))


def _aligned(node: Expression, args: list[Range]) -> Range:
    """The sum of addends after they have been cut, before it is rounded.

    What is cut stays a multiple of the addend's own last place, and moves by less than the last place that is kept beside the
    largest exponent there can be.
    """
    assert node.alignment is not None
    assert node.format is not None
    single = len(node.numbers)
    factors = node.factors[0].format if node.products else None
    addends = [(known, max(known.top, node.format.emin)) for known in args[:single]]
    for k in range(single, len(args), 2):
        (a, b), (left, right) = args[k : k + 2], node.args[k : k + 2]
        assert factors is not None
        addends.append((_product(a, b, left is right), max(a.top, factors.emin) + max(b.top, factors.emin)))
    special = any(known.special for known, _ in addends)
    live = [(known, exponent) for known, exponent in addends if not known.is_zero]
    if not live:
        return Range(Fraction(0), Fraction(0), 0, 1, special)
    floor = node.alignment.least_exponent
    largest = max([*(exponent for _, exponent in live), *([] if floor is None else [floor])])
    last = largest - node.alignment.fraction_bits
    room = power_of_two(last) * sum(known.lsb < last for known, _ in live)
    lower, upper = sum(known.lower for known, _ in live) - room, sum(known.upper for known, _ in live) + room
    if lower == upper == 0 and not special:
        return ZERO
    return _sized(Range(lower, upper, min(known.lsb for known, _ in live), 0, special))


def _rounded_aligned(exact: Range, node: Expression) -> Range:
    """The sum in the node's format: too large ones are infinities in every mode."""
    assert node.alignment is not None
    assert node.format is not None
    known = rounded_range(exact, replace(node, rounding=node.alignment.rounding))
    overflows = max(-exact.lower, exact.upper) >= power_of_two(node.format.emax + 1)
    return replace(known, special=True) if overflows else known


def _product(a: Range, b: Range, same: bool) -> Range:
    special = a.special or b.special
    if a.is_zero or b.is_zero:
        return Range(Fraction(0), Fraction(0), 0, 1, special)
    corners = [x * y for x in (a.lower, a.upper) for y in (b.lower, b.upper)]
    lower = min(corners)
    if same:
        lower = a.least**2
    known = _sized(Range(lower, max(corners), a.lsb + b.lsb, 0, special))
    return Range(known.lower, known.upper, known.lsb, min(known.bits, a.bits + b.bits), special)


def _sized(known: Range) -> Range:
    return Range(known.lower, known.upper, known.lsb, max(1, known.top - known.lsb + 1), known.special)


def is_absolute(node: Expression) -> bool:
    """Whether the node is max(a, -a) or max(-a, a): an absolute value."""
    a, b = node.args
    return (b.op is Op.NEG and b.args[0] is a) or (a.op is Op.NEG and a.args[0] is b)


def _maximum(node: Expression, a: Range, b: Range) -> Range:
    special = a.special or b.special
    lower, upper = max(a.lower, b.lower), max(a.upper, b.upper)
    if special:  # the maximum of minus infinity and a number is that number
        lower = min(a.lower, b.lower)
    if is_absolute(node):
        lower = a.least
    if lower == upper == 0 and not special:
        return ZERO
    lsb = min([r.lsb for r in (a, b) if not r.is_zero], default=0)
    return Range(lower, upper, lsb, max(a.bits, b.bits), special)
