"""Directed probes of single steps: how many bits an aligned sum keeps, how it cuts, and how operands are rounded before.

After Fasi, Higham, Mikaitis and Pranesh, "Numerical behavior of NVIDIA tensor cores", PeerJ Computer Science 2021, and Xie et
al., "MMA-Sim", 2025: in one step B - B + x is x where x is not far below B, and what is left of x where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fpsynth.aliases import Array
from fpsynth.alignment import MAX_FRACTION_BITS, Alignment
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, TF32, Format
from fpsynth.orders import Tree
from fpsynth.revealing.bench import KernelBench, Position, Spread
from fpsynth.rounding import Rounding

_CUTS = {
    Rounding.RTZ: (1, -1, 0, 0),
    Rounding.RTN: (1, -2, 0, -1),
    Rounding.RNE: (2, -2, 1, -1),
}
"""What becomes of 1.5, -1.5, 0.75 and -0.75 units."""
_ROUNDED = {
    Rounding.RTZ: (0.0, 1.0, 0.0, 0.0),
    Rounding.RNE: (0.0, 2.0, 1.0, -1.0),
    Rounding.RNA: (1.0, 2.0, 1.0, -1.0),
    Rounding.RTN: (0.0, 1.0, 0.0, -1.0),
    Rounding.RTP: (1.0, 2.0, 1.0, 0.0),
}
"""What becomes of 1 + 0.5, 1.5, 0.75 ulps, and of -(1 + 0.75 ulps): how many ulps away from 1."""
_TIES = {FLOAT16: (7.0, 293.0, 10), BFLOAT16: (7.0, 37.0, 7), FLOAT32: (1.0, 1.0, 0)}
"""Two numbers whose product is halfway between two numbers of the format, the even one above, and the product's exponent."""
_LEAST = -149
"""The exponent of float32's least subnormal number."""


@dataclass(frozen=True)
class Operands:
    """How operands are rounded before they are multiplied."""

    format: Format
    rounding: Rounding


def measured_operands(bench: KernelBench, positions: Sequence[Position]) -> Operands | None:
    """How the products of a float32 kernel read their operands; None where they read all 24 bits, or no known format."""
    if bench.kernel.dtype != FLOAT32 or not bench.shape.weighted:
        return None
    spread = Spread(bench, positions, 1.0)
    if float(_alone(spread, np.array([1 + 2.0**-23]))[0]) == 1 + 2.0**-23:
        return None
    for fmt in (TF32, BFLOAT16):
        ulp = 2.0 ** (1 - fmt.precision)
        exact, below = _alone(spread, np.array([1 + ulp, 1 + 2 * ulp])), [0.5, 1.5, 0.75]
        if exact.tolist() == [1 + ulp, 1 + 2 * ulp]:
            values = np.array([1 + part * ulp for part in below] + [-1 - 0.75 * ulp])
            moved = (_alone(spread, values) - np.sign(values)) / ulp
            modes = [mode for mode, wanted in _ROUNDED.items() if np.array_equal(moved, wanted)]
            return Operands(fmt, modes[0]) if modes else None
    return None


def _alone(spread: Spread, values: Array) -> Array:
    """The sums in which only the first leaf is not zero."""
    summands = np.zeros((len(values), spread.bench.shape.terms + spread.bench.shape.bias))
    summands[:, 0] = values
    return spread.sums(summands)


def measured_alignment(bench: KernelBench, positions: Sequence[Position], tree: Tree) -> Alignment | None:
    """How the steps of ``tree`` that add more than two nodes line them up; its leaves from ``terms`` on are no products.

    None where they lose nothing, so that they may be exact, and where what they lose is not what aligning loses.  The rounding
    of the sum is not measured: toward zero is taken for granted.  Where no step adds more than two nodes but there is one
    that adds two products, it is taken for an aligned one.
    """
    terms = bench.shape.terms
    leaves = _together(tree, terms)
    if leaves is None or bench.kernel.dtype not in _TIES:
        return None
    spread = Spread(bench, positions, 1.0)
    if len(leaves) == 2:
        bits = _bits_below_a_tie(spread, leaves)
        return None if bits is None else Alignment(bits)
    bits = _bits_beside_zero(spread, leaves)
    if bits is None:
        return None
    units = np.array([1.5, -1.5, 0.75, -0.75])
    found = _beside_zero(spread, leaves, units * _top(bench) * 2.0**-bits) / (_top(bench) * 2.0**-bits)
    cuts = [mode for mode, wanted in _CUTS.items() if np.array_equal(found, wanted)]
    return Alignment(bits, cut=cuts[0], least_exponent=_least_exponent(spread, leaves, bits)) if cuts else None


def _together(tree: Tree, terms: int) -> list[int] | None:
    """Three leaves that come together in one step, or two where no step adds three; at least one of them as a product."""
    lowest = list(range(tree.leaves))
    best: list[int] | None = None
    for step in tree.steps:
        lowest.append(min(lowest[node] for node in step))
        products = sorted(node for node in step if node < terms)
        others = sorted(lowest[node] for node in step if node >= tree.leaves and lowest[node] < terms)
        chosen = [*products, *others][:3]
        if products and len(chosen) == 3:
            return chosen
        if len(products) == 2:
            best = best or products
    return best


def _top(bench: KernelBench) -> float:
    return 2.0**15 if bench.kernel.dtype == FLOAT16 else 2.0**40


def _beside_zero(spread: Spread, leaves: Sequence[int], values: Array) -> Array:
    """The sums B - B + value, for each value, in one step."""
    summands = np.zeros((len(values), spread.bench.shape.terms + spread.bench.shape.bias))
    big = _top(spread.bench)
    summands[:, leaves[0]], summands[:, leaves[1]], summands[:, leaves[2]] = big, -big, values
    return spread.sums(summands)


def _bits_beside_zero(spread: Spread, leaves: Sequence[int]) -> int | None:
    """How far below B - B a power of two is kept; None where that goes on as far as the format goes."""
    big = _top(spread.bench)
    most = 39 if spread.bench.kernel.dtype == FLOAT16 else MAX_FRACTION_BITS + 1
    values = big * 2.0 ** -np.arange(1.0, most + 1)
    found = _beside_zero(spread, leaves, values)
    kept = int((found != 0).sum())
    whole = np.array_equal(found[:kept], values[:kept]) and not found[kept:].any()
    return kept if whole and 1 <= kept < most else None


def _bits_below_a_tie(spread: Spread, leaves: Sequence[int]) -> int | None:
    """How far below a product halfway between two numbers something that is taken away from it moves the result.

    None where it does as far as the format goes, and in a narrow format also where that is what a float32 that is rounded to
    nearest does: up to one bit below its last place.
    """
    dtype = spread.bench.kernel.dtype
    first, second, exponent = _TIES[dtype]
    most = 24 if dtype == FLOAT16 else MAX_FRACTION_BITS - exponent
    taken = [0.0, *(-(2.0**-m) for m in range(1, most + 1))]
    shared = np.zeros(spread.bench.shape.terms)
    shared[leaves[0]], shared[leaves[1]] = second, 1.0
    own = np.zeros((len(taken), len(shared)))
    own[:, leaves[0]], own[:, leaves[1]] = first, taken
    found = _calls(spread, own, shared)
    kept = int((found[1:] != found[0]).sum())
    whole = kept == 0 or bool((found[1 : kept + 1] != found[0]).all())
    bits = exponent + kept
    least = FLOAT32.precision - 1 if dtype.bits < 32 else 1
    return bits if whole and kept < most and least <= bits <= MAX_FRACTION_BITS else None


def _least_exponent(spread: Spread, leaves: Sequence[int], bits: int) -> int | None:
    """Below which exponent a step does not align, from 2**-149 - 2**-t, which is 0 or 2**-149 after rounding toward zero.

    It is asked only of float32: no other results are small enough to show it.  See the exponent of zero in "MMA-Sim".
    """
    if spread.bench.kernel.dtype != FLOAT32:
        return None
    half = -74
    shared, depths = np.zeros(spread.bench.shape.terms), range(1, MAX_FRACTION_BITS + 1 - 14)
    shared[list(leaves[:2])] = 2.0**half
    own = np.zeros((len(depths), len(shared)))
    own[:, leaves[0]], own[:, leaves[1]] = 2.0 ** (_LEAST - half), [-(2.0 ** (_LEAST - depth - half)) for depth in depths]
    found = _calls(spread, own, shared)
    kept = int((found == 0).sum())
    if not 1 <= kept < bits or (found[:kept] != 0).any() or (found[kept:] != 2.0**_LEAST).any():
        return None
    return _LEAST - kept + bits


def _calls(spread: Spread, own: Array, shared: Array) -> Array:
    """The sums of each row of ``own`` times ``shared``, without a bias."""
    parts = [own[start : start + spread.width] for start in range(0, len(own), spread.width)]
    return np.concatenate([spread.call(part, shared, np.zeros(len(part))) for part in parts])
