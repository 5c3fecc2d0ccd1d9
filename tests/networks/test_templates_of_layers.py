"""Every layer type as one of a template: its parameters become objects, its numbers come back, what it computes is the same."""

from __future__ import annotations

import math
from typing import Any

import pytest
from graphs import graphs
from hypothesis import given

from fpsynth.errors import InputError
from fpsynth.evaluators.exact import evaluate
from fpsynth.expressions import constant
from fpsynth.formats import FLOAT32
from fpsynth.networks.layers import (
    LAYERS,
    Add,
    AddConstant,
    Affine,
    Argmax,
    AveragePooling,
    BatchNormalisation,
    Clip,
    Concat,
    Convolution,
    Dense,
    DivideConstant,
    Flatten,
    GlobalAveragePooling,
    Layer,
    LeakyReLU,
    MaxPooling,
    MultiplyConstant,
    Pad,
    ReLU,
    Reshape,
    Softmax,
    SubtractConstant,
    Transpose,
)
from fpsynth.networks.lowering import lower
from fpsynth.networks.network import INPUT, Network, Node, with_numbers
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.verifiers.intervals import network_intervals

SHAPE = (2, 3)
EVERY: list[Layer] = [
    Dense([[1.0, 2.0, 3.0]], [0.5]),
    Convolution([[[1.0, 2.0], [0.5, -1.0]]], [0.25]),
    AveragePooling((2,)),
    GlobalAveragePooling(),
    BatchNormalisation([1.0, 0.0], [3.0, 8.0], [2.0, -1.0], [0.5, 0.0], 1.0),
    Affine([2.0, -1.0], [0.5, 0.0]),
    Add(),
    AddConstant([1.0, 2.0, 3.0]),
    SubtractConstant([1.0, 2.0, 3.0]),
    SubtractConstant([1.0, 2.0, 3.0], turned=True),
    MultiplyConstant([[1.5], [-2.0]]),
    DivideConstant([[3.0], [-5.0]]),
    ReLU(),
    LeakyReLU(0.25),
    Clip(-1.0, 0.5),
    MaxPooling((2,)),
    Argmax(),
    Softmax(),
    Flatten(),
    Reshape((3, 2)),
    Transpose((1, 0)),
    Pad(((1, 0), (0, 1)), 0.5),
    Concat(0),
]


def alone(layer: Layer) -> Network:
    count = max(1, layer.inputs_taken[0])
    return Network((Node("it", layer, (INPUT,) * count),), SHAPE, "it")


def test_every_type_is_there() -> None:
    assert {type(layer) for layer in EVERY} == set(LAYERS.values())


@pytest.mark.parametrize("layer", EVERY, ids=lambda layer: layer.kind)
def test_it_becomes_a_template_and_a_network_again(layer: Layer) -> None:
    network = alone(layer)
    boxed: Any = network.map(lambda entry: (entry,))
    assert with_numbers(boxed, lambda entry: entry[0]) == network
    assert with_numbers(boxed.map(lambda entry: entry[0] + 1), lambda entry: entry - 1) == network
    assert all(type(entry) is tuple for entry in boxed.entries())


@pytest.mark.parametrize("layer", EVERY, ids=lambda layer: layer.kind)
def test_its_template_of_constants_computes_the_same(layer: Layer) -> None:
    if layer.ending:
        pytest.skip("what stands at the end is not lowered")
    network = alone(layer)
    fmt = None if isinstance(layer, BatchNormalisation) else FLOAT32
    how = Deployment(REAL if fmt is None else Arithmetic(fmt))
    point = [constant(float(k) - 2, fmt) for k in range(math.prod(SHAPE))]
    # a batch normalisation has a root, which needs numbers
    template: Any = network.map(float) if fmt is None else network.map(lambda entry: constant(entry, fmt))
    assert evaluate(lower(template, point, how), {}) == evaluate(lower(network, point, how), {})


@given(graphs(divisors=True))
def test_networks_with_quotients_are_templates_filled_again(network: Network) -> None:
    assert with_numbers(network.map(lambda entry: (entry,)), lambda entry: entry[0]) == network


def test_an_unknown_divisor_is_refused() -> None:
    with pytest.raises(InputError, match="a divisor must be a known, finite number that is not zero"):
        DivideConstant([("unknown",)])


def test_intervals_of_a_quotient_are_those_of_its_point() -> None:
    network = alone(DivideConstant([3.0]))
    numbers = [1.0, 2.0, 3.0, -4.0, 0.0, 6.0]
    for number, (low, high) in zip(
        numbers, network_intervals(network, [(x, x) for x in numbers], FLOAT32, Deployment(Arithmetic(FLOAT32))), strict=True
    ):
        assert low.fraction() * 3 <= number <= high.fraction() * 3
