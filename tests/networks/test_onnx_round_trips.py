"""Every layer type is written as ONNX and read back bit for bit; ONNX Runtime computes the same within rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graphs import graphs
from hypothesis import example, given, settings
from hypothesis import strategies as st
from profiles import examples
from rounding_bounds import outputs_and_bounds

from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.libraries.onnxruntime_failures import known_failure
from fpsynth.networks import layers as la
from fpsynth.networks.network import INPUT, Network, Node, dense_relu
from fpsynth.networks.onnx import FORMS, network_from_onnx, onnx_bytes, require_checked
from fpsynth.networks.onnx.layer_nodes import WRITERS

pytest.importorskip("onnx")


def alone(layer: la.Layer, shape: tuple[int, ...], *more: Node) -> Network:
    """A network of that layer, and what follows."""
    nodes = (Node("n", layer), *more)
    return Network(nodes, shape, nodes[-1].name)


def single(number: float) -> float:
    return float(np.float32(number))


def small(*shape: int) -> Any:
    return np.random.default_rng(len(shape)).integers(-3, 4, shape).astype(np.float32) / 2


EACH: dict[str, list[Network]] = {
    "dense": [
        alone(la.Dense(small(2, 3), small(2)), (3,)),
        alone(la.Dense(small(2, 3)), (4, 3)),
        alone(la.Dense([[1.0]]), (1,)),
    ],
    "convolution": [
        alone(la.Convolution(small(4, 1, 3), small(4), 2, ((1, 0),), 2, 2), (2, 9)),
        alone(la.Convolution(small(3, 2, 2, 3), None, (1, 2), ((1, 0), (2, 1)), (2, 1)), (2, 5, 6)),
    ],
    "batch normalisation": [
        alone(la.BatchNormalisation([1, 2], [0.5, 3], [2, -1], [0, 1], single(1e-5)), (2,)),
        alone(la.BatchNormalisation([1, 2], [0.5, 3], [2, -1], [0, 1], 0.0), (2, 3, 2)),
    ],
    "average pooling": [
        alone(la.AveragePooling((2, 3), (2, 1), ((1, 0), (1, 1)), True, counted), (2, 5, 5)) for counted in (True, False)
    ],
    "max pooling": [alone(la.MaxPooling((3,), (2,), ((1, 1),), True), (2, 6)), alone(la.MaxPooling((2, 2)), (1, 4, 4))],
    "global average pooling": [alone(la.GlobalAveragePooling(keep), (3, 2, 4)) for keep in (True, False)],
    "add": [
        Network((Node("a", la.ReLU()), Node("n", la.Add(), ("a", INPUT))), (3,), "n"),
        Network((Node("a", la.ReLU()), Node("n", la.Add(), ("a", "a", INPUT))), (3, 2), "n"),
    ],
    "add constant": [
        alone(la.AddConstant(small(3)), (3,)),
        alone(la.AddConstant(small(2, 1)), (2, 3)),
        alone(la.AddConstant(0.5), (1, 3)),
        alone(la.Dense(small(3, 3)), (3,), Node("m", la.AddConstant(small(3)), ("n",))),
        alone(la.AddConstant(small(1, 3)), (1, 3)),
    ],
    "subtract constant": [alone(la.SubtractConstant(small(3), turned), (2, 3)) for turned in (True, False)],
    "multiply constant": [alone(la.MultiplyConstant(small(3, 1, 1)), (3, 2, 2))],
    "divide constant": [alone(la.DivideConstant([0.5, 3.0]), (2, 2))],
    "relu": [alone(la.ReLU(), (2, 2))],
    "leaky relu": [alone(la.LeakyReLU(single(0.01)), (3,))],
    "clip": [alone(la.Clip(*ends), (3,)) for ends in ((-0.5, None), (None, 0.5), (0.0, 6.0), (None, None))],
    "argmax": [alone(la.Argmax(), (3,)), alone(la.Argmax(), (2, 3))],
    "softmax": [alone(la.Softmax(), (3,)), alone(la.Softmax(), (2, 3))],
    "flatten": [alone(la.Flatten(), (2, 3)), alone(la.Flatten(), (3,))],
    "reshape": [alone(la.Reshape(sizes), (2, 3)) for sizes in ((6,), (3, -1), (1, 6, 1), (2, 3))],
    "transpose": [
        alone(la.Transpose((1, 0)), (2, 3)),
        alone(la.Transpose((0, 1)), (1, 3)),
        alone(la.Transpose((2, 0, 1)), (1, 2, 3)),
    ],
    "pad": [alone(la.Pad(((1, 0), (0, 2)), 0.5), (2, 3)), alone(la.Pad(((0, 0),)), (2,))],
    "concat": [Network((Node("a", la.ReLU()), Node("n", la.Concat(axis), ("a", INPUT))), (2, 3), "n") for axis in (0, 1)]
    + [alone(la.Concat(0), (3,))],
}

CASES = [(kind, number) for kind, networks in EACH.items() for number in range(len(networks))]


def test_every_layer_type_is_there() -> None:
    assert set(EACH) == set(la.LAYERS) - {"affine"}
    assert set(WRITERS) == set(la.LAYERS.values())


def test_what_only_a_rewrite_makes_has_no_form_in_onnx() -> None:
    with pytest.raises(InputError, match=r"^one: ONNX has no affine layer: write a multiplication and an addition instead$"):
        onnx_bytes(Network((Node("one", la.Affine([1.0], [0.0])),), (1, 2), "one"), FLOAT32)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("kind", "number"), CASES, ids=str)
def test_each_layer_type_comes_back(kind: str, number: int, form: str) -> None:
    network = EACH[kind][number]
    data = onnx_bytes(network, FLOAT32, form=form)
    require_checked(data)
    read, fmt = network_from_onnx(data)
    assert read == network
    assert fmt is FLOAT32


@pytest.mark.parametrize("opset", [13, 15, 18, 21])
@pytest.mark.parametrize("batch", [None, 1, 3])
@pytest.mark.parametrize(("kind", "number"), CASES, ids=str)
def test_onnxruntime_computes_each_layer_type(kind: str, number: int, batch: int | None, opset: int) -> None:
    network = EACH[kind][number]
    compare(network, onnx_bytes(network, FLOAT32, batch=batch, opset=opset), batch or 2)


def compare(network: Network, data: bytes, batch: int) -> None:
    """Raise AssertionError unless ONNX Runtime's result is within what rounding allows, and none at integers that are small."""
    runtime = pytest.importorskip("onnxruntime")
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    points = np.random.default_rng(7).integers(-4, 5, (batch, *network.input_shape)).astype(np.float32)
    (result,) = session.run(None, {session.get_inputs()[0].name: points})
    values, bounds = outputs_and_bounds(network, points)
    assert result.shape == values.shape
    assert (np.abs(result - values) <= bounds).all()
    halves = {
        "dense",
        "convolution",
        "add",
        "add constant",
        "subtract constant",
        "multiply constant",
        "relu",
        "clip",
        "max pooling",
    }
    if {node.layer.kind for node in network.nodes} <= halves | {"flatten", "reshape", "transpose", "pad", "concat"}:
        assert np.array_equal(result, values)  # multiples of 2**-3 below 2**20, whatever the order


@settings(max_examples=examples(300), deadline=None)
@given(graphs(divisors=True), st.sampled_from(FORMS), st.sampled_from([13, 17, 18, 23]))
def test_random_graphs_come_back(network: Network, form: str, opset: int) -> None:
    assert network_from_onnx(onnx_bytes(network, FLOAT64, form=form, opset=opset))[0] == network


@settings(max_examples=examples(150), deadline=None)
@given(graphs(), st.sampled_from([None, 1, 2]))
@example(Network((Node("n0", la.DivideConstant(np.array([-0.5]))),), (3,), "n0"), None)
def test_onnxruntime_computes_random_graphs(network: Network, batch: int | None) -> None:
    runtime = pytest.importorskip("onnxruntime")
    data = onnx_bytes(network, FLOAT64, batch=batch)
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    points = np.random.default_rng(3).integers(-2, 3, (batch or 3, *network.input_shape)).astype(np.float64)
    try:
        session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        (result,) = session.run(None, {"X": points})
    except Exception as error:
        if "NOT_IMPLEMENTED" in str(error) or "Could not find an implementation" in str(error) or known_failure(error):
            return  # a layer that ONNX Runtime has not in float64, or a failure of its own, which has a test below
        raise
    values, bounds = outputs_and_bounds(network, points, 2.0**-53, 0.0)
    assert (np.abs(result - values) <= 2 * bounds).all()  # both are float64


def relu_and_clip() -> Network:
    """The smallest that ONNX Runtime fails on, in float64 alone."""
    return Network((Node("relu", la.ReLU()), Node("clip", la.Clip(-1.0, 1.0), ("relu",))), (1,), "clip")


@pytest.mark.parametrize(("fmt", "runs"), [(FLOAT64, False), (FLOAT32, True)], ids=str)
def test_a_failure_of_onnxruntime_is_told_as_one(fmt: Format, runs: bool) -> None:
    """relu_clip_fusion.cc knows float32 and float16: should a later version run it, ``known_failure`` has had its day."""
    runtime = pytest.importorskip("onnxruntime")
    data = onnx_bytes(relu_and_clip(), fmt)
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    said = ""
    try:
        runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        said = known_failure(error)
    assert said.startswith("ONNX Runtime fails: it cannot fuse a Relu with the Clip behind it in float64") or (
        runs and not said
    )
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    x = np.array([[3.0]], np.float32 if fmt == FLOAT32 else np.float64)
    assert session.run(None, {"X": x})[0].tolist() == [[1.0]]


@pytest.mark.parametrize("fmt", [FLOAT16, BFLOAT16, FLOAT32, FLOAT64], ids=str)
def test_every_format_comes_back(fmt: Format) -> None:
    number = 1 + 2.0 ** (1 - fmt.precision)
    network = alone(
        la.Convolution([[[[number, -number]]]], [number]), (1, 1, 3), Node("m", la.MultiplyConstant(number), ("n",))
    )
    read, found = network_from_onnx(onnx_bytes(network, fmt))
    assert (read, found) == (network, fmt)


def test_names_that_clash_with_those_of_tensors_come_back() -> None:
    names = ("X", "Y", "W_0", "b_0", "_product_0", "X/product", "Y'", "dense")
    nodes = [Node(name, la.Dense([[1.0]], [2.0]), (names[k - 1] if k else INPUT,)) for k, name in enumerate(names)]
    network = Network(tuple(nodes), (1,), "dense")
    assert network_from_onnx(onnx_bytes(network, FLOAT32))[0] == network


@pytest.mark.parametrize("names", [("a", "a/bias"), ("a/bias", "a"), ("a", "a/product"), ("X", "X/product")])
def test_no_two_nodes_have_one_name_which_onnxruntime_refuses(names: tuple[str, str]) -> None:
    runtime, (first, second) = pytest.importorskip("onnxruntime"), names
    added = [Node(first, la.Dense([[1.0]])), Node(second, la.AddConstant([2.0]), (first,))]
    biased = [Node(first, la.Dense([[1.0]], [2.0])), Node(second, la.Dense([[1.0]], [2.0]), (first,))]
    for nodes, wanted in ((added, 3.0), (biased, 5.0)):
        network = Network(tuple(nodes), (1,), second)
        data = onnx_bytes(network, FLOAT32)
        session = runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
        assert session.run(None, {"X": np.ones((1, 1), np.float32)})[0].tolist() == [[wanted]]
        assert network_from_onnx(data)[0] == network


@pytest.mark.parametrize(
    ("layer", "what"),
    [(la.LeakyReLU(0.01), "the slope 0.01 is no float32"), (la.BatchNormalisation([0], [1], [1], [0]), "the epsilon 1e-05")],
)
def test_attributes_are_never_rounded(layer: la.Layer, what: str) -> None:
    with pytest.raises(InputError, match=f"^n: {what}"):
        onnx_bytes(alone(layer, (1,)), FLOAT32)


def test_a_slope_of_float64_is_kept() -> None:
    network = alone(la.LeakyReLU(0.01), (2,))
    assert network_from_onnx(onnx_bytes(network, FLOAT64))[0] == network


@pytest.mark.parametrize("opset", [12, 99])
def test_operator_sets_that_are_not_written(opset: int) -> None:
    with pytest.raises(InputError, match="operator sets 13 to"):
        onnx_bytes(dense_relu([([[1.0]], None)]), FLOAT32, opset=opset)
