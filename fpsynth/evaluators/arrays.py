"""The vectorised interpreter: evaluates a graph over arrays of assignments, with the same bits as the exact one.

Every format is a subset of float64, so a floating-point node is worth a float64 array that holds its values exactly (NaN,
infinities and -0 included).  Helpers for samplers on bit patterns are exported from here as well.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from fpsynth.aliases import Array
from fpsynth.evaluators.aligned_sums import aligned_sum_arrays, factor
from fpsynth.evaluators.bit_patterns import bits_to_floats, floats_to_bits, from_index, grid, to_index
from fpsynth.evaluators.float_arrays import add_arrays, flush_array, fma_arrays, maximum_arrays, mul_arrays, round_array
from fpsynth.evaluators.fused_sums import sum_arrays
from fpsynth.expressions import Expression, Op, topological
from fpsynth.formats import Format

__all__ = ["bits_to_floats", "evaluate_arrays", "floats_to_bits", "from_index", "grid", "round_array", "to_index"]


def evaluate_arrays(roots: Sequence[Expression], assignment: Mapping[str, Array]) -> list[Array]:
    """Return what each root is worth, for arrays of values of the variables.

    ``assignment`` gives every variable a float64 array of values of its format; their shapes broadcast, and every result has
    the common shape.  Floating-point nodes are float64 arrays, equal to the reference interpreter's values bit for bit (NaN
    payloads aside); boolean nodes are bool arrays.  REAL nodes (format None) are only *approximated*, in float64 to nearest,
    and so is whatever depends on them: use that as a filter and let the exact re-check decide.  A floating-point CAST of a real
    sum of floating-point nodes and of products of two of them, which is how a fused step of many operands is lowered, is not
    approximated but exact.

    Raises KeyError for a variable without an array, and InputError for a format of more than 24 significand bits other than
    float64 or with numbers that float64 does not hold.
    """
    given = {name: np.asarray(array, np.float64) for name, array in assignment.items()}
    shape = np.broadcast_shapes(*(array.shape for array in given.values()))
    nodes = list(topological(roots))
    sums = {id(node): addends for node in nodes if (addends := _addends(node))}
    reads = {id(node): [x for addend in sums[id(node)] for x in addend] if id(node) in sums else node.args for node in nodes}
    users = Counter(id(root) for root in roots)
    for node in reversed(nodes):
        users.update(id(arg) for arg in (reads[id(node)] if users[id(node)] else ()))
    worth: dict[int, Array] = {}
    with np.errstate(all="ignore"):
        for node in (node for node in nodes if users[id(node)]):
            args = [worth[id(arg)] for arg in reads[id(node)]]
            result = _fused_sum(node, sums[id(node)], args) if id(node) in sums else _evaluate(node, args, given)
            worth[id(node)] = np.asarray(result)
            for arg in reads[id(node)]:  # big graphs on big arrays: forget what nobody reads any more
                users[id(arg)] -= 1
                if not users[id(arg)]:
                    del worth[id(arg)]
    return [np.broadcast_to(worth[id(root)], shape) for root in roots]


def _addends(node: Expression) -> list[tuple[Expression, ...]]:
    """The floating-point nodes, and pairs of factors, of whose real sum the node is the rounding; none for other nodes."""
    if node.op is not Op.CAST or node.format is None or node.args[0].format is not None:
        return []
    addends: list[tuple[Expression, ...]] = []
    pending = [node.args[0]]
    while pending:
        part = pending.pop()
        if part.op is Op.ADD:
            pending += part.args
            continue
        factors = part.args if part.op is Op.MUL else (part,)
        if any(factor.op is not Op.CAST or factor.args[0].format is None for factor in factors):
            return []
        addends.append(tuple(factor.args[0] for factor in factors))
    return addends


def _fused_sum(node: Expression, addends: Sequence[tuple[Expression, ...]], args: Sequence[Array]) -> Array:
    """``args`` are the addends' nodes one after the other."""
    assert node.format is not None
    operands = iter(args)
    parts = [tuple(next(operands) for _ in addend) for addend in addends]
    numbers = [part[0] for part in parts if len(part) == 1]
    products = [(part[0], part[1]) for part in parts if len(part) == 2]
    return sum_arrays(numbers, products, node.format, node.rounding, node.flush)


def _evaluate(node: Expression, args: list[Array], given: Mapping[str, Array]) -> Any:
    match node.op:
        case Op.VARIABLE:
            return given[node.name]
        case Op.CONSTANT:
            assert node.value is not None
            return _nearest(node.value)
        case Op.AND:
            return functools.reduce(lambda a, b: a & b, args, np.asarray(True))
        case Op.OR:
            return functools.reduce(lambda a, b: a | b, args, np.asarray(False))
        case Op.NOT:
            return np.logical_not(args[0])
        case Op.LT:
            return args[0] < args[1]
        case Op.LE:
            return args[0] <= args[1]
        case Op.EQ:
            return args[0] == args[1]
        case Op.NEG:
            return -args[0]
    if node.format is None:
        return _real(node.op, args)
    return _floating(node, node.format, args)


def _nearest(value: Fraction) -> float:
    """The nearest float64; an infinity beyond its range, which only a real constant can reach."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _real(op: Op, args: list[Array]) -> Any:
    """Real operations, approximated; a non-number cast into the reals is NaN, with which every comparison is false."""
    match op:
        case Op.CAST:
            return np.where(np.isfinite(args[0]), args[0], np.nan)
        case Op.ADD:
            return args[0] + args[1]
        case Op.MUL:
            return args[0] * args[1]
        case Op.FMA:
            return args[0] * args[1] + args[2]
        case Op.MAX:
            return np.maximum(args[0], args[1])
    raise AssertionError(op)


def _floating(node: Expression, fmt: Format, args: list[Array]) -> Array:
    if node.flush:
        args = [arg if of.format is None else flush_array(arg, of.format) for arg, of in zip(args, node.args, strict=True)]
    match node.op:
        case Op.CAST:
            return round_array(args[0], fmt, node.rounding, node.flush)
        case Op.ALIGNED:
            return _aligned(node, fmt, args)
        case Op.MAX:
            return maximum_arrays(args[0], args[1])
        case Op.ADD:
            return add_arrays(args[0], args[1], fmt, node.rounding, node.flush)
        case Op.MUL:
            return mul_arrays(args[0], args[1], fmt, node.rounding, node.flush)
        case Op.FMA:
            return fma_arrays(args[0], args[1], args[2], fmt, node.rounding, node.flush)
    raise AssertionError(node.op)


def _aligned(node: Expression, fmt: Format, args: list[Array]) -> Array:
    assert node.alignment is not None
    factors = (node.factors[0].format if node.products else None) or fmt
    split = len(node.numbers)
    read = [factor(arg, factors) for arg in args[split:]]
    total = aligned_sum_arrays(args[:split], list(zip(read[::2], read[1::2], strict=True)), factors, fmt, node.alignment)
    return flush_array(total, fmt) if node.flush else total
