"""One output of one node by the exact interpreter is what arrays give there, in every kind of layer that computes."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_networks import convolutional

from fpsynth.errors import InputError
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.evaluators.networks import node_output
from fpsynth.formats import FLOAT32
from fpsynth.networks.graph import INPUT
from fpsynth.networks.layers import (
    Add,
    AveragePooling,
    BatchNormalisation,
    Convolution,
    Dense,
    Flatten,
    LeakyReLU,
    MaxPooling,
    ReLU,
)
from fpsynth.networks.network import Network, Node
from fpsynth.orders import parse_order
from fpsynth.revealing.layer_runs import up_to
from fpsynth.sums.arithmetic import Arithmetic, Deployment


def network() -> Network:
    rng = np.random.default_rng(4)

    def numbers(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    nodes = (
        Node("conv", Convolution(numbers(4, 1, 3, 3), numbers(4), padding=1, groups=2)),
        Node("pool", MaxPooling((2, 2), padding=1), ("conv",)),
        Node("relu", LeakyReLU(0.125), ("pool",)),
        Node("average", AveragePooling((2, 2), stride=1, padding=(1, 0)), ("relu",)),
        Node("other", AveragePooling((2, 2), stride=1, padding=(1, 0)), ("pool",)),
        Node("add", Add(), ("average", "other")),
        Node("last", ReLU(), ("add",)),
        Node("flat", Flatten(), ("last",)),
        Node("dense", Dense(numbers(3, 4 * 5 * 3), numbers(3)), ("flat",)),
    )
    return Network(nodes, (2, 6, 6), "dense")


def test_every_node_and_output() -> None:
    whole = network()
    fused = Arithmetic(FLOAT32, fused=True)
    pairwise = Arithmetic(FLOAT32, order=parse_order("pairwise"))
    deployment = Deployment(fused, (((4, 1), pairwise),))
    points = np.random.default_rng(5).standard_normal((3, 2, 6, 6)).astype(np.float32).astype(float)

    def arrays(name: str) -> np.ndarray:
        if name == INPUT:
            return points.reshape(3, -1)
        part = up_to(whole, name)
        exceptions = deployment.exceptions if name == "dense" else ()
        return network_outputs(part, points, Deployment(fused, exceptions)).reshape(3, -1)

    assert whole.sums.index("dense") == 4
    for node in whole.nodes:
        given = np.concatenate([arrays(name) for name in node.inputs], axis=1)
        expected = arrays(node.name)
        for output in range(0, expected.shape[1], 5 if expected.shape[1] > 20 else 1):
            for row in range(3):
                exact = node_output(whole, node.name, output, given[row].tolist(), FLOAT32, deployment)
                assert exact == expected[row, output], (node.name, output)
    flat = arrays("flat").tolist()
    others = [node_output(whole, "dense", 1, row, FLOAT32, Deployment(fused)) for row in flat]
    assert others != arrays("dense")[:, 1].tolist()  # the exception is heeded


def test_a_batch_normalisation_is_refused() -> None:
    norm = Network((Node("norm", BatchNormalisation([0.0], [1.0], [1.0], [0.0])),), (1, 1), "norm")
    with pytest.raises(InputError, match="norm: no arithmetic says how a batch normalisation is computed"):
        node_output(norm, "norm", 0, [1.0], FLOAT32, Deployment(Arithmetic(FLOAT32)))


def test_no_points_have_no_logits():
    logits = network_outputs(convolutional(4), np.zeros((3, 0, 1, 5, 5)), Deployment(Arithmetic(FLOAT32)))
    assert logits.shape == (3, 0, 4)
