"""Networks as Keras models: layers of keras.layers, channels last, with Permute around them.  Imports TensorFlow."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from fpsynth.formats import Format
from fpsynth.libraries.geometry import depthwise, is_same, spatial
from fpsynth.libraries.graphs import Numbers, operands_of
from fpsynth.libraries.layer_table import Guarded, LayerTable
from fpsynth.libraries.operands import exact_array
from fpsynth.libraries.tensorflow_layers import average_objection, average_padding, both_objection, filters
from fpsynth.networks import layers as la
from fpsynth.networks.layers import Shape
from fpsynth.networks.layers.windows import Padding
from fpsynth.networks.network import Network, Node

Make = Callable[[Any, Shape, str], Sequence[Any]]
"""A layer, the shape of its input and a dtype to the Keras layers that are it, one after the other."""

_LAST = {2: (2, 1), 3: (2, 3, 1)}
_FIRST = {2: (2, 1), 3: (3, 1, 2)}
"""Permutations to and from channels last, by the number of axes."""


def keras_model(network: Network, dtype: Format) -> tuple[Any, dict[str, Any]]:
    """A model of flat points, its numbers not yet set, and the Keras layer that takes the numbers of each node."""
    layers = tf.keras.layers
    source = tf.keras.Input(network.input_shape, dtype=dtype.name)
    holders: dict[str, Any] = {}

    def step(node: Node, inputs: Sequence[Any]) -> Any:
        result: Any = inputs[0] if node.layer.inputs_taken[1] == 1 else list(inputs)
        for made in TABLE.call(network, node)(node.layer, network.shapes[node.inputs[0]], dtype.name):
            result = made(result)
            if node.layer.parameters and isinstance(made, _HOLDERS):
                holders[node.name] = made
        return result

    result = network.run(source, step)
    result = result if len(network.output_shape) == 1 else layers.Flatten(dtype=dtype.name)(result)
    return tf.keras.Model(source, result), holders


_HOLDERS = (
    tf.keras.layers.Dense,
    tf.keras.layers.Conv1D,
    tf.keras.layers.Conv2D,
    tf.keras.layers.DepthwiseConv1D,
    tf.keras.layers.DepthwiseConv2D,
    tf.keras.layers.BatchNormalization,
)


def set_numbers(network: Network, holders: Mapping[str, Any], numbers: Numbers) -> None:
    """Put the numbers of all nodes into the layers of a model."""
    for node in network.nodes:
        if node.name in holders:
            arrays = _laid(node.layer, numbers[node.name])
            holders[node.name].set_weights([array for array in arrays if array is not None])


def keras_file(network: Network, dtype: Format) -> bytes:
    """The model as Keras itself saves it, a .keras file.  Raises CannotRun for a layer that Keras has not."""
    TABLE.require(network)
    model, holders = keras_model(network, dtype)
    set_numbers(network, holders, operands_of(network, lambda array: exact_array(array, dtype)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.keras"
        model.save(path)
        return path.read_bytes()


def _laid(layer: la.Layer, arrays: Sequence[Any]) -> Sequence[Any]:
    if isinstance(layer, la.Dense):
        return arrays[0].T, arrays[1]
    if isinstance(layer, la.Convolution):
        return filters(layer, arrays[0]), arrays[1]
    mean, variance, scale, shift = arrays  # a batch normalisation
    return scale, shift, mean, variance


def _dense(layer: la.Dense, shape: Shape, dtype: str) -> Sequence[Any]:
    return [tf.keras.layers.Dense(layer.outputs, use_bias=layer.bias is not None, kernel_initializer="zeros", dtype=dtype)]


def _between(axes: int, made: Sequence[Any], dtype: str) -> Sequence[Any]:
    """Layers of channels last, for inputs and outputs (channels, ...)."""
    permute = tf.keras.layers.Permute
    return [permute(_LAST[axes], dtype=dtype), *made, permute(_FIRST[axes], dtype=dtype)]


def _convolution(layer: la.Convolution, shape: Shape, dtype: str) -> Sequence[Any]:
    layers, axes = tf.keras.layers, len(shape) - 1
    shared = {
        "strides": layer.stride,
        "dilation_rate": layer.dilation,
        "use_bias": layer.bias is not None,
        "dtype": dtype,
    }
    kernel = layer.weight.shape[2:]
    if depthwise(layer):
        kind = layers.DepthwiseConv1D if axes == 1 else layers.DepthwiseConv2D
        many = len(layer.weight) // layer.groups
        made = kind(kernel, depth_multiplier=many, depthwise_initializer="zeros", **shared)
    else:
        kind = layers.Conv1D if axes == 1 else layers.Conv2D
        made = kind(len(layer.weight), kernel, groups=layer.groups, kernel_initializer="zeros", **shared)
    return _between(len(shape), [*_zeros(layer.padding, dtype), made], dtype)


def _zeros(padding: Padding, dtype: str) -> Sequence[Any]:
    if not any(map(any, padding)):
        return []
    if len(padding) == 1:
        return [tf.keras.layers.ZeroPadding1D(padding[0], dtype=dtype)]
    return [tf.keras.layers.ZeroPadding2D(padding, dtype=dtype)]


def _batch_normalisation(layer: la.BatchNormalisation, shape: Shape, dtype: str) -> Sequence[Any]:
    return [tf.keras.layers.BatchNormalization(axis=1, epsilon=layer.epsilon, dtype=dtype)]


def _average_pooling(layer: la.AveragePooling, shape: Shape, dtype: str) -> Sequence[Any]:
    layers, padding = tf.keras.layers, average_padding(layer, shape)
    kind = layers.AveragePooling1D if len(layer.kernel) == 1 else layers.AveragePooling2D
    before = _zeros(spatial(layer, shape), dtype) if padding == "VALID" else []
    return _between(len(shape), [*before, _pooling(kind, layer, padding, dtype)], dtype)


def _pooling(kind: Any, layer: Any, padding: str, dtype: str) -> Any:
    kernel, stride = (sizes[0] if len(sizes) == 1 else sizes for sizes in (layer.kernel, layer.stride))
    return kind(kernel, stride, padding=padding.lower(), dtype=dtype)


def _max_pooling(layer: la.MaxPooling, shape: Shape, dtype: str) -> Sequence[Any]:
    layers = tf.keras.layers
    kind = layers.MaxPooling1D if len(layer.kernel) == 1 else layers.MaxPooling2D
    return _between(len(shape), [_pooling(kind, layer, _max_padding(layer, shape), dtype)], dtype)


def _max_padding(layer: la.MaxPooling, shape: Shape) -> str:
    """SAME where that reads what the layer does; VALID where nothing is padded; empty where neither."""
    if not any(map(any, spatial(layer, shape))):
        return "VALID"
    return "SAME" if is_same(layer, shape) else ""


def _max_objection(layer: la.MaxPooling, shape: Shape) -> str:
    return "" if _max_padding(layer, shape) else "its padding is not that of SAME"


def _global_average_pooling(layer: la.GlobalAveragePooling, shape: Shape, dtype: str) -> Sequence[Any]:
    layers = tf.keras.layers
    kind = layers.GlobalAveragePooling1D if len(shape) == 2 else layers.GlobalAveragePooling2D
    made = [layers.Permute(_LAST[len(shape)], dtype=dtype), kind(keepdims=layer.keep_axes, dtype=dtype)]
    return [*made, layers.Permute(_FIRST[len(shape)], dtype=dtype)] if layer.keep_axes else made


def _global_objection(layer: la.GlobalAveragePooling, shape: Shape) -> str:
    return "" if len(shape) in _LAST else "it has one or two axes"


def _clip(layer: la.Clip, shape: Shape, dtype: str) -> Sequence[Any]:
    return [tf.keras.layers.ReLU(max_value=layer.upper, dtype=dtype)]


def _clip_objection(layer: la.Clip, shape: Shape) -> str:
    return "" if layer.lower == 0 else "its ReLU with a largest value starts at 0"


def _pad(layer: la.Pad, shape: Shape, dtype: str) -> Sequence[Any]:
    if layer.padding[0] != (0, 0):  # the last axis is none that is padded, as in images that are read with channels last
        return _zeros(layer.padding[:-1], dtype)
    return _between(len(shape), _zeros(layer.padding[1:], dtype), dtype)


def _pad_objection(layer: la.Pad, shape: Shape) -> str:
    if layer.value != 0:
        return f"its layers pad with zeros, not with {layer.value:g}"
    if len(shape) not in _LAST or (0, 0) not in (layer.padding[0], layer.padding[-1]):
        return "its layers pad one or two axes of two or three, and neither the first nor the last one is left"
    return ""


def _called(name: str) -> Make:
    """The layer of a type that its name says all of."""
    return lambda layer, shape, dtype: [getattr(tf.keras.layers, name)(dtype=dtype)]


TABLE: LayerTable[Make] = LayerTable(
    "tensorflow's keras",
    {
        **{layer: _called(layer.names.keras[0]) for layer in la.CALLED if layer.names.keras},
        la.Dense: _dense,
        la.Convolution: Guarded(_convolution, both_objection),
        la.BatchNormalisation: _batch_normalisation,
        la.AveragePooling: Guarded(_average_pooling, average_objection),
        la.GlobalAveragePooling: Guarded(_global_average_pooling, _global_objection),
        la.MaxPooling: Guarded(_max_pooling, _max_objection),
        la.Add: lambda layer, shape, dtype: [tf.keras.layers.Add(dtype=dtype)],
        la.LeakyReLU: lambda layer, shape, dtype: [tf.keras.layers.LeakyReLU(negative_slope=layer.slope, dtype=dtype)],
        la.Clip: Guarded(_clip, _clip_objection),
        la.Flatten: lambda layer, shape, dtype: [tf.keras.layers.Flatten(dtype=dtype)],
        la.Reshape: lambda layer, shape, dtype: [tf.keras.layers.Reshape(layer.shape(shape), dtype=dtype)],
        la.Transpose: lambda layer, shape, dtype: [tf.keras.layers.Permute([a + 1 for a in layer.axes], dtype=dtype)],
        la.Pad: Guarded(_pad, _pad_objection),
        la.Concat: lambda layer, shape, dtype: [tf.keras.layers.Concatenate(axis=layer.axis + 1, dtype=dtype)],
    },
)
"""What Keras has a layer for.  Constants and affine layers it has none for."""
