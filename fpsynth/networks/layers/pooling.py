"""Pooling over windows of each channel: averages, which are sums, and maxima, which are selections."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from fpsynth.errors import InputError
from fpsynth.networks.layers.base import Layer, Names, integers, require_shape, sized
from fpsynth.networks.layers.structure import Outline, Selection, Shape, Sums, odd_bits, taps
from fpsynth.networks.layers.windows import Padding, Windows, padding


@dataclass(frozen=True, eq=False)
class _Pooling(Layer):
    """Windows of ``kernel`` over (channels, length) or (channels, height, width)."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...] = ()
    """() for the kernel's sizes."""
    padding: Padding = ()
    """(before, after) along each axis; () for none."""
    ceil: bool = False
    """Whether a last window may reach beyond the padding, as long as it starts in the input or the padding before it."""

    def __post_init__(self) -> None:
        kernel = integers(self.kernel, "a kernel", 1)
        if len(kernel) not in (1, 2):
            raise InputError(f"pooling has 1 or 2 axes, not {len(kernel)}")
        pads = padding(self.padding or 0, len(kernel))
        if any(side >= size for pair, size in zip(pads, kernel, strict=True) for side in pair):
            raise InputError("padding must be narrower than the kernel: a window must not lie outside the input")
        stride = integers(self.stride or kernel, "stride", 1, len(kernel))
        self._set(kernel=kernel, stride=stride, padding=pads, ceil=bool(self.ceil))

    @property
    def windows(self) -> Windows:
        """The geometry of its taps."""
        return Windows(self.kernel, self.stride, self.padding, (1,) * len(self.kernel), self.ceil)

    def shape(self, *inputs: Shape) -> Shape:
        """(channels, *sizes) becomes (channels, *windows)."""
        (shape,) = inputs
        require_shape(shape, len(self.kernel) + 1, "this pooling")
        return sized((shape[0], *self.windows.places(shape[1:])))

    def outline(self, *inputs: Shape) -> Outline:
        """A position for each window, a term for each of its taps."""
        return Outline(math.prod(self.windows.places(inputs[0][1:])), math.prod(self.kernel))


@dataclass(frozen=True, eq=False)
class AveragePooling(_Pooling):
    """The sum of each window divided by the number of its taps."""

    kind = "average pooling"
    names = Names(("AveragePool",), ("AvgPool1d", "AvgPool2d"), ("AveragePooling1D", "AveragePooling2D"))

    count_padding: bool = True
    """Whether taps in the padding count in the divisor, as torch has it; those beyond it (``ceil``) never do."""

    def outline(self, *inputs: Shape) -> Outline:
        """As many sums; each is divided by the number of its taps, or of those that count."""
        taps_of_all = np.array([float(math.prod(self.kernel))])
        whole = not self.ceil and (self.count_padding or not any(side for pair in self.padding for side in pair))
        bits = odd_bits(taps_of_all) if whole else 2 * sum(self.kernel)  # the numbers up to n divide one below 4^n
        return replace(super().outline(*inputs), adds=True, divisor_bits=bits)

    def structure(self, *inputs: Shape) -> Sums:
        """A group for each channel."""
        ((channels, *sizes),) = inputs
        read = taps(*self.windows.tables(tuple(sizes)))
        divisor = self.windows.counts(tuple(sizes), self.count_padding)
        return Sums(read, groups=channels, group_stride=math.prod(sizes), divisor=divisor)


@dataclass(frozen=True, eq=False)
class GlobalAveragePooling(Layer):
    """The mean of each channel: (channels, ...) becomes (channels, 1, ...), or (channels,) without the axes."""

    kind = "global average pooling"
    names = Names(
        ("GlobalAveragePool", "ReduceMean"),
        ("AdaptiveAvgPool1d", "AdaptiveAvgPool2d"),
        ("GlobalAveragePooling1D", "GlobalAveragePooling2D"),
    )

    keep_axes: bool = True

    def shape(self, *inputs: Shape) -> Shape:
        """(channels, *sizes) becomes (channels, 1, ...) or (channels,)."""
        (shape,) = inputs
        if len(shape) < 2:
            raise InputError("global average pooling reads channels and at least one more axis")
        return (shape[0], *[1] * (len(shape) - 1)) if self.keep_axes else shape[:1]

    def outline(self, *inputs: Shape) -> Outline:
        """A term for each number of a channel."""
        plane = math.prod(inputs[0][1:])
        return Outline(1, plane, adds=True, divisor_bits=odd_bits(np.array([float(plane)])))

    def structure(self, *inputs: Shape) -> Sums:
        """A group for each channel, one position."""
        ((channels, *sizes),) = inputs
        plane = math.prod(sizes)
        return Sums(taps(np.arange(plane)[None, :]), groups=channels, group_stride=plane, divisor=np.array([float(plane)]))


@dataclass(frozen=True, eq=False)
class MaxPooling(_Pooling):
    """The largest number of each window; nothing is read from the padding."""

    kind = "max pooling"
    names = Names(("MaxPool",), ("MaxPool1d", "MaxPool2d"), ("MaxPooling1D", "MaxPooling2D"))

    def structure(self, *inputs: Shape) -> Selection:
        """A group for each channel."""
        ((channels, *sizes),) = inputs
        return Selection(taps(*self.windows.tables(tuple(sizes))), groups=channels, group_stride=math.prod(sizes))
