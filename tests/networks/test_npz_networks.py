"""Convolutions and whole networks in .npz files: read under documented names, written and read back bit for bit."""

from __future__ import annotations

import io
import json
import os
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graphs import graphs
from hypothesis import HealthCheck, given, settings
from mutations import check, mutated_bytes, mutated_json
from profiles import examples

from fpsynth.errors import InputError
from fpsynth.evaluators.float64 import float64_outputs
from fpsynth.networks.layers import Argmax, BatchNormalisation, Convolution, Dense, LeakyReLU, Softmax
from fpsynth.networks.network import Network, Node, dense_relu
from fpsynth.networks.npz import load_images, load_network
from fpsynth.networks.npz_graph import npz_arrays, write_npz
from fpsynth.networks.npz_layers import write_layers

SHARED = Path(os.environ.get("FPSYNTH_DATA", Path(__file__).parents[3] / "shared" / "data"))
SMALL = np.random.default_rng(1).integers(-2, 3, (3, 1, 2, 2)).astype(np.float32)


def convolutional(**arrays: Any) -> dict[str, Any]:
    """Arrays of a convolution of (1, 4, 4) with stride 2 and a dense layer behind it."""
    dense = np.arange(24, dtype=np.float32).reshape(2, 12)
    return {"c_weight": SMALL, "c_bias": np.ones(3), "d_weight": dense} | arrays


def test_layers_by_name(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    np.savez(path, **convolutional(input_shape=np.array([1, 4, 4]), c_stride=np.array(2)))
    network = load_network(path)
    assert [(n.name, n.layer.kind) for n in network.nodes] == [
        ("c", "convolution"), ("c_relu", "relu"), ("flatten", "flatten"), ("d", "dense"),
    ]  # fmt: skip
    assert network["c"].layer == Convolution(SMALL, np.ones(3), 2)
    np.savez(tmp_path / "again.npz", **write_layers(network))
    assert load_network(tmp_path / "again.npz") == network


def test_what_the_file_does_not_say_the_caller_does(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    np.savez(path, **convolutional())
    with pytest.raises(InputError, match="c is a convolution: save the shape of one example as the array input_shape"):
        load_network(path)
    with pytest.raises(
        InputError, match=r"d: it has 12 inputs, but 27 come in; nothing says the stride and padding of c: save them"
    ):
        load_network(path, input_shape=(1, 4, 4))
    network = load_network(path, input_shape=(1, 4, 4), geometry={"c": {"stride": 2}})
    assert network.output_shape == (2,)
    padded = load_network(path, input_shape=(1, 2, 2), geometry={"c": {"stride": 2, "padding": ((1, 1), (1, 1))}})
    assert padded["c"].layer == Convolution(SMALL, np.ones(3), 2, 1)
    with pytest.raises(InputError, match="there is no layer 'e' to give a geometry; it has c, d"):
        load_network(path, input_shape=(1, 4, 4), geometry={"e": {"stride": 2}})
    with pytest.raises(InputError, match="a geometry has stride, padding, dilation, groups, not strides"):
        load_network(path, input_shape=(1, 4, 4), geometry={"c": {"strides": 2}})


@pytest.mark.parametrize(
    ("name", "geometry"),
    [
        ("wk17a_mnist.npz", {k: {"stride": 2, "padding": 1} for k in ("0", "2")}),
        ("relu_stable_mnist.npz", {k: {"stride": 2, "padding": ((1, 2), (1, 2))} for k in ("conv1", "conv2")}),
    ],
)
def test_published_networks(name: str, geometry: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    if not (SHARED / name).exists():
        pytest.skip(f"{SHARED / name} is not there (FPSYNTH_DATA names its folder)")
    network = load_network(SHARED / name, input_shape=(1, 28, 28), geometry=geometry)
    images = load_images(SHARED / "mnist_t10k.npz")
    points = images.pixels[:300].astype(np.float64).reshape(-1, 1, 28, 28) / 255
    assert (float64_outputs(network, points).argmax(axis=1) == images.labels[:300]).mean() > 0.97
    write_npz(network, tmp_path / "again.npz")
    assert load_network(tmp_path / "again.npz") == network


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graphs(divisors=True))
def test_random_graphs_come_back(tmp_path: Path, network: Network) -> None:
    write_npz(network, tmp_path / "net.npz")
    assert load_network(tmp_path / "net.npz") == network


@pytest.mark.parametrize(
    "layer", [LeakyReLU(0.01), BatchNormalisation([0.1], [1], [1], [0]), Argmax(), Softmax()], ids=lambda x: x.kind
)
def test_attributes_keep_every_bit(layer: Any, tmp_path: Path) -> None:
    network = Network((Node("n", layer),), (1,), "n")
    write_npz(network, tmp_path / "net.npz")
    assert load_network(tmp_path / "net.npz") == network


def test_a_stack_is_written_as_numpy_users_know_it(tmp_path: Path) -> None:
    network = dense_relu([([[1.0, 0.1]], [0.5]), ([[2.0]], None)])
    write_npz(network, tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {"W0", "b0", "W1"}
        assert arrays["W0"].tolist() == [[1.0], [0.1]]
    assert load_network(tmp_path / "net.npz") == network


NETWORK = Network((Node("c", Convolution(SMALL, np.ones(3))), Node("r", LeakyReLU(0.25), ("c",))), (1, 3, 3), "r")


def saved(path: Path, text: bytes, **arrays: Any) -> Path:
    np.savez(path, **(npz_arrays(NETWORK) | {"network": np.frombuffer(text, np.uint8)} | arrays))
    return path


def test_damaged_graphs(tmp_path: Path) -> None:
    graph = json.loads(npz_arrays(NETWORK)["network"].tobytes())

    def make(draw: random.Random) -> Path:
        return saved(tmp_path / "damaged.npz", mutated_json(graph, draw).encode("utf-8", "surrogatepass") or b"{")

    check("graph", make, load_network)


def test_damaged_layers(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **convolutional(input_shape=np.array([1, 4, 4]), c_stride=np.array(2)))

    def make(draw: random.Random) -> Path:
        (tmp_path / "damaged.npz").write_bytes(mutated_bytes(buffer.getvalue(), draw))
        return tmp_path / "damaged.npz"

    check("layers", make, load_network)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fpsynth network": 2}, "describes no network of version 1"),
        ({"output": "x"}, "the output x is no node"),
        ({"nodes": [{"name": "c", "kind": "lambda", "inputs": ["input"]}]}, "of no kind of layer"),
        ({"nodes": [{"name": "c", "kind": "relu", "inputs": ["input"], "slope": 1}]}, "node 0 has the attribute 'slope'"),
        ({"nodes": [{"name": "r", "kind": "leaky relu", "inputs": ["input"]}]}, "node 0 lacks the attribute 'slope'"),
        ({"nodes": [{"name": "r", "kind": "dense", "inputs": ["input"]}]}, "it is|has no weight|weight"),
        ({"nodes": [{"name": "r", "kind": "leaky relu", "inputs": ["input"], "slope": 0.5}]}, "slope is no hexadecimal number"),
    ],
)
def test_a_graph_is_checked(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    graph = json.loads(npz_arrays(NETWORK)["network"].tobytes()) | change
    with pytest.raises(InputError, match=reason):
        load_network(saved(tmp_path / "net.npz", json.dumps(graph).encode()))


def test_unknown_arrays_are_left_alone(tmp_path: Path) -> None:
    np.savez(tmp_path / "net.npz", W0=np.eye(2), c_weight=np.zeros((1, 1, 1)))
    assert load_network(tmp_path / "net.npz") == dense_relu([Dense(np.eye(2))])
    with zipfile.ZipFile(tmp_path / "net.npz", "a") as archive:
        archive.writestr("README", "text")
    assert load_network(tmp_path / "net.npz") == dense_relu([Dense(np.eye(2))])
