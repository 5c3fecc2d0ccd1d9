"""The reference interpreter: evaluates a graph in exact integers, rounding once per operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import cast

from fpsynth import rounding as r
from fpsynth.alignment import aligned_sum
from fpsynth.expressions import Expression, Op, topological
from fpsynth.formats import Format
from fpsynth.rounding import Value

Result = Value | Fraction | bool
"""A floating-point node is worth a Value, a real one a Fraction (or NAN, where a non-number was cast into the reals), a
boolean one a bool."""


def evaluate(roots: Sequence[Expression], assignment: Mapping[str, Value]) -> list[Result]:
    """Return what each root is worth when the variables have the Values in ``assignment``.

    Raises KeyError for a variable without a Value.  A comparison of reals with a non-number on one side is false.
    """
    worth: dict[int, Result] = {}
    for node in topological(roots):
        worth[id(node)] = _evaluate(node, [worth[id(arg)] for arg in node.args], assignment)
    return [worth[id(root)] for root in roots]


def _evaluate(node: Expression, args: list[Result], assignment: Mapping[str, Value]) -> Result:
    if node.op is Op.VARIABLE:
        return assignment[node.name]
    if node.format is not None:
        return _floating(node, node.format, args)
    if node.op is Op.AND:
        return all(args)
    if node.op is Op.OR:
        return any(args)
    if node.op is Op.NOT:
        return not args[0]
    if node.op in (Op.LT, Op.LE, Op.EQ):
        return _compare(node.op, args[0], args[1])
    return _real(node, args)


def _compare(op: Op, a: Result, b: Result) -> bool:
    if isinstance(a, Value) and isinstance(b, Value):
        less, equal = r.less(a, b), r.equal(a, b)
    elif isinstance(a, Fraction) and isinstance(b, Fraction):
        less, equal = a < b, a == b
    else:
        return False
    return {Op.LT: less, Op.LE: less or equal, Op.EQ: equal}[op]


def _real(node: Expression, args: list[Result]) -> Result:
    if node.op is Op.CONSTANT:
        assert node.value is not None
        return node.value
    if node.op is Op.CAST:
        (a,) = args
        if isinstance(a, Value):
            return a.fraction() if a.is_finite else r.NAN
        return a
    numbers = [arg for arg in args if isinstance(arg, Fraction)]
    if len(numbers) < len(args):
        return r.NAN
    match node.op:
        case Op.NEG:
            return -numbers[0]
        case Op.ADD:
            return numbers[0] + numbers[1]
        case Op.MUL:
            return numbers[0] * numbers[1]
        case Op.FMA:
            return numbers[0] * numbers[1] + numbers[2]
        case Op.MAX:
            return max(numbers)
    raise AssertionError(node.op)


def _floating(node: Expression, fmt: Format, args: list[Result]) -> Value:
    mode, flush = node.rounding, node.flush
    if node.op is Op.CONSTANT:
        assert node.value is not None
        return r.from_fraction(node.value)
    if node.op is Op.CAST:
        (a,) = args
        if isinstance(a, Value):
            source = node.args[0].format
            return r.round_value(r.flushed(a, source) if flush and source is not None else a, fmt, mode, flush)
        assert isinstance(a, Fraction)
        return r.round_fraction(a, fmt, mode, flush)
    values = cast(list[Value], args)  # an expression's arguments have its own format
    if node.op is Op.NEG:
        return r.negate(values[0])
    if node.op is Op.ALIGNED:
        return _aligned(node, fmt, values)
    if flush:
        values = [r.flushed(v, fmt) for v in values]
    match node.op:
        case Op.MAX:
            return r.maximum(values[0], values[1])
        case Op.ADD:
            exact = r.exact_add(values[0], values[1], mode)
        case Op.MUL:
            exact = r.exact_mul(values[0], values[1])
        case Op.FMA:
            exact = r.exact_add(r.exact_mul(values[0], values[1]), values[2], mode)
        case _:
            raise AssertionError(node.op)
    return r.round_value(exact, fmt, mode, flush)


def _aligned(node: Expression, fmt: Format, values: list[Value]) -> Value:
    """``values``: those of the numbers, then those of the factors, two by two."""
    assert node.alignment is not None
    factors = node.factors[0].format if node.products else fmt
    assert factors is not None
    split = len(node.numbers)
    numbers, rest = values[:split], values[split:]
    if node.flush:
        numbers, rest = [r.flushed(v, fmt) for v in numbers], [r.flushed(v, factors) for v in rest]
    total = aligned_sum(numbers, list(zip(rest[::2], rest[1::2], strict=True)), factors, fmt, node.alignment)
    return r.flushed(total, fmt) if node.flush else total
