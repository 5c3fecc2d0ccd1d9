"""The box of a benchmark holds both points, lies in the certified ball, and its robustness over the reals is a proof."""

import itertools
import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from witnesses import RADIUS, XA, XB, published

from fpsynth.corpus.region import choose_region, robust_over_reals
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT16, FLOAT32
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.rounding import Rounding, from_fraction, representable, round_fraction

HALF = Fraction(1, 2)


def exact_logits(network, point):
    """An independent evaluation over the rationals."""
    values = list(point)
    for index, layer in enumerate(network.dense_layers):
        bias = [0.0] * layer.outputs if layer.bias is None else layer.bias.tolist()
        values = [
            sum((Fraction(w) * v for w, v in zip(row, values, strict=True)), Fraction(b))
            for row, b in zip(layer.weight.tolist(), bias, strict=True)
        ]
        if index + 1 < len(network.dense_layers):
            values = [max(v, Fraction(0)) for v in values]
    return values


def test_the_published_witness_gets_the_largest_cube_that_is_robust():
    region = choose_region(published().network, FLOAT32, (XB,), (XA,), RADIUS, 1)
    assert region.robust_over_reals
    # 1/8 is the largest power of two below the radius 0.247; the box stays above 0, where the class changes over the reals
    assert region.lower == (Fraction(XB) - Fraction(1, 8),)
    assert region.upper == (round_fraction(Fraction(XB) + Fraction(1, 8), FLOAT32, Rounding.RTN).fraction(),)


def test_a_ball_that_is_not_robust_over_the_reals_is_not_believed():
    # the class changes at 0, yet the ball of radius 1 around 1/2 was certified from rounded logits
    network = dense_relu((Dense(((1.0,), (2.0,))),))
    region = choose_region(network, FLOAT32, (0.5,), (0.46875,), Fraction(1), 1)
    assert region.lower == (Fraction(1, 4),)
    assert region.upper == (Fraction(3, 4),)
    assert region.robust_over_reals


def test_a_counterexample_over_the_reals_is_never_called_robust():
    network = dense_relu((Dense(((1.0,), (2.0,))),))
    region = choose_region(network, FLOAT32, (0.5,), (-0.25,), Fraction(1), 1)
    assert (region.lower, region.upper) == ((Fraction(-1, 4),), (HALF,))
    assert not region.robust_over_reals


def test_a_tie_at_the_edge_is_not_robust():
    network = dense_relu((Dense(((1.0,), (2.0,))),))
    assert not robust_over_reals(network, [Fraction(0)], [HALF], 1)
    assert robust_over_reals(network, [Fraction(1, 10**30)], [HALF], 1)


def test_a_point_outside_the_ball_is_refused():
    network = dense_relu((Dense(((1.0, 0.0), (2.0, 0.0))),))
    with pytest.raises(InputError, match="outside the certified radius"):
        choose_region(network, FLOAT32, (1.0, 1.0), (1.75, 1.75), Fraction(1), 1)


def test_relus_that_change_in_the_box_are_followed_on_both_sides():
    # |x| + 2 against 1/2: both ReLUs change at 0, and each of the four branches is good enough on the whole box
    network = dense_relu((Dense(((1.0,), (-1.0,))), Dense(((1.0, 1.0), (0.0, 0.0)), (2.0, 0.5))))
    assert robust_over_reals(network, [Fraction(-1)], [Fraction(1)], 0)
    # against 2: a tie at 0
    network = dense_relu((network.dense_layers[0], Dense(((1.0, 1.0), (0.0, 0.0)), (2.0, 2.0))))
    assert not robust_over_reals(network, [Fraction(-1)], [Fraction(1)], 0)


def test_networks_beyond_the_budget_stay_unproved():
    many = dense_relu((Dense(tuple((1.0,) for _ in range(9))), Dense(((0.0,) * 9,) * 2, (1.0, 0.0))))
    assert not robust_over_reals(many, [Fraction(-1)], [Fraction(1)], 0)
    assert robust_over_reals(many, [Fraction(1)], [Fraction(2)], 0)
    wide = dense_relu((Dense(((1.0,) * 200, (0.0,) * 200)),))
    assert not robust_over_reals(wide, [Fraction(1)] * 200, [Fraction(2)] * 200, 0)


@settings(max_examples=examples(60))
@given(st.integers(0, 2**32), st.sampled_from([(1, 2), (2, 3), (3, 2), (2, 3, 2), (1, 2, 2, 3)]))
def test_the_box_keeps_its_promises_on_random_networks(seed, shape):
    pick = random.Random(seed)

    def number():
        return float(round_fraction(Fraction(pick.uniform(-1, 1)), FLOAT16))

    network = dense_relu(
        tuple(
            Dense(
                tuple(tuple(number() for _ in range(i)) for _ in range(o)),
                tuple(number() for _ in range(o)) if seed % 2 else None,
            )
            for i, o in itertools.pairwise(shape)
        )
    )
    certified = tuple(number() for _ in range(shape[0]))
    other = tuple(float(round_fraction(Fraction(c + pick.choice([0, 1, -1]) * 2**-8), FLOAT16)) for c in certified)
    squares = sum((Fraction(a) - Fraction(b)) ** 2 for a, b in zip(certified, other, strict=True))
    radius = Fraction(pick.randint(4, 64), 64)
    label = max(range(shape[-1]), key=lambda j: exact_logits(network, map(Fraction, certified))[j])
    assert squares <= radius**2
    region = choose_region(network, FLOAT16, certified, other, radius, label)
    farthest = sum(
        max(abs(c - low), abs(c - high)) ** 2
        for c, low, high in zip(map(Fraction, certified), region.lower, region.upper, strict=True)
    )
    assert farthest <= radius**2
    for point in (certified, other):
        assert all(low <= x <= high for low, x, high in zip(region.lower, point, region.upper, strict=True))
    assert all(representable(from_fraction(bound), FLOAT16) for bound in region.lower + region.upper)
    if region.robust_over_reals:
        for _ in range(30):
            inside = [
                low + (high - low) * Fraction(pick.randint(0, 8), 8)
                for low, high in zip(region.lower, region.upper, strict=True)
            ]
            logits = exact_logits(network, inside)
            assert all(logits[label] > y for j, y in enumerate(logits) if j != label)
