"""Claims of relaxations/: no computed and no exact result lies outside of bounds, whatever the network and arithmetic."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from graphs import graphs
from hypothesis import given, settings
from hypothesis import strategies as st
from relaxation_cases import (
    FORMATS,
    ball_within,
    bounded,
    boxes_of,
    computed,
    deployments,
    drawn,
    networks_of,
    numbers_of,
    points_of,
    require_all_within,
    require_within,
)
from strategies import arithmetics

from fpsynth.evaluators.deployed import network_outputs
from fpsynth.evaluators.enclosing import enclosed_logits
from fpsynth.formats import FLOAT8_E5M2, FLOAT32, FLOAT64, Format
from fpsynth.networks.layers import Clip, Dense, LeakyReLU
from fpsynth.networks.network import INPUT, Network, Node
from fpsynth.orders import parse_order
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.verifiers.base import verifier
from fpsynth.verifiers.claims import Box
from fpsynth.verifiers.properties import one_class
from fpsynth.verifiers.relaxation_verifier import RelaxationVerifier
from fpsynth.verifiers.relaxations.bounding import BOUNDINGS
from fpsynth.verifiers.relaxations.reasoning import REAL, sound


@given(st.data())
@settings(max_examples=drawn(100))
def test_what_is_computed_in_a_deployment_lies_within_sound_bounds_of_it(data: st.DataObject) -> None:
    fmt = data.draw(st.sampled_from(FORMATS))
    network, deployment = data.draw(networks_of(fmt)), data.draw(deployments(fmt))
    box = data.draw(boxes_of(fmt, math.prod(network.input_shape)))
    found = bounded(network, box, sound(fmt, deployment))
    points = points_of(box, fmt)
    logits = computed(network, points, fmt, deployment)
    for one in found.values():
        require_all_within(one, logits)


@given(st.data())
@settings(max_examples=drawn(100))
def test_what_is_computed_rounding_to_nearest_lies_within_sound_bounds_of_any_order(data: st.DataObject) -> None:
    fmt = data.draw(st.sampled_from(FORMATS))
    network = data.draw(networks_of(fmt))
    box = data.draw(boxes_of(fmt, math.prod(network.input_shape)))
    found = bounded(network, box, sound(fmt))
    points = points_of(box, fmt)
    for _ in range(2):
        deployment = Deployment(nearest(data.draw(arithmetics(fmt))), (), ((0, nearest(data.draw(arithmetics(fmt)))),))
        logits = computed(network, points, fmt, deployment)
        for one in found.values():
            require_all_within(one, logits)


@pytest.mark.parametrize("fmt", [FLOAT32, FLOAT8_E5M2], ids=str)
def test_what_may_overflow_has_no_bounds_whatever_a_ceiling_says(fmt: Format) -> None:
    """Infinity less infinity in some orders; and min(6, max(0, NaN)) is NaN in some libraries, which has no class."""
    large = float(fmt.max_finite)
    rows = np.array([[large, -large] * 4])
    last = Dense(np.array([[1.0], [0.0]]), np.array([0.0, 8.0]))
    for names in (("sum", "ceiling", "last"), ("sum", "ceiling", "leaky", "last")):
        layers = {"sum": Dense(rows, None), "ceiling": Clip(0.0, 6.0), "leaky": LeakyReLU(0.5), "last": last}
        nodes = [Node(name, layers[name], (before,)) for before, name in pairwise((INPUT, *names))]
        network = Network(tuple(nodes), (8,), "last")
        box = Box((1.0,) * 8, (1.0,) * 8)
        deployment = Deployment(Arithmetic(fmt, order=parse_order("lanes:2")))
        with np.errstate(all="ignore"):
            assert np.isnan(network_outputs(network, np.ones(8), deployment)).all()
        for reasoning in (sound(fmt), sound(fmt, deployment)):
            for name in (*BOUNDINGS, "bab"):
                claim = RelaxationVerifier(name, reasoning).verify(network, box, one_class(1, 2))
                assert (claim.verdict, claim.bounds) == ("unknown", ()), name
        assert verifier("intervals", deployment).verify(network, box, one_class(1, 2)).verdict == "unknown"


def nearest(how: Arithmetic) -> Arithmetic:
    """The same rounding to nearest."""
    return replace(how, rounding=Rounding.RNE)


@given(st.data())
@settings(max_examples=drawn(100))
def test_exact_results_lie_within_bounds_of_real_numbers(data: st.DataObject) -> None:
    fmt = data.draw(st.sampled_from([*FORMATS, FLOAT64]))
    numbers = data.draw(st.sampled_from([numbers_of(fmt), st.floats(-4, 4)]))
    network = data.draw(graphs(numbers, divisors=True)).logits
    box = data.draw(boxes_of(fmt, math.prod(network.input_shape)))
    found = bounded(network, box, REAL)
    for point in points_of(box, fmt)[:4].tolist():
        logits = [low for low, _ in enclosed_logits(network, [(x, x) for x in point])]
        for one in found.values():
            require_within(one, logits)


@given(st.data())
@settings(max_examples=drawn(40))
def test_results_in_a_ball_lie_within_bounds_of_it(data: st.DataObject) -> None:
    network = data.draw(graphs(divisors=True)).logits
    inputs = math.prod(network.input_shape)
    boxes = boxes_of(FORMATS[-1], inputs).filter(lambda box: max(map(abs, (*box.lower, *box.upper))) < 64)
    ball = ball_within(data.draw(boxes))
    found, rng = bounded(network, ball, REAL), random.Random(0)
    radius = float(ball.radius)
    radius = radius if Fraction(radius) <= ball.radius else math.nextafter(radius, 0.0)  # points at it must not lie outside
    for _ in range(4):
        step = np.array([rng.gauss(0, 1) for _ in range(inputs)])
        step *= radius / np.linalg.norm(step) * (1 - 2**-40)
        if rng.random() < 0.3:
            step = np.eye(inputs)[rng.randrange(inputs)] * radius
        point = [Fraction(x) + Fraction(d) for x, d in zip(ball.centre, step.tolist(), strict=True)]
        assert sum((x - Fraction(c)) ** 2 for x, c in zip(point, ball.centre, strict=True)) <= ball.radius**2
        logits = [low for low, _ in enclosed_logits(network, [(x, x) for x in point])]
        for one in found.values():
            require_within(one, logits)
