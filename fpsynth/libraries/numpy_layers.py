"""Layers as numpy, or CuPy, computes them: convolutions as windows of a padded array times a matrix."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from fpsynth.libraries.arithmetic_steps import arithmetic_steps, called_steps, channels_of_arrays
from fpsynth.libraries.geometry import counts, spatial
from fpsynth.libraries.graphs import LayerStep, Tensors
from fpsynth.libraries.layer_table import LayerTable
from fpsynth.networks import layers as la
from fpsynth.networks.layers.windows import Padding

Multiply = Callable[[Any, Any], Any]
"""Rows (..., inputs) and weights (inputs, outputs) to products (..., outputs): a variant's own call."""


def products(np: Any, variant: str) -> Multiply:
    """The call of a variant of numpy or of CuPy, of which ``np`` is the module."""

    def row_by_row(values: Any, weight: Any) -> Any:
        rows = values if values.ndim == 2 else values.reshape(-1, values.shape[-1])
        result = np.stack([np.dot(weight.T, row) for row in rows])
        return result if values.ndim == 2 else result.reshape(*values.shape[:-1], -1)

    return {"matmul": np.matmul, "dot": np.dot, "dot-rows": row_by_row}[variant]  # type: ignore[no-any-return]


def table(np: Any, variant: str, place: Callable[[Any], Any]) -> LayerTable[LayerStep]:
    """The functions of all layer types.

    ``place`` copies an array to where its address does not vary; it is applied to everything computed that may be multiplied
    next.  Views stay views.
    """
    multiply = products(np, variant)
    computed: dict[type[la.Layer], LayerStep] = {
        **arithmetic_steps(channels_of_arrays),
        **_elementwise(np),
        **_windowed(np, multiply, place),
        la.Dense: _dense(multiply),
        la.Pad: lambda layer, tensors, inputs: np.pad(inputs[0], ((0, 0), *layer.padding), constant_values=layer.value),
        la.Concat: lambda layer, tensors, inputs: np.concatenate(inputs, axis=layer.axis + 1),
    }
    return LayerTable(np.__name__, {**{kind: _placed(step, place) for kind, step in computed.items()}, **_VIEWS})


def _placed(step: LayerStep, place: Callable[[Any], Any]) -> LayerStep:
    return lambda layer, tensors, inputs: place(step(layer, tensors, inputs))


def _reshape(layer: la.Reshape, tensors: Tensors, inputs: Tensors) -> Any:
    return inputs[0].reshape(len(inputs[0]), *layer.shape(inputs[0].shape[1:]))


_VIEWS: dict[type[la.Layer], LayerStep] = {
    la.Flatten: lambda layer, tensors, inputs: inputs[0].reshape(len(inputs[0]), -1),
    la.Reshape: _reshape,
    la.Transpose: lambda layer, tensors, inputs: inputs[0].transpose(0, *(axis + 1 for axis in layer.axes)),
}


def _dense(multiply: Multiply) -> LayerStep:
    def dense(layer: la.Dense, tensors: Tensors, inputs: Tensors) -> Any:
        """The weight is held as a view (inputs, outputs)."""
        weight, bias = tensors
        values = multiply(inputs[0], weight)
        return values if bias is None else values + bias

    return dense


def _windows(np: Any, layer: Any, values: Any, padding: Padding, fill: float) -> Any:
    """A view (batch, channels, *places, *kernel) of a padded copy."""
    padded = np.pad(values, ((0, 0), (0, 0), *padding), constant_values=values.dtype.type(fill))
    geometry = layer.windows
    spans = tuple(d * (k - 1) + 1 for k, d in zip(geometry.kernel, geometry.dilation, strict=True))
    axes = tuple(range(2, values.ndim))
    view = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=axes)
    steps = [slice(None, None, step) for step in (*geometry.stride, *geometry.dilation)]
    return view[(slice(None), slice(None), *steps)]


def _windowed(np: Any, multiply: Multiply, place: Callable[[Any], Any]) -> dict[type[la.Layer], LayerStep]:
    def convolution(layer: la.Convolution, tensors: Tensors, inputs: Tensors) -> Any:
        """For each group the windows as rows (batch times places, taps), times the weights (taps, channels)."""
        (values,), (weight, bias) = inputs, tensors
        view = _windows(np, layer, values, layer.padding, 0.0)
        batch, channels, taps = len(values), weight.shape[1], math.prod(weight.shape[1:])
        places, axes = view.shape[2 : values.ndim], tuple(range(2, values.ndim))
        results = []
        for group, filters in enumerate(np.split(weight, layer.groups)):
            part = view[:, group * channels : (group + 1) * channels]
            rows = place(part.transpose(0, *axes, 1, *range(values.ndim, part.ndim)).reshape(-1, taps))
            results.append(multiply(rows, place(filters.reshape(-1, taps)).T))
        maps = results[0] if len(results) == 1 else np.concatenate(results, axis=1)
        maps = maps if bias is None else maps + bias
        return maps.reshape(batch, *places, -1).transpose(0, len(places) + 1, *range(1, len(places) + 1))

    def average_pooling(layer: la.AveragePooling, tensors: Tensors, inputs: Tensors) -> Any:
        (values,) = inputs
        shape = values.shape[1:]
        view = _windows(np, layer, values, spatial(layer, shape), 0.0)
        divisors = counts(layer, shape).astype(values.dtype)
        return view.sum(axis=tuple(range(values.ndim, view.ndim)), dtype=values.dtype) / np.asarray(divisors)

    def max_pooling(layer: la.MaxPooling, tensors: Tensors, inputs: Tensors) -> Any:
        (values,) = inputs
        view = _windows(np, layer, values, spatial(layer, values.shape[1:]), -math.inf)
        return view.max(axis=tuple(range(values.ndim, view.ndim)))

    def global_average_pooling(layer: la.GlobalAveragePooling, tensors: Tensors, inputs: Tensors) -> Any:
        return inputs[0].mean(axis=tuple(range(2, inputs[0].ndim)), keepdims=layer.keep_axes)

    return {
        la.Convolution: convolution,
        la.AveragePooling: average_pooling,
        la.MaxPooling: max_pooling,
        la.GlobalAveragePooling: global_average_pooling,
    }


def _elementwise(np: Any) -> dict[type[la.Layer], LayerStep]:
    def batch_normalisation(layer: la.BatchNormalisation, tensors: Tensors, inputs: Tensors) -> Any:
        mean, variance, scale, shift = (channels_of_arrays(tensor, inputs[0]) for tensor in tensors)
        return (inputs[0] - mean) / np.sqrt(variance + variance.dtype.type(layer.epsilon)) * scale + shift

    def leaky_relu(layer: la.LeakyReLU, tensors: Tensors, inputs: Tensors) -> Any:
        (values,) = inputs
        return np.where(values < 0, values * values.dtype.type(layer.slope), values)

    def clip(layer: la.Clip, tensors: Tensors, inputs: Tensors) -> Any:
        (values,) = inputs
        if layer.lower is not None:
            values = np.maximum(values, values.dtype.type(layer.lower))
        return values if layer.upper is None else np.minimum(values, values.dtype.type(layer.upper))

    return {
        **called_steps(np, lambda names: names.arrays),
        la.BatchNormalisation: batch_normalisation,
        la.ReLU: lambda layer, tensors, inputs: np.maximum(inputs[0], inputs[0].dtype.type(0)),
        la.LeakyReLU: leaky_relu,
        la.Clip: clip,
    }
