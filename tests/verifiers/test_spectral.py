"""Claims of spectral.py: no bound is below the norm, whatever underflows, and few are much above it."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fpsynth.formats import power_of_two
from fpsynth.verifiers.lipschitz_ball import spectral_norm_upper
from fpsynth.verifiers.spectral import frobenius_upper, norm_upper, row_and_column_upper
from fpsynth.workers.deadlines import OutOfTimeError, within

NUMBERS = st.one_of(
    st.floats(-4, 4), st.builds(lambda m, e: math.ldexp(m, e), st.floats(-1, 1), st.integers(-1070, 1000)), st.just(5e-324)
)


def exact_square(numbers: list[float]) -> Fraction:
    return sum((Fraction(x) ** 2 for x in numbers), Fraction(0))


@given(
    column=st.lists(st.floats(-4, 4), min_size=1, max_size=6),
    row=st.lists(st.floats(-4, 4), min_size=1, max_size=6),
    gram=st.integers(1, 12),
)
@example(column=[1.0, 2.0**-600], row=[1.0], gram=1)  # the small entry's square underflows
@example(column=[2.0**-500] * 5, row=[2.0**-500], gram=3)
def test_of_a_matrix_of_rank_one_the_norm_is_known(column: list[float], row: list[float], gram: int) -> None:
    matrix = np.outer(column, row)
    if any(Fraction(a) * Fraction(b) != Fraction(a * b) for a in column for b in row):
        return  # the products were rounded: the matrix is of another rank
    bound = norm_upper(matrix, gram)
    square = exact_square(column) * exact_square(row)
    assert square <= bound**2 <= square * (1 + Fraction(1, 10**9)) + power_of_two(-4000)


@given(
    entries=st.lists(NUMBERS, min_size=12, max_size=12), columns=st.sampled_from([1, 2, 3, 4, 6, 12]), gram=st.integers(1, 12)
)
@example(entries=[5e-324] * 12, columns=3, gram=11)
@example(entries=[1.7e308] * 12, columns=4, gram=11)
@example(entries=[1.0, 2.0**-600, 2.0**-530, 0.0] * 3, columns=4, gram=11)
def test_a_bound_is_that_of_ball_arithmetic_but_for_rounding(entries: list[float], columns: int, gram: int) -> None:
    pytest.importorskip("flint", reason="python-flint is not installed")
    matrix = np.array(entries).reshape(-1, columns)
    ball, bound = spectral_norm_upper(matrix.tolist(), gram), norm_upper(matrix, gram)
    assert bound >= ball * (1 - power_of_two(-90))  # which is the very same formula, up to 2**-100
    assert bound <= ball * (1 + Fraction(1, 10**9))


@pytest.mark.parametrize(("rows", "columns"), [(300, 200), (40, 500), (1, 700)])
def test_larger_matrices_are_bounded_closely(rows: int, columns: int) -> None:
    matrix = np.random.default_rng(rows).normal(size=(rows, columns))
    true = np.linalg.norm(matrix, 2)
    assert true * (1 - 1e-12) <= float(norm_upper(matrix, 11)) <= true * min(rows, columns) ** 2.0**-12 * (1 + 1e-9)


def test_of_hadamard_matrices_every_iteration_has_the_exact_norm_or_more() -> None:
    matrix = np.array([[1.0]])
    for _ in range(6):
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    for gram in range(1, 12):
        bound = norm_upper(matrix, gram)
        assert bound**2 >= len(matrix)  # all singular values are equal: the Frobenius norm is farthest off
        assert float(bound) <= math.sqrt(64) * 64 ** (2.0 ** -(gram + 1)) * (1 + 1e-9)


def test_equal_singular_values_are_bounded_closely_by_every_number_of_iterations() -> None:
    matrix = np.linalg.qr(np.random.default_rng(3).normal(size=(200, 200)))[0]
    for gram in (1, 4, 8, 12):
        bound = float(norm_upper(matrix, gram))
        assert 1 - 1e-12 <= bound <= 200 ** (2.0 ** -(gram + 1)) * (1 + 1e-9)


def test_nothing_is_zero_and_time_is_looked_at() -> None:
    assert norm_upper(np.zeros((3, 2)), 11) == 0
    with within(0.0), pytest.raises(OutOfTimeError):
        norm_upper(np.ones((3, 2)), 2)


def test_frobenius_norms_and_sums_of_magnitudes_are_bounded_exactly() -> None:
    rng = random.Random(1)
    for _ in range(200):
        size = rng.randrange(1, 40)
        numbers = [rng.uniform(-1, 1) * 2.0 ** rng.choice([0, -3, -540, -1060]) for _ in range(size)]
        assert frobenius_upper(np.array([numbers])) ** 2 >= exact_square(numbers)
        magnitudes = np.abs(numbers)
        exact = sum(map(Fraction, magnitudes.tolist()), Fraction(0))
        assert row_and_column_upper(float(magnitudes.sum()), float(magnitudes.sum()), size) >= exact
