"""Writes a problem in the IEEE-754 theory of SMT-LIB, over an abstract algebra of terms (z3 objects, or text).

Formats without infinity are no sorts of that theory.  Their values are carried in a sort with one more exponent bit, each
operation is done exactly in a sort wide enough and rounded once: as the IEEE format of the same widths does where the
result is below the least normal number, as the carrier does above.  Where a result is flushed if it is tiny with unbounded
exponent, it is rounded in a sort with one more exponent bit first.  Real numbers are carried in sorts so wide that nothing
rounds (see ranges.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

from fpsynth.encoders.algebra import Algebra, Sort, T, carrier, sort_for
from fpsynth.encoders.aligned import AlignedSum
from fpsynth.encoders.dyadic import with_dyadic_constants
from fpsynth.encoders.implied import with_implied
from fpsynth.encoders.ranges import ZERO, NodeRange, Range, inner_bounds, is_absolute, operand_range, variable_range
from fpsynth.expressions import Expression, Op, topological
from fpsynth.formats import Format, power_of_two
from fpsynth.problems import Problem
from fpsynth.rounding import MINUS_ZERO, NAN, PLUS_ZERO, Flush, Rounding, from_fraction, negate

OPERATORS = {Op.ADD: "fp.add", Op.MUL: "fp.mul", Op.FMA: "fp.fma", Op.LT: "fp.lt", Op.LE: "fp.leq", Op.EQ: "fp.eq"}
CONNECTIVES = {Op.AND: "and", Op.OR: "or", Op.NOT: "not"}


class FloatingEncoder(Generic[T]):
    """One walk over a graph; ``terms`` maps id(node) to its term and, for a number, the sort that it is carried in."""

    def __init__(self, algebra: Algebra[T], ranges: Mapping[int, NodeRange], leaves: Mapping[str, T], standard: bool) -> None:
        """``leaves``: the terms of the variables, by name; ``standard``: prefer the sorts that all solvers accept."""
        self.algebra, self.ranges, self.leaves, self.standard = algebra, ranges, leaves, standard
        self.terms: dict[int, tuple[T, Sort | None]] = {}

    def encode(self, roots: Sequence[Expression]) -> list[tuple[T, Sort | None]]:
        """Return the terms of ``roots``."""
        for node in topological(roots):
            term, sort = self._node(node)
            leaf = node.op in (Op.VARIABLE, Op.CONSTANT)
            self.terms[id(node)] = (term if leaf else self.algebra.named(term, sort), sort)
        return [self.terms[id(root)] for root in roots]

    def _node(self, node: Expression) -> tuple[T, Sort | None]:
        if node.op in CONNECTIVES:
            return self._connective(node), None
        if node.op.boolean:
            args = self._real_operands(node)[0] if node.args[0].format is None else self._operands(node)
            return self.algebra.apply(OPERATORS[node.op], *args), None
        if node.format is None:
            return self._real(node)
        return self._floating(node, node.format), carrier(node.format)

    def _connective(self, node: Expression) -> T:
        args = [self.terms[id(arg)][0] for arg in node.args]
        if not args:
            return self.algebra.apply("true" if node.op is Op.AND else "false")
        return args[0] if len(args) == 1 and node.op is not Op.NOT else self.algebra.apply(CONNECTIVES[node.op], *args)

    # numbers of a format

    def _operands(self, node: Expression) -> list[T]:
        """The arguments' terms, flushed where the node flushes them."""
        terms = [self.terms[id(arg)][0] for arg in node.args]
        if not node.flush or node.op is Op.NEG:
            return terms
        return [
            self._flushed(term, arg.format, self.ranges[id(arg)].value) if arg.format else term
            for term, arg in zip(terms, node.args, strict=True)
        ]

    def _floating(self, node: Expression, fmt: Format) -> T:
        if node.op is Op.VARIABLE:
            return self.leaves[node.name]
        if node.op is Op.CONSTANT:
            assert node.value is not None
            return self.algebra.number(from_fraction(node.value), carrier(fmt))
        args = self._operands(node)
        if node.op is Op.NEG:
            return self.algebra.apply("fp.neg", args[0])
        if node.op is Op.MAX:
            return self._maximum(node, args[0], args[1], carrier(fmt))
        known = self.ranges[id(node)]
        if self._decided_unbounded(node, fmt):
            return self._flushed_unbounded(node, args, fmt)
        if node.op is Op.ALIGNED:
            read = [operand_range(node, k, self.ranges[id(arg)].value) for k, arg in enumerate(node.args)]
            result = AlignedSum(self.algebra, node, args, read, self.standard).term()
        elif node.op is Op.CAST:
            result = self._cast(node, args[0], fmt)
        elif fmt.has_infinity and _directly(node, carrier(fmt)):
            result = self.algebra.rounded(OPERATORS[node.op], node.rounding, *args)
        else:
            result = self._into(fmt, node.rounding, *self._exactly(node, args, fmt))
        # known.value has the flushing in it already
        return self._flushed(result, fmt, known.exact) if node.flush else result

    def _cast(self, node: Expression, arg: T, fmt: Format) -> T:
        term, sort = self._source(node, arg)
        return term if node.args[0].format == fmt else self._into(fmt, node.rounding, term, sort)

    def _source(self, node: Expression, arg: T) -> tuple[T, Sort | None]:
        """What a cast reads."""
        sort = self.terms[id(node.args[0])][1]
        if node.args[0].format is None:  # the reals have one zero
            assert sort is not None
            arg = self.algebra.named(arg, sort)
            arg = self._ite(self.algebra.apply("fp.isZero", arg), self._zero(sort), arg)
        return arg, sort

    def _into(self, fmt: Format, mode: Rounding, term: T, sort: Sort | None) -> T:
        """A number rounded into a format."""
        if fmt.has_infinity:
            return self.algebra.convert(mode, term, carrier(fmt))
        return self._round_without_infinity(self.algebra.named(term, sort), sort, fmt, mode)

    def _exactly(self, node: Expression, args: list[T], fmt: Format) -> tuple[T, Sort]:
        """The operation in a sort that holds every exact result of the format, to be rounded once after that."""
        low, top = fmt.lsb_min, fmt.emax
        if node.op is not Op.ADD:
            low, top = min(low, 2 * low), 2 * top + 1
        bits = 2 * fmt.precision if node.op is Op.MUL else top + 2 - low
        wide = sort_for(low, top + 1, bits, standard=False)
        args = [self.algebra.convert(Rounding.RNE, arg, wide) for arg in args]
        return self.algebra.rounded(OPERATORS[node.op], node.rounding, *args), wide

    def _round_without_infinity(self, term: T, own: Sort | None, fmt: Format, mode: Rounding) -> T:
        t, sort = self.algebra, carrier(fmt)
        large = term if own == sort else t.named(t.convert(mode, term, sort), sort)
        small = t.convert(mode, t.convert(mode, term, Sort(fmt.exponent_bits, fmt.precision)), sort)
        subnormal = t.apply("fp.lt", t.apply("fp.abs", large), t.number(from_fraction(fmt.min_normal), sort))
        return self._bounded(large, fmt, mode, self._ite(subnormal, small, large))

    def _bounded(self, large: T, fmt: Format, mode: Rounding, otherwise: T) -> T:
        """What a number of the carrier becomes that may be beyond the greatest finite one."""
        t = self.algebra
        too_large = t.apply("fp.lt", t.number(from_fraction(fmt.max_finite), carrier(fmt)), t.apply("fp.abs", large))
        return self._ite(too_large, self._beyond(large, fmt, mode), otherwise)

    def _beyond(self, term: T, fmt: Format, mode: Rounding) -> T:
        """What a number beyond the greatest finite one becomes: that one where the mode rounds toward zero, else NaN."""
        t, sort = self.algebra, carrier(fmt)
        greatest, nan = from_fraction(fmt.max_finite), t.number(NAN, sort)
        above = t.number(greatest, sort) if mode in (Rounding.RTZ, Rounding.RTN) else nan
        below = t.number(negate(greatest), sort) if mode in (Rounding.RTZ, Rounding.RTP) else nan
        finite = self._ite(t.apply("fp.isNegative", term), below, above)
        return self._ite(t.apply("fp.isInfinite", term), nan, finite)

    def _flushed(self, term: T, fmt: Format, known: Range) -> T:
        """The term with subnormals replaced by zeros of their sign; itself where its range holds none."""
        if known.least >= fmt.min_normal or known.is_zero:
            return term
        t, sort = self.algebra, carrier(fmt)
        term = t.named(term, sort)
        tiny = t.apply("fp.lt", t.apply("fp.abs", term), t.number(from_fraction(fmt.min_normal), sort))
        zero = self._ite(t.apply("fp.isNegative", term), t.number(MINUS_ZERO, sort), self._zero(sort))
        return self._ite(tiny, zero, term)

    def _decided_unbounded(self, node: Expression, fmt: Format) -> bool:
        """Whether it matters that the node decides on tiny results with unbounded exponent: there are some that are rounded."""
        exact = self.ranges[id(node)].exact
        rounds = node.op in (Op.MUL, Op.FMA) or (node.op is Op.CAST and node.args[0].format != fmt)
        return node.flush == Flush.UNBOUNDED and rounds and exact.least < fmt.min_normal and exact.lsb < fmt.lsb_min

    def _flushed_unbounded(self, node: Expression, args: list[T], fmt: Format) -> T:
        """The result with one more exponent bit, a zero of its sign where that is tiny, and else a number of the format."""
        t, own = self.algebra, carrier(fmt)
        deep = Sort(fmt.exponent_bits + 1, fmt.precision)
        if node.op is Op.CAST:
            term = t.convert(node.rounding, self._source(node, args[0])[0], deep)
        elif _directly(node, deep):
            term = t.rounded(OPERATORS[node.op], node.rounding, *(self._resized(arg, own, deep) for arg in args))
        else:
            term = t.convert(node.rounding, self._exactly(node, args, fmt)[0], deep)
        term = t.named(term, deep)
        tiny = t.apply("fp.lt", t.apply("fp.abs", term), t.number(from_fraction(fmt.min_normal), deep))
        zero = self._ite(t.apply("fp.isNegative", term), t.number(MINUS_ZERO, own), self._zero(own))
        if fmt.has_infinity:
            return self._ite(tiny, zero, t.convert(node.rounding, term, own))
        return self._ite(tiny, zero, self._bounded(term, fmt, node.rounding, term))

    def _maximum(self, node: Expression, a: T, b: T, sort: Sort) -> T:
        """IEEE 754-2019 maximum; fp.max leaves the sign of zero open and drops NaN."""
        t = self.algebra
        if is_absolute(node):
            return t.apply("fp.abs", a)
        for term, other in ((a, node.args[1]), (b, node.args[0])):
            if other.op is Op.CONSTANT and other.value == 0:  # ReLU; NaN is not negative
                return self._ite(t.apply("fp.isNegative", term), self._zero(sort), term)
        result = a
        if node.format is not None:  # the reals have one zero
            result = self._ite(t.apply("fp.lt", b, a), a, self._ite(t.apply("fp.isNegative", a), b, a))
        result = self._ite(t.apply("fp.lt", a, b), b, result)
        for term, arg in ((b, node.args[1]), (a, node.args[0])):
            if self.ranges[id(arg)].value.special:
                result = self._ite(t.apply("fp.isNaN", term), term, result)
        return result

    def _ite(self, condition: T, then: T, otherwise: T) -> T:
        return self.algebra.apply("ite", condition, then, otherwise)

    def _zero(self, sort: Sort) -> T:
        return self.algebra.number(PLUS_ZERO, sort)

    # real numbers

    def _real(self, node: Expression) -> tuple[T, Sort]:
        known = self.ranges[id(node)].value
        if node.op is Op.CONSTANT:
            assert node.value is not None
            sort = self._sort_for([known])
            return self.algebra.number(from_fraction(node.value), sort), sort
        if node.op is Op.CAST:
            return self._into_reals(node, known)
        args, sort = self._real_operands(node)
        if node.op is Op.NEG:
            return self.algebra.apply("fp.neg", args[0]), sort
        if node.op is Op.MAX:
            return self._maximum(node, args[0], args[1], sort), sort
        return self.algebra.rounded(OPERATORS[node.op], Rounding.RNE, *args), sort

    def _into_reals(self, node: Expression, known: Range) -> tuple[T, Sort]:
        term, sort = self.terms[id(node.args[0])]
        wide = self._sort_for([known])
        result = self._resized(term, sort, wide)
        if known.special:
            result = self._ite(self.algebra.apply("fp.isInfinite", term), self.algebra.number(NAN, wide), result)
        return result, wide

    def _real_operands(self, node: Expression) -> tuple[list[T], Sort]:
        """The arguments in a sort that holds them and the result exactly, and that sort."""
        known = [self.ranges[id(arg)].value for arg in node.args]
        if not node.op.boolean:
            known.append(self.ranges[id(node)].value)
        sort = self._sort_for(known)
        return [self._resized(*self.terms[id(arg)], sort) for arg in node.args], sort

    def _resized(self, term: T, own: Sort | None, sort: Sort) -> T:
        return term if own == sort else self.algebra.convert(Rounding.RNE, term, sort)

    def _sort_for(self, known: Sequence[Range]) -> Sort:
        known = [r for r in known if not r.is_zero] or [ZERO]
        return sort_for(min(r.lsb for r in known), max(r.top for r in known), max(r.bits for r in known), self.standard)


def _directly(node: Expression, sort: Sort) -> bool:
    """Whether z3 does the operation in the sort: it adds only where there are no fewer bits of precision than of exponent."""
    return node.op is Op.MUL or sort.exponent_bits <= sort.precision


@dataclass(frozen=True)
class FloatingProblem(Generic[T]):
    """A problem as terms: the bit-vector constants of its variables, by the variables' names, and what must hold."""

    unknowns: dict[str, T]
    constraints: list[T]


def encode_problem(problem: Problem, algebra: Algebra[T], standard: bool) -> FloatingProblem[T]:
    """Write a problem over an algebra.  Raises InputError where a rational constant or a format cannot be expressed."""
    unknowns: dict[str, T] = {}
    leaves: dict[str, T] = {}
    constraints: list[T] = []
    for v in problem.variables:
        sort, bounds = carrier(v.format), inner_bounds(v)
        unknowns[v.name] = algebra.unknown(bits_name(v.name), v.format.bits)
        leaves[v.name] = leaf = algebra.named(_number_from_bits(algebra, unknowns[v.name], v.format), sort)
        if bounds is None:
            constraints.append(algebra.apply("false"))
            continue
        lower, upper = (algebra.number(from_fraction(bound), sort) for bound in bounds)
        constraints += [algebra.apply("fp.leq", lower, leaf), algebra.apply("fp.leq", leaf, upper)]
    roots = with_dyadic_constants(problem.assertions)
    roots, ranges = with_implied(roots, {v.name: variable_range(v) for v in problem.variables})
    constraints += [term for term, _ in FloatingEncoder(algebra, ranges, leaves, standard).encode(roots)]
    return FloatingProblem(unknowns, constraints)


def bits_name(variable: str) -> str:
    """The bit-vector constant that holds the encoding of a variable."""
    return f"{variable}_bits"


def _number_from_bits(algebra: Algebra[T], bits: T, fmt: Format) -> T:
    """The number that ``bits`` encode; any number beyond the greatest where a format without infinity encodes NaN."""
    sort = carrier(fmt)
    term = algebra.from_bits(bits, fmt.bits, sort)
    if fmt.has_infinity:
        return term
    # the fields of the format, read with the carrier's bias, make the number times 2**(difference of the biases)
    scale = from_fraction(power_of_two(sort.ieee.bias - fmt.bias))
    return algebra.rounded("fp.mul", Rounding.RNE, algebra.named(term, sort), algebra.number(scale, sort))
