"""Models for a run come from the one writer of ONNX: the operators of files, in the layouts and forms that are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.networks import layers as la
from fpsynth.networks.network import Network, Node
from fpsynth.networks.onnx.drafting import OnnxStyle
from fpsynth.networks.onnx.writing import blank_model, onnx_bytes, single_node

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

draw = np.random.default_rng(11)


def numbers(*shape: int) -> Any:
    return draw.integers(-3, 4, shape).astype(np.float32)


TWO = Network(
    (
        Node("one", la.Dense(numbers(3, 4), numbers(3))),
        Node("two", la.Dense(numbers(2, 3)), ("one",)),
        Node("added", la.AddConstant(numbers(2)), ("two",)),
    ),
    (4,),
    "added",
)


def run(network: Network, style: OnnxStyle, points: Any) -> Any:
    """What ONNX Runtime makes of the points, with the numbers of the network itself."""
    blank = blank_model(network, style)

    def contents(hole: Any) -> bytes:
        array = np.asarray(getattr(network[hole.node].layer, hole.field), np.float32)
        return (array.T if hole.transposed else array).tobytes()

    session = runtime.InferenceSession(blank.filled(contents), providers=["CPUExecutionProvider"])
    return session.run(None, {"X": points})[0]


def operators(data: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(data).graph.node]


@pytest.mark.parametrize("points_transposed", [False, True])
@pytest.mark.parametrize("weights_turned", [False, True])
def test_operands_of_gemm_lie_as_they_are_asked_to(points_transposed: bool, weights_turned: bool) -> None:
    style = OnnxStyle(FLOAT32, "gemm", 13, readable=False, points_transposed=points_transposed, weights_turned=weights_turned)
    model = onnx.load_from_string(blank_model(TWO, style).filled(lambda hole: b"\0" * 48))
    flags = [{a.name: a.i for a in node.attribute} for node in model.graph.node if node.op_type == "Gemm"]
    turned = {"transB": 1} if weights_turned else {}
    assert flags == [{**({"transA": 1} if points_transposed else {}), **turned}, turned]
    points = numbers(5, 4)
    wanted = run(TWO, OnnxStyle(FLOAT32), points)
    assert np.array_equal(run(TWO, style, np.ascontiguousarray(points.T) if points_transposed else points), wanted)


def test_points_that_are_transposed_are_for_gemm_only() -> None:
    with pytest.raises(InputError, match=r"^one: only dense layers of the form gemm read points"):
        blank_model(TWO, OnnxStyle(FLOAT32, points_transposed=True))
    relu = Network((Node("it", la.ReLU()),), (2,), "it")
    with pytest.raises(InputError, match=r"^it: a relu layer reads no points that are given as their transpose"):
        blank_model(relu, OnnxStyle(FLOAT32, "gemm", points_transposed=True))


def test_only_models_that_are_read_back_keep_an_added_constant_apart() -> None:
    blank = blank_model(TWO, OnnxStyle(FLOAT32, "gemm", readable=False))
    assert operators(blank.filled(lambda hole: b"")) == ["Gemm", "Gemm", "Add"]
    assert operators(onnx_bytes(TWO, FLOAT32, form="gemm")) == ["Gemm", "Gemm", "Identity", "Add"]


def test_a_model_for_a_run_has_affine_layers_and_rounds_what_onnx_keeps_in_float32() -> None:
    layers = [
        la.BatchNormalisation([1, 2], [3, 0.5], [1, 2], [0, 1], 1e-5),
        la.Affine(numbers(2), numbers(2)),
        la.Affine(numbers(2), numbers(2)),
        la.LeakyReLU(0.1),
    ]
    nodes = [Node(f"n{k}", layer, (f"n{k - 1}",) if k else ("input",)) for k, layer in enumerate(layers)]
    network = Network(tuple(nodes), (2, 3), "n3")
    model = onnx.load_from_string(blank_model(network, OnnxStyle(FLOAT32, readable=False)).filled(lambda hole: b""))
    assert [n.op_type for n in model.graph.node] == ["BatchNormalization", "Mul", "Add", "Mul", "Add", "LeakyRelu"]
    assert len({tensor.name for tensor in model.graph.initializer}) == len(model.graph.initializer) == 8
    assert len({node.name for node in model.graph.node}) == 6
    points = numbers(4, 2, 3)
    mean, variance, scale, shift = ([1, 2], [3, 0.5], [1, 2], [0, 1])
    columns = [np.array(v, float).reshape(2, 1) for v in (mean, variance, scale, shift)]
    values = (points - columns[0]) / np.sqrt(columns[1] + 1e-5) * columns[2] + columns[3]
    for layer in layers[1:3]:
        values = values * np.reshape(layer.scale, (2, 1)) + np.reshape(layer.shift, (2, 1))
    assert np.allclose(run(network, OnnxStyle(FLOAT32, readable=False), points), np.where(values < 0, 0.1 * values, values))


def test_a_blank_is_filled_again_and_again() -> None:
    network = Network((Node("it", la.Dense([[1.0]])),), (1,), "it")
    blank = blank_model(network, OnnxStyle(FLOAT32))
    for number in (2.0, -3.0, 2.0):
        data = blank.filled(lambda hole, number=number: np.float32(number).tobytes())  # type: ignore[misc]
        assert data == onnx_bytes(Network((Node("it", la.Dense([[number]])),), (1,), "it"), FLOAT32)


def test_single_nodes() -> None:
    data = single_node("ReduceSum", {"X": [3]}, [], {"axes": np.array([0], np.int64)}, FLOAT32, keepdims=0)
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    session = runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert session.run(None, {"X": np.float32([1, 2, 4])})[0] == 7
