"""Claims of alignment.py: what one step of a tensor core makes of some products, by worked examples."""

from __future__ import annotations

import math

import pytest

from fpsynth.alignment import MAX_FRACTION_BITS, Alignment, aligned_sum
from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, TF32, Format
from fpsynth.rounding import Rounding, from_float

HOPPER, AMPERE, VOLTA = Alignment(25), Alignment(24), Alignment(23)


def total(
    products: list[tuple[float, float]],
    how: Alignment = HOPPER,
    *numbers: float,
    factors: Format = FLOAT16,
    fmt: Format = FLOAT32,
) -> float:
    pairs = [(from_float(a), from_float(b)) for a, b in products]
    return float(aligned_sum([from_float(number) for number in numbers], pairs, factors, fmt, how))


@pytest.mark.parametrize(("how", "kept"), [(VOLTA, 23), (AMPERE, 24), (HOPPER, 25)])
def test_what_is_small_beside_the_largest_addend_is_lost(how: Alignment, kept: int) -> None:
    # Fasi et al., 2021, section on the precision of intermediate results: 1 - 1 + 2**-k
    for k in range(18, 30):
        result = total([(1.0, 1.0), (-1.0, 1.0), (2.0**-14, 2.0 ** (14 - k))], how)
        assert result == (2.0**-k if k <= kept else 0.0)


def test_an_exact_step_would_keep_it() -> None:
    assert total([(1.0, 1.0), (-1.0, 1.0), (2.0**-24, 2.0**-20)], Alignment(64)) == 2.0**-44


def test_products_are_not_normalised_before_they_are_aligned() -> None:
    # 1.5 * 1.5 = 2.25 has the exponent 0 of its factors, not 1: 2**-25 is kept beside it
    assert total([(1.5, 1.5), (-1.5, 1.5), (2.0**-12, 2.0**-13)]) == 2.0**-25
    assert total([(2.0, 1.125), (-2.0, 1.125), (2.0**-12, 2.0**-13)]) == 0.0


def test_a_factor_that_is_subnormal_has_the_least_normal_exponent() -> None:
    # 2**-24 * 2**15 = 2**-9 is aligned as if it were 2**(-14 + 15): 2**-25 is lost beside it
    big, small = (2.0**-24, 2.0**15), (2.0**-12, 2.0**-13)
    assert total([big, (-(2.0**-24), 2.0**15), small]) == 0.0
    assert total([(2.0**-9, 1.0), (-(2.0**-9), 1.0), small]) == 2.0**-25


def test_addends_are_cut_toward_zero_one_by_one() -> None:
    tiny = (2.0**-13, 2.0**-13)  # a quarter of the last place kept beside 1: four of them make one, and all are lost
    assert total([(1.0, 1.0), *[tiny] * 4, (-1.0, 1.0)]) == 0.0
    negative = (-(2.0**-13), 2.0**-13)
    assert total([(1.0, 1.0), negative, (-1.0, 1.0)]) == 0.0
    assert total([(1.0, 1.0), negative, (-1.0, 1.0)], Alignment(25, cut=Rounding.RTN)) == -(2.0**-25)
    assert total([(1.0, 1.0), (1.5 * 2.0**-12, 2.0**-13), (-1.0, 1.0)], Alignment(25, cut=Rounding.RNE)) == 2.0**-24


def test_the_sum_is_rounded_toward_zero_into_the_accumulator() -> None:
    below = [(1.0, 1.0), (1.5 * 2.0**-12, 2.0**-12)]  # 1 + 1.5 * 2**-24: three quarters of an ulp
    assert total(below) == 1.0
    assert total(below, Alignment(25, rounding=Rounding.RNE)) == 1.0 + 2.0**-23
    assert total([(-a, b) for a, b in below]) == -1.0


def test_the_accumulator_is_an_addend_like_the_others() -> None:
    assert total([(2.0**-12, 2.0**-12)], HOPPER, 1.0) == 1.0
    assert total([(2.0**-12, 2.0**-12), (2.0**-12, 2.0**-12)], HOPPER, 1.0) == 1.0 + 2.0**-23
    assert total([(2.0**-13, 2.0**-13)] * 64, HOPPER, 1.0) == 1.0  # in any order: this is not what an FMA chain gives


def test_a_float16_accumulator_is_rounded_to_nearest() -> None:
    how = Alignment(25, rounding=Rounding.RNE)
    assert total([(1.0, 1.0), (2.0**-5, 2.0**-6)], how, fmt=FLOAT16) == 1.0  # a tie
    assert total([(1.0, 1.0), (1.25 * 2.0**-5, 2.0**-6)], how, fmt=FLOAT16) == 1.0 + 2.0**-10


def test_overflow_is_an_infinity_whatever_the_rounding() -> None:
    largest = float(BFLOAT16.max_finite)
    assert total([(largest, 1.0), (largest, 1.0)], factors=BFLOAT16) == math.inf
    assert total([(-largest, largest)], factors=BFLOAT16) == -math.inf
    almost = float(FLOAT32.max_finite)
    assert total([(1.0, 1.0)], HOPPER, almost, factors=BFLOAT16) == almost
    assert total([(2.0**8, 2.0**8)], Alignment(25, rounding=Rounding.RNE), fmt=FLOAT16) == math.inf


def test_infinities_and_what_is_no_number() -> None:
    assert total([(math.inf, 1.0), (1.0, 1.0)]) == math.inf
    assert total([(math.inf, -1.0)], HOPPER, -math.inf) == -math.inf
    assert math.isnan(total([(math.inf, 1.0), (-math.inf, 1.0)]))
    assert math.isnan(total([(math.inf, 0.0)]))
    assert math.isnan(total([(1.0, 1.0)], HOPPER, math.nan))


def test_a_sum_that_is_zero_is_plus_zero() -> None:
    for result in (total([(1.0, 1.0), (-1.0, 1.0)]), total([(-0.0, 1.0)]), total([(-0.0, 1.0)], HOPPER, -0.0)):
        assert (result, math.copysign(1.0, result)) == (0.0, 1.0)


def test_the_exponent_of_a_zero_shows_where_numbers_are_tiny() -> None:
    # the probe of MMA-Sim: 2**-149 less a tiny product is 2**-149 where that is lost; where it is not, less, and so 0
    products = [(2.0**-23, 2.0**-126), (-(2.0**-60), 2.0**-126)]
    assert total(products, factors=TF32) == 2.0**-149
    near = [(2.0**-23, 2.0**-126), (-(2.0**-40), 2.0**-126)]
    assert total(near, factors=TF32) == 0.0
    assert total(near, Alignment(25, least_exponent=-133), factors=TF32) == 2.0**-149


def test_what_is_alone_is_kept_where_there_are_bits_enough() -> None:
    assert HOPPER.keeps(FLOAT16, FLOAT32)
    assert not Alignment(13).keeps(FLOAT16, FLOAT32)
    assert [how.extra_bits(FLOAT32) for how in (VOLTA, AMPERE, HOPPER)] == [0, 1, 2]
    assert total([(1.0 + 2.0**-10, 1.0 + 2.0**-10)]) == (1.0 + 2.0**-10) ** 2


@pytest.mark.parametrize("bits", [0, -1, MAX_FRACTION_BITS + 1])
def test_an_alignment_keeps_a_sensible_number_of_bits(bits: int) -> None:
    with pytest.raises(InputError, match="fraction bits"):
        Alignment(bits)


def test_the_words() -> None:
    assert str(HOPPER) == "aligned to 25 bits, rounded RTZ"
    assert (
        str(Alignment(13, Rounding.RNE, Rounding.RTN, -133)) == "aligned to 13 bits, cut RTN, rounded RNE, exponents from -133"
    )
