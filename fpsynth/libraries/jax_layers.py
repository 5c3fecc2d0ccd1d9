"""Layers as a user of jax writes them, channels first.  Imports jax."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fpsynth.libraries.geometry import counts, spatial
from fpsynth.libraries.graphs import Step, Table
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
    SubtractConstant,
    Transpose,
)

Tensors = Sequence[Any]


def table(turned: bool) -> Table:
    """The functions of all layer types.  ``turned``: whether weights of dense layers are held (outputs, inputs)."""

    def dense(layer: Dense, tensors: Tensors, inputs: Tensors) -> Any:
        weight, bias = tensors
        values = jnp.matmul(inputs[0], weight.T if turned else weight)
        return values if bias is None else values + bias

    return {**_TABLE, Dense: dense}


def _convolution(layer: Convolution, tensors: Tensors, inputs: Tensors) -> Any:
    weight, bias = tensors
    letters = "HW"[2 - (weight.ndim - 2) :]
    values = jax.lax.conv_general_dilated(
        inputs[0],
        weight,
        layer.stride,
        layer.padding if any(map(any, layer.padding)) else "VALID",
        rhs_dilation=layer.dilation,
        dimension_numbers=(f"NC{letters}", f"OI{letters}", f"NC{letters}"),
        feature_group_count=layer.groups,
    )
    return values if bias is None else values + _channels(bias, values)


def _channels(numbers: Any, values: Any) -> Any:
    """A number for each channel that broadcasts over a batch of (channels, ...)."""
    return numbers.reshape(-1, *[1] * (values.ndim - 2))


def _batch_normalisation(layer: BatchNormalisation, tensors: Tensors, inputs: Tensors) -> Any:
    """As flax has it."""
    mean, variance, scale, shift = (_channels(tensor, inputs[0]) for tensor in tensors)
    epsilon = jnp.asarray(layer.epsilon, variance.dtype)
    return (inputs[0] - mean) * (jax.lax.rsqrt(variance + epsilon) * scale) + shift


def _affine(layer: Affine, tensors: Tensors, inputs: Tensors) -> Any:
    scale, shift = (_channels(tensor, inputs[0]) for tensor in tensors)
    return inputs[0] * scale + shift


def _reduced(layer: Any, values: Any, start: float, function: Any) -> Any:
    """lax.reduce_window over the windows of a pooling layer."""
    padding = ((0, 0), (0, 0), *spatial(layer, values.shape[1:]))
    initial = np.asarray(start, values.dtype)
    return jax.lax.reduce_window(values, initial, function, (1, 1, *layer.kernel), (1, 1, *layer.stride), padding)


def _average_pooling(layer: AveragePooling, tensors: Tensors, inputs: Tensors) -> Any:
    """As flax has it: the sums of the windows over the numbers of their taps."""
    (values,) = inputs
    divisors = counts(layer, values.shape[1:])
    same = (divisors == divisors.flat[0]).all()
    return _reduced(layer, values, 0.0, jax.lax.add) / jnp.asarray(divisors.flat[0] if same else divisors, values.dtype)


def _global_average_pooling(layer: GlobalAveragePooling, tensors: Tensors, inputs: Tensors) -> Any:
    return jnp.mean(inputs[0], axis=tuple(range(2, inputs[0].ndim)), keepdims=layer.keep_axes)


def _max_pooling(layer: MaxPooling, tensors: Tensors, inputs: Tensors) -> Any:
    return _reduced(layer, inputs[0], -math.inf, jax.lax.max)


def _add(layer: Add, tensors: Tensors, inputs: Tensors) -> Any:
    result = inputs[0]
    for values in inputs[1:]:
        result = result + values
    return result


def _subtract(layer: SubtractConstant, tensors: Tensors, inputs: Tensors) -> Any:
    return tensors[0] - inputs[0] if layer.turned else inputs[0] - tensors[0]


def _clip(layer: Clip, tensors: Tensors, inputs: Tensors) -> Any:
    return jnp.clip(inputs[0], layer.lower, layer.upper)


def _reshape(layer: Reshape, tensors: Tensors, inputs: Tensors) -> Any:
    return inputs[0].reshape(len(inputs[0]), *layer.shape(inputs[0].shape[1:]))


def _pad(layer: Pad, tensors: Tensors, inputs: Tensors) -> Any:
    return jnp.pad(inputs[0], ((0, 0), *layer.padding), constant_values=layer.value)


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
        ReLU: lambda layer, tensors, inputs: jnp.maximum(inputs[0], 0),
        LeakyReLU: lambda layer, tensors, inputs: jax.nn.leaky_relu(inputs[0], layer.slope),
        Clip: _clip,
        Flatten: lambda layer, tensors, inputs: inputs[0].reshape(len(inputs[0]), -1),
        Reshape: _reshape,
        Transpose: lambda layer, tensors, inputs: inputs[0].transpose(0, *(axis + 1 for axis in layer.axes)),
        Pad: _pad,
        Concat: lambda layer, tensors, inputs: jnp.concatenate(list(inputs), axis=layer.axis + 1),
    }
)
