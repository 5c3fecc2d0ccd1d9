"""Claims of lipschitz_ball.py: bounds above the truth by next to nothing, and exact for one layer."""

import math
import random
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from witnesses import W1, W2, XB

from fpsynth.errors import InputError, MissingPackageError
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.verifiers.lipschitz_ball import ball_certifier, exact_supremum_squared, spectral_norm_upper
from fpsynth.verifiers.lipschitz_exact import exact_certifier, spectral_norm_up


def one_layer(*rows, bias=None):
    return dense_relu((Dense(tuple(map(tuple, rows)), bias),))


def test_the_published_solution_has_exactly_a_quarter():
    logits = [float(np.float32(w) * np.float32(XB)) for w in (W1, W2)]
    network = one_layer([W1], [W2])
    assert ball_certifier(network).supremum([XB], logits) == Fraction(1, 4)
    assert exact_supremum_squared(network, logits) == Fraction(1, 16)


@given(
    st.lists(st.lists(st.floats(-10, 10, width=32), min_size=2, max_size=2), min_size=2, max_size=3, unique_by=tuple),
    st.lists(st.floats(-10, 10, width=32), min_size=3, max_size=3),
)
def test_one_layer_is_as_tight_as_256_bits_allow(rows, logits):
    network, logits = one_layer(*rows), logits[: len(rows)]
    supremum, square = ball_certifier(network).supremum([0.0, 0.0], logits), exact_supremum_squared(network, logits)
    assert supremum**2 <= square <= supremum**2 * (1 + Fraction(1, 2**250))


def test_irrational_bounds_stay_above():
    bound = ball_certifier(one_layer([0.0, 0.0], [1.0, 1.0])).bounds[0][1]
    assert 2 < bound**2 < 2 + Fraction(1, 2**250)


def test_float64_gaps_are_not_inflated():
    judge = ball_certifier(one_layer([0.5], [0.5 + 2.0**-53]))
    assert judge.bounds[0][1] == Fraction(1, 2**53)


def test_exact_suprema_need_one_layer_and_finite_logits():
    with pytest.raises(InputError, match="one layer"):
        exact_supremum_squared(dense_relu((Dense(((1.0,),)), Dense(((1.0,), (2.0,))))), [0.0, 1.0])
    with pytest.raises(InputError, match="one layer"):
        exact_supremum_squared(one_layer([1.0], [2.0]), [0.0, math.inf])
    assert exact_supremum_squared(one_layer([1.0], [2.0]), [1.0, 1.0]) == 0
    with pytest.raises(InputError, match="every radius"):
        exact_supremum_squared(one_layer([1.0], [1.0]), [0.0, 1.0])


def test_a_bias_does_not_enter_the_bound():
    assert ball_certifier(one_layer([1.0], [3.0], bias=(1e6, 5.0))).bounds[0][1] == 2


def random_matrix(rng, rows, columns, scale):
    return [[rng.gauss(0, scale) for _ in range(columns)] for _ in range(rows)]


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (5, 3), (3, 8), (20, 20)])
@pytest.mark.parametrize("scale", [1.0, 1e-300, 1e300])
def test_the_spectral_norm_is_above_the_true_one_and_converges_to_it(rows, columns, scale):
    pytest.importorskip("flint", reason="python-flint is not installed")
    weight = random_matrix(random.Random(rows), rows, columns, scale)
    true = float(np.linalg.svd(np.array(weight) / scale, compute_uv=False)[0])
    norms = [float(spectral_norm_upper(weight, gram) / Fraction(scale)) for gram in (1, 5, 11, 30)]
    assert norms == sorted(norms, reverse=True)
    assert true * (1 - 1e-13) <= norms[-1] <= true * (1 + 1e-8)
    assert norms[2] <= true * min(rows, columns) ** (2.0**-12) * (1 + 1e-13)


def test_the_spectral_norm_of_a_known_matrix_is_not_below_it_by_any_bit():
    pytest.importorskip("flint", reason="python-flint is not installed")
    # orthogonal rows of norm 5: the true norm is 5, and Gram iteration gives 5 * 2**(1/2**(gram+1))
    norm = spectral_norm_upper([[3.0, 4.0], [-4.0, 3.0]], 40)
    assert 5 <= norm < 5 * (1 + Fraction(1, 2**40))
    assert 5 <= spectral_norm_upper([[3.0], [4.0]], 11) < 5 * (1 + Fraction(1, 2**110))


def test_zero_matrices_have_norm_zero():
    pytest.importorskip("flint", reason="python-flint is not installed")
    assert spectral_norm_upper([[0.0, 0.0], [0.0, 0.0]], 11) == 0


def test_it_agrees_with_the_verified_arithmetic_up_to_that_ones_decimals():
    pytest.importorskip("flint", reason="python-flint is not installed")
    rng = random.Random(7)
    network = dense_relu(
        tuple(Dense(tuple(map(tuple, random_matrix(rng, rows, columns, 0.5)))) for rows, columns in [(6, 4), (5, 6), (3, 5)])
    )
    tight, loose = ball_certifier(network).bounds, exact_certifier(network).bounds
    for p in range(3):
        for q in range(3):
            assert tight[p][q] <= loose[p][q] <= tight[p][q] * (1 + Fraction(1, 10**8))


def test_precision_set_by_others_is_left_alone():
    flint = pytest.importorskip("flint", reason="python-flint is not installed")
    before = flint.ctx.prec
    try:
        flint.ctx.prec = 20
        low = spectral_norm_upper([[3.0], [4.0]], 11)
        assert flint.ctx.prec == 20
    finally:
        flint.ctx.prec = before
    assert low == spectral_norm_upper([[3.0], [4.0]], 11)
    assert spectral_norm_up([[3.0], [4.0]], 11) >= low


def test_without_flint_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(MissingPackageError, match=r"fpsynth\[certifiers\]"):
        spectral_norm_upper([[1.0]], 1)
