"""Layer types with an ONNX operator compute what ONNX Runtime computes, where all numbers are small integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fpsynth.evaluators.float64 import float64_outputs
from fpsynth.networks.layers import (
    AveragePooling,
    BatchNormalisation,
    Clip,
    Convolution,
    Dense,
    Flatten,
    GlobalAveragePooling,
    Layer,
    LeakyReLU,
    MaxPooling,
    Pad,
    ReLU,
    Transpose,
)
from fpsynth.networks.network import Network, Node

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

draw = np.random.default_rng(8)
WEIGHT = draw.integers(-3, 4, (4, 1, 2, 3)).astype(np.float32)
VALUES = [draw.integers(-3, 4, 2).astype(np.float32) for _ in range(3)]

CASES: dict[str, tuple[Layer, tuple[int, ...], str, list[Any], dict[str, Any]]] = {
    "convolution": (
        Convolution(WEIGHT, VALUES[0][[0, 1, 0, 1]], stride=(2, 1), padding=((1, 0), (0, 2)), dilation=(1, 2), groups=2),
        (2, 5, 6),
        "Conv",
        [WEIGHT, VALUES[0][[0, 1, 0, 1]]],
        {"strides": [2, 1], "pads": [1, 0, 0, 2], "dilations": [1, 2], "group": 2},
    ),
    "max pooling": (
        MaxPooling((2, 3), (2, 2), ((1, 0), (1, 2)), ceil=True),
        (2, 5, 6),
        "MaxPool",
        [],
        {"kernel_shape": [2, 3], "strides": [2, 2], "pads": [1, 1, 0, 2], "ceil_mode": 1},
    ),
    "average pooling": (
        AveragePooling((2, 4), (1, 2), ((1, 1), (2, 1))),
        (2, 5, 6),
        "AveragePool",
        [],
        {"kernel_shape": [2, 4], "strides": [1, 2], "pads": [1, 2, 1, 1], "count_include_pad": 1},
    ),
    "global average pooling": (GlobalAveragePooling(), (2, 4, 2), "GlobalAveragePool", [], {}),
    "batch normalisation": (
        BatchNormalisation(VALUES[0], [3.75, 0.75], VALUES[1], VALUES[2], 0.25),
        (2, 3, 2),
        "BatchNormalization",
        [VALUES[1], VALUES[2], VALUES[0], np.array([3.75, 0.75], np.float32)],
        {"epsilon": 0.25},
    ),
    "dense": (
        Dense(WEIGHT[:, 0, 0], VALUES[0][[0, 1, 0, 1]]),
        (3,),
        "Gemm",
        [WEIGHT[:, 0, 0], VALUES[0][[0, 1, 0, 1]]],
        {"transB": 1},
    ),
    "dense along an axis": (Dense(WEIGHT[:, 0, 0]), (2, 3), "MatMul", [WEIGHT[:, 0, 0].T.copy()], {}),
    "relu": (ReLU(), (2, 3), "Relu", [], {}),
    "leaky relu": (LeakyReLU(0.25), (2, 3), "LeakyRelu", [], {"alpha": 0.25}),
    "clip": (Clip(-1.0, 2.0), (2, 3), "Clip", [np.float32(-1), np.float32(2)], {}),
    "flatten": (Flatten(), (2, 3), "Flatten", [], {}),
    "transpose": (Transpose((2, 0, 1)), (2, 3, 4), "Transpose", [], {"perm": [0, 3, 1, 2]}),
    "pad": (Pad(((1, 0), (2, 1)), -2.0), (2, 3), "Pad", [np.array([0, 1, 2, 0, 0, 1], np.int64), np.float32(-2)], {}),
}


def theirs(operator: str, constants: list[Any], attributes: dict[str, Any], points: Any) -> Any:
    """What ONNX Runtime makes of a batch of points."""
    names = [f"c{k}" for k in range(len(constants))]
    node = onnx.helper.make_node(operator, ["x", *names], ["y"], **attributes)
    tensors = [onnx.numpy_helper.from_array(np.asarray(c), name) for c, name in zip(constants, names, strict=True)]
    ends = [
        onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, points.shape),
        onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None),
    ]
    graph = onnx.helper.make_graph([node], "one", ends[:1], ends[1:], tensors)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=7)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": points})[0]


@pytest.mark.parametrize("case", CASES)
def test_a_layer_is_what_its_operator_is(case: str) -> None:
    layer, shape, operator, constants, attributes = CASES[case]
    assert operator in layer.names.onnx
    points = (8 * draw.integers(-3, 4, (3, *shape))).astype(np.float32)  # which the pooling's counts divide
    wanted = theirs(operator, constants, attributes, points)
    network = Network((Node("it", layer),), shape, "it")
    ours = float64_outputs(network, points.astype(np.float64))
    assert ours.shape == wanted.shape
    if case == "batch normalisation":  # which it may fold: two roundings of numbers below 2**7
        assert np.abs(ours - wanted).max() <= 2.0**-24 * 2**8
    else:
        assert np.array_equal(ours, wanted)
