"""Claims of averages.py: the tree of an average is found whatever the sum is divided or multiplied by, or none is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest
from profiles import every_second

from fpsynth.evaluators.deployed import network_outputs
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.libraries.registry import library_named
from fpsynth.networks.graph import Node
from fpsynth.networks.layers import AveragePooling, GlobalAveragePooling, Layer, Sums
from fpsynth.networks.network import Network
from fpsynth.networks.rewrites import replaced
from fpsynth.orders import parse_order
from fpsynth.revealing.averages import MOST_TERMS, RECIPROCAL, average_tree, multiplied
from fpsynth.revealing.revealer import Revealer
from fpsynth.revealing.trees import Inconsistent, canonical
from fpsynth.sums.arithmetic import Arithmetic, Deployment

MEAN = GlobalAveragePooling(False).structure((3, 5, 5))


def averaging(order: str, terms: int, last: str):
    """A library that adds each of three channels in an order, then divides, or multiplies by a rounded reciprocal."""
    tree = parse_order(order).tree(terms)

    def run(points: np.ndarray) -> np.ndarray:
        nodes = list(points.astype(np.float32).reshape(len(points), 3, terms).transpose(2, 0, 1))
        for operands in tree.steps:
            total = nodes[operands[0]]
            for operand in operands[1:]:
                total = total + nodes[operand]
            nodes.append(total)
        count = np.float32(terms)
        return (nodes[-1] / count if last == "divided" else nodes[-1] * (np.float32(1) / count)).astype(float)

    return run


@pytest.mark.parametrize("last", ["divided", "times the reciprocal"])
@pytest.mark.parametrize("order", ["sequential", "pairwise", "strided:8", "lanes:4", "blocked:7"])
def test_the_tree_of_an_average_is_found(order: str, last: str) -> None:
    found = average_tree(MEAN, 1, averaging(order, 25, last), 75, FLOAT32)
    assert canonical(found) == canonical(parse_order(order).tree(25))


def test_what_is_added_exactly_is_one_step() -> None:
    def run(points: np.ndarray) -> np.ndarray:
        return np.array([[math.fsum(channel) / 25 for channel in point.reshape(3, 25)] for point in points])

    assert average_tree(MEAN, 0, run, 75, FLOAT32).steps == (tuple(range(25)),)


def test_what_is_no_sum_has_no_tree() -> None:
    def run(points: np.ndarray) -> np.ndarray:
        return np.clip(points.reshape(len(points), 3, 25), 0, most).mean(axis=2)

    most = 1.0
    with pytest.raises(Inconsistent, match="a probe lost 1 of 25 leaves"):
        average_tree(MEAN, 0, run, 75, FLOAT32)
    most = 1.5
    with pytest.raises(Inconsistent, match="a probe gives what no tree of units gives"):
        average_tree(MEAN, 0, run, 75, FLOAT32)


@pytest.mark.parametrize(
    "sums",
    [
        AveragePooling((2, 2), padding=1).structure((1, 4, 4)),
        GlobalAveragePooling(False).structure((1, MOST_TERMS + 1, 1)),
        GlobalAveragePooling(False).structure((1, 1, 1)),
    ],
)
def test_what_is_not_probed_says_so(sums) -> None:
    with pytest.raises(Inconsistent, match="is not probed"):
        average_tree(sums, 0, lambda points: points, 1 + MOST_TERMS, FLOAT32)


LAYERS: dict[str, tuple[Layer, tuple[int, ...]]] = {
    "windows of 4": (AveragePooling((2, 2)), (2, 6, 6)),
    "windows of 9": (AveragePooling((3, 3)), (2, 6, 6)),
    "padding counted": (AveragePooling((3, 3), (2, 2), 1), (2, 6, 6)),
    "padding not counted": (AveragePooling((3, 3), (2, 2), 1, count_padding=False), (2, 6, 6)),
    "along one axis": (AveragePooling((3,), (1,)), (2, 7)),
    "all of 16": (GlobalAveragePooling(False), (4, 4, 4)),
    "all of 56": (GlobalAveragePooling(True), (3, 8, 7)),
    "all of 9": (GlobalAveragePooling(False), (3, 3, 3)),
}


def alone(name: str) -> tuple[Network, Sums]:
    layer, shape = LAYERS[name]
    network = Network((Node("mean", layer),), shape, "mean")
    sums = network.structure("mean")
    assert isinstance(sums, Sums)
    return network, sums


@pytest.fixture(scope="module")
def revealer() -> Iterator[Revealer]:
    with Revealer() as one:
        yield one


@pytest.mark.parametrize(("library", "name"), every_second(itertools.product(["numpy", "torch", "onnxruntime", "jax"], LAYERS)))
def test_averages_of_libraries_are_explained(revealer: Revealer, library: str, name: str) -> None:
    if library_named(library).version() is None:
        pytest.skip(f"{library} is not installed")
    network, sums = alone(name)
    found = revealer.network(network, FLOAT32, parse_network_environment(f"{library}:batch=1"), vectors=100)["reveal"]
    (layer,) = found["layers"]
    assert layer["explained"] == layer["of"] > 0
    assert found["network"]["explained"] == found["network"]["of"] > 0
    assert found["notes"] == []
    exact = sums.divisor is None or (np.frexp(sums.divisor)[0] == 0.5).all()
    wanted = [{"node": "mean", "name": RECIPROCAL}] if library == "jax" and not exact else []
    assert found["rewrites"] == wanted
    assert layer["computed_by"] == (["mean.1", "mean"] if wanted else ["mean"])


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("fmt", [FLOAT32, FLOAT16, FLOAT64], ids=str)
def test_a_sum_times_a_reciprocal_is_an_average_but_for_its_rounding(name: str, fmt) -> None:
    network, sums = alone(name)
    layer, shape = LAYERS[name]
    other = replaced(network, "mean", multiplied(layer, shape, sums, fmt))
    assert other.output_shape == network.output_shape
    points = np.random.default_rng(1).integers(-8, 9, (20, *shape)).astype(np.float64)
    outputs = [network_outputs(one, points, Deployment(Arithmetic(FLOAT64))) for one in (network, other)]
    assert np.allclose(*outputs, rtol=2.0 ** (2 - fmt.precision), atol=0)
