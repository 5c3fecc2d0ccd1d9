"""Claims of bounds.py: bounds are never below the truth, and hardly above it."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpsynth.verifiers.bounds import float_up, norm_upper, round_up, sqrt_upper

POSITIVE = st.fractions(min_value=0, max_value=10**40) | st.builds(
    lambda n, k: Fraction(n) * Fraction(2) ** k, st.integers(1, 2**60), st.integers(-2000, 2000)
)


@given(POSITIVE, st.sampled_from([8, 64, 256]))
def test_a_square_root_is_bounded_from_above_and_tightly(number, bits):
    root = sqrt_upper(number, bits)
    assert root * root >= number
    assert (root * (1 - Fraction(2) ** (1 - bits))) ** 2 <= number


@given(POSITIVE)
def test_the_root_of_a_square_is_exact(number):
    assert sqrt_upper(number * number) == number


def test_no_root_of_a_negative_number():
    with pytest.raises(ValueError, match="nonnegative"):
        sqrt_upper(Fraction(-1))


def test_a_norm_that_is_rational_is_exact():
    assert norm_upper([Fraction(3, 7), Fraction(4, 7)]) == Fraction(5, 7)
    assert norm_upper([]) == 0


@given(POSITIVE, st.sampled_from([4, 64]))
def test_rounding_up_keeps_few_bits_and_goes_up(number, bits):
    rounded = round_up(number, bits)
    assert number <= rounded <= number * (1 + Fraction(2) ** (1 - bits))
    digits = bin(rounded.numerator).strip("0b")  # the denominator is a power of two
    assert rounded.denominator & (rounded.denominator - 1) == 0
    assert len(digits) <= bits


@given(st.fractions(min_value=-(10**6), max_value=10**6))
def test_float_up_is_the_next_float64(number):
    up = float_up(number)
    assert Fraction(math.nextafter(up, -math.inf)) < number <= Fraction(up)
