"""Layers as torch computes them: the functions that its modules call, channels first.  Imports torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F

from fpsynth.libraries.arithmetic_steps import arithmetic_steps, called_steps, channels_of_arrays
from fpsynth.libraries.geometry import counts_all, own_padding, spatial, symmetric
from fpsynth.libraries.graphs import LayerStep, Tensors
from fpsynth.libraries.layer_table import Guarded, LayerTable
from fpsynth.networks import layers as la
from fpsynth.networks.layers import Shape
from fpsynth.networks.layers.windows import Padding
from fpsynth.networks.network import Network


def table(variant: str, turned: bool) -> LayerTable[LayerStep]:
    """The functions of all layer types.  ``turned``: whether weights of dense layers are held (outputs, inputs)."""
    return LayerTable("torch", {**_ROWS, **arithmetic_steps(channels_of_arrays), la.Dense: _dense(variant, turned)})


def _dense(variant: str, turned: bool) -> LayerStep:
    def linear(layer: la.Dense, tensors: Tensors, inputs: Tensors) -> Any:
        weight, bias = tensors
        return F.linear(inputs[0], weight if turned else weight.T, bias)

    def matmul(layer: la.Dense, tensors: Tensors, inputs: Tensors) -> Any:
        weight, bias = tensors
        values = inputs[0] @ (weight.T if turned else weight)
        return values if bias is None else values + bias

    return linear if variant == "linear" else matmul


def _convolution(layer: la.Convolution, tensors: Tensors, inputs: Tensors) -> Any:
    (values,), (weight, bias) = inputs, tensors
    sides: Any = tuple(before for before, _ in layer.padding)
    if not symmetric(layer.padding):
        values, sides = F.pad(values, _sides(layer.padding)), 0
    function = F.conv1d if weight.ndim == 3 else F.conv2d
    return function(values, weight, bias, layer.stride, sides, layer.dilation, layer.groups)


def _batch_normalisation(layer: la.BatchNormalisation, tensors: Tensors, inputs: Tensors) -> Any:
    mean, variance, scale, shift = tensors
    return F.batch_norm(inputs[0], mean, variance, scale, shift, False, 0.0, layer.epsilon)


def poolings(network: Network) -> dict[str, LayerStep]:
    """The functions of the pooling nodes, their geometry worked out before torch.compile traces them, and numpy with them."""
    nodes = {node.name: node for node in network.nodes if isinstance(node.layer, (la.AveragePooling, la.MaxPooling))}
    return {name: _pooling(node.layer, network.shapes[node.inputs[0]]) for name, node in nodes.items()}


def _pooling(layer: Any, shape: Shape) -> LayerStep:
    """The call for inputs of this shape: with torch's own padding where it has it, else with padding before it."""
    own, sides = own_padding(layer, shape), _sides(spatial(layer, shape))
    average = isinstance(layer, la.AveragePooling)
    functions: tuple[Any, ...] = (F.avg_pool1d, F.avg_pool2d) if average else (F.max_pool1d, F.max_pool2d)
    function, fill = functions[len(layer.kernel) - 1], 0.0 if average else -math.inf
    if own is None:
        return lambda layer, tensors, inputs: function(F.pad(inputs[0], sides, value=fill), layer.kernel, layer.stride)
    before, ceil, counted = own
    more = {"count_include_pad": counted} if average else {}
    return lambda layer, tensors, inputs: function(inputs[0], layer.kernel, layer.stride, before, ceil_mode=ceil, **more)


def _pooled(layer: Any, tensors: Tensors, inputs: Tensors) -> Any:
    return _pooling(layer, tuple(inputs[0].shape[1:]))(layer, tensors, inputs)


def _average_objection(layer: la.AveragePooling, shape: Shape) -> str:
    if own_padding(layer, shape) is not None or counts_all(layer, shape):
        return ""
    return "its padding is not counted, and differs between sides or is wider than half a window"


def _global_average_pooling(layer: la.GlobalAveragePooling, tensors: Tensors, inputs: Tensors) -> Any:
    (values,) = inputs
    if layer.keep_axes and values.ndim in (3, 4):
        return F.adaptive_avg_pool1d(values, 1) if values.ndim == 3 else F.adaptive_avg_pool2d(values, 1)
    return values.mean(dim=tuple(range(2, values.ndim)), keepdim=layer.keep_axes)


def _clip(layer: la.Clip, tensors: Tensors, inputs: Tensors) -> Any:
    return inputs[0] if layer.lower is layer.upper is None else torch.clamp(inputs[0], layer.lower, layer.upper)


def _reshape(layer: la.Reshape, tensors: Tensors, inputs: Tensors) -> Any:
    return inputs[0].reshape(len(inputs[0]), *layer.shape(tuple(inputs[0].shape[1:])))


def _sides(padding: Padding) -> tuple[int, ...]:
    """As torch writes padding: the last axis first."""
    return tuple(chain.from_iterable(reversed(padding)))


_ROWS: Mapping[type[la.Layer], LayerStep | Guarded[LayerStep]] = MappingProxyType(
    {
        **called_steps(torch, lambda names: names.torch_function),
        la.Convolution: _convolution,
        la.BatchNormalisation: _batch_normalisation,
        la.AveragePooling: Guarded(_pooled, _average_objection),
        la.GlobalAveragePooling: _global_average_pooling,
        la.MaxPooling: _pooled,
        la.LeakyReLU: lambda layer, tensors, inputs: F.leaky_relu(inputs[0], layer.slope),
        la.Clip: _clip,
        la.Flatten: lambda layer, tensors, inputs: inputs[0].flatten(1),
        la.Reshape: _reshape,
        la.Transpose: lambda layer, tensors, inputs: inputs[0].permute(0, *(axis + 1 for axis in layer.axes)),
        la.Pad: lambda layer, tensors, inputs: F.pad(inputs[0], _sides(layer.padding), value=layer.value),
        la.Concat: lambda layer, tensors, inputs: torch.cat(list(inputs), dim=layer.axis + 1),
    }
)
