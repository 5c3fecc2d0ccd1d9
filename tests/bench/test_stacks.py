"""What stands in a row is written out as dense layers that compute the same; what does not is left as it is."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import graphs, small_integers_at_once
from hypothesis import given
from hypothesis import strategies as st

from fpsynth.evaluators.float64 import numpy_outputs
from fpsynth.networks.layers import AveragePooling, Convolution, Dense, Flatten, Layer, MaxPooling, ReLU, Transpose
from fpsynth.networks.network import INPUT, Network, Node
from fpsynth.scoring.shrinking.stacks import arrays_of, stack_of


def row(shape: tuple[int, ...], *layers: Layer) -> Network:
    """Layers one behind the other."""
    names = [f"n{k}" for k in range(len(layers))]
    nodes = (Node(name, layer, (before,)) for name, layer, before in zip(names, layers, [INPUT, *names], strict=False))
    return Network(tuple(nodes), shape, names[-1])


def outputs(network: Network, points: np.ndarray) -> np.ndarray:
    return numpy_outputs(network, points.reshape(len(points), *network.input_shape)).reshape(len(points), -1)


def require_same(network: Network) -> None:
    layers = arrays_of(network)
    assert layers is not None
    stack = stack_of(layers)
    assert stack is not None
    points = np.random.default_rng(0).integers(-3, 4, (20, stack.input_shape[0])).astype(np.float64)
    assert np.allclose(outputs(network, points), outputs(stack, points), rtol=1e-6, atol=1e-6)


RNG = np.random.default_rng(1)
CONVOLUTION = Convolution(RNG.integers(-2, 3, (2, 1, 2, 2)).astype(float), np.array([1.0, -1.0]), padding=((1, 0), (0, 1)))


@pytest.mark.parametrize(
    "network",
    [
        row((1, 3, 3), CONVOLUTION, ReLU(), Flatten(), Dense(RNG.integers(-2, 3, (2, 18)).astype(float))),
        row((1, 3, 3), CONVOLUTION, Flatten(), ReLU(), Dense(RNG.integers(-2, 3, (2, 18)).astype(float))),
        row((2, 3), Transpose((1, 0)), Flatten(), Dense(RNG.integers(-2, 3, (3, 6)).astype(float), np.ones(3))),
        row((1, 4), AveragePooling((2,)), ReLU(), Flatten(), Dense(np.ones((1, 2)))),
        row((3,), Dense(np.ones((2, 3)), np.ones(2)), ReLU(), Dense(np.eye(2))),
    ],
)
def test_rows_are_written_out(network: Network) -> None:
    require_same(network)


@pytest.mark.parametrize(
    "network",
    [
        row((1, 4), MaxPooling((2,)), Flatten(), Dense(np.ones((1, 2)))),
        row((3,), Dense(np.ones((2, 3))), Dense(np.eye(2))),
        row((3,), Dense(np.ones((2, 3))), ReLU()),
        row((1, 2), Flatten()),
    ],
)
def test_others_are_not(network: Network) -> None:
    assert arrays_of(network) is None


@given(st.data())
def test_whatever_is_written_out_computes_the_same(data: st.DataObject) -> None:
    network = data.draw(graphs(small_integers_at_once, most=4)).logits
    if arrays_of(network) is not None:
        require_same(network)
