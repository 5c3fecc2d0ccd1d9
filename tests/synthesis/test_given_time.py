"""Questions about networks that are given keep to their time: reveals, points over arrays, exact evaluations.

What takes long is asked with so little time that only looks at the clock within an evaluation can keep to it.
"""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from profiles import slowly

from fpsynth.errors import BeyondReachError
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.evaluators.real import exact_logits
from fpsynth.evaluators.work import array_work, exact_work
from fpsynth.formats import FLOAT32
from fpsynth.networks.layers import Convolution, Dense, Flatten
from fpsynth.networks.network import Network, Node, dense_relu
from fpsynth.revealing.revealer import Revealer
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.given.order import GivenOrder, order_of_network
from fpsynth.synthesis.given.tie import GivenTie, tie_of_network
from fpsynth.synthesis.given.views import Given, GivenView
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness.data import View
from fpsynth.workers.deadlines import OutOfTimeError, within

SIDE, CHANNELS = 24, 48
A_MOMENT = 3.0
"""Seconds of the processor by which a request of a second may be over, on a machine that does much else."""


def drawn(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32).astype(float)


def convolutions(count: int) -> Network:
    """So many layers of 12 million products each."""
    names = ["input", *(f"c{k}" for k in range(count))]
    layers = [
        Node(name, Convolution(drawn(k, CHANNELS, 1 if k == 0 else CHANNELS, 3, 3), None, padding=1), (before,))
        for k, (before, name) in enumerate(itertools.pairwise(names))
    ]
    last = Dense(drawn(99, 2, CHANNELS * SIDE * SIDE))
    nodes = (*layers, Node("flat", Flatten(), (names[-1],)), Node("last", last, ("flat",)))
    return Network(nodes, (1, SIDE, SIDE), "last")


LARGE = convolutions(8)
POINTS = drawn(7, 200, SIDE * SIDE)


@pytest.fixture(scope="module")
def revealer():
    with Revealer() as made:
        yield made


def test_what_is_asked_here_takes_far_longer_than_it_is_given() -> None:
    work = array_work(LARGE, Deployment(Arithmetic(FLOAT32))).seconds
    assert 0.05 < work < 10
    assert work * len(POINTS) > 20


@pytest.mark.parametrize("seconds", [0.2, *slowly(1.0)])
def test_the_inputs_themselves_are_evaluated_within_the_time(revealer: Revealer, seconds: float) -> None:
    asked = GivenOrder(LARGE, FLOAT32, ("sequential", "pairwise"), POINTS)
    started = time.process_time()
    result = order_of_network(asked, Given(LARGE, FLOAT32, revealer), seconds, {}, None)
    assert time.process_time() - started < A_MOMENT * 2  # of two threads
    assert result.verdict is Verdict.UNKNOWN
    assert result.reason == f"the time limit of {seconds:g} s was over before the search was done"
    tie = tie_of_network(GivenTie("sequential", POINTS), Given(LARGE, FLOAT32, revealer), seconds, {}, None)
    assert tie.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("name", ["lipschitz-exact", "lipschitz"])
def test_a_verifier_is_prepared_within_the_time_of_a_tie(revealer: Revealer, name: str) -> None:
    wide = dense_relu([Dense(drawn(1, 300, 300)), Dense(drawn(2, 2, 300))])  # takes ten seconds and more
    told: list[str] = []
    given = Given(wide, FLOAT32, revealer, progress=told.append)
    started = time.process_time()
    result = tie_of_network(GivenTie("sequential", drawn(3, 20, 300), name), given, 0.5, {}, None)
    assert time.process_time() - started < A_MOMENT * 2
    assert told == [f"preparing {name} for the network"]
    assert (result.verdict, result.witnesses) == (Verdict.UNKNOWN, ())
    assert result.reason == f"the time limit of 0.5 s was over before {name} was prepared for the network"


def test_a_tie_reveals_within_its_time(revealer: Revealer) -> None:
    started = time.process_time()
    result = tie_of_network(GivenTie("numpy:batch=1", POINTS), Given(LARGE, FLOAT32, revealer), 0.2, {}, None)
    assert time.process_time() - started < A_MOMENT * 2
    assert result.reason == "the time limit of 0.2 s was over before the arithmetic was revealed"


def test_points_are_evaluated_a_few_at_a_time_with_the_bits_of_all_at_once() -> None:
    network = convolutions(1)
    view = GivenView(View("a", "pairwise", "reference", Deployment(Arithmetic(FLOAT32))), network)
    points = drawn(3, 2 * view.rows + 1, SIDE * SIDE)[:70]
    assert 1 <= view.rows < 70
    whole = network_outputs(network, points.reshape(-1, 1, SIDE, SIDE), view.view.deployment)
    assert (view(points) == whole).all()
    with within(0.0), pytest.raises(OutOfTimeError):
        view(points)


def test_exact_arithmetic_that_takes_hours_is_not_begun(revealer: Revealer) -> None:
    work = exact_work(LARGE).seconds
    assert work > 30
    started = time.process_time()
    with pytest.raises(BeyondReachError, match=r"evaluating the network at one point in real takes some .* give more time"):
        order_of_network(
            GivenOrder(LARGE, FLOAT32, ("real", "pairwise"), POINTS[:4]), Given(LARGE, FLOAT32, revealer), 1.0, {}, None
        )
    assert time.process_time() - started < A_MOMENT


def test_an_exact_evaluation_looks_at_the_clock() -> None:
    started = time.process_time()
    with within(0.3), pytest.raises(OutOfTimeError):
        exact_logits(LARGE, POINTS[0])
    assert time.process_time() - started < A_MOMENT


def test_a_reveal_ends_with_the_time(revealer: Revealer) -> None:
    network = convolutions(1)
    asked = GivenOrder(network, FLOAT32, ("numpy:batch=1", "pairwise"), POINTS[:10])
    result = order_of_network(asked, Given(network, FLOAT32, revealer), 0.01, {}, None)
    assert (result.verdict, result.reason) == (
        Verdict.UNKNOWN,
        "the time limit of 0.01 s was over before every side was revealed",
    )
