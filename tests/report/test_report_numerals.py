"""Numbers are shortened without lying: directions hold, shortest decimals come back, intervals are what rounds."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples

from fpsynth.formats import FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, FLOAT32, FORMATS
from fpsynth.report.numerals import (
    binade,
    binary,
    bit_fields,
    decimal,
    equated,
    power_text,
    rounding_interval,
    scaled_integer,
    shortest,
    significant,
    ulp,
)
from fpsynth.rounding import Rounding, from_bits, from_float, from_fraction, round_fraction


@pytest.mark.parametrize(
    ("number", "digits", "direction", "text"),
    [
        (Fraction(1, 4), 10, "nearest", "0.25"),
        (2.0**-24, 3, "nearest", "5.96e-8"),
        (2.0**-24, 1, "down", "5e-8"),
        (Fraction(2, 3), 3, "down", "0.666"),
        (Fraction(2, 3), 3, "up", "0.667"),
        (Fraction(-2, 3), 3, "down", "-0.667"),
        (2.0**24, 9, "nearest", "16777216"),
        (18123456.0, 3, "nearest", "1.81e7"),
        (0.0, 3, "nearest", "0"),
        (float("inf"), 3, "nearest", "inf"),
        (1e300, 3, "nearest", "1e300"),
    ],
)
def test_significant_digits(number, digits, direction, text):
    assert significant(number, digits, direction) == text


@settings(max_examples=examples(200))
@given(st.fractions(min_value=-(10**12), max_value=10**12), st.integers(1, 20))
def test_rounded_down_is_below_and_rounded_up_above(number, digits):
    assert Fraction(significant(number, digits, "down")) <= number <= Fraction(significant(number, digits, "up"))


@settings(max_examples=examples(200))
@given(st.sampled_from(list(FORMATS.values())), st.data())
def test_the_shortest_decimal_comes_back(fmt, data):
    value = from_bits(data.draw(st.integers(0, fmt.max_finite_bits)), fmt)
    text = shortest(float(value), fmt)
    assert round_fraction(Fraction(text), fmt) == value


@pytest.mark.parametrize("fmt", [FLOAT8_E5M2, FLOAT8_E4M3FN, FLOAT16])
@pytest.mark.parametrize("mode", Rounding)
def test_the_rounding_interval_is_what_rounds_to_the_value(fmt, mode):
    step = 1 if fmt.bits == 8 else 977
    for bits in range(1, fmt.max_finite_bits + 1, step):
        for negative in (0, 1):
            value = from_bits(bits | negative << (fmt.bits - 1), fmt)
            low, high, low_in, high_in = rounding_interval(value, fmt, mode)
            tiny = (high - low) / 1024
            if bits in (1, fmt.max_finite_bits):
                continue  # next to zero and to infinity the sign of zero and the overflow rules decide
            for number, inside in (
                (low, low_in),
                (low + tiny, True),
                (high - tiny, True),
                (high, high_in),
                (low - tiny, False),
                (high + tiny, False),
            ):
                assert (round_fraction(number, fmt, mode) == value) == inside, (bits, number)


def test_the_ulp_is_the_distance_of_neighbours():
    assert ulp(Fraction(1), FLOAT32) == Fraction(2) ** -23
    assert ulp(Fraction(1) - Fraction(1, 2**24), FLOAT32) == Fraction(2) ** -24
    assert ulp(Fraction(0), FLOAT32) == ulp(FLOAT32.min_normal, FLOAT32) == FLOAT32.min_subnormal
    assert ulp(FLOAT32.max_finite * 8, FLOAT32) == ulp(FLOAT32.max_finite, FLOAT32)


def test_binary_has_a_bar_where_the_format_ends():
    assert binary(from_fraction(Fraction(11, 8)), FLOAT8_E5M2) == "1.01|1 × 2^0"
    assert binary(from_fraction(Fraction(-5, 4)), FLOAT8_E5M2) == "-1.01| × 2^0"
    assert binary(from_fraction(FLOAT8_E5M2.min_subnormal * Fraction(5, 4)), FLOAT8_E5M2) == "1.|01 × 2^-16"
    assert binary(from_fraction(FLOAT8_E5M2.min_subnormal / 4), FLOAT8_E5M2) == "|1. × 2^-18"
    assert binary(from_float(float("-inf")), FLOAT16) == "-inf"
    assert binary(from_float(-0.0), FLOAT16) == "-0"
    assert binary(from_fraction(1 + Fraction(1, 2**200)), FLOAT16).endswith(".. × 2^0")


def test_bits_are_sign_exponent_and_significand():
    assert bit_fields(from_float(-1.5), FLOAT16) == "1 | 01111 | 1000000000"
    assert bit_fields(from_float(1 + 2.0**-20), FLOAT16) == "?"


def test_what_is_cut_is_not_said_to_be_equal():
    assert equated("y", decimal(0.125)) == "y = 0.125"
    assert equated("y", decimal(Fraction(1, 3))) == "y ≈ 0.33333333333333333"


def test_decimals_are_exact_while_they_are_short():
    assert decimal(0.125) == "0.125"
    assert decimal(3.0) == "3"
    assert decimal(-0.0) == "-0"
    assert decimal(5e-324) == "≈ 4.9406564584124654e-324"
    assert decimal(Fraction(1, 3)).startswith("≈ 0.3333")
    assert decimal(2.0**100) == "1267650600228229401496703205376"
    assert decimal(1e300) == "≈ 1.0000000000000001e300"


def test_powers_of_two_and_odd_multiples():
    assert [power_text(x) for x in (2.0**24, 2.0**-24, 3.0, 0.0, 1.0)] == ["2^24", "2^-24", "", "", ""]
    assert [scaled_integer(Fraction(n)) for n in (0, 1, 6, Fraction(-3, 8), Fraction(1, 3))] == [
        "0",
        "1",
        "3 × 2^1",
        "-3 × 2^-3",
        "1/3",
    ]
    assert [binade(Fraction(n)) for n in (1, 3, Fraction(1, 3), -8)] == [0, 1, -2, 3]
