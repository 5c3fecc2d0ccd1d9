"""Claims of rounding.py: encodings, and rounding held against its definition over all values of small formats."""

from __future__ import annotations

import bisect
import functools
import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import EVERY, MICRO, TINY, TINYFN, TWO_BITS, formats, operands, rationals, roundings, values

from fpsynth import rounding as r
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, FLOAT32, FLOAT64, Format, power_of_two
from fpsynth.rounding import NAN, Flush, Rounding, Value, round_fraction, round_value

TABULATED = (TINY, TINYFN, MICRO, TWO_BITS, FLOAT8_E4M3FN, FLOAT8_E5M2)


@functools.cache
def table_of(fmt: Format) -> list[Fraction]:
    """All non-negative numbers of a format, and the one that would follow were the exponent unbounded."""
    table = [r.from_bits(bits, fmt).fraction() for bits in range(fmt.max_finite_bits + 1)]
    return [*table, table[-1] + power_of_two(fmt.emax - fmt.precision + 1)]


def by_definition(x: Fraction, fmt: Format, mode: Rounding) -> Value:
    """IEEE 754-2019, section 4.3, read literally: choose between the two numbers next to x."""
    table, magnitude, negative = table_of(fmt), abs(x), x < 0
    after = bisect.bisect_left(table, magnitude)
    above = table[min(after, len(table) - 1)]
    below = above if above <= magnitude else table[after - 1]
    if mode in (Rounding.RNE, Rounding.RNA):
        if magnitude - below == above - magnitude:
            chosen = above if mode is Rounding.RNA or table.index(below) % 2 else below
        else:
            chosen = below if magnitude - below < above - magnitude else above
    elif mode is not Rounding.RTZ and negative == (mode is Rounding.RTN):
        chosen = above
    else:
        chosen = min(below, table[-2])
    if chosen == table[-1]:
        return (r.MINUS_INFINITY if negative else r.PLUS_INFINITY) if fmt.has_infinity else NAN
    return r.dyadic(negative, *_scaled(chosen))


def _scaled(x: Fraction) -> tuple[int, int]:
    return x.numerator, 1 - x.denominator.bit_length()


@pytest.mark.parametrize("fmt", TABULATED, ids=str)
@pytest.mark.parametrize("mode", Rounding)
def test_rounding_is_its_definition_at_all_values_midpoints_and_beside_them(fmt: Format, mode: Rounding) -> None:
    table = table_of(fmt)
    points = [p for a, b in itertools.pairwise(table) for p in (a, (a + b) / 2, (a * 5 + b * 3) / 8, (3 * a + 5 * b) / 8)]
    sample = points if len(table) < 40 else [*points[:40], *points[-60:], *points[40:-60:7]]
    for point in [*sample, table[-1], table[-1] * 3]:
        for x in (point, -point):
            if x:
                assert round_fraction(x, fmt, mode) == by_definition(x, fmt, mode), x


@given(rationals, st.sampled_from(TABULATED), roundings)
@example(Fraction(7, 3), TINY, Rounding.RNE)
@example(Fraction(29, 2) + Fraction(1, 10**30), TINY, Rounding.RTZ)
def test_rounding_any_rational_is_its_definition(x: Fraction, fmt: Format, mode: Rounding) -> None:
    if x:
        assert round_fraction(x, fmt, mode) == by_definition(x, fmt, mode)


@given(rationals, formats, roundings)
def test_directed_roundings_enclose_and_nearest_is_one_of_them(x: Fraction, fmt: Format, mode: Rounding) -> None:
    low, high = round_fraction(x, fmt, Rounding.RTN), round_fraction(x, fmt, Rounding.RTP)
    if low.is_finite:
        assert low.fraction() <= x
    if high.is_finite:
        assert high.fraction() >= x
    assert round_fraction(x, fmt, mode) in (low, high)


@given(st.data(), formats)
def test_encoding_and_decoding_are_inverse(data: st.DataObject, fmt: Format) -> None:
    value = data.draw(values(fmt))
    assert r.from_bits(r.to_bits(value, fmt), fmt) == value
    assert r.representable(value, fmt)
    assert r.from_float(float(value)) == value


@pytest.mark.parametrize("fmt", [f for f in EVERY if f.bits <= 16], ids=str)
def test_every_encoding_decodes_to_a_value_that_encodes_to_it(fmt: Format) -> None:
    for bits in range(1 << fmt.bits):
        value = r.from_bits(bits, fmt)
        assert r.to_bits(value, fmt) == (fmt.nan_bits if value.is_nan else bits)


@given(st.data(), formats, roundings, st.sampled_from(Flush))
def test_rounding_keeps_what_is_representable_but_for_flushed_subnormals(
    data: st.DataObject, fmt: Format, mode: Rounding, flush: Flush
) -> None:
    value = data.draw(values(fmt))
    assert round_value(value, fmt, mode) == value
    flushed = round_value(value, fmt, mode, flush)
    if flush and value.is_finite and abs(value.fraction()) < fmt.min_normal:
        assert flushed == r.dyadic(value.negative, 0, 0)
    else:
        assert flushed == value


def test_overflow_by_mode_and_sign() -> None:
    big = r.from_fraction(10**6)
    largest = r.from_fraction(FLOAT16.max_finite)
    expected = {"RNE": (r.PLUS_INFINITY, r.MINUS_INFINITY), "RNA": (r.PLUS_INFINITY, r.MINUS_INFINITY)}
    expected |= {"RTZ": (largest, r.negate(largest)), "RTP": (r.PLUS_INFINITY, r.negate(largest))}
    expected |= {"RTN": (largest, r.MINUS_INFINITY)}
    for mode in Rounding:
        got = (round_value(big, FLOAT16, mode), round_value(r.negate(big), FLOAT16, mode))
        assert got == expected[mode.value]
    assert round_value(big, FLOAT8_E4M3FN) == NAN
    assert round_value(big, FLOAT8_E4M3FN, Rounding.RTZ).fraction() == 448
    assert round_value(r.PLUS_INFINITY, FLOAT8_E4M3FN, Rounding.RTZ) == NAN


def test_the_code_after_the_largest_e4m3fn_number_is_no_number() -> None:
    assert round_value(r.from_fraction(464), FLOAT8_E4M3FN).fraction() == 448  # halfway to 480, and 448 is even
    assert round_value(r.from_fraction(465), FLOAT8_E4M3FN) == NAN
    assert not r.representable(r.from_fraction(480), FLOAT8_E4M3FN)
    assert not r.representable(r.PLUS_INFINITY, FLOAT8_E4M3FN)


def test_a_result_that_rounds_up_to_the_smallest_normal_is_not_flushed() -> None:
    just_below = r.from_fraction(FLOAT32.min_normal - FLOAT32.min_subnormal / 4)
    assert round_value(just_below, FLOAT32, flush=True).fraction() == FLOAT32.min_normal
    assert round_value(just_below, FLOAT32, Rounding.RTZ, flush=True) == r.PLUS_ZERO


@pytest.mark.parametrize("flush", Flush)
def test_tiny_with_unbounded_exponent_is_what_a_format_with_lower_exponents_rounds_below_the_least_normal(flush: Flush) -> None:
    """The last half ulp below the least normal number of a small format, in steps of a 64th of an ulp, ties included."""
    deep = Format("deep", 6, 4)
    narrow = Format("narrow", 4, 4)
    for steps in range(-80, 80):
        value = r.from_fraction(narrow.min_normal + Fraction(steps, 64) * narrow.min_subnormal)
        for number, mode in itertools.product((value, r.negate(value)), Rounding):
            unbounded = round_value(number, deep, mode)
            tiny = abs((unbounded if flush is Flush.UNBOUNDED else round_value(number, narrow, mode)).fraction())
            flushed = flush and tiny < narrow.min_normal
            wanted = r.dyadic(number.negative, 0, 0) if flushed else round_value(number, narrow, mode)
            assert round_value(number, narrow, mode, flush) == wanted
            assert r.round_fraction(number.fraction(), narrow, mode, flush) == wanted
            if flush is Flush.UNBOUNDED and not flushed:
                assert unbounded == wanted


def test_thirds_are_flushed_as_their_unbounded_rounding_says() -> None:
    third = Fraction(1, 3) * FLOAT16.min_subnormal / 2  # within the half ulp in which the two kinds differ
    near = FLOAT16.min_normal - FLOAT16.min_subnormal / 4 - third
    assert r.round_fraction(near, FLOAT16, flush=Flush.ROUNDED).fraction() == FLOAT16.min_normal
    assert r.round_fraction(near, FLOAT16, flush=Flush.UNBOUNDED) == r.PLUS_ZERO
    assert r.round_fraction(-near, FLOAT16, flush=Flush.UNBOUNDED) == r.MINUS_ZERO


@given(st.data(), formats, roundings)
def test_sums_and_products_are_exact_before_they_are_rounded(data: st.DataObject, fmt: Format, mode: Rounding) -> None:
    a, b = (v for v in data.draw(operands(fmt, 2)))
    if a.is_finite and b.is_finite:
        assert r.exact_add(a, b, mode).fraction() == a.fraction() + b.fraction()
        assert r.exact_mul(a, b).fraction() == a.fraction() * b.fraction()
        assert r.less(a, b) == (a.fraction() < b.fraction())
        assert r.equal(a, b) == (a.fraction() == b.fraction())
        assert r.maximum(a, b).fraction() == max(a.fraction(), b.fraction())


def test_signs_of_zero() -> None:
    one, minus_one, plus, minus = r.from_fraction(1), r.from_fraction(-1), r.PLUS_ZERO, r.MINUS_ZERO
    for mode in Rounding:
        cancelled = minus if mode is Rounding.RTN else plus
        assert r.exact_add(one, minus_one, mode) == cancelled
        assert r.exact_add(plus, minus, mode) == cancelled
        assert r.exact_add(minus, minus, mode) == minus
        assert r.exact_add(plus, plus, mode) == plus
        assert round_fraction(Fraction(-1, 10**400), FLOAT64, mode) == (
            r.from_fraction(-FLOAT64.min_subnormal) if mode is Rounding.RTN else minus
        )
    assert r.exact_mul(minus, one) == minus
    assert r.exact_mul(minus, minus_one) == plus
    assert r.maximum(minus, plus) == r.maximum(plus, minus) == plus
    assert r.negate(plus) == minus
    assert r.equal(plus, minus)
    assert not r.less(minus, plus)


def test_what_infinities_and_nan_become() -> None:
    inf, one, zero = r.PLUS_INFINITY, r.from_fraction(1), r.PLUS_ZERO
    assert r.exact_add(inf, r.MINUS_INFINITY) == r.exact_mul(inf, zero) == NAN
    assert r.exact_add(inf, one) == r.exact_add(one, inf) == r.exact_mul(inf, one) == inf
    assert r.exact_mul(inf, r.from_fraction(-3)) == r.MINUS_INFINITY
    assert r.maximum(NAN, inf) == r.maximum(one, NAN) == r.negate(NAN) == NAN
    assert not any((r.less(NAN, one), r.less(one, NAN), r.equal(NAN, NAN)))
    assert r.less(r.MINUS_INFINITY, inf)
    assert r.less(one, inf)
    assert not r.less(inf, inf)


def test_values_that_a_float_cannot_hold_are_refused() -> None:
    assert math.isnan(float(NAN))
    assert float(r.MINUS_INFINITY) == -math.inf
    assert math.copysign(1, float(r.MINUS_ZERO)) == -1
    for number in (Fraction(2**1024), Fraction(1, 2**1075), Fraction(2**53 + 1)):
        with pytest.raises(OverflowError):
            float(r.from_fraction(number))
    assert float(r.from_fraction(FLOAT64.max_finite)) == float(FLOAT64.max_finite)
    with pytest.raises(ValueError, match="not a number"):
        NAN.fraction()
    with pytest.raises(ValueError, match="1/3 is not a dyadic"):
        r.from_fraction(Fraction(1, 3))
    with pytest.raises(ValueError, match="is not a float16"):
        r.to_bits(r.from_fraction(65536), FLOAT16)


@given(st.data(), formats)
def test_one_step_of_the_index_is_the_next_number(data: st.DataObject, fmt: Format) -> None:
    value = data.draw(values(fmt, finite=True))
    index = r.to_index(value, fmt)
    assert r.equal(r.from_index(index, fmt), value)
    if index < fmt.max_finite_bits:
        following = r.from_index(index + 1, fmt)
        assert r.less(value, following)
        middle = (value.fraction() + following.fraction()) / 2
        assert {r.to_index(round_fraction(middle, fmt, mode), fmt) for mode in (Rounding.RTN, Rounding.RTP)} == {
            index,
            index + 1,
        }


@given(rationals, rationals, st.sampled_from(TABULATED))
@example(Fraction(-1000), Fraction(-500), FLOAT8_E4M3FN)  # once came out as everything: NaN has no sign
def test_index_range_is_exactly_the_numbers_between_two_bounds(a: Fraction, b: Fraction, fmt: Format) -> None:
    lower, upper = min(a, b), max(a, b)
    inside = [
        k for k in range(-fmt.max_finite_bits, fmt.max_finite_bits + 1) if lower <= r.from_index(k, fmt).fraction() <= upper
    ]
    low, high = r.index_range(lower, upper, fmt)
    assert (low, high) == (inside[0], inside[-1]) if inside else low > high
    with pytest.raises(ValueError, match="no finite number"):
        r.from_index(fmt.max_finite_bits + 1, fmt)


def test_rounding_named_lists_the_modes() -> None:
    assert rounding_modes() == [Rounding.RNE, Rounding.RNA, Rounding.RTP, Rounding.RTN, Rounding.RTZ]
    with pytest.raises(InputError, match="unknown rounding 'up'; choose from RNE, RNA, RTP, RTN, RTZ"):
        r.rounding_named("up")


def rounding_modes() -> list[Rounding]:
    return [r.rounding_named(name) for name in ("RNE", "RNA", "RTP", "RTN", "RTZ")]
