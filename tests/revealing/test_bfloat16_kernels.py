"""AVX512-BF16: what the instruction does, and that the kernels made of it are explained on every hostile vector."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from profiles import slow

from fpsynth.arithmetic import Arithmetic
from fpsynth.evaluators.sums import sum_of_products
from fpsynth.formats import BFLOAT16, FLOAT32
from fpsynth.libraries.kernels import Kernel
from fpsynth.libraries.naming import parse_environment
from fpsynth.libraries.registry import library_named
from fpsynth.orders import parse_order
from fpsynth.revealing.result import pairs_reversed
from fpsynth.revealing.revealer import Revealer
from fpsynth.rounding import Flush

TERMS = [2, 64, *(pytest.param(terms, marks=slow) for terms in (4, 8, 1000))]


@cache
def has_bfloat16() -> bool:
    """Whether the processor has AVX512-BF16; /proc/cpuinfo is there on Linux alone."""
    try:
        return "avx512_bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


needs_bfloat16 = pytest.mark.skipif(not has_bfloat16(), reason="the processor has no AVX512-BF16")


@pytest.fixture(scope="module")
def revealer() -> Iterator[Revealer]:
    with Revealer() as shared:
        yield shared


@needs_bfloat16
@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize("batch", [1, 64])
@pytest.mark.parametrize("library", ["torch", "tensorflow"])
def test_bfloat16_kernels_are_explained_on_every_vector(revealer: Revealer, library: str, batch: int, terms: int) -> None:
    if library_named(library).version() is None:
        pytest.skip(f"{library} is not installed")
    environment = parse_environment(f"{library}:matmul:batch={batch},outputs=64")
    found = revealer.reveal(Kernel(environment, BFLOAT16, terms, 64), vectors=10_000)
    assert found.explained, [(str(cls.arithmetic), str(cls.check)) for cls in found.classes]
    assert sum(cls.check.total for cls in found.classes) >= 10_000
    for cls in found.classes:
        if cls.arithmetic.fused:  # the second product of a pair comes first
            assert (0, 1) in pairs_reversed(cls.arithmetic, terms)
            assert cls.arithmetic.flush is Flush.UNBOUNDED


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
