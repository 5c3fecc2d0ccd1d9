"""Layers as TensorFlow computes them: channels last, with exact transposes around what wants them so.  Imports TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import tensorflow as tf

from fpsynth.aliases import Array
from fpsynth.libraries.arithmetic_steps import arithmetic_steps, called_steps
from fpsynth.libraries.geometry import counts_all, counts_inside, depthwise, is_same, spatial
from fpsynth.libraries.graphs import LayerStep, Tensors
from fpsynth.libraries.layer_table import Guarded, LayerTable
from fpsynth.networks import layers as la
from fpsynth.networks.layers import Shape
from fpsynth.networks.layers.windows import Padding


def table(turned: bool) -> LayerTable[LayerStep]:
    """The functions of all layer types.  ``turned``: whether weights of dense layers are held (outputs, inputs)."""
    return LayerTable("tensorflow", {**_ROWS, **arithmetic_steps(_channels), la.Dense: dense(turned=turned)})


def dense(*, turned: bool, transposed: bool = False) -> LayerStep:
    """tf.matmul and + for the bias.  ``transposed``: whether the points are given as their transpose."""

    def step(layer: la.Dense, tensors: Tensors, inputs: Tensors) -> Any:
        weight, bias = tensors
        values = tf.matmul(inputs[0], weight, transpose_a=transposed, transpose_b=turned)
        return values if bias is None else values + bias

    return step


def filters(layer: la.Convolution, weight: Array) -> Array:
    """The weight (outputs, channels, *sizes) as TensorFlow keeps it: (*sizes, channels, outputs)."""
    last = weight.transpose(*range(2, weight.ndim), 1, 0)
    if not depthwise(layer):
        return last
    return last.reshape(*last.shape[:-2], layer.groups, -1)


def channels_last(values: Any) -> Any:
    """(batch, channels, *sizes) as (batch, *sizes, channels)."""
    return tf.transpose(values, (0, *range(2, values.shape.rank), 1))


def channels_first(values: Any) -> Any:
    """(batch, *sizes, channels) as (batch, channels, *sizes)."""
    return tf.transpose(values, (0, values.shape.rank - 1, *range(1, values.shape.rank - 1)))


def _convolution(layer: la.Convolution, tensors: Tensors, inputs: Tensors) -> Any:
    values, (kernels, bias) = channels_last(inputs[0]), tensors
    function = _along_one_axis if kernels.shape.rank == 3 else _over_two_axes
    values = function(layer, values, kernels)
    return channels_first(values if bias is None else tf.nn.bias_add(values, bias))


def _over_two_axes(layer: la.Convolution, values: Any, kernels: Any) -> Any:
    if depthwise(layer):  # in a graph, TensorFlow 2.21 crashes where it is to pad by itself
        values = _padded(values, layer.padding, 0.0)
        return tf.nn.depthwise_conv2d(values, kernels, (1, *layer.stride, 1), "VALID", dilations=layer.dilation)
    padding: Any = [[0, 0], *map(list, layer.padding), [0, 0]] if any(map(any, layer.padding)) else "VALID"
    return tf.nn.conv2d(values, kernels, layer.stride, padding, dilations=layer.dilation)


def _along_one_axis(layer: la.Convolution, values: Any, kernels: Any) -> Any:
    """tf.nn.conv1d pads nothing and knows no depthwise convolution: with padding before it, and as a row of an image."""
    values = _padded(values, layer.padding, 0.0)
    if not depthwise(layer):
        return tf.nn.conv1d(values, kernels, layer.stride[0], "VALID", dilations=layer.dilation[0])
    rows = tf.nn.depthwise_conv2d(
        tf.expand_dims(values, 1), tf.expand_dims(kernels, 0), (1, *layer.stride * 2, 1), "VALID", dilations=layer.dilation * 2
    )
    return tf.squeeze(rows, 1)


def _depthwise_objection(layer: la.Convolution, shape: Shape) -> str:
    return both_objection(layer, shape) if depthwise(layer) else ""


def both_objection(layer: la.Convolution, shape: Shape) -> str:
    """Strides and dilations together are not taken by depthwise convolutions, nor by any of Keras's."""
    both = max(layer.stride) > 1 and max(layer.dilation) > 1
    return "a stride and a dilation at once it has not" if both else ""


def _channels(numbers: Any, values: Any) -> Any:
    """A number for each channel that broadcasts over a batch of (channels, ...)."""
    return tf.reshape(numbers, (-1, *[1] * (values.shape.rank - 2)))


def _batch_normalisation(layer: la.BatchNormalisation, tensors: Tensors, inputs: Tensors) -> Any:
    mean, variance, scale, shift = (_channels(tensor, inputs[0]) for tensor in tensors)
    return tf.nn.batch_normalization(inputs[0], mean, variance, shift, scale, layer.epsilon)


def _pooled(function: Callable[..., Any], layer: Any, values: Any, padding: str) -> Any:
    """A pooling of (batch, *sizes, channels), in one dimension as a row of an image, as TensorFlow itself has it."""
    if len(layer.kernel) == 2:
        return function(values, layer.kernel, layer.stride, padding)
    return tf.squeeze(function(tf.expand_dims(values, 1), (1, *layer.kernel), (1, *layer.stride), padding), 1)


def average_padding(layer: la.AveragePooling, shape: Shape) -> str:
    """SAME where it means what the layer does; VALID where it does after padding with ``spatial``; empty where neither."""
    needed = any(map(any, spatial(layer, shape)))
    if needed and is_same(layer, shape) and counts_inside(layer, shape):
        return "SAME"
    return "VALID" if counts_all(layer, shape) else ""


def average_objection(layer: la.AveragePooling, shape: Shape) -> str:
    """It counts no padding, and has none but SAME."""
    return "" if average_padding(layer, shape) else "its padding is not that of SAME, and is not counted everywhere"


def _average_pooling(layer: la.AveragePooling, tensors: Tensors, inputs: Tensors) -> Any:
    shape, values = tuple(inputs[0].shape[1:]), channels_last(inputs[0])
    padding = average_padding(layer, shape)
    values = _padded(values, spatial(layer, shape), 0.0) if padding == "VALID" else values
    return channels_first(_pooled(tf.nn.avg_pool2d, layer, values, padding))


def _padded(values: Any, padding: Padding, fill: float) -> Any:
    if not any(map(any, padding)):
        return values
    return tf.pad(values, [[0, 0], *padding, [0, 0]], constant_values=tf.cast(fill, values.dtype))


def _max_pooling(layer: la.MaxPooling, tensors: Tensors, inputs: Tensors) -> Any:
    values = _padded(channels_last(inputs[0]), spatial(layer, tuple(inputs[0].shape[1:])), -math.inf)
    return channels_first(_pooled(tf.nn.max_pool2d, layer, values, "VALID"))


def _global_average_pooling(layer: la.GlobalAveragePooling, tensors: Tensors, inputs: Tensors) -> Any:
    """The mean over the axes between batch and channels, as Keras has it."""
    values = channels_last(inputs[0])
    means = tf.reduce_mean(values, axis=tuple(range(1, values.shape.rank - 1)), keepdims=layer.keep_axes)
    return channels_first(means) if layer.keep_axes else means


def _clip(layer: la.Clip, tensors: Tensors, inputs: Tensors) -> Any:
    (values,) = inputs
    if layer.lower is not None and layer.upper is not None:
        return tf.clip_by_value(values, layer.lower, layer.upper)
    values = values if layer.lower is None else tf.maximum(values, layer.lower)
    return values if layer.upper is None else tf.minimum(values, layer.upper)


def _reshape(layer: la.Reshape, tensors: Tensors, inputs: Tensors) -> Any:
    return tf.reshape(inputs[0], (-1, *layer.shape(tuple(inputs[0].shape[1:]))))


def _pad(layer: la.Pad, tensors: Tensors, inputs: Tensors) -> Any:
    return tf.pad(inputs[0], [[0, 0], *layer.padding], constant_values=tf.cast(layer.value, inputs[0].dtype))


_ROWS: Mapping[type[la.Layer], LayerStep | Guarded[LayerStep]] = MappingProxyType(
    {
        **called_steps(tf, lambda names: names.tensorflow),
        la.Convolution: Guarded(_convolution, _depthwise_objection),
        la.BatchNormalisation: _batch_normalisation,
        la.AveragePooling: Guarded(_average_pooling, average_objection),
        la.GlobalAveragePooling: _global_average_pooling,
        la.MaxPooling: _max_pooling,
        la.LeakyReLU: lambda layer, tensors, inputs: tf.nn.leaky_relu(inputs[0], layer.slope),
        la.Clip: _clip,
        la.Flatten: lambda layer, tensors, inputs: tf.reshape(inputs[0], (-1, math.prod(inputs[0].shape[1:]))),
        la.Reshape: _reshape,
        la.Transpose: lambda layer, tensors, inputs: tf.transpose(inputs[0], (0, *(axis + 1 for axis in layer.axes))),
        la.Pad: _pad,
        la.Concat: lambda layer, tensors, inputs: tf.concat(list(inputs), axis=layer.axis + 1),
    }
)
