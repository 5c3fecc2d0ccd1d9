"""Claims of lipschitz_exact.py: it is, bit for bit, the verified certifier's arithmetic: sound, and inflating."""

import itertools
import random
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from witnesses import RADIUS, SUPREMUM, W1, W2, XB

from fpsynth.errors import InputError
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.networks.template import template
from fpsynth.verifiers.lipschitz_exact import exact_certifier, gram_matrix, margin_bounds, spectral_norm_up, sqrt_up
from fpsynth.workers.deadlines import OutOfTimeError, within

UNIT = 10**16
ENTRIES = (
    st.floats(-100, 100)
    | st.sampled_from([0.0, 1.0, -1.0, 5e-324, 1e-17, 0.12345, -(2.0**-53)])
    | st.floats(width=16, min_value=-1e4, max_value=1e4)
)


def matrices(entries=ENTRIES):
    shapes = st.tuples(st.integers(1, 4), st.integers(1, 4))
    return shapes.flatmap(lambda s: st.lists(st.lists(entries, min_size=s[1], max_size=s[1]), min_size=s[0], max_size=s[0]))


# The algorithm once more, word for word from its description in plain fractions, without any of the port's tricks.


def plain_round_up(x):
    scaled = x * UNIT
    return Fraction(scaled.numerator // scaled.denominator + (scaled.denominator != 1), UNIT)


def plain_round_down(x):
    scaled = x * UNIT
    if scaled.denominator != 1:
        scaled -= 1
    return Fraction(scaled.numerator // scaled.denominator, UNIT)


def plain_sqrt(x):
    if x == 0:
        return x
    r = Fraction(1) if x < 1 else x
    while True:
        old = r
        r = plain_round_up((r + x / r) / 2)
        if old - r < Fraction(1, 10**11):
            return r


def plain_frobenius(m):
    return plain_sqrt(sum((entry**2 for row in m for entry in row), Fraction(0)))


def plain_norm(weight, gram):
    g = [[Fraction(entry) for entry in row] for row in weight]
    pushed = []
    for _ in range(gram):
        size = range(len(g[0]))
        g = [[sum((row[i] * row[j] for row in g), Fraction(0)) for j in size] for i in size]
        r = plain_frobenius(g) if any(entry for row in g for entry in row) else Fraction(1)
        g = [[entry / r for entry in row] for row in g]
        t = [[plain_round_up(entry) if entry > 0 else plain_round_down(entry) for entry in row] for row in g]
        pushed.insert(0, (r, plain_frobenius([[a - b for a, b in zip(p, q, strict=True)] for p, q in zip(t, g, strict=True)])))
        g = t
    s = plain_frobenius(g)
    for r, e in pushed:
        s = plain_sqrt((s + e) * r)
    return s


@given(
    st.fractions(min_value=0, max_value=10**9)
    | st.builds(lambda n, k: Fraction(n, 2**k), st.integers(1, 2**53), st.integers(0, 300))
    | st.sampled_from(
        [Fraction(0), Fraction(1), Fraction(4), 1 + Fraction(1, 10**17), 1 - Fraction(1, 10**17), 1 + Fraction(3, 10**11)]
    )
)
def test_the_square_root_is_the_described_one(number):
    assert sqrt_up(number) == plain_sqrt(number)
    assert sqrt_up(number) ** 2 >= number


@given(matrices(), st.integers(1, 4))
def test_the_spectral_norm_is_the_described_one(weight, gram):
    assert spectral_norm_up(weight, gram) == plain_norm(weight, gram)


def test_a_matrix_wider_than_one_block_agrees_with_the_description():
    rng = random.Random(1)
    weight = [[round(rng.uniform(-1, 1), 5) for _ in range(131)]]
    assert spectral_norm_up(weight, 1) == plain_norm(weight, 1)
    integers = [[rng.randrange(-(10**16), 10**16) for _ in range(300)] for _ in range(5)]
    objects = np.array(integers, dtype=object)
    assert gram_matrix(integers) == (objects.T @ objects).tolist()


@given(matrices(st.integers(-(2**70), 2**70) | st.sampled_from([0, 1, -1, 255, 256, -256, 2**64, -(2**64)])))
def test_packed_gram_matrices_are_exact(matrix):
    columns = list(zip(*matrix, strict=True))
    assert gram_matrix(matrix) == [[sum(map(int.__mul__, a, b)) for b in columns] for a in columns]


@given(matrices(st.floats(-100, 100)), st.integers(1, 12))
def test_the_norm_is_never_below_the_true_one(weight, gram):
    true = np.linalg.svd(np.array(weight), compute_uv=False)[0]
    assert float(spectral_norm_up(weight, gram)) >= true * (1 - 1e-13)


def test_the_published_solution_is_certified_as_published():
    judge = exact_certifier(dense_relu((Dense(((W1,), (W2,))),)))
    logits = [float(np.float32(w) * np.float32(XB)) for w in (W1, W2)]
    assert judge.bounds[0][1] == Fraction("0.0000000596046448")
    assert judge.accepts([XB], logits, RADIUS)
    assert judge.accepts([XB], logits, Fraction("0.2499999998"))
    assert judge.supremum([XB], logits) == SUPREMUM < Fraction("0.24999999990")
    assert not judge.accepts([XB], logits, SUPREMUM)
    assert judge.accepts([XB], logits, SUPREMUM - Fraction(1, 10**40))


@pytest.mark.parametrize(("gap", "factor"), [(53, 65537), (40, 8), (30, 1), (24, 1)])
def test_sixteen_decimals_inflate_the_bound_of_close_weights(gap, factor):
    bounds = margin_bounds(dense_relu((Dense(((0.5,), (0.5 + 2.0**-gap,))),)))
    assert float(bounds[0][1] * 2**gap) == pytest.approx(factor, rel=0.006)


def test_hidden_layers_multiply_the_bound():
    hidden, last = ((0.6, 0.0), (0.0, 0.25)), ((1.0, 2.0), (4.0, 6.0))
    bounds = margin_bounds(dense_relu((Dense(hidden), Dense(last))))
    assert bounds[0][1] == bounds[1][0] == spectral_norm_up(hidden, 11) * sqrt_up(Fraction(25))
    assert bounds[0][0] == bounds[1][1] == 0


def test_fractions_are_read_exactly():
    third = template([(((Fraction(1, 3),), (Fraction(2, 3),)), None)])
    assert margin_bounds(third)[0][1] == sqrt_up(Fraction(1, 9))


@pytest.mark.parametrize("bits", [1, 19, 20, 53, 54, 62, 63, 64, 130, 400, 2000])
@pytest.mark.parametrize("rows", [1, 3, 65])
def test_gram_matrices_of_integers_of_any_length_are_exact(bits, rows):
    draw = random.Random(f"{bits} {rows}")
    extreme = [2**bits - 1, 1 - 2**bits, -(2 ** (bits - 1)), 0, 1, -1]
    matrix = [[draw.choice([*extreme, draw.getrandbits(bits), -draw.getrandbits(bits)]) for _ in range(4)] for _ in range(rows)]
    matrix[0][0] = -(2**bits)
    columns = list(zip(*matrix, strict=True))
    assert gram_matrix(matrix) == [[sum(map(int.__mul__, a, b)) for b in columns] for a in columns]


def test_a_layer_of_too_many_inputs_is_refused_before_its_gram_matrix_takes_all_memory():
    with pytest.raises(InputError, match="8193 inputs of a layer are more than 8192; use lipschitz"):
        spectral_norm_up([[0.0] * 8193], 11)


def test_a_spectral_norm_ends_where_the_time_is_over():
    weight = np.random.default_rng(0).normal(size=(8, 300)).tolist()
    with within(0.0), pytest.raises(OutOfTimeError):
        spectral_norm_up(weight, 11)


def test_progress_covers_every_iteration():
    seen = []
    layers = (Dense(((1.0,), (2.0,))), Dense(((1.0, 0.5),)), Dense(((1.0,), (0.0,))))
    margin_bounds(dense_relu(layers), 3, lambda *report: seen.append(report))
    stages = [f"spectral norm of layer {k} of 2" for k in (1, 2)]
    assert seen == [(stage, done, 3) for stage, done in itertools.product(stages, range(4))]


def test_biases_are_refused():
    with pytest.raises(InputError, match="without bias"):
        exact_certifier(dense_relu((Dense(((1.0,), (2.0,)), (0.0, 0.0)),)))


def test_only_the_standard_library_is_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "flint", None)
    network = dense_relu((Dense(((1.0,), (2.0,))), Dense(((1.0, 0.5), (0.0, 1.0)))))
    assert exact_certifier(network).accepts([1.0], [2.0, 1.0], Fraction("0.3"))
