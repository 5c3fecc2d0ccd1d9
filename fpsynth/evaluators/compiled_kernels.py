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
def _flush(sums: Any, least: Any) -> bool:
    """Make subnormal sums zeros of their sign; say whether one is the least normal number, which may have been rounded up."""
    edge = 0
    for k in range(sums.size):
        x = sums[k]
        edge |= abs(x) == least
        sums[k] = np.copysign(type(x)(0), x) if abs(x) < least else x
    return edge != 0


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
        for a in range(rows):
            s, v = min(p, factor_taps.shape[0] - 1), min(p, lane_taps.shape[0] - 1)
            na, np_ = min(a, numbers.shape[1] - 1), min(p, numbers.shape[2] - 1)
            top = 0
            edge = False
            for step in range(operations.shape[0]):
                code, which = operations[step, 0], operations[step, 1]
                if code == NUMBER:
                    total, number = stack[top], numbers[which, na, np_]
                    for k in range(width):
                        total[k] = number[k]
                    top += 1
                    continue
                if code == ADD:
                    top -= 1
                    total, other = stack[top - 1], stack[top]
                    for k in range(width):
                        total[k] = total[k] + other[k]
                else:
                    factor, lane = factors[a, factor_taps[s, which]], lanes[lane_taps[v, which]]
                    if code == FMA:
                        total = stack[top - 1]
                        for k in range(width):
                            total[k] = _fma(factor, lane[k], total[k])
                    elif code == MULTIPLY_ADD:
                        total = stack[top - 1]
                        if least == 0:
                            for k in range(width):
                                total[k] = total[k] + factor * lane[k]
                        else:
                            other = stack[top]
                            for k in range(width):
                                other[k] = factor * lane[k]
                            edge |= _flush(other, least)
                            for k in range(width):
                                total[k] = total[k] + other[k]
                    else:
                        total = stack[top]
                        for k in range(width):
                            total[k] = factor * lane[k]
                        top += 1
                if least != 0:
                    edge |= _flush(total, least)
            edges[p, a] = edge
            total = stack[0]
            for k in range(width):
                out[p, a, k] = total[k]


@_compiled
def turn(sums: Any, out: Any) -> None:
    """From (p, a, l) to (l, p, a), a position's sums at a time."""
    positions, rows, width = sums.shape
    for p in range(positions):
        for k in range(width):
            for a in range(rows):
                out[k, p, a] = sums[p, a, k]
