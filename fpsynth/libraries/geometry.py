"""Windows in the terms of libraries: which padding makes a call read what a layer reads, and what it divides by."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.networks.layers import Shape
from fpsynth.networks.layers.windows import Padding, Windows


def symmetric(padding: Padding) -> bool:
    """Whether each axis has as much padding before as after."""
    return all(before == after for before, after in padding)


def spatial(layer: Any, shape: Shape) -> Padding:
    """Padding that has windows without ``ceil`` read what the layer's windows read of an input (channels, *sizes)."""
    windows: Windows = layer.windows
    result = []
    for axis, (size, count) in enumerate(zip(shape[1:], windows.places(shape[1:]), strict=True)):
        before = windows.padding[axis][0]
        reach = (count - 1) * windows.stride[axis] + windows.dilation[axis] * (windows.kernel[axis] - 1) + 1
        result.append((before, max(0, reach - before - size)))
    return tuple(result)


def same_padding(layer: Any, shape: Shape) -> Padding:
    """The padding that TensorFlow's SAME stands for."""
    windows: Windows = layer.windows
    result = []
    for size, kernel, stride, dilation in zip(shape[1:], windows.kernel, windows.stride, windows.dilation, strict=True):
        missing = max(0, (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size)
        result.append((missing // 2, missing - missing // 2))
    return tuple(result)


def is_same(layer: Any, shape: Shape) -> bool:
    """Whether the layer's windows are those of SAME."""
    places = tuple(-(-size // stride) for size, stride in zip(shape[1:], layer.windows.stride, strict=True))
    return layer.windows.places(shape[1:]) == places and spatial(layer, shape) == same_padding(layer, shape)


def counts(layer: Any, shape: Shape) -> NDArray[np.float64]:
    """What an average pooling divides by, of the output's sizes."""
    flat = layer.windows.counts(shape[1:], layer.count_padding)
    return np.asarray(flat.reshape(layer.windows.places(shape[1:])))


def counts_all(layer: Any, shape: Shape) -> bool:
    """Whether it divides by the number of a window's taps everywhere."""
    return bool((counts(layer, shape) == math.prod(layer.kernel)).all())


def counts_inside(layer: Any, shape: Shape) -> bool:
    """Whether it divides by the number of taps inside the input everywhere."""
    flat = layer.windows.counts(shape[1:], with_padding=False)
    return bool((counts(layer, shape).reshape(-1) == flat).all())
