"""The ONNX models that onnxruntime is given: networks with their weights, and single nodes for the primitives."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fpsynth.formats import Format
from fpsynth.libraries.base import Layer
from fpsynth.libraries.operands import Array, CannotRun

if TYPE_CHECKING:
    from fpsynth.libraries.kernels import Kernel


def network_model(layers: Sequence[Layer], dtype: Format, form: str, turned: tuple[bool, bool]) -> bytes:
    """The model that ``networks.onnx`` writes for these layers; its numbers are put in without a detour by Python's floats.

    ``turned``: whether the points and the weights (inputs, outputs) are given as their transposes.
    """
    shape = (layers[0][0].shape[1], *(len(weight) for weight, _ in layers))
    model = _template(shape, tuple(bias is not None for _, bias in layers), dtype, form, turned)
    values = {}
    for index, (weight, bias) in enumerate(layers):
        values[f"W_{index}"] = weight if turned[1] else weight.T
        if bias is not None:
            values[f"b_{index}"] = bias
    for tensor in model.graph.initializer:
        tensor.raw_data = values[tensor.name].tobytes()
    encoded: bytes = model.SerializeToString(deterministic=True)
    return encoded


@lru_cache(maxsize=8)
def _template(shape: tuple[int, ...], biased: tuple[bool, ...], dtype: Format, form: str, turned: tuple[bool, bool]) -> Any:
    """A model of that shape, parsed."""
    import onnx

    from fpsynth.networks.network import Dense, dense_relu
    from fpsynth.networks.onnx import OPSET, onnx_bytes

    layers = tuple(
        Dense(((0.0,) * inputs,) * outputs, (0.0,) * outputs if bias else None)
        for inputs, outputs, bias in zip(shape, shape[1:], biased, strict=False)
    )
    model = onnx.ModelProto.FromString(onnx_bytes(dense_relu(layers), dtype, form=form, opset=OPSET))
    return _laid(model, turned) if form == "gemm" else model


def _laid(model: Any, turned: tuple[bool, bool]) -> Any:
    """A model of Gemm nodes, of which the first takes the points, and all take the weights, as ``turned`` says."""
    from onnx import helper

    products = [node for node in model.graph.node if node.op_type == "Gemm"]
    if turned[0]:
        products[0].attribute.append(helper.make_attribute("transA", 1))
        rows, inputs = model.graph.input[0].type.tensor_type.shape.dim
        rows.dim_value, inputs.dim_param = inputs.dim_value, "batch"
    if not turned[1]:
        for node in products:
            (transposed,) = [attribute for attribute in node.attribute if attribute.name == "transB"]
            transposed.i = 0
        for tensor in model.graph.initializer:
            tensor.dims[:] = list(tensor.dims)[::-1]
    return model


def vector_model(kernel: Kernel) -> bytes:
    """ReduceSum of the input X, a vector or (batch, terms), along its last axis; or MatMul of two vectors, X and W."""
    batch, terms = kernel.environment.batch, kernel.terms
    if kernel.environment.operation == "vdot":
        return _single("MatMul", {"X": [terms], "W": [terms]}, [], {}, kernel.dtype)
    import numpy as np

    shape = [batch, terms] if batch > 1 else [terms]
    axes = {"axes": np.array([len(shape) - 1], np.int64)}
    return _single("ReduceSum", {"X": shape}, [batch] if batch > 1 else [], axes, kernel.dtype, keepdims=0)


def convolution_model(kernels: Array, bias: Array | None, dtype: Format) -> bytes:
    """Conv, without padding, of the input X (batch, channels, rows, columns); kernels (outputs, channels, rows, columns)."""
    sizes = ["batch", kernels.shape[1], "rows", "columns"]
    values = {"W": kernels} if bias is None else {"W": kernels, "B": bias}
    return _single("Conv", {"X": sizes}, ["batch", len(kernels), "high", "wide"], values, dtype)


def _single(
    operator: str, inputs: dict[str, Any], result: list[Any], values: dict[str, Array], dtype: Format, **attributes: int
) -> bytes:
    """A model of one node: inputs by name and shape, then initializers, to the output Y."""
    from onnx import TensorProto, helper

    from fpsynth.networks.onnx import OPSET

    codes = {
        "float16": TensorProto.FLOAT16,
        "bfloat16": TensorProto.BFLOAT16,
        "float32": TensorProto.FLOAT,
        "float64": TensorProto.DOUBLE,
    }
    if dtype.name not in codes:
        raise CannotRun(f"ONNX (opset {OPSET}) has no {operator} of {dtype.name}")
    code = codes[dtype.name]
    tensors = [
        helper.make_tensor(name, TensorProto.INT64 if array.dtype.kind == "i" else code, array.shape, array.tobytes(), raw=True)
        for name, array in values.items()
    ]
    ends = [helper.make_tensor_value_info(name, code, shape) for name, shape in {**inputs, "Y": result}.items()]
    node = helper.make_node(operator, [*inputs, *values], ["Y"], **attributes)
    graph = helper.make_graph([node], operator, ends[:-1], ends[-1:], tensors)
    model = helper.make_model(graph, producer_name="fpsynth", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=7)
    encoded: bytes = model.SerializeToString(deterministic=True)
    return encoded
