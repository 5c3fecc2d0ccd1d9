"""Our own encoding of a problem in bit-vectors: every number is a fixed-point integer whose unit and bounds are known.

Where the bounds of the variables are narrow, this is far smaller than the circuits of the IEEE-754 theory: there is no
exponent, no special value and no normalisation, and a number whose range lies in one binade is its significand alone.  A
result is rounded by a case split over the binades that it can lie in.  Infinities and NaN are not represented: a problem in
which they might occur is refused.  Neither is the sign of zero, which no comparison sees; a model's zeros decode to +0.
"""

from __future__ import annotations

from collections.abc import Mapping

from fpsynth.encoders.dyadic import with_dyadic_constants
from fpsynth.encoders.fixedpoint import Fixed, FixedPoint, width_for
from fpsynth.encoders.implied import with_implied
from fpsynth.encoders.ranges import NodeRange, Range, inner_bounds, is_absolute, variable_range
from fpsynth.encoders.script import Script, Unknown
from fpsynth.encoders.smtlib import Writer, literal
from fpsynth.errors import InputError
from fpsynth.expressions import Expression, Op, topological
from fpsynth.formats import Format, power_of_two
from fpsynth.problems import Problem, Variable
from fpsynth.rounding import Flush, Rounding, dyadic, round_value


def significands_script(problem: Problem) -> Script:
    """Write a problem in fixed-point integers.

    Raises InputError where a rational constant cannot be expressed, or where a result may overflow or be NaN.
    """
    roots = with_dyadic_constants(problem.assertions)
    known = {v.name: variable_range(v) for v in problem.variables}
    roots, ranges = with_implied(roots, known)
    writer = Writer("QF_BV")
    unknowns: list[Unknown] = []
    leaves: dict[str, Fixed] = {}
    for v in problem.variables:
        unknown, leaves[v.name] = _unknown(v, known[v.name], writer)
        unknowns.append(unknown)
    encoder = _Encoder(writer, ranges, leaves)
    for truth in encoder.encode(roots):
        writer.assertion(truth)
    return Script("significands", writer.logic, writer.text(), tuple(unknowns))


def _unknown(v: Variable, known: Range, writer: Writer) -> tuple[Unknown, Fixed]:
    """Declare the bits of a variable that its bounds leave open, and assert its bounds and representability."""
    lower, upper = (int(bound * power_of_two(-known.lsb)) for bound in (known.lower, known.upper))
    width = width_for(lower, upper)
    open_bits = width if lower < 0 <= upper else max(1, (lower ^ upper).bit_length())
    mask = (1 << open_bits) - 1
    offset = lower & ~mask if lower >= 0 or upper < 0 else 0
    signed = lower < 0 <= upper
    name = writer.declare(f"{v.name}_int", open_bits)
    unknown = Unknown(name, v.name, open_bits, "fixed", v.format, known.lsb, offset, signed)
    prefix = (offset % (1 << width)) >> open_bits
    whole = name if open_bits >= width else f"(concat {literal(prefix, width - open_bits)} {name})"
    ops = FixedPoint(writer)
    number = ops.make(whole, lower, upper, known.lsb)
    if inner_bounds(v) is None:
        writer.assertion("false")
    if lower & mask or signed or lower == upper:
        writer.assertion(f"({'bvsle' if signed else 'bvule'} {literal(lower & mask, open_bits)} {name})")
    if upper & mask != mask or signed:
        writer.assertion(f"({'bvsle' if signed else 'bvule'} {name} {literal(upper & mask, open_bits)})")
    _assert_representable(number, v.format, ops)
    return unknown, number


def _assert_representable(number: Fixed, fmt: Format, ops: FixedPoint) -> None:
    """Where the range spans binades, the bits below the last place of the number's own binade are zero."""
    least, most = _places(number, fmt)
    if most > least:
        bits = _reaches(number, fmt, least, most, ops)
        mask = f"(concat {' '.join(bits)})" if len(bits) > 1 else bits[0]
        ops.writer.assertion(f"(= (bvand ((_ extract {most - 1} {least}) {number.term}) {mask}) {literal(0, most - least)})")


def _places(number: Fixed, fmt: Format) -> tuple[int, int]:
    """The least and the greatest count of low bits that lie below the last place of the number's binade in a format."""
    below = max(0, fmt.lsb_min - number.lsb)
    smallest = max(number.lower, -number.upper, 0)
    greatest = max(-number.lower, number.upper)
    return max(below, smallest.bit_length() - fmt.precision), max(below, greatest.bit_length() - fmt.precision)


def _reaches(number: Fixed, fmt: Format, least: int, most: int, ops: FixedPoint) -> list[str]:
    """For each count of low bits from ``most`` down to ``least`` + 1 a bit: whether at least so many lie below the last place.

    At a negative power of two it is one less, which is harmless, as the number has zeros there.
    """
    magnitude = _magnitude(number, ops)
    reach, found = "", []
    for position in range(most + fmt.precision - 1, least + fmt.precision - 1, -1):
        if position < magnitude.width:
            bit = ops.bit(magnitude, position)
            reach = ops.writer.define(f"(bvor {reach} {bit})" if reach else bit, "(_ BitVec 1)")
        found.append(reach or "#b0")
    return found


def _magnitude(number: Fixed, ops: FixedPoint) -> Fixed:
    """The number, or for a negative one its magnitude less 1 (all bits inverted: cheaper than a negation)."""
    if number.lower >= 0:
        return number
    upper = max(number.upper, -number.lower - 1)
    width = width_for(0, upper)
    fitted = ops.fit(number, width)
    return ops.make(f"(ite {ops.negative(number)} (bvnot {fitted}) {fitted})", 0, upper, number.lsb)


def _saturates(exact: Range, fmt: Format) -> bool:
    """Whether rounding toward zero can meet numbers so large that it must stop at the greatest finite one."""
    return max(-exact.lower, exact.upper) >= fmt.max_finite + power_of_two(fmt.emax - fmt.precision + 1)


class _Encoder:
    def __init__(self, writer: Writer, ranges: Mapping[int, NodeRange], leaves: Mapping[str, Fixed]) -> None:
        self.writer, self.ranges, self.leaves = writer, ranges, leaves
        self.ops = FixedPoint(writer)
        self.numbers: dict[int, Fixed] = {}
        self.truths: dict[int, str] = {}

    def encode(self, roots: list[Expression]) -> list[str]:
        for node in topological(roots):
            if node.op.boolean:
                self.truths[id(node)] = self.writer.define(self._truth(node), "Bool")
            else:
                self.numbers[id(node)] = self._number(node)
        return [self.truths[id(root)] for root in roots]

    def _truth(self, node: Expression) -> str:
        if node.op in (Op.LT, Op.LE, Op.EQ):
            a, b = (self.numbers[id(arg)] for arg in node.args)
            return {Op.LT: self.ops.less, Op.LE: self.ops.less_or_equal, Op.EQ: self.ops.equal}[node.op](a, b)
        args = [self.truths[id(arg)] for arg in node.args]
        if node.op is Op.NOT:
            return f"(not {args[0]})"
        if len(args) < 2:
            return args[0] if args else ("true" if node.op is Op.AND else "false")
        return f"({node.op.value} {' '.join(args)})"

    def _number(self, node: Expression) -> Fixed:
        known = self.ranges[id(node)]
        if known.value.special or (node.format is not None and _saturates(known.exact, node.format)):
            raise InputError(
                f"the significand encoding cannot express overflow, which a {node.op.value} in {node.format} may meet; "
                "narrow the bounds of the variables"
            )
        if node.op is Op.VARIABLE:
            return self.leaves[node.name]
        if node.op is Op.CONSTANT:
            return self.ops.number(int(known.value.lower * power_of_two(-known.value.lsb)), known.value.lsb)
        exact = self._exact(node, [self._operand(node, k) for k in range(len(node.args))])
        if node.format is None or node.op in (Op.NEG, Op.MAX):
            return exact
        rounded = self._rounded(exact, node.format, node.rounding)
        if node.flush == Flush.UNBOUNDED and exact.lsb < node.format.lsb_min:
            return self._flushed_unbounded(exact, rounded, node.format, node.rounding)
        return self._flushed(rounded, node.format) if node.flush else rounded

    def _operand(self, node: Expression, position: int) -> Fixed:
        arg = node.args[position]
        number = self.numbers[id(arg)]
        return number if arg.format is None or not node.flush or node.op is Op.NEG else self._flushed(number, arg.format)

    def _exact(self, node: Expression, args: list[Fixed]) -> Fixed:
        match node.op:
            case Op.NEG:
                return self.ops.neg(args[0])
            case Op.CAST:
                return args[0]
            case Op.MAX:
                return self.ops.absolute(args[0]) if is_absolute(node) else self.ops.maximum(args[0], args[1])
            case Op.ADD:
                return self.ops.add(args[0], args[1])
            case Op.MUL:
                return self.ops.mul(args[0], args[1])
            case Op.FMA:
                return self.ops.add(self.ops.mul(args[0], args[1]), args[2])
            case Op.ALIGNED:
                raise InputError("the significand encoding has no aligned sums; use the floating-point encoding")
        raise AssertionError(node.op)

    def _flushed_unbounded(self, exact: Fixed, rounded: Fixed, fmt: Format, mode: Rounding) -> Fixed:
        """Zero where the exact result is below the least normal number once it is rounded with unbounded exponent.

        The ulp there is then half the least subnormal number u: one rounds to the least normal number from u/4 below it on
        (a tie goes there, too: it is even), away from zero from beyond u/2 below it on, toward zero not at all.
        """
        unit = exact.lsb
        ulp = int(fmt.min_subnormal * power_of_two(-unit)) // 2
        least = ulp << fmt.precision  # the least normal number
        above, below = (self._first_kept(least, ulp, mode, negative) for negative in (False, True))
        lower, upper = exact.lower, exact.upper
        if lower >= above or upper <= -below:
            return rounded
        ops = self.ops
        small = ops.less(exact, ops.number(above, unit)), ops.less(ops.number(-below, unit), exact)
        lower, upper = (
            0 if -below < bound < above else value for bound, value in ((lower, rounded.lower), (upper, rounded.upper))
        )
        width = width_for(lower, upper)
        tiny = f"(and {small[0]} {small[1]})"
        return ops.make(f"(ite {tiny} {literal(0, width)} {ops.fit(rounded, width)})", lower, upper, rounded.lsb)

    def _first_kept(self, least: int, ulp: int, mode: Rounding, negative: bool) -> int:
        """The least magnitude, in units, that is not tiny; ``least`` is that of the least normal number."""
        if mode in (Rounding.RNE, Rounding.RNA):
            return least - ulp // 2
        away = mode is not Rounding.RTZ and negative == (mode is Rounding.RTN)
        return least - ulp + 1 if away else least

    def _flushed(self, number: Fixed, fmt: Format) -> Fixed:
        """Zero where the magnitude is below the least normal number."""
        limit = int(fmt.min_normal * power_of_two(-number.lsb)) if number.lsb < fmt.emin else 1
        lower, upper = (0 if abs(bound) < limit else bound for bound in (number.lower, number.upper))
        if limit <= 1 or number.lower >= limit or number.upper <= -limit:
            return number
        tiny = self.ops.less(self.ops.absolute(number), self.ops.number(limit, number.lsb))
        width = width_for(lower, upper)
        return self.ops.make(f"(ite {tiny} {literal(0, width)} {self.ops.fit(number, width)})", lower, upper, number.lsb)

    def _rounded(self, exact: Fixed, fmt: Format, mode: Rounding) -> Fixed:
        """The exact number rounded into the format.

        The window of ``precision`` bits below the leading one is selected by the binade, goes up by 1 or not, and returns to
        its place.  Numbers are in two's complement throughout: cutting bits off rounds down whatever the sign is.
        """
        least, most = _places(exact, fmt)
        if most == 0:
            return exact
        lower, upper = (self._rounded_bound(bound, exact.lsb, fmt, mode) for bound in (exact.lower, exact.upper))
        if lower == upper:
            return self.ops.number(lower, exact.lsb)
        signed = exact.lower < 0
        width = fmt.precision + signed
        whole = self._name(self.ops.fit(exact, most + width), most + width)
        reaches = list(reversed(_reaches(exact, fmt, least, most, self.ops)))
        windows = [self._bits(whole, count + width - 1, count) for count in range(least, most + 1)]
        window = self._selected(windows, reaches, width)
        up = self._up(exact, whole, window, range(least, most + 1), reaches, mode)
        extend = f"(_ {'sign' if signed else 'zero'}_extend 1)"
        wide = width + 1
        stepped = f"({extend} {window})"
        if up != "#b0":
            stepped = f"(bvadd {stepped} ((_ zero_extend {width}) {up}))"
        stepped = self._name(stepped, wide)
        drop = least
        lower, upper = lower >> drop, upper >> drop
        final = width_for(lower, upper)
        shifted = [self._shifted(stepped, wide, by, final, signed) for by in range(most - least + 1)]
        return self.ops.make(self._selected(shifted, reaches, final), lower, upper, exact.lsb + drop)

    def _name(self, term: str, width: int) -> str:
        return self.writer.define(term, f"(_ BitVec {width})")

    def _bits(self, term: str, high: int, low: int) -> str:
        return self._name(f"((_ extract {high} {low}) {term})", high - low + 1)

    def _selected(self, cases: list[str], reaches: list[str], width: int) -> str:
        """The case of the binade: the last one whose bit in ``reaches`` is set, else the first."""
        result = cases[0]
        for case, reach in zip(cases[1:], reaches, strict=True):
            result = self._name(f"(ite (= {reach} #b1) {case} {result})", width)
        return result

    def _shifted(self, term: str, width: int, by: int, final: int, signed: bool) -> str:
        """``term`` times 2**by, in ``final`` bits."""
        if by:
            term, width = self._name(f"(concat {term} {literal(0, by)})", width + by), width + by
        if final > width:
            return self._name(f"((_ {'sign' if signed else 'zero'}_extend {final - width}) {term})", final)
        return term if final == width else self._bits(term, final - 1, 0)

    def _up(self, exact: Fixed, whole: str, window: str, counts: range, reaches: list[str], mode: Rounding) -> str:
        """A bit: whether the number cut down to its last place goes up by one unit there."""
        halves = [self._bits(whole, count - 1, count - 1) if count else "#b0" for count in counts]
        rests = self._rests(whole, counts)
        half, rest = self._selected(halves, reaches, 1), self._selected(rests, reaches, 1)
        sign = self.ops.sign(exact)
        match mode:
            case Rounding.RNE:
                up = f"(bvand {half} (bvor {rest} {self._bits(window, 0, 0)}))"
            case Rounding.RNA:
                up = f"(bvand {half} (bvor {rest} (bvnot {sign})))"
            case Rounding.RTP:
                up = f"(bvor {half} {rest})"
            case Rounding.RTZ:
                up = f"(bvand {sign} (bvor {half} {rest}))" if sign != "#b0" else sign
            case Rounding.RTN:
                up = "#b0"
        return self._name(up, 1)

    def _rests(self, whole: str, counts: range) -> list[str]:
        """For each count a bit: whether any of the count - 1 lowest bits is set."""
        found: list[str] = []
        for count in counts:
            if count < 2:
                found.append("#b0")
            elif not found or found[-1] == "#b0":
                low = self._bits(whole, count - 2, 0)
                found.append(self._name(f"(bvnot (bvcomp {low} {literal(0, count - 1)}))", 1))
            else:
                found.append(self._name(f"(bvor {found[-1]} {self._bits(whole, count - 2, count - 2)})", 1))
        return found

    def _rounded_bound(self, integer: int, lsb: int, fmt: Format, mode: Rounding) -> int:
        """An integer multiple of 2**lsb rounded, in the same unit."""
        rounded = round_value(dyadic(integer < 0, abs(integer), lsb), fmt, mode).fraction()
        return int(rounded * power_of_two(-lsb))
