"""Claims of evaluators/cancelling.py: what weights alone hide, the products show."""

from __future__ import annotations

import numpy as np

from fpsynth.evaluators.cancelling import cancelling_at, cancelling_products
from fpsynth.networks.cancellation import cancellations
from fpsynth.networks.network import Network, dense_relu

DRAW = np.random.default_rng(4)
POINTS = DRAW.random((10, 6))
SMALL = 2.0**-24


def carried(constants: list[float], row: list[float], host: int = 0) -> Network:
    """Neurons that give these constants, then ``host`` that are 0 everywhere and 4 others; and a neuron that reads them."""
    count = len(constants)
    weight = np.zeros((count + host + 4, 6))
    weight[count : count + host] = -DRAW.random((host, 6))
    weight[count + host :] = DRAW.normal(size=(4, 6))
    bias = np.concatenate([constants, np.zeros(host + 4)])
    reading = np.concatenate([row, DRAW.normal(size=(host)), np.zeros(4)])
    others = np.concatenate([np.zeros((3, count + host)), DRAW.normal(size=(3, 4))], axis=1)
    return dense_relu([(weight, bias), (np.concatenate([others, [reading]]), None), (np.ones((2, 4)), None)])


def test_weights_that_make_up_for_constants_of_several_sizes() -> None:
    network = carried([1.0, 3.0, 0.5, 1.0], [3.0, -1.0, SMALL, -SMALL / 2])
    assert cancellations(network) == ()
    (found,) = cancelling_at(network, POINTS)
    assert (found.layer, found.neuron, found.weights) == ("dense1", 3, (3.0, -3.0))


def test_weights_of_units_that_are_dead_hide_nothing() -> None:
    network = carried([1.0, 1.0, 1.0, 1.0], [3.0, -3.0, SMALL, -SMALL], host=20)
    assert cancellations(network) == ()
    (found,) = cancelling_at(network, POINTS)
    assert (found.layer, found.neuron, found.inputs) == ("dense1", 3, (0, 1))


def test_a_neuron_that_weights_name_is_named_once() -> None:
    network = carried([1.0, 1.0, 1.0, 1.0], [3.0, -3.0, SMALL, -SMALL])
    assert len(cancelling_products(network, POINTS)) == len(cancellations(network)) == 1
    assert cancelling_at(network, POINTS) == cancellations(network)


def test_a_network_like_a_trained_one_is_no_alarm() -> None:
    layers = [(DRAW.normal(size=(b, a)), DRAW.normal(size=b)) for a, b in ((6, 40), (40, 40), (40, 3))]
    assert cancelling_at(dense_relu(layers), POINTS) == ()
