"""Claims of rounding_bounds.py: no arithmetic and no exact value is farther from float64's values than it says."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from sums import sum_arithmetics

from fpsynth.evaluators.deployed import network_outputs
from fpsynth.evaluators.exact import evaluate
from fpsynth.evaluators.float_arrays import round_array
from fpsynth.evaluators.rounding_bounds import rounding_bounds
from fpsynth.expressions import constant
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, Format
from fpsynth.networks.graph import Node
from fpsynth.networks.layers import AveragePooling, Clip, Convolution, Dense, Flatten, Layer, LeakyReLU, MaxPooling, ReLU
from fpsynth.networks.layers.views import Concat
from fpsynth.networks.lowering import lower
from fpsynth.networks.network import Network
from fpsynth.rounding import Flush, Value
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment


def image_network(rng: np.random.Generator, fmt: Format, average: bool) -> Network:
    """Two channels of 3 x 3 pixels, a convolution, pooling, a leaky ReLU, two dense layers: all numbers of a format."""

    def numbers(*shape: int) -> np.ndarray:
        return round_array(rng.standard_normal(shape), fmt)

    pool = AveragePooling((2, 2), (1, 1)) if average else MaxPooling((2, 2), (1, 1))
    nodes = (
        Node("conv", Convolution(numbers(2, 2, 2, 2), numbers(2), padding=1)),
        Node("leaky", LeakyReLU(0.125), ("conv",)),
        Node("pool", pool, ("leaky",)),
        Node("flat", Flatten(), ("pool",)),
        Node("dense", Dense(numbers(4, 18), numbers(4)), ("flat",)),
        Node("relu", ReLU(), ("dense",)),
        Node("last", Dense(numbers(3, 4)), ("relu",)),
    )
    return Network(nodes, (2, 3, 3), "last")


@settings(max_examples=examples(40), deadline=None)
@given(st.data(), st.sampled_from([FLOAT32, FLOAT16, BFLOAT16]), st.booleans(), st.integers(0, 10**6), st.integers(-8, 3))
def test_nothing_is_farther_away(data: st.DataObject, fmt: Format, average: bool, seed: int, power: int) -> None:
    rng = np.random.default_rng(seed)
    network = image_network(rng, fmt, average)
    points = round_array(rng.standard_normal((3, 2, 3, 3)) * 2.0**power, fmt)
    shapes = [(8, True), *([(4, False)] if average else []), (18, True), (4, False)]
    hows = [data.draw(sum_arithmetics(fmt, terms, bias).filter(sane(fmt))) for terms, bias in shapes]
    deployment = Deployment(hows[0], layers=tuple(enumerate(hows)))
    computed = network_outputs(network, points, deployment)
    for known in (deployment, None):
        bounds = rounding_bounds(network, points, fmt, known)
        assert (np.abs(computed - bounds.values) <= bounds.computed).all() or not np.isfinite(computed).all()
    exact = [exact_logits(network, point) for point in points]
    for row, wanted in enumerate(exact):
        for k, value in enumerate(wanted):
            assert abs(value - Fraction(float(bounds.values[row, k]))) <= Fraction(float(bounds.exact[row, k]))


def sane(fmt: Format):
    """Whether an arithmetic rounds to nearest, nowhere into fewer bits than the format's."""

    def judge(how: Arithmetic) -> bool:
        wide = how.accumulator is None or (how.accumulator.precision >= fmt.precision and how.accumulator.emax >= fmt.emax)
        return wide and how.operands is None and how.rounding.value in ("RNE", "RNA")

    return judge


def exact_logits(network: Network, point: np.ndarray) -> list[Fraction]:
    """Over the reals, by the exact interpreter."""
    inputs = [constant(Fraction(float(x)), None) for x in point.reshape(-1)]
    values = evaluate(list(lower(network, inputs, Deployment(REAL))), {})
    return [value.fraction() if isinstance(value, Value) else Fraction(value) for value in values]


def test_a_margin_that_rounding_cannot_close_changes_no_class() -> None:
    network = Network((Node("last", Dense(np.array([[1.0, 0.0], [0.0, 1.0]]))),), (2,), "last")
    points = np.array([[1.0, 0.5], [1.0, 1.0], [1.0, float(np.nextafter(np.float32(1), np.float32(0)))]])
    assert rounding_bounds(network, points, FLOAT32).may_change().tolist() == [False, True, True]


def test_what_may_overflow_has_no_bound() -> None:
    network = Network((Node("last", Dense(np.array([[2.0**100, 0.0], [0.0, 1.0]]))),), (2,), "last")
    bounds = rounding_bounds(network, np.array([[2.0**100, 1.0], [1.0, 1.0]]), FLOAT32)
    assert np.isinf(bounds.computed).tolist() == [[True, False], [False, False]]
    assert bounds.may_change().tolist() == [True, False]


@pytest.mark.parametrize("order", ["sequential", "pairwise"])
def test_a_revealed_order_is_bounded_more_closely_than_any(order: str) -> None:
    from fpsynth.orders import parse_order

    rng = np.random.default_rng(0)
    network = Network((Node("last", Dense(rng.standard_normal((2, 512)).astype(np.float32))),), (512,), "last")
    points = rng.standard_normal((4, 512)).astype(np.float32).astype(float)
    known = rounding_bounds(network, points, FLOAT32, Deployment(Arithmetic(FLOAT32, order=parse_order(order)))).computed
    free = rounding_bounds(network, points, FLOAT32).computed
    assert (known < free).all() if order == "pairwise" else (known <= free * 1.01).all()


@pytest.mark.parametrize("flush", list(Flush))
@pytest.mark.parametrize("layer", [ReLU(), MaxPooling((1, 1)), LeakyReLU(0.5), Clip(-1.0, 1.0)], ids=str)
@pytest.mark.parametrize("dtype", [FLOAT16, FLOAT32], ids=str)
def test_a_selection_reads_subnormal_inputs_as_zeros(flush: Flush, layer: Layer, dtype: Format) -> None:
    least = float(dtype.min_normal)
    points = np.array([[[[least / 4, -least / 2, least, 2 * least]]]])
    network = Network((Node("selected", layer), Node("flat", Flatten(), ("selected",))), (1, 1, 4), "flat")
    deployment = Deployment(Arithmetic(dtype, flush=flush))
    computed = network_outputs(network, points, deployment)
    for known in (deployment, None):
        bounds = rounding_bounds(network, points, dtype, known)
        assert (np.abs(computed - bounds.values) <= bounds.computed).all()
        assert (bounds.computed <= 8 * least).all()


def test_subnormal_inputs_that_a_relu_makes_equal_may_change_the_class() -> None:
    below = Dense(np.zeros((1, 2)), np.array([-1.0]))
    nodes = (Node("below", below), Node("relu", ReLU()), Node("all", Concat(0), ("relu", "below")))
    network, points = Network(nodes, (2,), "all"), np.array([[2.0**-140, 2.0**-139], [2.0**-100, 1.0]])
    flushed = network_outputs(network, points, Deployment(Arithmetic(FLOAT32, flush=Flush.UNBOUNDED)))
    assert flushed.argmax(axis=1).tolist() == [0, 1]
    assert rounding_bounds(network, points, FLOAT32).may_change().tolist() == [True, False]
