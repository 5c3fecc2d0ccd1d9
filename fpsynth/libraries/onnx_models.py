"""The ONNX models that onnxruntime is given: networks with their weights, and single nodes for the primitives."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from fpsynth.aliases import Array
from fpsynth.formats import Format
from fpsynth.libraries.graphs import Numbers, readers_of_input, structure_key
from fpsynth.libraries.layer_table import LayerTable
from fpsynth.libraries.operands import CannotRun, narrowed
from fpsynth.networks.layers import Dense
from fpsynth.networks.network import Network
from fpsynth.networks.onnx import OPSET
from fpsynth.networks.onnx.drafting import Blank, Hole, OnnxStyle
from fpsynth.networks.onnx.layer_nodes import WRITERS, NodeWriter
from fpsynth.networks.onnx.tensors import CODES
from fpsynth.networks.onnx.writing import blank_model, single_node

if TYPE_CHECKING:
    from fpsynth.libraries.kernels import Kernel

TABLE: LayerTable[NodeWriter] = LayerTable("onnxruntime", {kind: writer for kind, writer in WRITERS.items() if not kind.ending})

_KEPT = 8
"""Models without their numbers: what one reveal asks for, again and again with other numbers."""
_BLANKS: OrderedDict[tuple[Any, ...], Blank] = OrderedDict()


def network_model(network: Network, numbers: Numbers, dtype: Format, form: str, turned: tuple[bool, bool]) -> bytes:
    """A network as a model, opset 13, from X (batch, *input shape) to Y (batch, *output shape), all of ``dtype``.

    ``form``: of dense layers, gemm or matmul (see ``networks.onnx``).  ``turned``: whether the points and the weights of dense
    layers (inputs, outputs) are given as their transposes.  Raises CannotRun for what ONNX has not.
    """
    TABLE.require(network)
    if turned[0]:
        readers_of_input(network, Dense)

    def contents(hole: Hole) -> bytes:
        layer = network[hole.node].layer
        if hole.field not in layer.parameters:
            return narrowed(np.array(getattr(layer, hole.field)), dtype, patterns=True).tobytes()
        array: Array = numbers[hole.node][layer.parameters.index(hole.field)]
        return (array.T if hole.transposed else array).tobytes()

    return _blank(network, dtype, form, turned).filled(contents)


def _blank(network: Network, dtype: Format, form: str, turned: tuple[bool, bool]) -> Blank:
    """The model without its numbers: what was made before for a network of that structure, where that is kept."""
    key = structure_key(network), dtype, form, turned
    if key not in _BLANKS:
        _require_format(dtype, "networks")
        style = OnnxStyle(dtype, form, OPSET, readable=False, points_transposed=turned[0], weights_turned=turned[1])
        _BLANKS[key] = blank_model(network, style)
        if len(_BLANKS) > _KEPT:
            _BLANKS.popitem(last=False)
    return _BLANKS[key]


def _require_format(dtype: Format, what: str) -> None:
    """Raise CannotRun where ONNX has no such format."""
    if dtype not in CODES:
        raise CannotRun(f"ONNX (opset {OPSET}) has no {what} of {dtype.name}")


def vector_model(kernel: Kernel) -> bytes:
    """ReduceSum of the input X, a vector or (batch, terms), along its last axis; or MatMul of two vectors, X and W."""
    batch, terms = kernel.environment.batch, kernel.terms
    if kernel.environment.operation == "vdot":
        _require_format(kernel.dtype, "MatMul")
        return single_node("MatMul", {"X": [terms], "W": [terms]}, [], {}, kernel.dtype)
    _require_format(kernel.dtype, "ReduceSum")
    shape = [batch, terms] if batch > 1 else [terms]
    axes = {"axes": np.array([len(shape) - 1], np.int64)}
    return single_node("ReduceSum", {"X": shape}, [batch] if batch > 1 else [], axes, kernel.dtype, keepdims=0)


def convolution_model(kernels: Array, bias: Array | None, dtype: Format) -> bytes:
    """Conv, without padding, of the input X (batch, channels, rows, columns); kernels (outputs, channels, rows, columns)."""
    _require_format(dtype, "Conv")
    sizes = ["batch", kernels.shape[1], "rows", "columns"]
    values = {"W": kernels} if bias is None else {"W": kernels, "B": bias}
    return single_node("Conv", {"X": sizes}, ["batch", len(kernels), "high", "wide"], values, dtype)
