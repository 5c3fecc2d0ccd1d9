"""Expressions and problems as FPCore 2.0 text, the exchange format of the FPBench tools (fpbench.org/spec/fpcore-2.0.html)."""

from __future__ import annotations

from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.expressions import Expression, Op, topological
from fpsynth.formats import Format
from fpsynth.problems import Problem
from fpsynth.rounding import Rounding

ROUNDINGS = {
    Rounding.RNE: "nearestEven",
    Rounding.RNA: "nearestAway",
    Rounding.RTP: "toPositive",
    Rounding.RTN: "toNegative",
    Rounding.RTZ: "toZero",
}
OPERATORS = {Op.ADD: "+", Op.MUL: "*", Op.FMA: "fma", Op.NEG: "-", Op.LT: "<", Op.LE: "<=", Op.EQ: "==", Op.NOT: "not"}


def to_fpcore(root: Expression | Problem, name: str) -> str:
    """Return one FPCore called ``name``: an expression's value, or whether a problem's assertions hold.

    Every node that is used is bound once by let*; a problem's bounds are the precondition.  Raises InputError for flushing
    and for formats without infinity, which FPCore cannot say, and for a name with a quote or a backslash.
    """
    if set(name) & set('"\\\n'):
        raise InputError(f"an FPCore's name cannot contain quotes, backslashes or newlines: {name!r}")
    roots = root.assertions if isinstance(root, Problem) else (root,)
    names: dict[int, str] = {}
    variables: dict[str, Format] = {v.name: v.format for v in root.variables} if isinstance(root, Problem) else {}
    lines: list[str] = []
    for node in topological(roots):
        if node.op is Op.VARIABLE:
            assert node.format is not None
            variables.setdefault(node.name, node.format)
            names[id(node)] = node.name
        else:
            names[id(node)] = f"_{len(lines)}"  # no variable starts with an underscore
            lines.append(f"[_{len(lines)} {_term(node, [names[id(arg)] for arg in node.args])}]")
    arguments = " ".join(f"(! :precision {_precision(fmt)} {name})" for name, fmt in variables.items())
    head = [f"(FPCore ({arguments})", f' :name "{name}"', " :precision real"]
    if isinstance(root, Problem):
        head.append(
            f" :pre (and {' '.join(f'(<= {_rational(v.lower)} {v.name} {_rational(v.upper)})' for v in root.variables)})"
        )
    results = [names[id(node)] for node in roots]
    body = f"(and {' '.join(results)})" if isinstance(root, Problem) else results[0]
    bindings = "\n        ".join(lines)
    return "\n".join([*head, f" (let* ({bindings})", f"  {body}))", ""])


def _term(node: Expression, args: list[str]) -> str:
    if node.op in (Op.AND, Op.OR):
        return f"({node.op.value} {' '.join(args)})" if args else ("TRUE" if node.op is Op.AND else "FALSE")
    if node.op.boolean:
        return f"({OPERATORS[node.op]} {' '.join(args)})"
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
