"""Claims of fused_sums.py: sums of many numbers and products are exact, and rounded once."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hostile import hostile_array
from strategies import EVERY

from fpsynth.evaluators.fused_sums import sum_arrays
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.rounding import NAN, Flush, Rounding, Value, from_float, round_fraction


def by_fractions(numbers: list[float], products: list[tuple[float, float]], fmt: Format, mode: Rounding) -> Value:
    """The definition."""
    flat = [*numbers, *(factor for pair in products for factor in pair)]
    if not np.all(np.isfinite(flat)):
        return NAN
    exact = sum(map(Fraction, numbers)) + sum(Fraction(a) * Fraction(b) for a, b in products)
    return round_fraction(Fraction(exact), fmt, mode)


@pytest.mark.parametrize("mode", Rounding)
@pytest.mark.parametrize("source", EVERY, ids=str)
def test_hostile_operands_of_every_format_rounded_into_three(source: Format, mode: Rounding) -> None:
    rows = 120
    columns = [hostile_array(source, rows, seed) for seed in range(8)]
    columns[6] = np.where(np.arange(rows) % 3 == 0, -columns[4], columns[6])  # undoes the first product in part, or wholly
    columns[7] = np.where(np.arange(rows) % 3 == 0, columns[5], columns[7])
    numbers, products = columns[:2], [(columns[2], columns[3]), (columns[4], columns[5]), (columns[6], columns[7])]
    for fmt in (source, FLOAT16, FLOAT64):
        got = sum_arrays(numbers, products, fmt, mode)
        for k in range(rows):
            row = [x[k] for x in numbers], [(a[k], b[k]) for a, b in products]
            assert from_float(float(got[k])) == by_fractions(*row, fmt, mode), (row, str(fmt))


def test_small_numbers_between_large_ones_that_cancel_are_kept() -> None:
    huge = np.array([2.0**1000])
    assert sum_arrays([np.array([3.0])], [(huge, huge), (-huge, huge)], FLOAT32)[0] == 3
    assert sum_arrays([huge, huge, np.array([2.0**-1074]), -huge, -huge], [], FLOAT64)[0] == 2.0**-1074
    tiny = np.array([2.0**-600])
    assert sum_arrays([], [(tiny, tiny)], FLOAT64, Rounding.RTP)[0] == 2.0**-1074


@pytest.mark.parametrize("mode", Rounding)
@pytest.mark.parametrize("fmt", [FLOAT16, FLOAT32, FLOAT64])
def test_sums_around_the_least_normal_number_are_flushed_as_the_reference_does(fmt: Format, mode: Rounding) -> None:
    """The least normal number and two products of a few quarters of the last place."""
    rng, rows = np.random.default_rng(2), 200
    least, half = float(fmt.min_normal), 2.0 ** (fmt.lsb_min // 2)
    number = rng.choice([-least, least], rows)
    products = [(rng.integers(-4, 5, rows) * half / 2, np.full(rows, 2.0**fmt.lsb_min / half / 2)) for _ in range(2)]
    kinds = {flush: sum_arrays([number], products, fmt, mode, flush) for flush in Flush}
    for flush, got in kinds.items():
        for k in range(rows):
            exact = Fraction(number[k]) + sum(Fraction(a[k]) * Fraction(b[k]) for a, b in products)
            assert from_float(float(got[k])) == round_fraction(exact, fmt, mode, flush)
    assert np.any(kinds[Flush.ROUNDED] != kinds[Flush.UNBOUNDED]) == (mode is not Rounding.RTZ)


def test_an_exact_zero_is_plus_zero_and_shapes_broadcast() -> None:
    for mode in Rounding:
        zero = sum_arrays([np.array([-0.0]), np.array([-0.0])], [], FLOAT32, mode)
        assert zero[0] == 0
        assert not np.signbit(zero[0])
    column, row = np.array([[1.0], [2.0]]), np.array([0.5, 0.25, 0.125])
    assert sum_arrays([column], [(column, row)], FLOAT64).tolist() == (column + column * row).tolist()
    assert sum_arrays([np.float64(1.5)], [], FLOAT16).shape == ()
