"""Claims of networks.py: layers of a real network are revealed, what a library computes otherwise is named, and so is where."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from profiles import every_second, slow

from fpsynth.errors import InputError
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.formats import FLOAT32
from fpsynth.libraries.base import Library
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.libraries.onnxruntime import OnnxRuntime
from fpsynth.libraries.registry import library_named
from fpsynth.networks.graph import INPUT, Node
from fpsynth.networks.layers import (
    Add,
    BatchNormalisation,
    Convolution,
    Dense,
    Flatten,
    GlobalAveragePooling,
    MaxPooling,
    MultiplyConstant,
    ReLU,
    Transpose,
)
from fpsynth.networks.network import Network, dense_relu
from fpsynth.revealing.kernels import CachedKernels
from fpsynth.revealing.layers import ROWS_DIFFER
from fpsynth.revealing.network_json import network_from_kept
from fpsynth.revealing.networks import reveal_network
from fpsynth.revealing.revealer import Revealer


def numbers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return (rng.standard_normal(shape) / 2).astype(np.float32)


def residual() -> Network:
    """A convolution, batch normalisation, max pooling, a residual addition, global average pooling and a dense layer."""
    rng = np.random.default_rng(1)
    norm = BatchNormalisation(numbers(rng, 4), np.abs(numbers(rng, 4)) + 1, numbers(rng, 4), numbers(rng, 4))
    nodes = (
        Node("conv1", Convolution(numbers(rng, 4, 1, 3, 3), numbers(rng, 4), padding=1)),
        Node("norm", norm, ("conv1",)),
        Node("relu1", ReLU(), ("norm",)),
        Node("pool", MaxPooling((2, 2)), ("relu1",)),
        Node("conv2", Convolution(numbers(rng, 4, 4, 3, 3), numbers(rng, 4), padding=1), ("pool",)),
        Node("add", Add(), ("conv2", "pool")),
        Node("relu2", ReLU(), ("add",)),
        Node("mean", GlobalAveragePooling(False), ("relu2",)),
        Node("dense", Dense(numbers(rng, 3, 4), numbers(rng, 3)), ("mean",)),
    )
    return Network(nodes, (1, 8, 8), "dense")


@pytest.fixture(scope="module")
def revealer() -> Iterator[Revealer]:
    with Revealer() as one:
        yield one


def revealed(revealer: Revealer, environment: str, network: Network, **options: object) -> dict:
    where = parse_network_environment(environment)
    if library_named(where.library).version() is None:
        pytest.skip(f"{where.library} is not installed")
    return revealer.network(network, FLOAT32, where, vectors=300, **options)


@pytest.mark.parametrize(
    "environment",
    [
        *("torch:batch=1", "torch:batch=4", "onnxruntime:optimize=off", "numpy:batch=1"),
        *(pytest.param(name, marks=slow) for name in ("jax:batch=1", "jax:eager:batch=1", "tensorflow:matmul:batch=1")),
    ],
)
def test_every_layer_of_a_residual_network_and_the_whole_of_it_are_explained(revealer: Revealer, environment: str) -> None:
    found = revealed(revealer, environment, residual())["reveal"]
    assert [layer["name"] for layer in found["layers"]] == ["conv1", "norm", "conv2", "add", "mean", "dense"]
    for layer in found["layers"]:
        assert layer["explained"] == layer["of"] > 0, layer
    assert found["network"]["explained"] == found["network"]["of"] > 0
    assert found["notes"] == []
    assert [one["node"] for one in found["rewrites"]] == ["norm"]


@pytest.mark.parametrize(
    "kernels", ["batch=1,OPENBLAS_CORETYPE=Haswell", "batch=3,OPENBLAS_CORETYPE=Haswell", "batch=1,OPENBLAS_CORETYPE=Nehalem"]
)
def test_positions_with_taps_in_a_padding_that_add_otherwise_are_explained_by_others_that_have_none(
    revealer: Revealer, kernels: str
) -> None:
    """Older kernels of OpenBLAS add in one of two ways, by where in an image; the first that differs lies at an edge."""
    rng = np.random.default_rng(0)
    layer = Convolution(numbers(rng, 16, 1, 5, 5), numbers(rng, 16), (2, 2), padding=((2, 2), (2, 2)))
    network = Network((Node("conv", layer, (INPUT,)),), (1, 28, 28), "conv")
    found = revealed(revealer, f"numpy:{kernels}", network)["reveal"]
    (one,) = found["layers"]
    assert (one["explained"], set(one["notes"]) - {ROWS_DIFFER}) == (one["of"], set())


@pytest.mark.parametrize("kernels", ["batch=1,OPENBLAS_CORETYPE=Haswell", "batch=3,OPENBLAS_CORETYPE=Nehalem"])
def test_positions_all_of_which_have_taps_in_a_padding_are_explained_by_their_other_taps(
    revealer: Revealer, kernels: str
) -> None:
    """OpenBLAS for Haswell adds the last four of 64 places otherwise, and these lie along the lower edge of the image."""
    rng = np.random.default_rng(0)
    layer = Convolution(numbers(rng, 8, 1, 3, 3), numbers(rng, 8), padding=1)
    network = Network((Node("conv", layer, (INPUT,)),), (1, 8, 8), "conv")
    found = revealed(revealer, f"numpy:{kernels}", network)["reveal"]
    (one,) = found["layers"]
    assert (one["explained"], set(one["notes"]) - {ROWS_DIFFER}) == (one["of"], set())


def test_rows_of_a_batch_that_add_otherwise_are_explained_each(revealer: Revealer) -> None:
    """OpenBLAS without AVX-512 adds rows that do not fill a block of its kernel otherwise."""
    rng = np.random.default_rng(0)
    network = dense_relu([(numbers(rng, 12, 784), None), (numbers(rng, 10, 12), None)])
    points = rng.standard_normal((130, 784)).astype(np.float32).astype(float)
    name = "numpy:batch=64,threads=1,OPENBLAS_CORETYPE=Haswell"
    answer = revealed(revealer, name, network, inputs=points)
    for layer in answer["reveal"]["layers"]:
        assert layer["explained"] == layer["of"] > 0, layer
    assert answer["reveal"]["network"]["explained"] == answer["reveal"]["network"]["of"]
    assert answer["reproduced"] == 1300
    found = network_from_kept(answer["kept"], network, parse_network_environment(name), FLOAT32)
    noted = any(ROWS_DIFFER in layer.notes for layer in found.layers)
    assert bool(found.rows) == noted
    if not found.rows:
        pytest.skip("this BLAS adds all rows of a batch in one way")
    (same, _), (others, there) = found.rows[:2]
    assert 0 in same
    at = network_from_kept(
        revealed(revealer, f"{name},row={others[0]}", network)["kept"],
        network,
        parse_network_environment(f"{name},row={others[0]}"),
        FLOAT32,
    )
    assert at.deployment == there
    assert at.deployment != found.deployment


def test_what_onnxruntime_makes_of_a_residual_network_is_explained(revealer: Revealer) -> None:
    """By itself it folds the normalisation into the convolution: the folded weights are read from its own optimised graph."""
    found = revealed(revealer, "onnxruntime:batch=1", residual())["reveal"]
    assert [layer["name"] for layer in found["layers"]] == ["norm", "conv2", "add", "mean", "dense"]
    assert all(layer["explained"] == layer["of"] > 0 for layer in found["layers"])
    assert found["network"]["explained"] == found["network"]["of"] == 192
    assert found["rewrites"] == [{"node": "norm", "name": "ONNX Runtime's optimised graph: conv1 and norm are one convolution"}]
    assert found["notes"] == []


def in_blocks() -> Network:
    """Channels that fill blocks: ONNX Runtime has the convolution begin with the residual, and adds the bias last."""
    rng = np.random.default_rng(3)
    channels = 16
    nodes = (
        Node("conv1", Convolution(numbers(rng, channels, 2, 3, 3), numbers(rng, channels), padding=1)),
        Node("conv2", Convolution(numbers(rng, channels, channels, 1, 1), numbers(rng, channels)), ("conv1",)),
        Node("add", Add(), ("conv2", "conv1")),
        Node("mean", GlobalAveragePooling(False), ("add",)),
    )
    return Network(nodes, (2, 4, 4), "mean")


def test_a_residual_that_onnxruntime_adds_first_is_explained(revealer: Revealer) -> None:
    rng = np.random.default_rng(4)
    points = rng.standard_normal((6, 32)).astype(np.float32).astype(np.float64)
    answer = revealed(revealer, "onnxruntime:batch=1", in_blocks(), inputs=points)
    found = answer["reveal"]
    assert found["network"]["explained"] == found["network"]["of"] > 0
    assert all(layer["explained"] == layer["of"] > 0 for layer in found["layers"])
    assert answer["reproduced"] == answer["logits"].size == 96
    if found["rewrites"]:  # blocks of 8 or 16 channels are there on x86 only
        assert [one["node"] for one in found["rewrites"]] == ["add"]
        assert "the sum of conv2 begins with the other number" in found["rewrites"][0]["name"]


def normalised_residual() -> Network:
    """A residual that is added to a batch normalisation."""
    rng = np.random.default_rng(2)
    norm = BatchNormalisation(numbers(rng, 4), np.abs(numbers(rng, 4)) + 1, numbers(rng, 4), numbers(rng, 4))
    nodes = (
        Node("conv1", Convolution(numbers(rng, 4, 1, 3, 3), numbers(rng, 4), padding=1)),
        Node("conv2", Convolution(numbers(rng, 4, 4, 3, 3), numbers(rng, 4), padding=1), ("conv1",)),
        Node("norm", norm, ("conv2",)),
        Node("add", Add(), ("conv1", "norm")),
        Node("flat", Flatten(), ("add",)),
        Node("dense", Dense(numbers(rng, 3, 144)), ("flat",)),
    )
    return Network(nodes, (1, 6, 6), "dense")


def test_a_shift_that_tensorflow_adds_after_the_residual_is_explained(revealer: Revealer) -> None:
    """Grappler runs v + (scale x + shift) as (v + scale x) + shift."""
    found = revealed(revealer, "tensorflow:function:batch=1", normalised_residual())["reveal"]
    assert all(layer["explained"] == layer["of"] > 0 for layer in found["layers"])
    assert found["network"]["explained"] == found["network"]["of"] == 192
    said = [(one["node"], one["name"]) for one in found["rewrites"]]
    assert ("add", "the shift of norm is added after the other number") in said


def test_where_layers_are_computed_together_the_first_that_differs_is_named() -> None:
    """ONNX Runtime, had it not said what it makes of the network: alone, each layer is explained."""
    pytest.importorskip("onnxruntime")

    class Silent(OnnxRuntime):
        rewritten = Library.rewritten

    library = Silent()
    library.start("cpu", None, {})
    where = parse_network_environment("onnxruntime:batch=1")
    found = reveal_network(CachedKernels(library), residual(), FLOAT32, where, vectors=300)
    alone = {layer.name: layer.perfect for layer in found.layers}
    assert alone["conv1"]
    assert alone["norm"]
    assert found.check.explained < found.check.total
    assert any("norm is the first layer whose results differ" in note for note in found.notes)
    add = next(layer for layer in found.layers if layer.name == "add")  # its inputs are computed together with it
    assert add.explained < add.total
    assert add.notes == (
        "not all of it is explained by its inputs added in any order that was tried, subnormals flushed or not",
    )
    behind = residual()  # a layer before all sums, as Keras files have, is none that differs
    first = behind.nodes[0]
    moved = Node("same", Transpose((0, 1, 2)))
    nodes = (moved, *(replace(node, inputs=tuple("same" if n == INPUT else n for n in node.inputs)) for node in behind.nodes))
    again = reveal_network(
        CachedKernels(library), Network(nodes, behind.input_shape, behind.output), FLOAT32, where, vectors=300
    )
    assert first.inputs == (INPUT,)
    assert any("is the first layer whose results differ" in note for note in again.notes)


@pytest.mark.parametrize(
    ("environment", "side"),
    every_second(itertools.product(("torch:batch=1", "torch:batch=4", "onnxruntime:batch=1", "numpy:batch=1"), (5, 7, 8))),
)
def test_global_averages_are_explained_in_whatever_order_they_are_added(
    revealer: Revealer, environment: str, side: int
) -> None:
    network = Network((Node("mean", GlobalAveragePooling(False)),), (6, side, side), "mean")
    (layer,) = revealed(revealer, environment, network)["reveal"]["layers"]
    assert layer["explained"] == layer["of"] > 0, layer
    assert layer["notes"] == []


def test_outputs_are_those_of_the_reveal_and_what_was_revealed_gives_them(revealer: Revealer) -> None:
    network = residual()
    points = np.random.default_rng(3).standard_normal((10, 64)).astype(np.float32).astype(float)
    answer = revealed(revealer, "torch:batch=4", network, inputs=points)
    run = revealer.outputs(network, FLOAT32, parse_network_environment("torch:batch=4"), points)
    assert (run["outputs"] == answer["logits"]).all()
    assert run["seconds"] > 0
    found = network_from_kept(answer["kept"], network.logits, parse_network_environment("torch:batch=4"), FLOAT32)
    own = network_outputs(found.network, points.reshape(10, 1, 8, 8), found.deployment)
    assert (own == run["outputs"]).all()


def test_numbers_of_another_format_are_rounded_and_a_note_says_so(revealer: Revealer) -> None:
    network = dense_relu([(np.array([[0.1, 0.2], [0.5, 0.25]]), None)])
    answer = revealed(revealer, "numpy:batch=1", network, inputs=np.eye(2))
    assert answer["reveal"]["notes"] == ["2 of the network's 4 numbers are not in float32 and are rounded into it"]
    assert answer["reproduced"] == 4
    assert answer["logits"].tolist() == np.float32([[0.1, 0.5], [0.2, 0.25]]).tolist()


def test_logits_are_given_with_a_bound_that_holds(revealer: Revealer) -> None:
    rng = np.random.default_rng(2)
    network = dense_relu([(numbers(rng, 5, 20), numbers(rng, 5)), (numbers(rng, 3, 5), None)])
    points = rng.standard_normal((70, 20)).astype(np.float32).astype(float)
    answer = revealed(revealer, "numpy:batch=4", network, inputs=points)
    hidden = np.maximum(points @ network.dense_layers[0].weight.T.astype(float) + network.dense_layers[0].bias, 0)
    exact = hidden @ network.dense_layers[1].weight.T.astype(float)
    assert answer["logits"].shape == (70, 3)
    assert answer["reproduced"] == 210
    assert (np.abs(answer["logits"] - exact) <= answer["bounds"] + 1e-12).all()


def test_a_layer_that_a_library_cannot_run_is_one_line(revealer: Revealer) -> None:
    network = Network((Node("twice", MultiplyConstant([2.0])),), (3,), "twice")
    with pytest.raises(InputError, match="twice") as error:
        revealed(revealer, "tensorflow:keras", network)
    assert "\n" not in str(error.value)
