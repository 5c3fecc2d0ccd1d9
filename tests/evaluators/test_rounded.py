"""Claims of rounded.py: numbers are rounded into a format, as few objects change as need to, and nothing becomes infinite."""

from __future__ import annotations

import numpy as np
import pytest

from fpsynth.errors import InputError
from fpsynth.evaluators.rounded import rounded_network, rounded_words
from fpsynth.formats import FLOAT16, FLOAT32
from fpsynth.networks.layers import BatchNormalisation, Clip, Dense, LeakyReLU, ReLU
from fpsynth.networks.network import Network, Node, dense_relu


def test_every_number_is_rounded_once_and_counted() -> None:
    network = dense_relu([(np.array([[0.1, 0.5], [1 + 2.0**-24, 2.0]]), np.array([0.25, 0.3]))])
    rounded, changed = rounded_network(network, FLOAT32)
    (layer,) = rounded.dense_layers
    assert changed == 3
    assert layer.weight.tolist() == [[float(np.float32(0.1)), 0.5], [1.0, 2.0]]
    assert layer.bias.tolist() == [0.25, float(np.float32(0.3))]
    assert rounded_words(changed, network, FLOAT32) == "3 of the network's 6 numbers are not in float32 and are rounded into it"
    assert rounded_network(rounded, FLOAT32) == (rounded, 0)


def test_a_network_of_the_format_stays_the_same_object() -> None:
    network = dense_relu([(np.float32([[0.1]]), None)])
    assert rounded_network(network, FLOAT32)[0] is network


def test_shared_layers_stay_shared() -> None:
    shared = Dense([[0.1, 0.2], [0.3, 0.5]])
    nodes = (Node("a", shared), Node("relu", ReLU(), ("a",)), Node("b", shared, ("relu",)))
    rounded, changed = rounded_network(Network(nodes, (2,), "b"), FLOAT16)
    assert rounded["a"].layer is rounded["b"].layer
    assert changed == 6


def test_what_is_beyond_the_range_is_refused_with_its_node() -> None:
    with pytest.raises(InputError, match="dense0: a number of its weight is beyond the range of float16"):
        rounded_network(dense_relu([([[1e6]], None)]), FLOAT16)


def test_slopes_bounds_and_fills_are_rounded_and_an_epsilon_is_not() -> None:
    norm = BatchNormalisation(np.ones(1), np.ones(1), np.ones(1), np.zeros(1), 1e-5)
    nodes = (Node("leaky", LeakyReLU(0.01)), Node("clip", Clip(-0.1, 0.5), ("leaky",)), Node("norm", norm, ("clip",)))
    rounded, changed = rounded_network(Network(nodes, (1, 2, 2), "norm"), FLOAT32)
    assert changed == 2
    assert rounded["leaky"].layer == LeakyReLU(float(np.float32(0.01)))
    assert rounded["clip"].layer == Clip(float(np.float32(-0.1)), 0.5)
    assert rounded["norm"].layer == norm
    with pytest.raises(InputError, match="clip: its upper is beyond the range of float16"):
        rounded_network(Network((Node("clip", Clip(0.0, 1e6)),), (2,), "clip"), FLOAT16)
