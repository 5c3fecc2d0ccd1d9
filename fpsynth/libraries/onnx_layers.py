"""Layers as ONNX nodes, opset 13: what onnxruntime is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from fpsynth.libraries.graphs import Objection
from fpsynth.libraries.operands import Array
from fpsynth.networks.layers import (
    Add,
    AddConstant,
    Affine,
    AveragePooling,
    BatchNormalisation,
    Clip,
    Concat,
    Convolution,
    Dense,
    DivideConstant,
    Flatten,
    GlobalAveragePooling,
    Layer,
    LeakyReLU,
    MaxPooling,
    MultiplyConstant,
    Pad,
    ReLU,
    Reshape,
    Shape,
    SubtractConstant,
    Transpose,
)
from fpsynth.networks.layers.windows import Padding


@dataclass
class Nodes:
    """The nodes that one layer becomes, and the constants that they read."""

    name: str
    """Of the layer's node: the result of the last of them."""
    shape: Shape
    """Of the layer's first input."""
    inputs: Sequence[str]
    sizes: Sequence[tuple[int, ...] | None]
    """The shapes of the parameters; None for those that are not there."""
    gemm: bool = True
    """Whether dense layers become Gemm, where they can, else MatMul and Add."""
    turned: bool = True
    """Whether the weights of dense layers lie (outputs, inputs)."""
    transposed: bool = False
    """Whether the input is given as its transpose."""
    made: list[tuple[str, Sequence[str], str, Mapping[str, Any]]] = field(default_factory=list)
    """Operator, inputs, output, attributes."""
    parameters: dict[str, tuple[int, tuple[int, ...], bool]] = field(default_factory=dict)
    """By tensor's name: which of the layer's parameters, in which shape, and whether it is transposed."""
    fixed: dict[str, Array | float] = field(default_factory=dict)
    """Further constants: indices as they are, a float as a number of the network's format."""

    def parameter(self, index: int, shape: tuple[int, ...] | None = None, *, transposed: bool = False) -> str:
        """The tensor of one of the layer's parameters."""
        own = self.sizes[index]
        assert own is not None
        name = f"{self.name}.{index}"
        self.parameters[name] = (index, shape or (own[::-1] if transposed else own), transposed)
        return name

    def channels(self, index: int) -> str:
        """A parameter of one number for each channel, which broadcasts over (channels, ...)."""
        return self.parameter(index, (self.shape[0], *[1] * (len(self.shape) - 1)))

    def constant(self, what: str, value: Array | float) -> str:
        """A further constant."""
        self.fixed[f"{self.name}.{what}"] = value
        return f"{self.name}.{what}"

    def add(self, operator: str, *inputs: str, **attributes: Any) -> None:
        """One more node, whose result is the layer's."""
        self.made.append((operator, inputs, self.name, attributes))

    def inner(self, operator: str, *inputs: str) -> str:
        """One more node whose result another of them reads; returns that result's name."""
        output = f"{self.name}.{operator}"
        self.made.append((operator, inputs, output, {}))
        return output


def _dense(layer: Dense, nodes: Nodes) -> None:
    biased = nodes.sizes[1] is not None
    if nodes.gemm and len(nodes.shape) == 1:
        flags = {"transA": 1} if nodes.transposed else {}
        bias = [nodes.parameter(1)] if biased else []
        weight = nodes.parameter(0, transposed=not nodes.turned)
        nodes.add("Gemm", nodes.inputs[0], weight, *bias, **flags, **({"transB": 1} if nodes.turned else {}))
        return
    weight = nodes.parameter(0, transposed=True)
    if biased:
        nodes.add("Add", nodes.inner("MatMul", nodes.inputs[0], weight), nodes.parameter(1))
    else:
        nodes.add("MatMul", nodes.inputs[0], weight)


def _convolution(layer: Convolution, nodes: Nodes) -> None:
    bias = [nodes.parameter(1)] if nodes.sizes[1] is not None else []
    nodes.add(
        "Conv",
        nodes.inputs[0],
        nodes.parameter(0),
        *bias,
        kernel_shape=layer.windows.kernel,
        strides=layer.stride,
        pads=_pads(layer.padding),
        dilations=layer.dilation,
        group=layer.groups,
    )


def _pads(padding: Padding) -> list[int]:
    """As ONNX writes padding: what is before each axis, then what is after."""
    return [before for before, _ in padding] + [after for _, after in padding]


def _batch_normalisation(layer: BatchNormalisation, nodes: Nodes) -> None:
    mean, variance, scale, shift = (nodes.parameter(index) for index in range(4))
    nodes.add("BatchNormalization", nodes.inputs[0], scale, shift, mean, variance, epsilon=layer.epsilon)


def _affine(layer: Affine, nodes: Nodes) -> None:
    nodes.add("Add", nodes.inner("Mul", nodes.inputs[0], nodes.channels(0)), nodes.channels(1))


def _pooling(operator: str, layer: Any, nodes: Nodes, **attributes: Any) -> None:
    ceil = {"ceil_mode": 1} if layer.ceil else {}
    geometry = {"kernel_shape": layer.kernel, "strides": layer.stride, "pads": _pads(layer.padding)}
    nodes.add(operator, nodes.inputs[0], **geometry, **ceil, **attributes)


def _average_pooling(layer: AveragePooling, nodes: Nodes) -> None:
    _pooling("AveragePool", layer, nodes, count_include_pad=int(layer.count_padding))


def _global_average_pooling(layer: GlobalAveragePooling, nodes: Nodes) -> None:
    if layer.keep_axes:
        nodes.add("GlobalAveragePool", nodes.inputs[0])
    else:
        nodes.add("ReduceMean", nodes.inputs[0], axes=list(range(2, len(nodes.shape) + 1)), keepdims=0)


def _max_pooling(layer: MaxPooling, nodes: Nodes) -> None:
    _pooling("MaxPool", layer, nodes)


def _add(layer: Add, nodes: Nodes) -> None:
    nodes.add("Add" if len(nodes.inputs) == 2 else "Sum", *nodes.inputs)


def _with_constant(operator: str) -> Callable[[Any, Nodes], None]:
    def make(layer: Any, nodes: Nodes) -> None:
        pair = nodes.inputs[0], nodes.parameter(0)
        nodes.add(operator, *(pair[::-1] if getattr(layer, "turned", False) else pair))

    return make


def _clip(layer: Clip, nodes: Nodes) -> None:
    ends = [("lower", layer.lower), ("upper", layer.upper)]
    names = ["" if end is None else nodes.constant(name, end) for name, end in ends]
    nodes.add("Clip", nodes.inputs[0], *names)


def _reshape(layer: Reshape, nodes: Nodes) -> None:
    nodes.add("Reshape", nodes.inputs[0], nodes.constant("sizes", np.array([-1, *layer.shape(nodes.shape)], np.int64)))


def _transpose(layer: Transpose, nodes: Nodes) -> None:
    nodes.add("Transpose", nodes.inputs[0], perm=[0, *(axis + 1 for axis in layer.axes)])


def _pad(layer: Pad, nodes: Nodes) -> None:
    pads = np.array(_pads(((0, 0), *layer.padding)), np.int64)
    nodes.add("Pad", nodes.inputs[0], nodes.constant("pads", pads), nodes.constant("value", layer.value))


TABLE: Mapping[type[Layer], Callable[[Any, Nodes], None]] = MappingProxyType(
    {
        Dense: _dense,
        Convolution: _convolution,
        BatchNormalisation: _batch_normalisation,
        Affine: _affine,
        AveragePooling: _average_pooling,
        GlobalAveragePooling: _global_average_pooling,
        MaxPooling: _max_pooling,
        Add: _add,
        AddConstant: _with_constant("Add"),
        SubtractConstant: _with_constant("Sub"),
        MultiplyConstant: _with_constant("Mul"),
        DivideConstant: _with_constant("Div"),
        ReLU: lambda layer, nodes: nodes.add("Relu", nodes.inputs[0]),
        LeakyReLU: lambda layer, nodes: nodes.add("LeakyRelu", nodes.inputs[0], alpha=layer.slope),
        Clip: _clip,
        Flatten: lambda layer, nodes: nodes.add("Flatten", nodes.inputs[0], axis=1),
        Reshape: _reshape,
        Transpose: _transpose,
        Pad: _pad,
        Concat: lambda layer, nodes: nodes.add("Concat", *nodes.inputs, axis=layer.axis + 1),
    }
)
OBJECTIONS: Mapping[type[Layer], Objection] = MappingProxyType({})
