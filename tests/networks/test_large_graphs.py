"""Networks of ten million weights are made, compared and evaluated as arrays; what a sum reads is found at its own cost."""

from __future__ import annotations

import tracemalloc

import numpy as np

from fpsynth.evaluators.float64 import float64_outputs
from fpsynth.networks.layers import AddConstant, Convolution, MaxPooling, ReLU
from fpsynth.networks.layers.structure import PADDING, Sums
from fpsynth.networks.network import INPUT, Network, Node, dense_relu

DRAW = np.random.default_rng(4)


def test_ten_million_weights() -> None:
    weights = [DRAW.integers(-3, 4, (3000, 2500)).astype(np.float32), DRAW.integers(-3, 4, (1000, 3000)).astype(np.float32)]
    network = dense_relu([(weight, None) for weight in weights])
    assert network.parameter_count == network.operations == 10_500_000
    again = dense_relu([(weight.astype(np.float64), None) for weight in weights])
    assert (again, hash(again)) == (network, hash(network))
    weights[1][-1, -1] += 1
    assert dense_relu([(weight, None) for weight in weights]) != network
    points = DRAW.integers(-3, 4, (100, 2500)).astype(np.float64)
    wanted = np.maximum(points @ weights[0].T.astype(np.float64), 0) @ network.dense_layers[1].weight.T.astype(np.float64)
    assert np.array_equal(float64_outputs(network, points), wanted)


def test_65536_terms_and_many_positions_take_little_memory() -> None:
    layer = Convolution(np.ones((8, 7282, 3, 3), np.float32), padding=1)  # 65538 terms, 3136 positions
    network = Network((Node("it", layer),), (7282, 56, 56), "it")
    tracemalloc.start()
    sums = network.structure("it")
    assert isinstance(sums, Sums)
    assert (sums.terms, sums.outputs) == (65538, 8 * 3136)
    addends = sums.addends(sums.outputs - 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
    assert addends.read.dtype == np.int32
    assert (addends.read == PADDING).sum() == 7282 * 5
    assert addends.read.max() == 7282 * 56 * 56 - 1


def test_ten_million_numbers() -> None:
    shape = (10, 1000, 1000)
    nodes = (Node("add", AddConstant(np.full((10, 1, 1), 0.5)), (INPUT,)), Node("relu", ReLU(), ("add",)))
    network = Network((*nodes, Node("pool", MaxPooling((2, 2)), ("relu",))), shape, "pool")
    points = DRAW.integers(-3, 4, (1, *shape)).astype(np.float64)
    windows = np.maximum(points + 0.5, 0).reshape(1, 10, 500, 2, 500, 2)
    assert np.array_equal(float64_outputs(network, points), windows.max(axis=(3, 5)))
