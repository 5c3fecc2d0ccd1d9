"""Arrays of hostile operands, seeded: what the strategies draw one at a time, by the thousand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from strategies import landmarks

from fpsynth.evaluators.arrays import bits_to_floats, from_index, round_array, to_index
from fpsynth.formats import Format
from fpsynth.rounding import Rounding

Floats = NDArray[np.float64]


def pairs_of_all(fmt: Format) -> tuple[Floats, Floats]:
    """Every pair of encodings of a small format, decoded; NaNs included."""
    everything = bits_to_floats(np.arange(1 << fmt.bits, dtype=np.int64), fmt)
    left, right = np.meshgrid(everything, everything)
    return left.ravel(), right.ravel()


def hostile_array(fmt: Format, count: int, seed: int) -> Floats:
    """Values of ``fmt``: random encodings, neighbours of landmarks and of powers of two, zeros, infinities, NaN."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 5, count)
    anywhere = rng.integers(0, fmt.max_finite_bits, count, endpoint=True)
    near = rng.choice(np.array(landmarks(fmt)), count) + rng.integers(-3, 4, count)
    powers = (rng.integers(0, 1 << fmt.exponent_bits, count) << (fmt.precision - 1)) + rng.integers(-2, 3, count)
    index = np.clip(np.select([kind == 0, kind < 3], [anywhere, near], powers), 0, fmt.max_finite_bits)
    x = from_index(np.where(rng.random(count) < 0.5, index, -index), fmt)
    special = np.array([-0.0, 0.0, np.nan, *([np.inf, -np.inf] if fmt.has_infinity else [])])
    return np.where(rng.random(count) < 0.06, rng.choice(special, count), x)


def hostile_triples(fmt: Format, count: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Operands that meet badly: a third of b a few ulps from -a or half an ulp of a; a third of c close to -a*b."""
    rng = np.random.default_rng(seed)
    a, b, c = (hostile_array(fmt, count, seed + k) for k in range(3))
    steps, largest = rng.integers(-2, 3, count), fmt.max_finite_bits
    index = to_index(np.where(np.isfinite(a), a, 0.0), fmt)
    opposite = from_index(np.clip(steps - index, -largest, largest), fmt)
    half_ulp = from_index(np.clip(np.abs(index) - (fmt.precision << (fmt.precision - 1)) + steps, 0, largest), fmt)
    kind = rng.integers(0, 6, count)
    b = np.select([kind == 0, kind == 1], [opposite, half_ulp * rng.choice([-1.0, 1.0], count)], b)
    with np.errstate(all="ignore"):
        product = round_array(-a * b, fmt, Rounding.RNE)
    return a, b, np.where(rng.integers(0, 3, count) == 0, product, c)
