"""The exact interpreter against ml_dtypes: both 8-bit formats exhaustively, bfloat16 on hostile operands."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hostile import hostile_array, hostile_triples

from fpsynth import rounding as r
from fpsynth.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, FLOAT32, Format
from fpsynth.rounding import Value

DTYPES: dict[Format, Any] = {
    BFLOAT16: ml_dtypes.bfloat16,
    FLOAT8_E4M3FN: ml_dtypes.float8_e4m3fn,
    FLOAT8_E5M2: ml_dtypes.float8_e5m2,
}
EIGHT_BITS = [FLOAT8_E4M3FN, FLOAT8_E5M2]


def values_of(array: np.ndarray) -> list[Value]:
    return [r.from_float(x) for x in array.astype(np.float64).ravel().tolist()]


def all_codes(fmt: Format) -> np.ndarray:
    return np.arange(1 << fmt.bits, dtype=np.uint8).view(DTYPES[fmt])


@pytest.mark.parametrize("fmt", EIGHT_BITS, ids=str)
def test_every_encoding(fmt: Format) -> None:
    assert [r.from_bits(bits, fmt) for bits in range(256)] == values_of(all_codes(fmt))


@pytest.mark.parametrize("fmt", EIGHT_BITS, ids=str)
def test_every_sum_product_and_maximum(fmt: Format) -> None:
    codes = all_codes(fmt)
    with np.errstate(all="ignore"):
        sums, products = values_of(codes[:, None] + codes), values_of(codes[:, None] * codes)
        larger = values_of(np.maximum(codes[:, None], codes))
    values = values_of(codes)
    for place, (a, b) in enumerate((a, b) for a in values for b in values):
        assert r.round_value(r.exact_add(a, b), fmt) == sums[place], (a, b)
        assert r.round_value(r.exact_mul(a, b), fmt) == products[place], (a, b)
        assert r.maximum(a, b) == larger[place] or (a.is_zero and b.is_zero), (a, b)


@pytest.mark.parametrize("target", [*DTYPES, FLOAT16, FLOAT32], ids=str)
@pytest.mark.parametrize("source", EIGHT_BITS, ids=str)
def test_every_cast_from_eight_bits(source: Format, target: Format) -> None:
    dtype = DTYPES.get(target) or getattr(np, target.name)
    with np.errstate(all="ignore"):
        native = values_of(all_codes(source).astype(dtype))
    assert [r.round_value(value, target) for value in values_of(all_codes(source))] == native


@pytest.mark.parametrize("target", DTYPES, ids=str)
@pytest.mark.parametrize("source", [FLOAT16, FLOAT32], ids=str)
def test_every_float16_and_hostile_float32_cast_to_a_short_format(source: Format, target: Format) -> None:
    if source == FLOAT16:
        x = np.arange(1 << 16, dtype=np.uint16).view(np.float16)[:: 3 if target == BFLOAT16 else 1]
    else:
        near = hostile_array(target, 2000, seed=31)
        with np.errstate(all="ignore"):
            x = np.concatenate(
                [near, near * (1 + 2.0**-target.precision), near * (1 + 2.0**-20), hostile_array(FLOAT32, 2000, 32)]
            )
            x = x.astype(np.float32)
    with np.errstate(all="ignore"):
        native = values_of(x.astype(DTYPES[target]))
    for value, wanted in zip(values_of(x), native, strict=True):
        assert r.round_value(value, target) == wanted, value


def test_bfloat16_sums_and_products() -> None:
    a, b, _ = hostile_triples(BFLOAT16, 6000, seed=33)
    with np.errstate(all="ignore"):
        x, y = a.astype(ml_dtypes.bfloat16), b.astype(ml_dtypes.bfloat16)
        native = list(zip(values_of(x + y), values_of(x - y), values_of(x * y), strict=True))
    for u, v, wanted in zip(values_of(a), values_of(b), native, strict=True):
        exact = (r.exact_add(u, v), r.exact_add(u, r.negate(v)), r.exact_mul(u, v))
        assert tuple(r.round_value(result, BFLOAT16) for result in exact) == wanted, (u, v)


def test_float64_is_rounded_once_where_ml_dtypes_goes_through_float32() -> None:
    """The reason why nothing here casts from float64: ml_dtypes 0.5 answers 1."""
    x = 1 + 2.0**-8 + 2.0**-40
    assert float(r.round_value(r.from_float(x), BFLOAT16)) == 1 + 2.0**-7
