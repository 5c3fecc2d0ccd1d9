"""Claims of bit_patterns.py: whole arrays are encoded, decoded and indexed as single values are."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import EVERY, TINYFN, formats, landmarks, rationals, values

from fpsynth import rounding as r
from fpsynth.errors import InputError
from fpsynth.evaluators.arrays import bits_to_floats, floats_to_bits, from_index, grid, to_index
from fpsynth.formats import FLOAT8_E4M3FN, FLOAT64, Format


def encodings(fmt: Format) -> np.ndarray:
    """All encodings of a small format; of a big one, the landmarks' neighbourhoods and a sample."""
    if fmt.bits <= 16:
        return np.arange(1 << fmt.bits, dtype=np.int64)
    rng = np.random.default_rng(0)
    magnitudes = {place + step for place in landmarks(fmt) for step in range(-3, 4)} | {fmt.nan_bits}
    magnitudes |= set(rng.integers(0, fmt.infinity_bits, 2000).tolist())
    sign = 1 << (fmt.bits - 1)
    both = [m | s for m in magnitudes if 0 <= m < sign for s in (0, sign)]
    return np.array(both, dtype=np.uint64).view(np.int64)


@pytest.mark.parametrize("fmt", EVERY, ids=str)
def test_decoding_and_encoding_agree_with_the_exact_ones(fmt: Format) -> None:
    bits = encodings(fmt)
    unsigned = [int(b) % (1 << fmt.bits) for b in bits]
    decoded = bits_to_floats(bits, fmt)
    assert [r.from_float(x) for x in decoded.tolist()] == [r.from_bits(b, fmt) for b in unsigned]
    again = [int(b) % (1 << fmt.bits) for b in floats_to_bits(decoded, fmt)]
    assert again == [fmt.nan_bits if r.from_bits(b, fmt).is_nan else b for b in unsigned]


@pytest.mark.parametrize("fmt", EVERY, ids=str)
def test_the_index_is_the_exact_one_and_inverts(fmt: Format) -> None:
    rng = np.random.default_rng(1)
    index = np.concatenate(
        [np.arange(-40, 41), rng.integers(-fmt.max_finite_bits, fmt.max_finite_bits, 500), [fmt.max_finite_bits]]
    )
    index = np.clip(index, -fmt.max_finite_bits, fmt.max_finite_bits)
    x = from_index(index, fmt)
    assert [r.from_float(v) for v in x.tolist()] == [r.from_index(int(k), fmt) for k in index]
    assert (to_index(x, fmt) == index).all()
    assert (np.diff(from_index(np.sort(index), fmt)) >= 0).all()
    assert (to_index(np.array([0.0, -0.0]), fmt) == 0).all()
    assert not np.signbit(from_index(np.array([0]), fmt))[0]


@given(rationals, rationals, formats)
@example(Fraction(-1000), Fraction(-500), FLOAT8_E4M3FN)
@example(Fraction(500), Fraction(1000), FLOAT8_E4M3FN)
@example(Fraction(-(10**400)), Fraction(10**400), FLOAT64)
@example(Fraction(-1, 10**400), Fraction(1, 10**400), FLOAT64)
def test_grid_holds_the_numbers_between_the_bounds_and_no_more(a: Fraction, b: Fraction, fmt: Format) -> None:
    lower, upper = min(a, b), max(a, b)
    low, high = grid(fmt, lower, upper)
    largest = fmt.max_finite_bits
    assert -largest <= low <= largest + 1
    assert -largest - 1 <= high <= largest
    if low <= high:
        first, last = (Fraction(v) for v in from_index(np.array([low, high]), fmt).tolist())
        assert lower <= first <= last <= upper
    if -largest < low:
        assert r.from_index(low - 1, fmt).fraction() < lower
    if high < largest:
        assert r.from_index(high + 1, fmt).fraction() > upper


@given(st.data(), formats)
def test_scalars_and_any_shape_are_accepted(data: st.DataObject, fmt: Format) -> None:
    value = float(data.draw(values(fmt)))
    x = np.full((2, 1, 3), value)
    assert bits_to_floats(floats_to_bits(x, fmt), fmt).shape == x.shape
    assert floats_to_bits(np.float64(value), fmt) == floats_to_bits(x, fmt)[0, 0, 0]


@pytest.mark.parametrize(
    "fmt", [Format("quad", 15, 113), Format("range", 12, 20), Format("fn", 11, 20, has_infinity=False)], ids=str
)
def test_formats_beyond_float64_are_refused(fmt: Format) -> None:
    for function in (bits_to_floats, floats_to_bits, from_index, to_index):
        with pytest.raises(InputError, match=f"{fmt.name} does not fit into float64"):
            function(np.array([0]), fmt)


def test_nan_has_the_one_encoding_of_its_format() -> None:
    assert (floats_to_bits(np.array([np.nan, -np.nan, np.inf, -np.inf]), TINYFN) & 31 == TINYFN.nan_bits).all()
