"""AVX512-BF16: what the instruction does (that kernels made of it are explained is seen in ``test_revealer``)."""

from __future__ import annotations

import numpy as np
import pytest
from processors import needs_bfloat16

from fpsynth.evaluators.sums import sum_of_products
from fpsynth.formats import BFLOAT16, FLOAT32
from fpsynth.orders import parse_order
from fpsynth.rounding import Flush
from fpsynth.sums.arithmetic import Arithmetic


@needs_bfloat16
def test_products_near_the_least_normal_number_tell_which_of_a_pair_comes_first() -> None:
    """8 terms of about 2**-126 in torch, flushed: all are explained if the second product of each pair comes first."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    rng, terms, rows = np.random.default_rng(0), 8, 64

    def drawn() -> np.ndarray:
        size = (rows, terms)
        numbers = rng.uniform(1, 2, size) * 2.0 ** rng.integers(-64, -60, size) * rng.choice([-1, 1], size)
        return torch.tensor(numbers).bfloat16()

    def by_hand(x: np.ndarray, w: np.ndarray, order: list[int]) -> np.ndarray:
        """The sums of a chain: products have 16 bits and exponents close to the sum's, so that float64 is exact."""
        total = np.zeros(x.shape[:-1], np.float32)
        for k in order:
            added = (total.astype(np.float64) + x[..., k] * w[..., k]).astype(np.float32)
            total = np.where(np.abs(added) < np.float32(2.0**-126), np.float32(0), added)
        return torch.tensor(total).bfloat16().double().numpy()

    how = Arithmetic(
        BFLOAT16, FLOAT32, fused=True, flush=Flush.UNBOUNDED, rounded=(1,), order=parse_order("[[[[[[[0,1],3],2],5],4],7],6]")
    )
    good = bad = total = 0
    for _ in range(10):
        x, w = drawn(), drawn()
        got = (x @ w.T).double().numpy()
        x, w = x.double().numpy()[:, None, :], w.double().numpy()[None, :, :]
        wanted = by_hand(x, w, [1, 0, 3, 2, 5, 4, 7, 6])
        assert np.array_equal(wanted, sum_of_products(how, w, x))
        good, total = good + int((got == wanted).sum()), total + got.size
        bad += int((got == by_hand(x, w, [0, 1, 3, 2, 5, 4, 7, 6])).sum())
    assert good == total
    assert bad < total
