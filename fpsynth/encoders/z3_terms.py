"""Problems as z3 terms in the IEEE-754 theory, and z3's own evaluator as one more interpreter of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fpsynth.encoders.algebra import Sort, carrier
from fpsynth.encoders.dyadic import with_dyadic_constants
from fpsynth.encoders.floating import FloatingEncoder, encode_problem
from fpsynth.encoders.ranges import analyse, value_range
from fpsynth.errors import MissingPackageError
from fpsynth.expressions import Expression, Op, topological
from fpsynth.packages import how_to_install
from fpsynth.problems import Assignment, Problem
from fpsynth.rounding import NAN, Rounding, Value, from_bits, to_bits

Z3 = Any
"""A term of z3, which has no types of its own."""


def load_z3() -> Any:
    """Import z3.  Raises MissingPackageError where it is not installed."""
    try:
        import z3
    except ImportError:
        raise MissingPackageError(f"z3 is not installed: {how_to_install('z3-solver', 'solvers')}") from None
    return z3


class Z3Algebra:
    """The algebra of z3's terms in one context; operators go by their SMT-LIB names."""

    def __init__(self, context: Any = None) -> None:
        """``context``: a z3.Context; None means z3's main one."""
        z3 = load_z3()
        self.z3, self.context = z3, context
        self._numbers: dict[tuple[int, Sort], Z3] = {}
        modes = {mode.value: getattr(z3, mode.value)(context) for mode in Rounding}
        self.modes = {mode: modes[mode.value] for mode in Rounding}
        self.table: dict[str, Any] = {
            "fp.add": z3.fpAdd,
            "fp.mul": z3.fpMul,
            "fp.fma": z3.fpFMA,
            "fp.neg": z3.fpNeg,
            "fp.abs": z3.fpAbs,
            "fp.lt": z3.fpLT,
            "fp.leq": z3.fpLEQ,
            "fp.eq": z3.fpEQ,
            "fp.isNegative": z3.fpIsNegative,
            "fp.isInfinite": z3.fpIsInf,
            "fp.isNaN": z3.fpIsNaN,
            "fp.isZero": z3.fpIsZero,
            "ite": z3.If,
            "and": z3.And,
            "or": z3.Or,
            "not": z3.Not,
            "true": lambda: z3.BoolVal(True, context),
            "false": lambda: z3.BoolVal(False, context),
        }

    def unknown(self, name: str, width: int) -> Z3:
        """A bit-vector constant."""
        return self.z3.BitVec(name, width, self.context)

    def from_bits(self, bits: Z3, width: int, sort: Sort) -> Z3:
        """The number encoded by a bit-vector, zeros inserted below its sign where the sort is wider."""
        missing = sort.ieee.bits - width
        if missing:
            z3 = self.z3
            zeros = z3.BitVecVal(0, missing, self.context)
            bits = z3.Concat(z3.Extract(width - 1, width - 1, bits), zeros, z3.Extract(width - 2, 0, bits))
        return self.z3.fpBVToFP(bits, self._sort(sort), self.context)

    def number(self, value: Value, sort: Sort) -> Z3:
        """A literal."""
        if value.is_nan:
            return self.z3.fpNaN(self._sort(sort))
        encoded = to_bits(value, sort.ieee)
        if (encoded, sort) not in self._numbers:
            bits = self.z3.BitVecVal(encoded, sort.ieee.bits, self.context)
            self._numbers[encoded, sort] = self.z3.simplify(self.z3.fpBVToFP(bits, self._sort(sort), self.context))
        return self._numbers[encoded, sort]

    def convert(self, mode: Rounding, term: Z3, sort: Sort) -> Z3:
        """A number rounded into another sort."""
        return self.z3.fpFPToFP(self.modes[mode], term, self._sort(sort), self.context)

    def rounded(self, operator: str, mode: Rounding, *args: Z3) -> Z3:
        """An operation that rounds."""
        return self.table[operator](self.modes[mode], *args, self.context)

    def apply(self, operator: str, *args: Z3) -> Z3:
        """Any other operation."""
        return self.table[operator](*args, self.context) if operator.startswith("fp.") else self.table[operator](*args)

    def named(self, term: Z3, sort: Sort | None) -> Z3:
        """The term itself: z3 shares equal terms."""
        return term

    def _sort(self, sort: Sort) -> Z3:
        return self.z3.FPSort(sort.exponent_bits, sort.precision, self.context)


def z3_problem(problem: Problem, context: Any = None) -> tuple[list[Z3], dict[str, Z3]]:
    """Return the constraints of a problem as z3 terms and the bit-vector constant of each variable, by name.

    ``context``: a z3.Context; None means z3's main one.  Raises MissingPackageError without z3, InputError where a constant
    or a format cannot be expressed.
    """
    encoded = encode_problem(problem, Z3Algebra(context), standard=False)
    return encoded.constraints, encoded.unknowns


def evaluate_z3(roots: Sequence[Expression], assignment: Assignment) -> list[Value | bool]:
    """Return what each root is worth by z3's evaluator; a real one as a Value (a zero of which may have either sign).

    Raises KeyError for a variable without a Value, MissingPackageError without z3, InputError as ``z3_problem`` does.
    """
    algebra = Z3Algebra()
    roots = with_dyadic_constants(roots)
    formats = {node.name: node.format for node in topological(roots) if node.op is Op.VARIABLE}
    leaves = {name: algebra.number(assignment[name], carrier(fmt)) for name, fmt in formats.items() if fmt}
    ranges = analyse(roots, {name: value_range(assignment[name], fmt) for name, fmt in formats.items() if fmt})
    encoder = FloatingEncoder(algebra, ranges, leaves, standard=False)
    return [_read(algebra, term, sort) for term, sort in encoder.encode(roots)]


def _read(algebra: Z3Algebra, term: Z3, sort: Sort | None) -> Value | bool:
    z3 = algebra.z3
    if sort is None:
        return bool(z3.is_true(z3.simplify(term)))
    bits = z3.simplify(z3.fpToIEEEBV(term))
    if z3.is_bv_value(bits):
        return from_bits(bits.as_long(), sort.ieee)
    assert z3.is_true(z3.simplify(z3.fpIsNaN(term))), "only a NaN has no encoding of its own"
    return NAN
