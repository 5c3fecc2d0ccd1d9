"""The exact interpreter against numpy's own float16, float32 and float64 arithmetic, on hostile operands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hostile import hostile_array, hostile_triples

from fpsynth import expressions as e
from fpsynth import rounding as r
from fpsynth.evaluators.exact import evaluate
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64, Format

NATIVE: dict[Format, Any] = {FLOAT16: np.float16, FLOAT32: np.float32, FLOAT64: np.float64}


@pytest.mark.parametrize("fmt", NATIVE, ids=str)
def test_sums_differences_products_and_comparisons(fmt: Format) -> None:
    a, b, _ = hostile_triples(fmt, 3000, seed=21)
    with np.errstate(all="ignore"):
        x, y = a.astype(NATIVE[fmt]), b.astype(NATIVE[fmt])
        native = [(x + y).tolist(), (x - y).tolist(), (x * y).tolist(), (-x).tolist()]
        native += [(x < y).tolist(), (x <= y).tolist(), (x == y).tolist()]
    p, q = e.variable("p", fmt), e.variable("q", fmt)
    roots = [e.add(p, q), e.sub(p, q), e.mul(p, q), e.neg(p), e.lt(p, q), e.le(p, q), e.eq(p, q)]
    for k, (u, v) in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
        answers = evaluate(roots, {"p": r.from_float(u), "q": r.from_float(v)})
        wanted = [r.from_float(column[k]) if isinstance(column[k], float) else column[k] for column in native]
        assert answers == wanted, (u.hex(), v.hex())


@pytest.mark.parametrize("fmt", NATIVE, ids=str)
def test_the_larger_one_is_numpy_s_but_for_the_sign_of_zero_that_numpy_leaves_open(fmt: Format) -> None:
    a, b, _ = hostile_triples(fmt, 1000, seed=22)
    for u, v, larger in zip(
        a.tolist(), b.tolist(), np.maximum(a.astype(NATIVE[fmt]), b.astype(NATIVE[fmt])).tolist(), strict=True
    ):
        value = r.maximum(r.from_float(u), r.from_float(v))
        assert value == r.from_float(larger) or (u == v == 0 and value == r.PLUS_ZERO)


@pytest.mark.parametrize("target", NATIVE, ids=str)
@pytest.mark.parametrize("source", NATIVE, ids=str)
def test_casts(source: Format, target: Format) -> None:
    a = hostile_array(source, 2000, seed=23)
    node = e.Expression(e.Op.CAST, (e.variable("p", source),), target)
    with np.errstate(all="ignore"):
        native = a.astype(NATIVE[source]).astype(NATIVE[target]).tolist()
    for u, wanted in zip(a.tolist(), native, strict=True):
        assert evaluate([node], {"p": r.from_float(u)}) == [r.from_float(wanted)], u.hex()


def test_all_float16_values_from_their_bits() -> None:
    native = np.arange(1 << 16, dtype=np.uint16).view(np.float16).tolist()
    assert all(r.from_bits(bits, FLOAT16) == r.from_float(x) for bits, x in enumerate(native))
