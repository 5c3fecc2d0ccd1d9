"""Claims of relaxations/: no computed and no exact result lies outside of bounds, whatever the network and arithmetic."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
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

from fpsynth.evaluators.enclosing import enclosed_logits
from fpsynth.formats import FLOAT64
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import Arithmetic, Deployment
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
    for _ in range(4):
        step = np.array([rng.gauss(0, 1) for _ in range(inputs)])
        step *= float(ball.radius) / np.linalg.norm(step) * (1 - 2**-40)
        if rng.random() < 0.3:
            step = np.eye(inputs)[rng.randrange(inputs)] * float(ball.radius)
        point = [Fraction(x) + Fraction(d) for x, d in zip(ball.centre, step.tolist(), strict=True)]
        assert sum((x - Fraction(c)) ** 2 for x, c in zip(point, ball.centre, strict=True)) <= ball.radius**2
        logits = [low for low, _ in enclosed_logits(network, [(x, x) for x in point])]
        for one in found.values():
            require_within(one, logits)
