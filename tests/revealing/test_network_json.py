"""Reveals of networks come back from JSON as they were, with the network as it is computed; anything else is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from mutations import check, mutated_data

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32, FLOAT64
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.libraries.registry import library_named
from fpsynth.networks.graph import Node
from fpsynth.networks.layers import (
    Add,
    BatchNormalisation,
    Clip,
    Concat,
    Convolution,
    Dense,
    Flatten,
    LeakyReLU,
    MaxPooling,
    Pad,
    ReLU,
)
from fpsynth.networks.network import INPUT, Network
from fpsynth.orders import parse_order
from fpsynth.revealing import network_json
from fpsynth.revealing.kernels import CachedKernels
from fpsynth.revealing.layer_runs import predicted
from fpsynth.revealing.network_json import kept_network, network_from_kept
from fpsynth.revealing.network_result import FirstDifference, NetworkReveal
from fpsynth.revealing.networks import reveal_network
from fpsynth.sums.arithmetic import Arithmetic, Deployment

WHERE = parse_network_environment("numpy:batch=1")


def network() -> Network:
    """A batch normalisation, which is computed by other layers, a convolution that two read, and a dense layer."""
    rng = np.random.default_rng(1)

    def numbers(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) / 2).astype(np.float32)

    nodes = (
        Node("conv", Convolution(numbers(2, 1, 3, 3), numbers(2), padding=1)),
        Node("norm", BatchNormalisation(numbers(2), np.abs(numbers(2)) + 1, numbers(2), numbers(2)), ("conv",)),
        Node("relu", ReLU(), ("norm",)),
        Node("add", Add(), ("relu", "conv")),
        Node("flat", Flatten(), ("add",)),
        Node("dense", Dense(numbers(5, 32), numbers(5)), ("flat",)),
    )
    return Network(nodes, (1, 4, 4), "dense")


@pytest.fixture(scope="module")
def found() -> NetworkReveal:
    library = library_named("numpy")
    library.load("cpu")
    return reveal_network(CachedKernels(library), network(), FLOAT32, WHERE, vectors=100)


def read(data: object) -> NetworkReveal:
    return network_from_kept(data, network(), WHERE, FLOAT32)


def written(found: NetworkReveal) -> dict:
    return json.loads(json.dumps(kept_network(found, network()), allow_nan=False))


def test_a_reveal_comes_back_whole(found: NetworkReveal) -> None:
    back = read(written(found))
    assert found.rewrites
    assert back.network != network()
    assert back.network == found.network
    for name in ("deployment", "layers", "check", "rewrites", "notes", "revealed", "version", "facts", "seconds"):
        assert getattr(back, name) == getattr(found, name), name
    assert back.cached
    points = np.random.default_rng(2).standard_normal((4, 16)).astype(np.float32).astype(np.float64)
    own, again = (predicted(one.network, points, one.deployments) for one in (found, back))
    assert (own == again).all()


def test_rows_that_are_computed_otherwise_come_back_and_each_is_predicted_in_its_own_way(found: NetworkReveal) -> None:
    batch, other = WHERE.batch, Deployment(Arithmetic(FLOAT32, order=parse_order("reverse")))
    many = replace(found, environment=replace(WHERE, batch=4), rows=(((0, 2), found.deployment), ((1, 3), other)))
    back = network_from_kept(written(many), network(), many.environment, FLOAT32)
    assert batch < 4
    assert back.rows == many.rows
    assert [back.in_row(row) for row in range(4)] == [found.deployment, other] * 2
    points = np.random.default_rng(2).standard_normal((7, 16)).astype(np.float32).astype(np.float64)
    own = predicted(back.network, points, back.deployments)
    of_each = [predicted(back.network, points, {(0,): how}) for how in (found.deployment, other)]
    assert (of_each[0] != of_each[1]).any()
    assert all((own[k] == of_each[k % 2][k]).all() for k in range(7))
    assert (predicted(back.network, points[:1], back.deployments) == of_each[0][:1]).all()
    for rows in ([[0, 2]], [[0, 2], [1, 2]], [[0, 2], [1, 3, 4]], [[0, 2], "13"]):
        kept = written(many)
        kept["rows"] = [[part, kept["rows"][0][1]] for part in rows]
        with pytest.raises(InputError):
            network_from_kept(kept, network(), many.environment, FLOAT32)


def test_what_is_not_explained_comes_back_too(found: NetworkReveal) -> None:
    first = FirstDifference((1.0, -0.0, float("inf")), 2, float("nan"), 0.5)
    layer = replace(found.layers[0], explained=found.layers[0].total - 1, first=first, notes=("a note",))
    back = read(written(replace(found, layers=(layer, *found.layers[1:]))))
    assert back.layers[0].first is not None
    assert str(back.layers[0].first) == str(first)
    assert back.layers[0].explained == layer.total - 1


def test_a_node_that_the_given_network_has_is_only_named(found: NetworkReveal) -> None:
    data = {node["name"]: node for node in written(found)["nodes"]}
    assert set(data["conv"]) == set(data["dense"]) == {"name", "inputs"}
    assert "numbers" in data["norm"]


def test_a_network_of_other_nodes_comes_back(found: NetworkReveal) -> None:
    """Such as a library's own optimised graph: layers of every kind, of one input and of several."""
    given, rng = network(), np.random.default_rng(4)
    nodes = (
        Node("pad", Pad(((0, 0), (1, 1), (1, 1)), 0.5)),
        Node("pool", MaxPooling((3, 3), (1, 1)), ("pad",)),
        Node("clip", Clip(0.0, None), ("pool",)),
        Node("both", Concat(0), ("clip", INPUT)),
        Node("conv", Convolution(rng.standard_normal((2, 2, 3, 3)), None, padding=1), ("both",)),
        Node("leaky", LeakyReLU(0.1), ("conv",)),
        Node("flat", Flatten(), ("leaky",)),
        Node("dense", given["dense"].layer, ("flat",)),
    )
    computed = Network(nodes, given.input_shape, "dense")
    other = replace(found, network=computed, deployment=Deployment(Arithmetic(FLOAT32)), layers=())
    assert read(written(other)).network == computed


def test_what_is_too_large_for_the_cache_is_told(found: NetworkReveal, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = sum(array.size for node in found.network.nodes[1:4] for array in node.layer.arrays())
    monkeypatch.setattr(network_json, "MAX_NUMBERS", numbers)
    assert network_json.is_small(found, network())
    monkeypatch.setattr(network_json, "MAX_NUMBERS", numbers - 1)
    assert not network_json.is_small(found, network())


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data["reveal"].update(environment="numpy:batch=2"),
        lambda data: data["reveal"].update(dtype="float64"),
        lambda data: data["reveal"]["network"].update(explained=10**9),
        lambda data: data["reveal"]["layers"][0].update(explained=10**9),
        lambda data: data["reveal"]["layers"][0].update(computed_by=["flat"]),
        lambda data: data["reveal"]["layers"][0].update(classes=[]),
        lambda data: data["reveal"].update(revealed="yesterday"),
        lambda data: data["nodes"].pop(),
        lambda data: data["nodes"][0].update(name="other"),
        lambda data: data["deployment"].update(layers=[[99, 0]]),
        lambda data: data["deployment"].update(exceptions=[[0, 0, 99]]),
        lambda data: data["deployment"].update(arithmetics=[]),
        lambda data: data["deployment"]["arithmetics"][0].update(format="float64"),
    ],
)
def test_what_does_not_fit_is_refused(found: NetworkReveal, change) -> None:
    data = written(found)
    change(data)
    with pytest.raises(InputError) as refused:
        read(data)
    assert "\n" not in str(refused.value)


def test_of_another_format_it_is_refused(found: NetworkReveal) -> None:
    with pytest.raises(InputError, match="another environment or format"):
        network_from_kept(written(found), network(), WHERE, FLOAT64)


def test_damaged_ones(found: NetworkReveal) -> None:
    data = written(found)
    check("a network's reveal", lambda draw: mutated_data(data, draw), read)
