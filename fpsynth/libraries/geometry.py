"""Windows in the terms of libraries: which padding makes a call read what a layer reads, and what it divides by."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
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


def own_padding(layer: Any, shape: Shape) -> tuple[tuple[int, ...], bool, bool] | None:
    """Padding that is the same on both sides and at most half a window, whether ``ceil``, and whether averages count it.

    Of a pooling whose windows and divisors are the layer's; None where no such padding has them.
    """
    sides = tuple(before for before, _ in layer.padding)
    if any(2 * side > size for side, size in zip(sides, layer.kernel, strict=True)):
        return None
    for ceil, counted in product((layer.ceil, not layer.ceil), (True, False)):
        other = replace(layer, padding=sides, ceil=ceil, **_counting(layer, counted))
        if _alike(layer, other, shape):
            return sides, ceil, counted
    return None


def _counting(layer: Any, counted: bool) -> dict[str, bool]:
    return {"count_padding": counted} if hasattr(layer, "count_padding") else {}


def _alike(layer: Any, other: Any, shape: Shape) -> bool:
    """Whether two poolings read and divide alike."""
    tables = zip(layer.windows.tables(shape[1:]), other.windows.tables(shape[1:]), strict=True)
    averages = hasattr(layer, "count_padding")
    return all(map(np.array_equal, *zip(*tables, strict=True))) and (
        not averages or np.array_equal(counts(layer, shape), counts(other, shape))
    )


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


def depthwise(layer: Any) -> bool:
    """Whether a convolution is one that TensorFlow calls depthwise: every channel by itself, moved alike along all axes."""
    return layer.groups > 1 and layer.weight.shape[1] == 1 and len(set(layer.stride)) == 1
