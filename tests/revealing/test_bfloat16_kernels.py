"""AVX512-BF16 and AMX: what their instructions do (that kernels made of it are explained is seen in ``test_revealer``)."""

from __future__ import annotations

import numpy as np
import pytest
from processors import has_tiles, needs_bfloat16

from fpsynth.evaluators.sums import sum_of_products
from fpsynth.formats import BFLOAT16, FLOAT32
from fpsynth.orders import parse_order
from fpsynth.rounding import Flush
from fpsynth.sums.arithmetic import Arithmetic

Sums = tuple[tuple[int, ...], ...]
PAIRS: Sums = ((1, 0, 3, 2, 5, 4, 7, 6),)
"""What AVX512-BF16 adds up: one chain, the second product of each pair first."""
TILES: Sums = ((0, 2, 4, 6), (1, 3, 5, 7))
"""AMX: a chain of even and a chain of odd products, then both."""
IN_ORDER: Sums = ((0, 1, 3, 2, 5, 4, 7, 6),)


def flushed(sums: np.ndarray) -> np.ndarray:
    """float32 without subnormal numbers, from exact sums."""
    rounded = sums.astype(np.float32)
    return np.where(np.abs(rounded) < np.float32(2.0**-126), np.float32(0), rounded).astype(np.float64)


def by_hand(x: np.ndarray, w: np.ndarray, chains: Sums) -> np.ndarray:
    """Chains of products, then their sum: products have 16 bits and exponents close to the sum's, so that float64 is exact."""
    totals = []
    for chain in chains:
        total = np.zeros(x.shape[:-1])
        for k in chain:
            total = flushed(total + x[..., k] * w[..., k])
        totals.append(total)
    return flushed(sum(totals[1:], totals[0]))


@needs_bfloat16
def test_products_near_the_least_normal_number_tell_what_is_added_first() -> None:
    """8 terms of about 2**-126 in torch, flushed: all are explained by the sums of the processor's instruction."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    rng, terms, rows = np.random.default_rng(0), 8, 64

    def drawn() -> np.ndarray:
        size = (rows, terms)
        numbers = rng.uniform(1, 2, size) * 2.0 ** rng.integers(-64, -60, size) * rng.choice([-1, 1], size)
        return torch.tensor(numbers).bfloat16()

    def result(x: np.ndarray, w: np.ndarray, chains: Sums) -> np.ndarray:
        return torch.tensor(by_hand(x, w, chains).astype(np.float32)).bfloat16().double().numpy()

    own, other = (TILES, PAIRS) if has_tiles() else (PAIRS, IN_ORDER)
    order = parse_order("lanes:2" if has_tiles() else "[[[[[[[0,1],3],2],5],4],7],6]")
    how = Arithmetic(BFLOAT16, FLOAT32, fused=True, flush=Flush.UNBOUNDED, rounded=() if has_tiles() else (1,), order=order)
    good = bad = total = 0
    for _ in range(10):
        x, w = drawn(), drawn()
        got = (x @ w.T).double().numpy()
        x, w = x.double().numpy()[:, None, :], w.double().numpy()[None, :, :]
        wanted = result(x, w, own)
        assert np.array_equal(wanted, sum_of_products(how, w, x))
        good, total = good + int((got == wanted).sum()), total + got.size
        bad += int((got == result(x, w, other)).sum())
    assert good == total
    assert bad < total
