"""Random graphs of all layer types: every evaluator gives the same numbers, exact over the reals and bit for bit in formats."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from graphs import arrays, graphs, small_integers
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from strategies import TINY, arithmetics, values

from fpsynth.errors import InputError
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.evaluators.enclosing import enclosed_logits
from fpsynth.evaluators.exact import evaluate
from fpsynth.evaluators.float64 import float64_outputs
from fpsynth.evaluators.networks import graph_logits
from fpsynth.evaluators.real import exact_logits
from fpsynth.expressions import constant
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, Format
from fpsynth.networks.layers import BatchNormalisation, Dense, ReLU
from fpsynth.networks.layers.structure import Sums
from fpsynth.networks.lowering import lower
from fpsynth.networks.network import Network, Node
from fpsynth.rounding import Value
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment


def point_of(data: st.DataObject, network: Network, numbers: st.SearchStrategy[float]) -> Any:
    return arrays(data.draw, numbers, *network.input_shape)


def over_the_reals(network: Network, point: Any) -> list[Any]:
    """The lowered graph, evaluated by the reference."""
    roots = lower(network, [constant(x, None) for x in point.reshape(-1).tolist()], Deployment(REAL))
    return evaluate(roots, {})


@settings(max_examples=examples(300), deadline=None)
@given(st.data(), graphs(divisors=True))
def test_exact_evaluators_agree(data: st.DataObject, network: Network) -> None:
    point = point_of(data, network, small_integers)
    wanted = list(exact_logits(network, point.reshape(-1).tolist()))
    assert over_the_reals(network, point) == wanted
    assert list(enclosed_logits(network, [(x, x) for x in point.reshape(-1).tolist()])) == [(v, v) for v in wanted]


@settings(max_examples=examples(300), deadline=None)
@given(st.data(), graphs())
def test_where_nothing_is_rounded_float64_is_exact(data: st.DataObject, network: Network) -> None:
    point = point_of(data, network, small_integers)
    exact = exact_logits(network, point.reshape(-1).tolist())
    assert all(v.numerator.bit_length() < 40 and v.denominator < 2**12 for v in exact)
    assert float64_outputs(network, point).reshape(-1).tolist() == [float(v) for v in exact]


@st.composite
def deployments(draw: st.DrawFn, network: Network, fmt: Format) -> Deployment:
    """Any arithmetics of the format, a few outputs with one of their own."""
    exceptions = {}
    for index, name in enumerate(network.sums):
        structure = network.structure(name)
        assert isinstance(structure, Sums)
        for output in draw(st.lists(st.integers(0, structure.outputs - 1), max_size=3)):
            exceptions[index, output] = draw(arithmetics(fmt))
    return Deployment(draw(arithmetics(fmt)), tuple(exceptions.items()))


def hexes(numbers: Any) -> list[str]:
    return [float(v).hex() for v in np.asarray(numbers, np.float64).reshape(-1)]


@settings(max_examples=examples(400), deadline=None)
@given(st.data(), st.sampled_from([FLOAT16, BFLOAT16, FLOAT32, TINY]))
def test_deployed_evaluators_agree_bit_for_bit(data: st.DataObject, fmt: Format) -> None:
    numbers = values(fmt, finite=True).map(float) if data.draw(st.booleans()) else small_integers
    network = data.draw(graphs(numbers, divisors=fmt is not TINY))
    points = np.stack([point_of(data, network, numbers) for _ in range(2)])
    deployment = data.draw(deployments(network, fmt))
    try:
        wanted = [graph_logits(network, point.reshape(-1).tolist(), fmt, deployment) for point in points]
    except (InputError, ValueError) as error:
        if "divided" in str(error):
            with pytest.raises(InputError, match="divided"):
                network_outputs(network, points, deployment)
        return
    assert hexes(network_outputs(network, points, deployment)) == hexes(wanted)


@settings(max_examples=examples(200), deadline=None)
@given(st.data(), st.sampled_from([FLOAT16, BFLOAT16]))
def test_lowered_networks_are_what_is_evaluated(data: st.DataObject, fmt: Format) -> None:
    """With parameters as constants, signs of zeros included; a quotient of a sum that is not finite is NaN in a graph."""
    network = data.draw(graphs(small_integers, divisors=True))
    point, deployment = point_of(data, network, small_integers), data.draw(deployments(network, fmt))
    try:
        wanted = graph_logits(network, point.reshape(-1).tolist(), fmt, deployment)
    except InputError:
        return
    roots = evaluate(lower(network, [constant(x, fmt) for x in point.reshape(-1).tolist()], deployment), {})
    assert all(isinstance(root, Value) for root in roots)
    assert hexes([float(root) for root in roots]) == hexes(wanted)


@settings(max_examples=examples(200), deadline=None)
@given(st.data(), graphs(divisors=True))
def test_boxes_hold_the_values_of_their_points(data: st.DataObject, network: Network) -> None:
    size = math.prod(network.input_shape)
    box = [tuple(sorted(data.draw(st.tuples(small_integers, small_integers)))) for _ in range(size)]
    inside = [low + (high - low) * data.draw(st.sampled_from([0.0, 0.5, 1.0])) for low, high in box]
    for value, (low, high) in zip(exact_logits(network, inside), enclosed_logits(network, box), strict=True):
        assert low <= value <= high


def normalised(variance: float) -> Network:
    layer = BatchNormalisation([1.0, 0.0], [variance, 3.0], [2.0, -1.0], [0.5, 0.0], 1.0)
    return Network(
        (Node("norm", layer), Node("relu", ReLU(), ("norm",)), Node("sum", Dense([[1.0, 1.0]]), ("relu",))), (2,), "sum"
    )


def test_irrational_normalisations_are_enclosed_and_nothing_else() -> None:
    rational, irrational = normalised(8.0), normalised(1.0)
    assert exact_logits(rational, (2.5, -4.0)) == (Fraction(3, 2) + 2,)
    assert enclosed_logits(rational, [(2.5, 2.5), (-4.0, -4.0)]) == ((Fraction(7, 2),) * 2,)
    ((low, high),) = enclosed_logits(irrational, [(2.5, 2.5), (-4.0, -4.0)])
    without = [end - Fraction(5, 2) for end in (low, high)]  # 3 / sqrt(2)
    assert without[0] ** 2 <= Fraction(9, 2) <= without[1] ** 2
    assert 0 < high - low < Fraction(1, 2**250)
    with pytest.raises(InputError, match=r"^norm: a batch normalisation multiplies by an irrational number"):
        exact_logits(irrational, (2.5, -4.0))
    with pytest.raises(InputError, match=r"^norm: a batch normalisation multiplies by an irrational number"):
        over_the_reals(irrational, np.array([2.5, -4.0]))


def test_no_arithmetic_says_how_a_normalisation_is_computed() -> None:
    network, how = normalised(8.0), Deployment(Arithmetic(FLOAT32))
    for evaluated in (
        lambda: network_outputs(network, np.zeros(2), how),
        lambda: graph_logits(network, (0.0, 0.0), FLOAT32, how),
        lambda: lower(network, [constant(0, FLOAT32)] * 2, how),
    ):
        with pytest.raises(InputError, match=r"^norm: no arithmetic says how a batch normalisation is computed; fold it first"):
            evaluated()


def test_a_rational_point_stays_what_it_is() -> None:
    network = Network((Node("sum", Dense([[3.0, 1.0]], [0.5])),), (2,), "sum")
    third = Fraction(1, 3)  # no float of any format
    assert exact_logits(network, (third, 0.25)) == (Fraction(7, 4),)
    assert exact_logits(network, (third + Fraction(1, 10**30), 1)) == (Fraction(5, 2) + Fraction(3, 10**30),)


@settings(max_examples=100, deadline=None)
@given(st.data(), graphs(divisors=True))
def test_rational_points_are_evaluated_exactly(data: st.DataObject, network: Network) -> None:
    rational = st.fractions(-2, 2, max_denominator=10**20)
    point = [data.draw(rational) for _ in range(math.prod(network.input_shape))]
    assert list(exact_logits(network, point)) == evaluate(
        lower(network, [constant(x, None) for x in point], Deployment(REAL)), {}
    )
