"""Layers as numpy, or CuPy, computes them: convolutions as windows of a padded array times a matrix."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

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
    LeakyReLU,
    MaxPooling,
    MultiplyConstant,
    Pad,
    ReLU,
    Reshape,
    SubtractConstant,
    Transpose,
)
from fpsynth.networks.layers.windows import Padding

Tensors = Sequence[Any]
Multiply = Callable[[Any, Any], Any]
"""Rows (..., inputs) and weights (inputs, outputs) to products (..., outputs): a variant's own call."""


def products(np: Any, variant: str) -> Multiply:
    """The call of a variant of numpy or of CuPy, of which ``np`` is the module."""

    def row_by_row(values: Any, weight: Any) -> Any:
        rows = values if values.ndim == 2 else values.reshape(-1, values.shape[-1])
        result = np.stack([np.dot(weight.T, row) for row in rows])
        return result if values.ndim == 2 else result.reshape(*values.shape[:-1], -1)

    return {"matmul": np.matmul, "dot": np.dot, "dot-rows": row_by_row}[variant]  # type: ignore[no-any-return]


def table(np: Any, variant: str, place: Callable[[Any], Any]) -> Table:
    """The functions of all layer types.

    ``place`` copies an array to where its address does not vary; it is applied to everything computed that may be multiplied
    next.  Views stay views.
    """
    computed = {**_elementwise(np), **_windowed(np, products(np, variant), place), Dense: _dense(products(np, variant))}
    moved: dict[Any, Step] = {
        Pad: lambda layer, tensors, inputs: np.pad(inputs[0], ((0, 0), *layer.padding), constant_values=layer.value),
        Concat: lambda layer, tensors, inputs: np.concatenate(inputs, axis=layer.axis + 1),
    }
    return {**{kind: _placed(step, place) for kind, step in {**computed, **moved}.items()}, **_VIEWS}


def _placed(step: Step, place: Callable[[Any], Any]) -> Step:
    return lambda layer, tensors, inputs: place(step(layer, tensors, inputs))


def _reshape(layer: Reshape, tensors: Tensors, inputs: Tensors) -> Any:
    return inputs[0].reshape(len(inputs[0]), *layer.shape(inputs[0].shape[1:]))


_VIEWS: dict[Any, Step] = {
    Flatten: lambda layer, tensors, inputs: inputs[0].reshape(len(inputs[0]), -1),
    Reshape: _reshape,
    Transpose: lambda layer, tensors, inputs: inputs[0].transpose(0, *(axis + 1 for axis in layer.axes)),
}


def _dense(multiply: Multiply) -> Step:
    def dense(layer: Dense, tensors: Tensors, inputs: Tensors) -> Any:
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


def _windowed(np: Any, multiply: Multiply, place: Callable[[Any], Any]) -> dict[Any, Step]:
    def convolution(layer: Convolution, tensors: Tensors, inputs: Tensors) -> Any:
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

    def average_pooling(layer: AveragePooling, tensors: Tensors, inputs: Tensors) -> Any:
        (values,) = inputs
        shape = values.shape[1:]
        view = _windows(np, layer, values, spatial(layer, shape), 0.0)
        divisors = counts(layer, shape).astype(values.dtype)
        return view.sum(axis=tuple(range(values.ndim, view.ndim)), dtype=values.dtype) / np.asarray(divisors)

    def max_pooling(layer: MaxPooling, tensors: Tensors, inputs: Tensors) -> Any:
        (values,) = inputs
        view = _windows(np, layer, values, spatial(layer, values.shape[1:]), -math.inf)
        return view.max(axis=tuple(range(values.ndim, view.ndim)))

    def global_average_pooling(layer: GlobalAveragePooling, tensors: Tensors, inputs: Tensors) -> Any:
        return inputs[0].mean(axis=tuple(range(2, inputs[0].ndim)), keepdims=layer.keep_axes)

    return {
        Convolution: convolution,
        AveragePooling: average_pooling,
        MaxPooling: max_pooling,
        GlobalAveragePooling: global_average_pooling,
    }


def _elementwise(np: Any) -> dict[Any, Step]:
    def channels(tensors: Tensors, inputs: Tensors) -> list[Any]:
        return [tensor.reshape(-1, *[1] * (inputs[0].ndim - 2)) for tensor in tensors]

    def batch_normalisation(layer: BatchNormalisation, tensors: Tensors, inputs: Tensors) -> Any:
        mean, variance, scale, shift = channels(tensors, inputs)
        return (inputs[0] - mean) / np.sqrt(variance + variance.dtype.type(layer.epsilon)) * scale + shift

    def affine(layer: Affine, tensors: Tensors, inputs: Tensors) -> Any:
        scale, shift = channels(tensors, inputs)
        return inputs[0] * scale + shift

    def add(layer: Add, tensors: Tensors, inputs: Tensors) -> Any:
        result = inputs[0]
        for values in inputs[1:]:
            result = result + values
        return result

    def subtract(layer: SubtractConstant, tensors: Tensors, inputs: Tensors) -> Any:
        return tensors[0] - inputs[0] if layer.turned else inputs[0] - tensors[0]

    def leaky_relu(layer: LeakyReLU, tensors: Tensors, inputs: Tensors) -> Any:
        (values,) = inputs
        return np.where(values < 0, values * values.dtype.type(layer.slope), values)

    def clip(layer: Clip, tensors: Tensors, inputs: Tensors) -> Any:
        (values,) = inputs
        if layer.lower is not None:
            values = np.maximum(values, values.dtype.type(layer.lower))
        return values if layer.upper is None else np.minimum(values, values.dtype.type(layer.upper))

    return {
        BatchNormalisation: batch_normalisation,
        Affine: affine,
        Add: add,
        AddConstant: lambda layer, tensors, inputs: inputs[0] + tensors[0],
        SubtractConstant: subtract,
        MultiplyConstant: lambda layer, tensors, inputs: inputs[0] * tensors[0],
        DivideConstant: lambda layer, tensors, inputs: inputs[0] / tensors[0],
        ReLU: lambda layer, tensors, inputs: np.maximum(inputs[0], inputs[0].dtype.type(0)),
        LeakyReLU: leaky_relu,
        Clip: clip,
    }
