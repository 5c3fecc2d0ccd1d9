"""Layers as a user of jax writes them, channels first.  Imports jax."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fpsynth.libraries.arithmetic_steps import arithmetic_steps, called_steps, channels_of_arrays
from fpsynth.libraries.geometry import counts, spatial
from fpsynth.libraries.graphs import LayerStep, Tensors
from fpsynth.libraries.layer_table import LayerTable
from fpsynth.networks import layers as la


def table(turned: bool) -> LayerTable[LayerStep]:
    """The functions of all layer types.  ``turned``: whether weights of dense layers are held (outputs, inputs)."""

    def dense(layer: la.Dense, tensors: Tensors, inputs: Tensors) -> Any:
        weight, bias = tensors
        values = jnp.matmul(inputs[0], weight.T if turned else weight)
        return values if bias is None else values + bias

    return LayerTable("jax", {**_ROWS, **arithmetic_steps(channels_of_arrays), la.Dense: dense})


def _convolution(layer: la.Convolution, tensors: Tensors, inputs: Tensors) -> Any:
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
    return values if bias is None else values + channels_of_arrays(bias, values)


def _batch_normalisation(layer: la.BatchNormalisation, tensors: Tensors, inputs: Tensors) -> Any:
    """As flax has it."""
    mean, variance, scale, shift = (channels_of_arrays(tensor, inputs[0]) for tensor in tensors)
    epsilon = jnp.asarray(layer.epsilon, variance.dtype)
    return (inputs[0] - mean) * (jax.lax.rsqrt(variance + epsilon) * scale) + shift


def _reduced(layer: Any, values: Any, start: float, function: Any) -> Any:
    """lax.reduce_window over the windows of a pooling layer."""
    padding = ((0, 0), (0, 0), *spatial(layer, values.shape[1:]))
    initial = np.asarray(start, values.dtype)
    return jax.lax.reduce_window(values, initial, function, (1, 1, *layer.kernel), (1, 1, *layer.stride), padding)


def _average_pooling(layer: la.AveragePooling, tensors: Tensors, inputs: Tensors) -> Any:
    """As flax has it: the sums of the windows over the numbers of their taps."""
    (values,) = inputs
    divisors = counts(layer, values.shape[1:])
    same = (divisors == divisors.flat[0]).all()
    return _reduced(layer, values, 0.0, jax.lax.add) / jnp.asarray(divisors.flat[0] if same else divisors, values.dtype)


def _global_average_pooling(layer: la.GlobalAveragePooling, tensors: Tensors, inputs: Tensors) -> Any:
    return jnp.mean(inputs[0], axis=tuple(range(2, inputs[0].ndim)), keepdims=layer.keep_axes)


def _max_pooling(layer: la.MaxPooling, tensors: Tensors, inputs: Tensors) -> Any:
    return _reduced(layer, inputs[0], -math.inf, jax.lax.max)


def _clip(layer: la.Clip, tensors: Tensors, inputs: Tensors) -> Any:
    return jnp.clip(inputs[0], layer.lower, layer.upper)


def _reshape(layer: la.Reshape, tensors: Tensors, inputs: Tensors) -> Any:
    return inputs[0].reshape(len(inputs[0]), *layer.shape(inputs[0].shape[1:]))


def _pad(layer: la.Pad, tensors: Tensors, inputs: Tensors) -> Any:
    return jnp.pad(inputs[0], ((0, 0), *layer.padding), constant_values=layer.value)


_ROWS: Mapping[type[la.Layer], LayerStep] = MappingProxyType(
    {
        **called_steps(jnp, lambda names: names.arrays),
        la.Convolution: _convolution,
        la.BatchNormalisation: _batch_normalisation,
        la.AveragePooling: _average_pooling,
        la.GlobalAveragePooling: _global_average_pooling,
        la.MaxPooling: _max_pooling,
        la.ReLU: lambda layer, tensors, inputs: jnp.maximum(inputs[0], 0),
        la.LeakyReLU: lambda layer, tensors, inputs: jax.nn.leaky_relu(inputs[0], layer.slope),
        la.Clip: _clip,
        la.Flatten: lambda layer, tensors, inputs: inputs[0].reshape(len(inputs[0]), -1),
        la.Reshape: _reshape,
        la.Transpose: lambda layer, tensors, inputs: inputs[0].transpose(0, *(axis + 1 for axis in layer.axes)),
        la.Pad: _pad,
        la.Concat: lambda layer, tensors, inputs: jnp.concatenate(list(inputs), axis=layer.axis + 1),
    }
)
