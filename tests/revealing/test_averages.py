"""Claims of averages.py: how libraries compute averages is explained bit for bit, in orders that probes reveal."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from fpsynth.evaluators.deployed import network_outputs
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.libraries.registry import library_named
from fpsynth.networks.graph import Node
from fpsynth.networks.layers import AveragePooling, GlobalAveragePooling, Layer, Sums
from fpsynth.networks.network import Network
from fpsynth.networks.rewrites import replaced
from fpsynth.orders import parse_order
from fpsynth.revealing.averages import RECIPROCAL, guessed_orders, multiplied, probed_order, unpadded
from fpsynth.revealing.layer_runs import predicted
from fpsynth.revealing.revealer import Revealer
from fpsynth.sums.arithmetic import Arithmetic, Deployment

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


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("library", ["numpy", "torch", "onnxruntime", "jax"])
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


@pytest.mark.parametrize("order", ["sequential", "pairwise", "strided:4", "blocked:7", "halves", "lanes:8"])
@pytest.mark.parametrize("fmt", [FLOAT32, BFLOAT16, FLOAT64], ids=str)
def test_probes_give_the_order_of_a_divided_sum(order: str, fmt) -> None:
    """Of one that is not divided by a power of two."""
    network, sums = alone("all of 56")
    how = Deployment(Arithmetic(fmt, order=parse_order(order)))
    found = probed_order(lambda points: predicted(network, points, how), sums, 1, 3 * 56, fmt)
    assert found == parse_order(order).tree(56) or _alike(found, parse_order(order).tree(56))


def _alike(a, b) -> bool:
    """The same sums, whichever of two operands comes first."""

    def leaves(tree):
        below = [frozenset([k]) for k in range(tree.leaves)]
        for step in tree.steps:
            below.append(frozenset().union(*(below[k] for k in step)))
        return set(below)

    return a is not None and leaves(a) == leaves(b)


def test_where_a_sum_reads_padding_nothing_is_probed() -> None:
    _, sums = alone("padding counted")
    assert unpadded(sums) == 4
    assert probed_order(lambda points: points, sums, 0, 72, FLOAT32) is None


def test_probes_that_no_sum_gives_give_no_order() -> None:
    _, sums = alone("windows of 9")
    rng = np.random.default_rng(2)
    assert probed_order(lambda points: rng.random((len(points), 8)), sums, 0, 72, FLOAT32) is None


def test_formats_in_which_units_are_not_lost_are_guessed() -> None:
    _, sums = alone("windows of 9")
    assert probed_order(lambda points: points, sums, 0, 72, FLOAT16) is None
    assert parse_order("sequential") == guessed_orders(9)[0]
    assert parse_order("strided:3") in guessed_orders(9)
