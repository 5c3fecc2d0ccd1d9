"""The inner loops of whole layers, compiled with numba: fused multiply-adds as the processor does them, or rounded twice.

Whoever imports this needs numba, an optional extra; ``layer_compiled`` does, once it is asked for.  All that is compiled stands
in this file: what numba keeps of it is compiled again when this file changes, and only then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numba.extending import intrinsic

PRODUCT, NUMBER, ADD, FMA, MULTIPLY_ADD = range(5)
"""``schedules.Code``, as constants that numba can read."""


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile at the first call, without the lock that keeps Python's threads apart; keep it where a folder can be written."""
    try:
        kept: Callable[..., Any] = njit(cache=True, nogil=True, fastmath=False)(function)
    except RuntimeError:  # no folder for it
        kept = njit(nogil=True, fastmath=False)(function)
    return kept


@intrinsic  # type: ignore[untyped-decorator]
def _fma(context: Any, a: Any, b: Any, c: Any) -> Any:
    """LLVM's fma, which is rounded once whatever the processor."""

    def code(context: Any, builder: Any, signature: Any, operands: Any) -> Any:
        return builder.fma(*operands)

    return c(a, b, c), code


@_compiled
def _multiply(total: Any, factor: Any, lane: Any) -> None:
    for k in range(total.size):
        total[k] = factor * lane[k]


@_compiled
def _add(total: Any, other: Any) -> None:
    for k in range(total.size):
        total[k] = total[k] + other[k]


@_compiled
def _copy(total: Any, other: Any) -> None:
    for k in range(total.size):
        total[k] = other[k]


@_compiled
def _add_product(total: Any, factor: Any, lane: Any) -> None:
    for k in range(total.size):
        total[k] = total[k] + factor * lane[k]


@_compiled
def _add_exact_product(total: Any, factor: Any, lane: Any) -> None:
    for k in range(total.size):
        total[k] = _fma(factor, lane[k], total[k])


@_compiled
def _add_four(total: Any, code: Any, f: Any, a: Any, b: Any, c: Any, d: Any) -> None:
    """Four products, one after the other, exact or rounded: every sum is read and written once."""
    if code == FMA:
        for k in range(total.size):
            total[k] = _fma(f[3], d[k], _fma(f[2], c[k], _fma(f[1], b[k], _fma(f[0], a[k], total[k]))))
    else:
        for k in range(total.size):
            total[k] = (((total[k] + f[0] * a[k]) + f[1] * b[k]) + f[2] * c[k]) + f[3] * d[k]


@_compiled
def _four_alike(operations: Any, step: int) -> bool:
    """Whether this operation and the next three add products in the same way."""
    code = operations[step, 0]
    if code < FMA or step + 4 > operations.shape[0]:
        return False
    return bool(operations[step + 1, 0] == code and operations[step + 2, 0] == code and operations[step + 3, 0] == code)


@_compiled
def _flush(sums: Any, least: Any) -> bool:
    """Make subnormal sums zeros of their sign; say whether one is the least normal number, which may have been rounded up."""
    edge = 0
    for k in range(sums.size):
        x = sums[k]
        edge |= abs(x) == least
        sums[k] = np.copysign(type(x)(0), x) if abs(x) < least else x
    return edge != 0


@_compiled
def _sum(operations: Any, stack: Any, factors: Any, factor_taps: Any, lanes: Any, lane_taps: Any, numbers: Any) -> None:
    """Run a schedule that flushes nothing for one row at one position; its sum is the first of the stack then."""
    top = step = 0
    while step < operations.shape[0]:
        code, which = operations[step, 0], operations[step, 1]
        if _four_alike(operations, step):
            taps = operations[step : step + 4, 1]
            f = (factors[factor_taps[taps[0]]], factors[factor_taps[taps[1]]])
            g = (factors[factor_taps[taps[2]]], factors[factor_taps[taps[3]]])
            a, b = lanes[lane_taps[taps[0]]], lanes[lane_taps[taps[1]]]
            c, d = lanes[lane_taps[taps[2]]], lanes[lane_taps[taps[3]]]
            _add_four(stack[top - 1], code, f + g, a, b, c, d)
            step += 3
        elif code == NUMBER:
            _copy(stack[top], numbers[which])
            top += 1
        elif code == ADD:
            top -= 1
            _add(stack[top - 1], stack[top])
        elif code == FMA:
            _add_exact_product(stack[top - 1], factors[factor_taps[which]], lanes[lane_taps[which]])
        elif code == MULTIPLY_ADD:
            _add_product(stack[top - 1], factors[factor_taps[which]], lanes[lane_taps[which]])
        else:
            _multiply(stack[top], factors[factor_taps[which]], lanes[lane_taps[which]])
            top += 1
        step += 1


@_compiled
def _flushed_sum(
    operations: Any, stack: Any, factors: Any, factor_taps: Any, lanes: Any, lane_taps: Any, numbers: Any, least: Any
) -> bool:
    """The same where every operation flushes; gives whether ``_flush`` said so of any."""
    top, edge = 0, False
    for step in range(operations.shape[0]):
        code, which = operations[step, 0], operations[step, 1]
        if code == NUMBER:
            _copy(stack[top], numbers[which])
            top += 1
            continue
        if code == ADD:
            top -= 1
            _add(stack[top - 1], stack[top])
        elif code == FMA:
            _add_exact_product(stack[top - 1], factors[factor_taps[which]], lanes[lane_taps[which]])
        else:
            _multiply(stack[top], factors[factor_taps[which]], lanes[lane_taps[which]])
            edge |= _flush(stack[top], least)
            if code == MULTIPLY_ADD:
                _add(stack[top - 1], stack[top])
            else:
                top += 1
        edge |= _flush(stack[top - 1], least)
    return edge


@_compiled
def run(
    operations: Any,
    depth: int,
    factors: Any,
    factor_taps: Any,
    lanes: Any,
    lane_taps: Any,
    numbers: Any,
    least: Any,
    out: Any,
    edges: Any,
) -> None:
    """Run a schedule for every position p and row a, over whole lanes at once; the lanes of a position stay in a near cache.

    ``factors`` (a, *) and ``lanes`` (*, l) hold inputs and weights or weights and inputs; ``factor_taps`` and ``lane_taps``,
    (p or 1, terms), say where each tap finds its factor and its lanes.  ``numbers`` is (numbers, a or 1, p or 1, l), ``out``
    (p, a, l); ``edges`` (p, a) is set where ``_flush`` says so.  ``least`` is the least normal number, or 0 to flush nothing.
    """
    positions, rows, width = out.shape
    stack = np.empty((depth + 1, width), out.dtype)  # and room for a product that is flushed before it is added
    for p in range(positions):
        near, far = factor_taps[min(p, factor_taps.shape[0] - 1)], lane_taps[min(p, lane_taps.shape[0] - 1)]
        for a in range(rows):
            added = numbers[:, min(a, numbers.shape[1] - 1), min(p, numbers.shape[2] - 1)]
            if least == 0:
                _sum(operations, stack, factors[a], near, lanes, far, added)
            else:
                edges[p, a] = _flushed_sum(operations, stack, factors[a], near, lanes, far, added, least)
            _copy(out[p, a], stack[0])


@_compiled
def turn(sums: Any, out: Any) -> None:
    """From (p, a, l) to (l, p, a), a position's sums at a time."""
    positions, rows, width = sums.shape
    for p in range(positions):
        for k in range(width):
            for a in range(rows):
                out[k, p, a] = sums[p, a, k]
