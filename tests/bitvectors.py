"""An interpreter of QF_BV scripts on arrays of assignments, and problems to encode: helpers of the encoders' tests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from fpsynth.encoders.script import Script
from fpsynth.expressions import Expression, add, eq, lt, maximum, mul, neg, real, variable
from fpsynth.formats import Format, power_of_two
from fpsynth.problems import Problem, Variable
from fpsynth.rounding import Value, from_bits, round_fraction, to_bits

Column = np.ndarray[Any, np.dtype[Any]]
_BINARY = {
    "bvadd": lambda a, b: a + b,
    "bvmul": lambda a, b: a * b,
    "bvand": lambda a, b: a & b,
    "bvor": lambda a, b: a | b,
}


def holds(script: Script, columns: Mapping[str, Column]) -> Column:
    """Which rows satisfy all assertions of a QF_BV script; ``columns``: one column of unsigned integers per unknown."""
    known: dict[str, tuple[Any, int]] = {}
    truth: Any = True
    for command in _parse(script.text):
        if command[0] == "declare-const":
            known[command[1]] = (columns[command[1]], int(command[2][2]))
        elif command[0] == "define-fun":
            known[command[1]] = _evaluate(command[4], known)
        elif command[0] == "assert":
            truth = truth & _evaluate(command[1], known)[0]
    rows = len(next(iter(columns.values())))
    return np.broadcast_to(np.asarray(truth, bool), (rows,))


def _parse(text: str) -> list[Any]:
    stack: list[list[Any]] = [[]]
    for token in re.findall(r"[()]|[^\s()]+", text):
        if token == "(":
            stack.append([])
        elif token == ")":
            done = stack.pop()
            stack[-1].append(done)
        else:
            stack[-1].append(token)
    return stack[0]


def _evaluate(term: Any, known: Mapping[str, tuple[Any, int]]) -> tuple[Any, int]:
    """The value (integers or truth values) and the width (0: a truth value) of a term."""
    if isinstance(term, str):
        if term.startswith("#b"):
            return int(term[2:], 2), len(term) - 2
        return (term == "true", 0) if term in ("true", "false") else known[term]
    head, *rest = term
    args = [_evaluate(arg, known) for arg in rest]
    values, widths = [a for a, _ in args], [w for _, w in args]
    if isinstance(head, list):
        return _indexed(head, values[0], widths[0])
    if head in _BINARY:
        return _BINARY[head](*values) & ((1 << widths[0]) - 1), widths[0]
    if head in ("bvnot", "bvneg"):
        return (-values[0] - (head == "bvnot")) & ((1 << widths[0]) - 1), widths[0]
    if head == "concat":
        result = values[0]
        for value, width in zip(values[1:], widths[1:], strict=True):
            result = (result << width) | value
        return result, sum(widths)
    if head == "ite":
        return np.where(np.asarray(values[0], bool), values[1], values[2]), widths[1]
    if head == "bvcomp":
        return np.asarray(values[0] == values[1], bool) * 1, 1
    return _truth(head, values, widths), 0


def _indexed(head: list[str], value: Any, width: int) -> tuple[Any, int]:
    if head[1] == "extract":
        high, low = int(head[2]), int(head[3])
        return (value >> low) & ((1 << (high - low + 1)) - 1), high - low + 1
    more = int(head[2])
    sign = value >> (width - 1) if head[1] == "sign_extend" else 0
    return value | (sign * ((1 << more) - 1) << width), width + more


def _truth(head: str, values: list[Any], widths: list[int]) -> Any:
    if head in ("bvslt", "bvsle"):
        values = [v - ((v >> (widths[0] - 1)) << widths[0]) for v in values]
    if head in ("bvslt", "bvult"):
        return values[0] < values[1]
    if head in ("bvsle", "bvule"):
        return values[0] <= values[1]
    if head == "=":
        return values[0] == values[1]
    truths = [np.asarray(v, bool) for v in values]
    if head == "not":
        return ~truths[0]
    return np.logical_and.reduce(truths) if head == "and" else np.logical_or.reduce(truths)


def columns_of(script: Script, rows: list[Mapping[str, Value]]) -> dict[str, Column]:
    """The integers by which a script's unknowns mean the given values."""
    widest = max(int(width) for width in re.findall(r"BitVec (\d+)", script.text))
    dtype = np.int64 if widest <= 60 else object  # machine integers wrap around harmlessly, as everything is masked
    result: dict[str, Column] = {}
    for u in script.unknowns:
        column = np.empty(len(rows), dtype)
        for k, row in enumerate(rows):
            value = row[u.variable]
            if u.kind == "bits":
                column[k] = to_bits(value, u.format)
            else:
                integer = value.fraction() * power_of_two(-u.lsb) - u.offset
                assert integer.denominator == 1
                column[k] = int(integer) % (1 << u.width)
        result[u.name] = column
    return result


def finite_values(fmt: Format, lower: Fraction, upper: Fraction) -> list[Value]:
    """All numbers of a format within bounds, both zeros among them."""
    values = [from_bits(bits, fmt) for bits in range(1 << fmt.bits)]
    return [v for v in values if v.is_finite and lower <= v.fraction() <= upper]


def tie(fmt: Format, narrow: bool = False) -> Problem:
    """The tie of a 1,2 network that the exact Lipschitz bound certifies: y = w x, equal logits at a, certified at b.

    Unknowns w1, w2, xa, xb in [1/10, 1]; ``narrow``: each in [1/2, 1) and w1 = 3/5 rounded.
    """
    names = ["w1", "w2", "xa", "xb"]
    w1, w2, xa, xb = (variable(name, fmt) for name in names)
    y1a, y2a, y1b, y2b = mul(w1, xa), mul(w2, xa), mul(w1, xb), mul(w2, xb)
    bound = mul(distance(w1, w2), distance(xa, xb))
    assertions = (eq(y1a, y2a), lt(y1b, y2b), lt(bound, add(real(y2b), neg(real(y1b)))))
    bounds = dict.fromkeys(names, (Fraction(1, 10), Fraction(1)))
    if narrow:
        weight = round_fraction(Fraction(3, 5), fmt).fraction()
        bounds = dict.fromkeys(names, (Fraction(1, 2), 1 - fmt.unit_roundoff)) | {"w1": (weight, weight)}
    return Problem("tie", tuple(Variable(name, fmt, *bounds[name]) for name in names), assertions)


def distance(a: Expression, b: Expression) -> Expression:
    """|a - b| in the reals."""
    difference = add(real(a), neg(real(b)))
    return maximum(difference, neg(difference))
