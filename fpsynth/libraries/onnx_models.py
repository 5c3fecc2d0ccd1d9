"""The ONNX models that onnxruntime is given: networks with their weights, and single nodes for the primitives."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from fpsynth.formats import Format
from fpsynth.libraries.graphs import Numbers, readers_of_input, require_runnable, structure_key
from fpsynth.libraries.onnx_layers import OBJECTIONS, TABLE, Nodes
from fpsynth.libraries.operands import Array, CannotRun, narrowed
from fpsynth.networks.layers import Dense
from fpsynth.networks.network import INPUT, Network
from fpsynth.networks.onnx import OPSET, require_format

if TYPE_CHECKING:
    from fpsynth.libraries.kernels import Kernel


def network_model(
    network: Network,
    numbers: Numbers,
    dtype: Format,
    form: str,
    turned: tuple[bool, bool],
) -> bytes:
    """A network as a model, opset 13, from X (batch, *input shape) to Y (batch, *output shape), all of ``dtype``.

    ``form``: of dense layers, gemm or matmul (see ``networks.onnx``).  ``turned``: whether the points and the weights of dense
    layers (inputs, outputs) are given as their transposes.  Raises CannotRun for what ONNX has not.
    """
    require_runnable("onnxruntime", network, TABLE, OBJECTIONS)
    model, parameters = _template(structure_key(network), dtype, form, turned) or _made(network, dtype, form, turned)
    for tensor in model.graph.initializer:
        if tensor.name in parameters:
            node, index, transposed = parameters[tensor.name]
            array = numbers[node][index]
            tensor.raw_data = (array.T if transposed else array).tobytes()
    encoded: bytes = model.SerializeToString(deterministic=True)
    return encoded


_Template: TypeAlias = "tuple[Any, dict[str, tuple[str, int, bool]]]"
"""A model, and for each of its tensors the node and parameter that it is, and whether that is transposed."""
_TEMPLATES: OrderedDict[tuple[Any, ...], _Template] = OrderedDict()


def _template(*key: Any) -> _Template | None:
    """A model of that structure that was made before."""
    return _TEMPLATES.get(key)


def _made(network: Network, dtype: Format, form: str, turned: tuple[bool, bool]) -> _Template:
    """A model without its numbers, kept for others of its structure."""
    from onnx import helper

    require_format(dtype)
    code, names = _code(dtype, "networks"), result_names(network)
    first = readers_of_input(network, Dense) if turned[0] else []
    made, tensors, parameters = [], [], {}
    for node in network.nodes:
        sizes = [None if (array := getattr(node.layer, name)) is None else array.shape for name in node.layer.parameters]
        nodes = Nodes(
            names[node.name],
            network.shapes[node.inputs[0]],
            [names[name] for name in node.inputs],
            sizes,
            gemm=form == "gemm",
            turned=turned[1],
            transposed=node.name in first,
        )
        TABLE[type(node.layer)](node.layer, nodes)
        for operator, inputs, output, attributes in nodes.made:
            kind = f"{node.layer.kind}, {operator}"  # no two nodes of a model may have one name
            made.append(helper.make_node(operator, inputs, [output], name=f"{node.name} ({kind})", **attributes))
        for name, (index, shape, transposed) in nodes.parameters.items():
            tensors.append(helper.make_tensor(name, code, shape, bytes(dtype.bits // 8 * math.prod(shape)), raw=True))
            parameters[name] = node.name, index, transposed
        tensors += [_fixed(name, value, dtype) for name, value in nodes.fixed.items()]
    points: list[Any] = ["batch", *network.input_shape]
    ends = [
        helper.make_tensor_value_info("X", code, points[::-1] if turned[0] else points),
        helper.make_tensor_value_info("Y", code, ["batch", *network.output_shape]),
    ]
    graph = helper.make_graph(made, "network", ends[:1], ends[1:], tensors)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, producer_name="fpsynth", opset_imports=[opset], ir_version=7)
    _TEMPLATES[structure_key(network), dtype, form, turned] = model, parameters
    if len(_TEMPLATES) > _KEPT:
        _TEMPLATES.popitem(last=False)
    return model, parameters


_KEPT = 8
"""Templates: what one reveal asks for, again and again with other numbers."""


def result_names(network: Network) -> dict[str, str]:
    """What each node's result is called in the model: X and Y at its ends, numbers with a letter between them."""
    numbered = {node.name: f"node{number}" for number, node in enumerate(network.nodes)}
    return {**numbered, INPUT: "X", network.output: "Y"}


def _fixed(name: str, value: Array | float, dtype: Format) -> Any:
    """A tensor of indices, or one number of a format."""
    from onnx import TensorProto, helper

    if isinstance(value, float):
        number = narrowed(np.array(value), dtype, patterns=True)
        return helper.make_tensor(name, _code(dtype, "networks"), (), number.tobytes(), raw=True)
    return helper.make_tensor(name, TensorProto.INT64, value.shape, value.tobytes(), raw=True)


def _code(dtype: Format, what: str) -> int:
    """The number of a format in ONNX.  Raises CannotRun where it has none."""
    from onnx import TensorProto

    codes = {
        "float16": TensorProto.FLOAT16,
        "bfloat16": TensorProto.BFLOAT16,
        "float32": TensorProto.FLOAT,
        "float64": TensorProto.DOUBLE,
    }
    if dtype.name not in codes:
        raise CannotRun(f"ONNX (opset {OPSET}) has no {what} of {dtype.name}")
    return int(codes[dtype.name])


def vector_model(kernel: Kernel) -> bytes:
    """ReduceSum of the input X, a vector or (batch, terms), along its last axis; or MatMul of two vectors, X and W."""
    batch, terms = kernel.environment.batch, kernel.terms
    if kernel.environment.operation == "vdot":
        return _single("MatMul", {"X": [terms], "W": [terms]}, [], {}, kernel.dtype)
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

    code = _code(dtype, operator)
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
