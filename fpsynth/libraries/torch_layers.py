"""Layers as torch computes them: the functions that its modules call, channels first.  Imports torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F

from fpsynth.libraries.geometry import counts_all, own_padding, spatial, symmetric
from fpsynth.libraries.graphs import Objection, Step, Table
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

Tensors = Sequence[Any]


def table(variant: str, turned: bool) -> Table:
    """The functions of all layer types.  ``turned``: whether weights of dense layers are held (outputs, inputs)."""
    return {**_TABLE, Dense: _dense(variant, turned)}


def _dense(variant: str, turned: bool) -> Step:
    def linear(layer: Dense, tensors: Tensors, inputs: Tensors) -> Any:
        weight, bias = tensors
        return F.linear(inputs[0], weight if turned else weight.T, bias)

    def matmul(layer: Dense, tensors: Tensors, inputs: Tensors) -> Any:
        weight, bias = tensors
        values = inputs[0] @ (weight.T if turned else weight)
        return values if bias is None else values + bias

    return linear if variant == "linear" else matmul


def _convolution(layer: Convolution, tensors: Tensors, inputs: Tensors) -> Any:
    (values,), (weight, bias) = inputs, tensors
    sides: Any = tuple(before for before, _ in layer.padding)
    if not symmetric(layer.padding):
        values, sides = F.pad(values, _sides(layer.padding)), 0
    function = F.conv1d if weight.ndim == 3 else F.conv2d
    return function(values, weight, bias, layer.stride, sides, layer.dilation, layer.groups)


def _batch_normalisation(layer: BatchNormalisation, tensors: Tensors, inputs: Tensors) -> Any:
    mean, variance, scale, shift = tensors
    return F.batch_norm(inputs[0], mean, variance, scale, shift, False, 0.0, layer.epsilon)


def _affine(layer: Affine, tensors: Tensors, inputs: Tensors) -> Any:
    scale, shift = (tensor.reshape(-1, *[1] * (inputs[0].ndim - 2)) for tensor in tensors)
    return inputs[0] * scale + shift


def _average_pooling(layer: AveragePooling, tensors: Tensors, inputs: Tensors) -> Any:
    function = F.avg_pool1d if len(layer.kernel) == 1 else F.avg_pool2d
    shape = tuple(inputs[0].shape[1:])
    own = own_padding(layer, shape)
    if own is not None:
        return function(inputs[0], layer.kernel, layer.stride, *own)
    return function(F.pad(inputs[0], _sides(spatial(layer, shape))), layer.kernel, layer.stride)


def _average_objection(layer: AveragePooling, shape: Shape) -> str:
    if own_padding(layer, shape) is not None or counts_all(layer, shape):
        return ""
    return "its padding is not counted, and differs between sides or is wider than half a window"


def _global_average_pooling(layer: GlobalAveragePooling, tensors: Tensors, inputs: Tensors) -> Any:
    (values,) = inputs
    if layer.keep_axes and values.ndim in (3, 4):
        return F.adaptive_avg_pool1d(values, 1) if values.ndim == 3 else F.adaptive_avg_pool2d(values, 1)
    return values.mean(dim=tuple(range(2, values.ndim)), keepdim=layer.keep_axes)


def _max_pooling(layer: MaxPooling, tensors: Tensors, inputs: Tensors) -> Any:
    function = F.max_pool1d if len(layer.kernel) == 1 else F.max_pool2d
    shape = tuple(inputs[0].shape[1:])
    own = own_padding(layer, shape)
    if own is not None:
        sides, ceil, _ = own
        return function(inputs[0], layer.kernel, layer.stride, sides, ceil_mode=ceil)
    padded = F.pad(inputs[0], _sides(spatial(layer, shape)), value=-math.inf)
    return function(padded, layer.kernel, layer.stride)


def _add(layer: Add, tensors: Tensors, inputs: Tensors) -> Any:
    result = inputs[0]
    for values in inputs[1:]:
        result = result + values
    return result


def _subtract(layer: SubtractConstant, tensors: Tensors, inputs: Tensors) -> Any:
    return tensors[0] - inputs[0] if layer.turned else inputs[0] - tensors[0]


def _clip(layer: Clip, tensors: Tensors, inputs: Tensors) -> Any:
    return inputs[0] if layer.lower is layer.upper is None else torch.clamp(inputs[0], layer.lower, layer.upper)


def _reshape(layer: Reshape, tensors: Tensors, inputs: Tensors) -> Any:
    return inputs[0].reshape(len(inputs[0]), *layer.shape(tuple(inputs[0].shape[1:])))


def _sides(padding: Padding) -> tuple[int, ...]:
    """As torch writes padding: the last axis first."""
    return tuple(chain.from_iterable(reversed(padding)))


_TABLE: Mapping[type[Layer], Step] = MappingProxyType(
    {
        Convolution: _convolution,
        BatchNormalisation: _batch_normalisation,
        Affine: _affine,
        AveragePooling: _average_pooling,
        GlobalAveragePooling: _global_average_pooling,
        MaxPooling: _max_pooling,
        Add: _add,
        AddConstant: lambda layer, tensors, inputs: inputs[0] + tensors[0],
        SubtractConstant: _subtract,
        MultiplyConstant: lambda layer, tensors, inputs: inputs[0] * tensors[0],
        DivideConstant: lambda layer, tensors, inputs: inputs[0] / tensors[0],
        ReLU: lambda layer, tensors, inputs: torch.relu(inputs[0]),
        LeakyReLU: lambda layer, tensors, inputs: F.leaky_relu(inputs[0], layer.slope),
        Clip: _clip,
        Flatten: lambda layer, tensors, inputs: inputs[0].flatten(1),
        Reshape: _reshape,
        Transpose: lambda layer, tensors, inputs: inputs[0].permute(0, *(axis + 1 for axis in layer.axes)),
        Pad: lambda layer, tensors, inputs: F.pad(inputs[0], _sides(layer.padding), value=layer.value),
        Concat: lambda layer, tensors, inputs: torch.cat(list(inputs), dim=layer.axis + 1),
    }
)

OBJECTIONS: Mapping[type[Layer], Objection] = MappingProxyType({AveragePooling: _average_objection})
