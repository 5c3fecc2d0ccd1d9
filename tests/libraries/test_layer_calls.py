"""Claims of layer_calls.py: what is printed as the call of a layer is run here, and gives the bits that the layer gives."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from profiles import every_second

from fpsynth.formats import FLOAT32
from fpsynth.libraries.kernels import Kernel
from fpsynth.libraries.layer_calls import call_name
from fpsynth.libraries.layer_shapes import layer_shape
from fpsynth.libraries.naming import kernel_call, parse_environment
from fpsynth.libraries.registry import library_named
from fpsynth.networks.graph import Node
from fpsynth.networks.layers import (
    AddConstant,
    Affine,
    AveragePooling,
    Convolution,
    Dense,
    GlobalAveragePooling,
    Layer,
    MultiplyConstant,
    SubtractConstant,
    Sums,
)
from fpsynth.networks.network import Network

RNG = np.random.default_rng(1)


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


LAYERS: dict[str, tuple[Layer, tuple[int, ...]]] = {
    "convolution": (Convolution(zeros(4, 3, 3, 3), zeros(4), padding=1), (3, 6, 5)),
    "strided, dilated": (Convolution(zeros(4, 3, 2, 3), None, stride=(2, 1)), (3, 7, 6)),
    "unevenly padded": (Convolution(zeros(2, 1, 3, 3), zeros(2), padding=((0, 1), (2, 1))), (1, 5, 5)),
    "dilated": (Convolution(zeros(2, 1, 3, 3), None, dilation=2, padding=1), (1, 7, 7)),
    "in groups": (Convolution(zeros(4, 2, 3, 3), zeros(4), groups=2), (4, 5, 5)),
    "along one axis": (Convolution(zeros(3, 2, 3), zeros(3), padding=1), (2, 8)),
    "average": (AveragePooling((2, 2)), (3, 6, 4)),
    "padded average": (AveragePooling((3, 3), (2, 2), 1), (2, 6, 6)),
    "global average": (GlobalAveragePooling(True), (3, 4, 5)),
    "global average without axes": (GlobalAveragePooling(False), (3, 4, 5)),
    "dense over the last axis": (Dense(zeros(4, 5), zeros(4)), (3, 5)),
    "affine": (Affine(zeros(3), zeros(3)), (3, 2, 2)),
    "times": (MultiplyConstant(zeros(3, 1, 1)), (3, 2, 2)),
    "plus": (AddConstant(zeros(3, 1, 1)), (3, 2, 2)),
    "minus": (SubtractConstant(zeros(3, 1, 1)), (3, 2, 2)),
    "from": (SubtractConstant(zeros(3, 1, 1), True), (3, 2, 2)),
}
ENVIRONMENTS = (
    *("numpy:matmul", "numpy:dot", "numpy:dot-rows", "torch:linear", "torch:matmul", "jax:eager", "jax:jit"),
    *("tensorflow:matmul", "tensorflow:function", "onnxruntime:gemm"),
)


def kernel_of(environment: str, layer: Layer, shape: tuple[int, ...]) -> Kernel:
    where = parse_environment(f"{environment}:batch=2")
    structure = layer.structure(shape)
    assert isinstance(structure, Sums)
    outputs = structure.groups if structure.weight is None else structure.classes
    biased = structure.bias is not None
    return Kernel(where, FLOAT32, structure.terms, outputs, biased, layer_shape(layer, shape), 0)


def namespace(library: str) -> dict[str, Any]:
    """What a user of the library has imported."""
    if library == "numpy":
        return {"np": np}
    if library == "torch":
        return {"torch": pytest.importorskip("torch")}
    if library == "jax":
        jax = pytest.importorskip("jax")
        return {"jax": jax, "jnp": jax.numpy, "lax": jax.lax}
    if library == "tensorflow":
        return {"tf": pytest.importorskip("tensorflow")}
    return {name: operator(name) for name in ("Conv", "AveragePool", "GlobalAveragePool", "ReduceMean", "MatMul", "Add")}


def operator(kind: str) -> Any:
    """An operator of ONNX, run by onnxruntime as a model of its own."""
    runtime = pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper, numpy_helper

    def run(x: np.ndarray, *constants: np.ndarray, **attributes: Any) -> np.ndarray:
        names = [f"c{k}" for k in range(len(constants))]
        tensors = [numpy_helper.from_array(array, name) for array, name in zip(constants, names, strict=True)]
        node = helper.make_node(kind, ["x", *names], ["y"], **attributes)
        ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(x.shape))]
        ends.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, None))
        graph = helper.make_graph([node], kind, ends[:1], ends[1:], tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
        return runtime.InferenceSession(model.SerializeToString()).run(["y"], {"x": x})[0]

    return run


def as_stored(library: str, layer: Layer, letter: str, array: np.ndarray, said: str) -> Any:
    """An operand of the shape that the text says, in the library's memory."""
    if library == "tensorflow" and isinstance(layer, Convolution) and letter == "W":
        array = array.transpose(2, 3, 1, 0)
    if isinstance(layer, Dense) and letter == "W" and f"W {array.shape} C" not in said:
        array = array.T
    assert f"{letter} {array.shape}" in said
    array = np.ascontiguousarray(array)
    return pytest.importorskip("torch").from_numpy(array) if library == "torch" else array


@pytest.mark.parametrize(("environment", "name"), every_second(itertools.product(ENVIRONMENTS, LAYERS)))
def test_the_call_that_is_printed_gives_the_bits_of_the_layer(environment: str, name: str) -> None:
    layer, shape = LAYERS[name]
    kernel = kernel_of(environment, layer, shape)
    where = kernel.environment
    library = library_named(where.library)
    if library.version() is None:
        pytest.skip(f"{where.library} is not installed")
    call, _, operands = kernel_call(kernel).partition("  ")
    if call.startswith("the "):
        pytest.skip(f"only named: {call}")
    assert call_name(where.library, layer) in call.lower()  # what reports name a run by
    names = namespace(where.library)
    library.load("cpu")
    assert kernel.layer is not None
    network = kernel.layer.network
    points = RNG.standard_normal((2, int(np.prod(shape)))).astype(np.float32)
    held = [getattr(layer, parameter) for parameter in layer.parameters]
    arrays = [None if array is None else RNG.standard_normal(array.shape).astype(np.float32) for array in held]
    model = library.model(network, {"layer": arrays}, FLOAT32, where.operation, "cpu")
    expected = np.asarray(library.numbers(model(points)))
    given = {"x": as_stored(where.library, layer, "x", points.reshape(2, *shape), operands)}
    given |= {
        letter: as_stored(where.library, layer, letter, array, operands)
        for letter, array in zip("Wb", arrays, strict=False)
        if array is not None
    }
    result = np.asarray(eval(call, {**names, **given}))
    if where.library == "numpy" and isinstance(layer, Convolution):
        places = network.output_shape[1:]
        result = np.moveaxis(result.reshape(2, *places, -1), -1, 1)
    assert result.dtype == np.float32
    assert result.reshape(2, -1).tobytes() == expected.reshape(2, -1).tobytes()


DEPTHWISE = {
    "over two axes": (Convolution(zeros(4, 1, 3, 3), zeros(4), groups=2, padding=1), (2, 5, 5), "depthwise_conv2d"),
    "along one axis": (Convolution(zeros(4, 1, 3), None, groups=2), (2, 7), "depthwise_conv2d"),
    "moved otherwise along each axis": (Convolution(zeros(2, 1, 3, 3), None, (2, 1), groups=2), (2, 7, 7), "conv2d"),
    "in groups": (*LAYERS["in groups"], "conv2d"),
}


@pytest.mark.parametrize("operation", ["keras", "matmul"])
@pytest.mark.parametrize("name", DEPTHWISE)
def test_a_depthwise_convolution_of_tensorflow_is_called_what_it_runs(name: str, operation: str) -> None:
    pytest.importorskip("tensorflow")
    layer, shape, said = DEPTHWISE[name]
    assert call_name("tensorflow", layer) == said
    where = parse_environment(f"tensorflow:{operation}:batch=2")
    library = library_named("tensorflow")
    library.load("cpu")
    network = Network((Node("layer", layer),), shape, "layer")
    arrays = [None if array is None else np.ones(array.shape, np.float32) for array in (layer.weight, layer.bias)]
    model = library.model(network, {"layer": arrays}, FLOAT32, where.operation, "cpu")
    points = np.ones((2, int(np.prod(shape))), np.float32)
    assert ("DepthwiseConv2dNative" in operations_of(lambda: model(points))) is (said == "depthwise_conv2d")


def operations_of(function: Any) -> set[str]:
    """The operations of TensorFlow that a function without arguments runs, by their own names."""
    graph = pytest.importorskip("tensorflow").function(function).get_concrete_function().graph
    inner = [operation for called in graph._functions.values() for operation in called.graph.get_operations()]
    return {operation.type for operation in [*graph.get_operations(), *inner]}


def test_what_has_no_text_is_named() -> None:
    layer, shape = LAYERS["in groups"]
    said = kernel_call(kernel_of("tensorflow:matmul", layer, shape))
    assert said == "the convolution of 4x5x5 (weight 4x2x3x3, groups 2) of tensorflow:matmul"


def test_a_keras_layer_is_built_as_it_is_printed() -> None:
    pytest.importorskip("tensorflow")
    import keras

    layer, shape = LAYERS["convolution"]
    call, _, operands = kernel_call(kernel_of("tensorflow:keras", layer, shape)).partition("  ")
    assert "W (3, 3, 3, 4) C" in operands
    names = {name: getattr(keras.layers, name) for name in ("Permute", "ZeroPadding2D", "Conv2D")}
    result = eval(call, {"keras": keras, **names, "x": np.ones((2, *shape), np.float32)})
    assert tuple(result.shape) == (2, 4, 6, 5)


def test_no_call_of_a_layer_is_that_of_a_dense_one() -> None:
    layer, shape = LAYERS["convolution"]
    assert kernel_call(kernel_of("torch:linear", layer, shape)) == (
        "torch.nn.functional.conv2d(x, W, b, padding=(1, 1))  x (2, 3, 6, 5) NCHW, W (4, 3, 3, 3) C, b (4,)"
    )
