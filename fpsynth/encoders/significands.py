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
from fpsynth.encoders.ranges import NodeRange, Range, analyse, flushed_range, inner_bounds, is_absolute, variable_range
from fpsynth.encoders.script import Script, Unknown
from fpsynth.encoders.smtlib import Writer, literal
from fpsynth.errors import InputError
from fpsynth.expressions import Expression, Op, topological
from fpsynth.formats import Format, power_of_two
from fpsynth.problems import Problem, Variable
from fpsynth.rounding import Rounding, dyadic, round_value


def significands_script(problem: Problem) -> Script:
    """Write a problem in fixed-point integers.

    Raises InputError where a rational constant cannot be expressed, or where a result may overflow or be NaN.
    """
    roots = with_dyadic_constants(problem.assertions)
    known = {v.name: variable_range(v) for v in problem.variables}
    ranges = analyse(roots, known)
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
    _assert_representable(number, v.format, writer, ops)
    return unknown, number


def _assert_representable(number: Fixed, fmt: Format, writer: Writer, ops: FixedPoint) -> None:
    """Where the range spans binades, the bits below the last place of the number's own binade are zero."""
    if number.constant:
        return
    places = _Places.of(number, fmt, ops)
    if places.most > places.least:
        zero = literal(0, places.most)
        writer.assertion(f"(= (bvand ((_ extract {places.most - 1} 0) {number.term}) {places.mask}) {zero})")


class _Places:
    """How many low bits of a fixed-point number lie below the last place of its own binade in a format: least..most.

    ``mask`` has them set, in ``most`` bits.  At a negative power of two the mask may be one bit short, which is harmless, as
    the number has zeros there.
    """

    def __init__(self, least: int, most: int, mask: str) -> None:
        self.least, self.most, self.mask = least, most, mask

    @staticmethod
    def of(number: Fixed, fmt: Format, ops: FixedPoint) -> _Places:
        """Work out the places of ``number``; ``mask`` is empty where most is 0."""
        below = fmt.lsb_min - number.lsb
        smallest = max(number.lower, -number.upper, 0)
        greatest = max(-number.lower, number.upper)
        least = max(0, below, smallest.bit_length() - fmt.precision)
        most = max(0, below, greatest.bit_length() - fmt.precision)
        if most == 0:
            return _Places(0, 0, "")
        bits = [] if least == 0 else [literal((1 << least) - 1, least)]
        if most > least:
            bits = [*_reaches(_magnitude(number, ops), least + fmt.precision, most + fmt.precision, ops), *bits]
        mask = bits[0] if len(bits) == 1 else f"(concat {' '.join(bits)})"
        return _Places(least, most, ops.writer.define(mask, f"(_ BitVec {most})"))


def _reaches(magnitude: Fixed, low: int, high: int, ops: FixedPoint) -> list[str]:
    """For each k from high-1 down to low a bit that says whether magnitude >= 2**k; none is 2**high or more."""
    reach, found = "", []
    for position in range(high - 1, low - 1, -1):
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
        if known.value.special:
            raise InputError(
                f"the significand encoding has no infinities and NaN, but a {node.op.value} in {node.format} can overflow: narrow the bounds"
            )
        if node.op is Op.VARIABLE:
            return self.leaves[node.name]
        if node.op is Op.CONSTANT:
            return self.ops.number(int(known.value.lower * power_of_two(-known.value.lsb)), known.value.lsb)
        exact = self._exact(node, [self._operand(node, k) for k in range(len(node.args))])
        if node.format is None or node.op in (Op.NEG, Op.MAX):
            return exact
        rounded = self._rounded(exact, node.format, node.rounding)
        return self._flushed(rounded, node.format) if node.flush else rounded

    def _operand(self, node: Expression, position: int) -> Fixed:
        arg = node.args[position]
        number = self.numbers[id(arg)]
        flushes = node.flush and arg.format is not None and node.op is not Op.NEG
        return self._flushed(number, arg.format) if flushes and arg.format is not None else number

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
        raise AssertionError(node.op)

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
        """The exact number rounded into the format: add what carries into the last place, then clear what lies below it."""
        places = _Places.of(exact, fmt, self.ops)
        if places.most == 0:
            return exact
        lower, upper = (self._rounded_bound(bound, exact.lsb, fmt, mode) for bound in (exact.lower, exact.upper))
        if lower == upper:
            return self.ops.number(lower, exact.lsb)
        width = max(width_for(lower, upper), places.most)
        carried = f"(bvadd {self.ops.fit(exact, width)} {self._carry(exact, places, width, mode)})"
        cleared = carried
        if places.most > places.least:
            kept = self.writer.define(f"(bvnot {places.mask})", f"(_ BitVec {places.most})")
            clear = kept if width == places.most else f"(concat {literal((1 << (width - places.most)) - 1, width - places.most)} {kept})"
            cleared = f"(bvand {self.writer.define(carried, f'(_ BitVec {width})')} {clear})"
        cleared = self.writer.define(cleared, f"(_ BitVec {width})")
        drop = places.least
        final = width_for(lower >> drop, upper >> drop)
        return self.ops.make(f"((_ extract {final + drop - 1} {drop}) {cleared})", lower >> drop, upper >> drop, exact.lsb + drop)

    def _rounded_bound(self, integer: int, lsb: int, fmt: Format, mode: Rounding) -> int:
        """An integer multiple of 2**lsb rounded, in the same unit."""
        rounded = round_value(dyadic(integer < 0, abs(integer), lsb), fmt, mode).fraction()
        return int(rounded * power_of_two(-lsb))

    def _carry(self, exact: Fixed, places: _Places, width: int, mode: Rounding) -> str:
        """What to add so that the sum's bits above the mask are the rounded number, in two's complement for all signs."""
        most, mask = places.most, places.mask
        sign = self.ops.negative(exact)
        none = literal(0, most)
        match mode:
            case Rounding.RTN:
                carry = none
            case Rounding.RTP:
                carry = mask
            case Rounding.RTZ:
                carry = f"(ite {sign} {mask} {none})"
            case Rounding.RNA:
                # half the unit, less the unit of the exact number where it is negative: ties go down there
                half = f"(bvsub {mask} (bvlshr {mask} {literal(1, most)}))"
                carry = f"(ite {sign} (bvlshr {mask} {literal(1, most)}) {half})"
            case Rounding.RNE:
                return self._carry_to_even(exact, places, width)
        carry = self.writer.define(carry, f"(_ BitVec {most})")
        return carry if width == most else f"((_ zero_extend {width - most}) {carry})"

    def _carry_to_even(self, exact: Fixed, places: _Places, width: int) -> str:
        """Just under half of the unit in the last place, and one more if that place is odd."""
        most, mask = places.most, places.mask
        below_half = self.writer.define(f"(bvlshr {mask} {literal(1, most)})", f"(_ BitVec {most})")
        if places.most == places.least:
            odd = f"((_ extract {most} {most}) {self._widened(exact, most + 1)})"
        else:
            wide = f"(_ BitVec {most + 1})"
            # the bit above the mask; none where the mask is empty, as nothing is rounded there
            above = f"(concat {mask} ((_ extract 0 0) {mask}))"
            place = self.writer.define(f"(bvxor {above} (concat #b0 {mask}))", wide)
            odd = f"(ite (= (bvand {self._widened(exact, most + 1)} {place}) {literal(0, most + 1)}) #b0 #b1)"
        odd = self.writer.define(odd, "(_ BitVec 1)")
        grow = width - most
        extended = below_half if grow == 0 else f"((_ zero_extend {grow}) {below_half})"
        return f"(bvadd {extended} {odd})" if width == 1 else f"(bvadd {extended} ((_ zero_extend {width - 1}) {odd}))"

    def _widened(self, exact: Fixed, width: int) -> str:
        return self.writer.define(self.ops.fit(exact, width), f"(_ BitVec {width})")
