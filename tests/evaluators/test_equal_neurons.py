"""Equal neurons are evaluated once, and those that only look equal are not taken for one."""

from __future__ import annotations

import math

from fpsynth.evaluators.networks import graph_logits
from fpsynth.formats import FLOAT16, FLOAT32
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import Arithmetic, Deployment


def test_zeros_of_both_signs_are_two_neurons() -> None:
    network = dense_relu((Dense(((0.0,), (-0.0,), (0.0,)), None),))
    logits = graph_logits(network, (1.0,), FLOAT32, Deployment(Arithmetic(FLOAT32)))
    assert [math.copysign(1, logit) for logit in logits] == [1, -1, 1]
    biased = dense_relu((Dense(((-0.0,), (-0.0,)), (0.0, -0.0)),))
    logits = graph_logits(biased, (1.0,), FLOAT32, Deployment(Arithmetic(FLOAT32)))
    assert [math.copysign(1, logit) for logit in logits] == [1, -1]


def test_equal_weights_in_two_arithmetics_are_two_neurons() -> None:
    up = Arithmetic(FLOAT16, rounding=Rounding.RTP)
    network = dense_relu((Dense(((1.0, 2.0**-20),) * 3), Dense(((1.0, 1.0, 1.0), (1.0, -1.0, 0.0)))))
    logits = graph_logits(network, (1.0, 1.0), FLOAT16, Deployment(Arithmetic(FLOAT16), (((0, 1), up),)))
    assert logits == (3.0, -(2.0**-10))


def test_a_layer_of_thousands_of_equal_neurons_takes_no_longer_than_one() -> None:
    row = (1.0, -0.5, 0.25, 3.0)
    network = dense_relu((Dense((row,) * 20_000),))
    assert set(graph_logits(network, (1.0,) * 4, FLOAT32, Deployment(Arithmetic(FLOAT32)))) == {3.75}
