"""How a kernel flushes, measured with a few sums near the least normal number.

What is measured decides only which hypothesis is tried first: the check on hostile vectors decides between them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from fpsynth.formats import FLOAT32, Format, floor_log2, power_of_two
from fpsynth.revealing.bench import KernelBench, Position, Spread
from fpsynth.rounding import Flush, round_fraction

_TRIED = 256
"""Factors that are tried in the search for a product just below the least normal number."""


def measured_flush(bench: KernelBench, positions: Sequence[Position], pairs: Sequence[tuple[int, int]]) -> Flush | None:
    """The kind of flushing that one product, or two that meet, show; None where they do not tell the two kinds apart.

    ``pairs``: leaves whose products meet.
    """
    fmt, spread = bench.kernel.dtype, Spread(bench, positions, 1.0)
    if _sum(spread, bench, {0: _factors(fmt.min_normal / 2)}) != 0:
        return Flush.NEVER
    if not bench.shape.weighted:
        return Flush.ROUNDED  # sums have no tiny results that are rounded
    least, near = float(fmt.min_normal), _just_below(fmt)
    if near is not None and _sum(spread, bench, {0: near}) == least:
        return Flush.ROUNDED
    if near is not None and fmt.precision >= FLOAT32.precision:
        return Flush.UNBOUNDED
    if not pairs or 2 * fmt.lsb_min >= FLOAT32.lsb_min:
        return None
    return _of_pair(spread, bench, fmt, pairs[0])


def _of_pair(spread: Spread, bench: KernelBench, fmt: Format, pair: tuple[int, int]) -> Flush:
    """From the least normal number less three quarters of an accumulator's last place there, whichever leaf comes first."""
    results = []
    for first, second in itertools.permutations(pair):
        small = -Fraction(3, 4) * power_of_two(FLOAT32.emin - FLOAT32.precision)
        results.append(_sum(spread, bench, {first: _factors(fmt.min_normal), second: _factors(small)}))
    return Flush.UNBOUNDED if 0 in results else Flush.ROUNDED


def _sum(spread: Spread, bench: KernelBench, products: dict[int, tuple[float, float]]) -> float:
    """The result for products of pairs of factors at some leaves; the others are zero."""
    own, shared = np.zeros((1, bench.shape.terms)), np.ones(bench.shape.terms)
    for leaf, (factor, other) in products.items():
        own[0, leaf], shared[leaf] = (factor, other) if bench.shape.weighted else (factor * other, 1.0)
    return float(spread.call(own, shared, np.zeros(1))[0])


def _factors(product: Fraction) -> tuple[float, float]:
    """Two numbers, about equally small, with this product, of few bits."""
    low = power_of_two(floor_log2(abs(product)) // 2)
    return float(product / low), float(low)


def _just_below(fmt: Format) -> tuple[float, float] | None:
    """Factors whose product is tiny with unbounded exponent and rounds to the least normal number."""
    low = power_of_two(fmt.emin // 2)
    wanted = fmt.min_normal * (1 - Fraction(3, 4) * fmt.unit_roundoff)
    for steps in range(1, _TRIED):
        other = round_fraction(low * (1 + Fraction(steps, _TRIED + 1)), fmt).fraction()
        factor = round_fraction(wanted / other, fmt).fraction()
        rounded, unbounded = (round_fraction(factor * other, fmt, flush=kind) for kind in (Flush.ROUNDED, Flush.UNBOUNDED))
        if unbounded.is_zero and not rounded.is_zero:
            return float(factor), float(other)
    return None
