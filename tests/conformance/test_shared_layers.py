"""A network that uses one layer object several times is the network of equal layers, whoever evaluates or certifies it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from shared_layers import MIXING, NETWORKS, POINTS, by_hand

from fpsynth.encoders import encode
from fpsynth.encoders.z3_terms import evaluate_z3
from fpsynth.evaluators.arrays import evaluate_arrays
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.evaluators.exact import evaluate
from fpsynth.evaluators.networks import network_logits
from fpsynth.evaluators.real import exact_logits
from fpsynth.expressions import Expression, constant, eq, variable
from fpsynth.formats import FLOAT32
from fpsynth.libraries.registry import library_named
from fpsynth.networks.lowering import lower
from fpsynth.networks.network import Network, with_numbers
from fpsynth.problems import Problem, Variable
from fpsynth.rounding import from_float
from fpsynth.solvers.base import Status
from fpsynth.solvers.z3 import Z3
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.verifiers.dataset import logits
from fpsynth.verifiers.interval_expressions import lower_interval
from fpsynth.verifiers.intervals import network_intervals
from fpsynth.verifiers.lipschitz_ball import hidden_norms
from fpsynth.verifiers.lipschitz_exact import margin_bounds
from fpsynth.verifiers.lipschitz_sound import sound_certifier
from fpsynth.witness.networks import layer_json

HOW = Deployment(Arithmetic(FLOAT32))
CASES = [(network, point) for network in NETWORKS for point in POINTS]


def separate(network: Network) -> Network:
    """The same network, each layer an object of its own."""
    return with_numbers(network.map(float), float)


def graph(network: Network) -> tuple[Expression, ...]:
    """The logits over the unknowns x0 and x1."""
    return lower(network.map(lambda w: constant(w, FLOAT32)), [variable(f"x{k}", FLOAT32) for k in range(2)], HOW)


def test_the_cases_tell_networks_with_and_without_relu_apart() -> None:
    assert by_hand(NETWORKS[0], POINTS[0]) == (-1.5, 3.0)
    assert np.allclose(np.array(MIXING.weight) @ np.array(MIXING.weight) @ POINTS[0], (-1.75, 3.25))


@pytest.mark.parametrize(("network", "point"), CASES)
def test_every_evaluator(network: Network, point: tuple[float, ...]) -> None:
    wanted = by_hand(network, point)
    named = {f"x{k}": x for k, x in enumerate(point)}
    assert network_logits(network, point, FLOAT32, HOW) == wanted
    assert tuple(network_outputs(network, np.array(point), HOW).tolist()) == wanted
    assert tuple(map(float, exact_logits(network, point))) == wanted
    arrays = {name: np.array([x]) for name, x in named.items()}
    assert tuple(float(a[0]) for a in evaluate_arrays(graph(network), arrays)) == wanted
    over_reals = lower(network.map(lambda w: constant(w, None)), [constant(x, None) for x in point], Deployment(REAL))
    assert tuple(map(float, evaluate(over_reals, {}))) == wanted


@pytest.mark.parametrize(("network", "point"), CASES)
def test_every_certifier(network: Network, point: tuple[float, ...]) -> None:
    wanted, other = by_hand(network, point), separate(network)
    ends = network_intervals(network, [(x, x) for x in point], FLOAT32, HOW)
    assert [(float(low), float(high)) for low, high in ends] == [(y, y) for y in wanted]
    box = [(constant(x, FLOAT32), constant(x, FLOAT32)) for x in point]
    written = lower_interval(network.map(lambda w: constant(w, FLOAT32)), box, HOW)
    assert [tuple(map(float, evaluate(pair, {}))) for pair in written] == [(y, y) for y in wanted]
    assert tuple(logits(network, np.array([point], np.float32))[0].tolist()) == wanted
    assert sound_certifier(network, FLOAT32, 2).suprema([point], [wanted]) == sound_certifier(other, FLOAT32, 2).suprema(
        [point], [wanted]
    )
    if all(layer.bias is None for layer in network.dense_layers):
        assert [*map(list, margin_bounds(network, 2))] == [*map(list, margin_bounds(other, 2))]


def test_the_norms_of_rigorous_balls() -> None:
    pytest.importorskip("flint", reason="python-flint is not installed")
    for network in NETWORKS:
        assert hidden_norms(network, 2) == hidden_norms(separate(network), 2)


@pytest.mark.parametrize(("network", "point"), CASES)
def test_what_solvers_read(network: Network, point: tuple[float, ...]) -> None:
    pytest.importorskip("z3", reason="z3 is not installed")
    assignment = {f"x{k}": from_float(x) for k, x in enumerate(point)}
    assert [float(v) for v in evaluate_z3(list(graph(network)), assignment)] == list(by_hand(network, point))


@pytest.mark.parametrize("encoding", ["fp", "significands"])
def test_the_text_that_solvers_read(encoding: str) -> None:
    pytest.importorskip("z3", reason="z3 is not installed")
    network, point = NETWORKS[0], POINTS[0]
    variables = tuple(
        Variable(f"x{k}", FLOAT32, from_float(x).fraction(), from_float(x).fraction()) for k, x in enumerate(point)
    )
    for logit, wanted in zip(graph(network), by_hand(network, point), strict=True):
        for value, status in ((wanted, Status.SAT), (wanted + 0.25, Status.UNSAT)):
            problem = Problem("shared", variables, (eq(logit, constant(value, FLOAT32)),))
            assert Z3().run(encode(problem, encoding), 1, 60.0, None).status is status


def test_files_write_every_use() -> None:
    for network in NETWORKS:
        written = [json.dumps(layer_json(layer)) for layer in network.dense_layers]
        assert written == [json.dumps(layer_json(layer)) for layer in separate(network).dense_layers]


def test_a_library_in_this_process_is_given_the_very_objects() -> None:
    for network in NETWORKS:
        wanted = tuple(by_hand(network, point) for point in POINTS)
        assert library_named("numpy").run(network, POINTS, FLOAT32, "matmul").logits == wanted
