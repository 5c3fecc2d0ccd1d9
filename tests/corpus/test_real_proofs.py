"""Proofs over the reals: no point of the box is below the proved margin, and where it is said to be reached a corner has it."""

import itertools
import random
from fractions import Fraction

import numpy as np
import pytest
from profiles import one_in

from fpsynth.corpus.families.base import BELOW, box_of, stack
from fpsynth.corpus.labels.margins import margin
from fpsynth.corpus.labels.real import least_margin
from fpsynth.evaluators.real import exact_logits
from fpsynth.networks.layers import BatchNormalisation, Convolution, Dense, Flatten, MaxPooling, ReLU
from fpsynth.networks.network import INPUT, Network, Node
from fpsynth.verifiers.properties import one_class


def drawn(rng, sizes):
    def number():
        return float(np.float32(rng.gauss(0, 1)))

    layers = [
        ([[number() for _ in range(n)] for _ in range(m)], [number() for _ in range(m)]) for n, m in itertools.pairwise(sizes)
    ]
    return stack(*layers)


def points(box, rng, count):
    """Corners, and points within at rational places."""
    ends = list(zip(box.lower, box.upper, strict=True))
    yield from itertools.product(*ends)
    for _ in range(count):
        yield tuple(low + (high - low) * Fraction(rng.randrange(1001), 1000) for low, high in ends)


def exactly(network, point):
    """Exact logits at a rational point, by fractions alone: dense layers with ReLU between them."""
    values = [Fraction(x) for x in point]
    layers = network.dense_layers
    for k, layer in enumerate(layers):
        rows = zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
        values = [sum((Fraction(w) * v for w, v in zip(row, values, strict=True)), Fraction(b)) for row, b in rows]
        if k + 1 < len(layers):
            values = [max(v, Fraction(0)) for v in values]
    return values


@pytest.mark.parametrize("seed", one_in(3, range(60)))
def test_no_point_is_below_the_proved_margin(seed):
    rng = random.Random(seed)
    inputs, outputs = rng.randrange(1, 4), rng.randrange(2, 4)
    network = drawn(rng, [inputs, *(rng.randrange(2, 6) for _ in range(rng.randrange(3))), outputs])
    radius = rng.choice([0.01, 0.1, 1.0])
    box = box_of([(x - radius, x + radius) for x in (round(rng.uniform(-2, 2), 3) for _ in range(inputs))])
    for unsafe in (BELOW, one_class(rng.randrange(outputs), outputs)):
        bound = least_margin(network, box, unsafe)
        margins = [margin(unsafe, exactly(network, point)) for point in points(box, rng, 60)]
        assert bound is not None
        assert bound.least <= min(margins)
        if bound.attained:
            assert bound.least == min(margins)


def test_what_two_neurons_have_in_common_cancels_exactly():
    network = stack(([[2.0**40], [2.0**40]], [1.0, 0.0]), ([[1.0, -1.0]], [0.0]), ([[0.0], [1.0]], [0.0, -0.5]))
    bound = least_margin(network, box_of([(0.1, 1e6)]), BELOW)
    assert bound is not None
    assert (bound.least, bound.attained) == (Fraction(1, 2), True)


def test_a_box_is_halved_where_one_bound_is_not_enough():
    """|x| + 1/1000 - x**0 ...: the hat max(0, 1 - |x|) is at most 1, which bounds by one line each do not say."""
    hat = stack(([[1.0], [-1.0]], [0.0, 0.0]), ([[-1.0, -1.0]], [1.0]), ([[0.0], [-1.0]], [0.0, 1.0 + 2.0**-10]))
    bound = least_margin(hat, box_of([(-4.0, 4.0)]), BELOW)
    assert bound is not None
    assert 0 < bound.least <= Fraction(1, 1024)
    over = stack(([[1.0], [-1.0]], [0.0, 0.0]), ([[-1.0, -1.0]], [1.0]), ([[0.0], [-1.0]], [0.0, 1.0 - 2.0**-10]))
    bound = least_margin(over, box_of([(-4.0, 4.0)]), BELOW)
    assert bound is not None
    assert bound.least <= 0


def test_convolutions_and_rational_normalisations_have_forms():
    rng = np.random.default_rng(1)
    nodes = (
        Node("conv", Convolution(rng.normal(size=(2, 1, 2, 2)).astype(np.float32), np.zeros(2, np.float32), (1, 1)), (INPUT,)),
        Node(
            "norm",
            BatchNormalisation(
                mean=np.array([0.5, -1], np.float32),
                variance=np.array([0.25 - 2.0**-10, 1 - 2.0**-10], np.float32),
                scale=np.array([1, 3], np.float32),
                shift=np.array([0, 0.25], np.float32),
                epsilon=2.0**-10,
            ),
            ("conv",),
        ),
        Node("relu", ReLU(), ("norm",)),
        Node("flat", Flatten(), ("relu",)),
        Node("dense", Dense(rng.normal(size=(2, 8)).astype(np.float32), np.zeros(2, np.float32)), ("flat",)),
    )
    network = Network(nodes, (1, 3, 3), "dense")
    box = box_of([(-0.125, 0.25)] * 9)
    bound = least_margin(network, box, BELOW)
    assert bound is not None
    for _ in range(50):
        point = rng.uniform(-0.125, 0.25, 9).tolist()
        assert bound.least <= margin(BELOW, exact_logits(network, point))


def test_what_has_no_forms_has_no_bound():
    pool = Network((Node("pool", MaxPooling((2,)), (INPUT,)), Node("flat", Flatten(), ("pool",))), (1, 4), "flat")
    assert least_margin(pool, box_of([(0.0, 1.0)] * 4), BELOW) is None
