"""A time limit that is said once is kept by whatever runs within it, and by nothing outside."""

from __future__ import annotations

import pytest

from fpsynth.evaluators.networks import graph_logits
from fpsynth.expressions import topological, variable
from fpsynth.formats import FLOAT32
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.workers.deadlines import OutOfTimeError, require_time, time_left, within


def test_without_a_limit_there_is_time_without_end() -> None:
    require_time()
    assert time_left(7.0) == 7.0


def test_the_earlier_end_counts_and_the_outer_one_comes_back() -> None:
    with within(1000):
        with within(0), pytest.raises(OutOfTimeError):
            require_time()
        require_time()
        assert 900 < time_left(5000) <= 1000
        assert time_left(1.0) == 1.0
        with within(5000):
            assert time_left(9000) <= 1000
    assert time_left(9000) == 9000


def test_graphs_and_networks_are_not_walked_beyond_the_end() -> None:
    network = dense_relu((Dense(((1.0, 2.0), (2.0, 1.0))),))
    with within(0):
        with pytest.raises(OutOfTimeError):
            list(topological([variable("x", FLOAT32)]))
        with pytest.raises(OutOfTimeError):
            graph_logits(network, (1.0, 1.0), FLOAT32, Deployment(Arithmetic(FLOAT32)))
    assert graph_logits(network, (1.0, 1.0), FLOAT32, Deployment(Arithmetic(FLOAT32))) == (3.0, 3.0)
