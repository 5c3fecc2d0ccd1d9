"""Expressions, problems and sums as FPCore 2.0 text, the format of the FPBench tools (fpbench.org/spec/fpcore-2.0.html)."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.expressions import Expression, Op, topological, variable
from fpsynth.formats import Format
from fpsynth.problems import Problem
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_of
from fpsynth.sums.graph import sum_graph
from fpsynth.sums.numbers import of_numbers

ROUNDINGS = {
    Rounding.RNE: "nearestEven",
    Rounding.RNA: "nearestAway",
    Rounding.RTP: "toPositive",
    Rounding.RTN: "toNegative",
    Rounding.RTZ: "toZero",
}
OPERATORS = {Op.ADD: "+", Op.MUL: "*", Op.FMA: "fma", Op.NEG: "-", Op.LT: "<", Op.LE: "<=", Op.EQ: "==", Op.NOT: "not"}


def to_fpcore(root: Expression | Problem, name: str, arguments: Iterable[Expression] = ()) -> str:
    """Return one FPCore called ``name``: an expression's value, or whether a problem's assertions hold.

    Every node that is used is bound once by let*; a problem's bounds are the precondition.  Its arguments are the variables,
    those given first, the others as they are met.  Raises InputError for flushing
    and for formats without infinity, which FPCore cannot say, and for a name with a quote or a backslash.
    """
    if set(name) & set('"\\\n'):
        raise InputError(f"an FPCore's name cannot contain quotes, backslashes or newlines: {name!r}")
    roots = root.assertions if isinstance(root, Problem) else (root,)
    names: dict[int, str] = {}
    variables: dict[str, Format] = {v.name: v.format for v in root.variables} if isinstance(root, Problem) else {}
    variables |= {v.name: v.format for v in arguments if v.format is not None}
    lines: list[str] = []
    for node in topological(roots):
        if node.op is Op.VARIABLE:
            assert node.format is not None
            variables.setdefault(node.name, node.format)
            names[id(node)] = node.name
        else:
            names[id(node)] = f"_{len(lines)}"  # no variable starts with an underscore
            lines.append(f"[_{len(lines)} {_term(node, [names[id(arg)] for arg in node.args])}]")
    declared = " ".join(f"(! :precision {_precision(fmt)} {name})" for name, fmt in variables.items())
    head = [f"(FPCore ({declared})", f' :name "{name}"', " :precision real"]
    if isinstance(root, Problem):
        head.append(
            f" :pre (and {' '.join(f'(<= {_rational(v.lower)} {v.name} {_rational(v.upper)})' for v in root.variables)})"
        )
    results = [names[id(node)] for node in roots]
    body = f"(and {' '.join(results)})" if isinstance(root, Problem) else results[0]
    bindings = "\n        ".join(lines)
    return "\n".join([*head, f" (let* ({bindings})", f"  {body}))", ""])


def sum_to_fpcore(how: Arithmetic, terms: int, name: str) -> str:
    """The sum x0 + x1 + ... of numbers of ``how``'s format, in its order and accumulator, as one FPCore called ``name``.

    A step that adds more than two nodes is an exact sum, rounded once.  Raises InputError as ``to_fpcore`` does, for an order
    of another number of terms, and for real numbers, whose sums have no order.
    """
    if how.format is None:
        raise InputError("a sum of real numbers has no order: choose a format")
    inputs = [variable(f"x{k}", how.format) for k in range(terms)]
    return to_fpcore(sum_graph(of_numbers(program_of(how, terms), how.format), (), addends=inputs), name, inputs)


def _term(node: Expression, args: list[str]) -> str:
    if node.op in (Op.AND, Op.OR):
        return f"({node.op.value} {' '.join(args)})" if args else ("TRUE" if node.op is Op.AND else "FALSE")
    if node.op.boolean:
        return f"({OPERATORS[node.op]} {' '.join(args)})"
    if node.op is Op.ALIGNED:
        raise InputError("FPCore has no operation that aligns and cuts many addends at once")
    if node.flush:
        raise InputError("FPCore has no way to flush subnormals to zero")
    return f"(! :precision {_precision(node.format)} :round {ROUNDINGS[node.rounding]} {_numeric(node, args)})"


def _numeric(node: Expression, args: list[str]) -> str:
    if node.op is Op.CONSTANT:
        assert node.value is not None
        return _rational(node.value)
    if node.op is Op.CAST:
        return f"(cast {args[0]})"
    if node.op is Op.MAX:  # FPCore's fmax drops NaN and leaves the sign of zero open
        a, b = args
        ordered = f"(if (< {a} {b}) {b} (if (< {b} {a}) {a} (if (signbit {a}) {b} {a})))"
        return f"(if (isnan {a}) {a} (if (isnan {b}) {b} {ordered}))"
    return f"({OPERATORS[node.op]} {' '.join(args)})"


def _rational(number: Fraction) -> str:
    return str(number.numerator) if number.denominator == 1 else f"{number.numerator}/{number.denominator}"


def _precision(fmt: Format | None) -> str:
    """The FPCore name of a format: (float exponent_bits total_bits)."""
    if fmt is None:
        return "real"
    if not fmt.has_infinity:
        raise InputError(f"FPCore has no name for {fmt}, which has no infinities")
    return f"(float {fmt.exponent_bits} {fmt.bits})"
