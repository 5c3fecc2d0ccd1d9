"""Problems as SMT-LIB 2.6 text in the IEEE-754 theory, and the writer of deterministic SMT-LIB text that others share."""

from __future__ import annotations

from fpsynth.encoders.algebra import Sort
from fpsynth.encoders.floating import bits_name, encode_problem
from fpsynth.encoders.script import Script, Unknown
from fpsynth.problems import Problem
from fpsynth.rounding import Rounding, Value, to_bits


class Writer:
    """Collects a script.  Terms are strings; a compound term that is named becomes n0, n1, ... and equal ones share a name."""

    def __init__(self, logic: str) -> None:
        self.logic = logic
        self.lines = [f"(set-logic {logic})"]
        self._names: dict[str, str] = {}

    def declare(self, name: str, width: int) -> str:
        """Declare a bit-vector constant."""
        self.lines.append(f"(declare-const {name} (_ BitVec {width}))")
        return name

    def define(self, term: str, sort: str) -> str:
        """Name a term."""
        if not term.startswith("(") or term.startswith(("(_ ", "(fp #")):
            return term
        if term not in self._names:
            self._names[term] = f"n{len(self._names)}"
            self.lines.append(f"(define-fun {self._names[term]} () {sort} {term})")
        return self._names[term]

    def assertion(self, term: str) -> None:
        """Assert a truth value; "true" is left out."""
        if term != "true":
            self.lines.append(f"(assert {term})")

    def text(self) -> str:
        """The script, with its check-sat."""
        return "\n".join([*self.lines, "(check-sat)", ""])


def literal(bits: int, width: int) -> str:
    """A bit-vector literal."""
    return f"#b{bits:0{width}b}"


class TextAlgebra:
    """The algebra of SMT-LIB text."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer

    def unknown(self, name: str, width: int) -> str:
        """A declared bit-vector constant."""
        return self.writer.declare(name, width)

    def from_bits(self, bits: str, width: int, sort: Sort) -> str:
        """The number encoded by a bit-vector, zeros inserted below its sign where the sort is wider."""
        missing = sort.ieee.bits - width
        if missing:
            sign = f"((_ extract {width - 1} {width - 1}) {bits})"
            bits = f"(concat {sign} {literal(0, missing)} ((_ extract {width - 2} 0) {bits}))"
        return f"((_ to_fp {sort.exponent_bits} {sort.precision}) {bits})"

    def number(self, value: Value, sort: Sort) -> str:
        """A literal."""
        if value.is_nan:
            return f"(_ NaN {sort.exponent_bits} {sort.precision})"
        digits = f"{to_bits(value, sort.ieee):0{sort.ieee.bits}b}"
        cut = 1 + sort.exponent_bits
        return f"(fp #b{digits[0]} #b{digits[1:cut]} #b{digits[cut:]})"

    def convert(self, mode: Rounding, term: str, sort: Sort) -> str:
        """A number rounded into another sort."""
        return f"((_ to_fp {sort.exponent_bits} {sort.precision}) {mode.value} {term})"

    def rounded(self, operator: str, mode: Rounding, *args: str) -> str:
        """An operation that rounds."""
        return f"({operator} {mode.value} {' '.join(args)})"

    def apply(self, operator: str, *args: str) -> str:
        """Any other operation."""
        return f"({operator} {' '.join(args)})" if args else operator

    def named(self, term: str, sort: Sort | None) -> str:
        """The term, by a name of its own."""
        return self.writer.define(term, "Bool" if sort is None else f"(_ FloatingPoint {sort.exponent_bits} {sort.precision})")


def floating_script(problem: Problem) -> Script:
    """Write a problem in the IEEE-754 theory.

    Real numbers live in Float32, Float64 or Float128 where one of them holds them exactly, as few solvers take other sorts.
    Raises InputError where a constant or a format cannot be expressed.
    """
    writer = Writer("QF_BVFP")
    encoded = encode_problem(problem, TextAlgebra(writer), standard=True)
    for constraint in encoded.constraints:
        writer.assertion(constraint)
    return Script("fp", writer.logic, writer.text(), bit_unknowns(problem))


def bit_unknowns(problem: Problem) -> tuple[Unknown, ...]:
    """The unknowns of an encoding in which each variable is the bits of its format."""
    return tuple(Unknown(bits_name(v.name), v.name, v.format.bits, "bits", v.format) for v in problem.variables)
