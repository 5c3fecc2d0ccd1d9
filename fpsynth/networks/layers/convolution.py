"""Convolution in one or two dimensions, channels first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.errors import InputError
from fpsynth.networks.layers.base import Layer, Names, frozen, integers, require_shape, sized
from fpsynth.networks.layers.structure import Outline, Shape, Sums, taps
from fpsynth.networks.layers.windows import Padding, Windows, padding


@dataclass(frozen=True, eq=False)
class Convolution(Layer):
    """Cross-correlation, as all libraries call it a convolution: (channels, length) or (channels, height, width) in and out."""

    kind = "convolution"
    names = Names(("Conv",), ("Conv1d", "Conv2d"), ("Conv1D", "Conv2D", "DepthwiseConv1D", "DepthwiseConv2D"))
    parameters = ("weight", "bias")

    weight: NDArray[Any]
    """(output channels, input channels / groups, length) or (..., height, width)."""
    bias: NDArray[Any] | None = None
    """(output channels,), or None."""
    stride: tuple[int, ...] = (1,)
    """For each axis; one number stands for all, here and below."""
    padding: Padding = ()
    """Zeros (before, after) along each axis; () for none."""
    dilation: tuple[int, ...] = (1,)
    """How far apart taps are."""
    groups: int = 1
    """Blocks of channels that do not see each other."""

    def __post_init__(self) -> None:
        weight = frozen(self.weight, "a convolution's weight")
        if weight.ndim not in (3, 4):
            raise InputError(f"a convolution's weight has 3 or 4 axes, not {weight.ndim}")
        bias = None if self.bias is None else frozen(self.bias, "a convolution's bias", 1)
        if bias is not None and len(bias) != len(weight):
            raise InputError(f"a convolution with {len(weight)} output channels has a bias of {len(bias)} numbers")
        axes = weight.ndim - 2
        (groups,) = integers(self.groups, "groups", 1, 1)
        if len(weight) % groups:
            raise InputError(f"{len(weight)} output channels are not {groups} equal groups")
        self._set(weight=weight, bias=bias, groups=groups, padding=padding(self.padding or 0, axes))
        self._set(stride=_each(self.stride, "stride", axes), dilation=_each(self.dilation, "dilation", axes))

    @property
    def windows(self) -> Windows:
        """The geometry of its taps."""
        return Windows(self.weight.shape[2:], self.stride, self.padding, self.dilation)

    def shape(self, *inputs: Shape) -> Shape:
        """(channels, *sizes) becomes (output channels, *windows)."""
        (shape,) = inputs
        require_shape(shape, self.weight.ndim - 1, "this convolution")
        if shape[0] != self.weight.shape[1] * self.groups:
            raise InputError(f"it reads {self.weight.shape[1] * self.groups} channels, but {shape[0]} come in")
        return sized((len(self.weight), *self.windows.places(shape[1:])))

    def outline(self, *inputs: Shape) -> Outline:
        """A position for each window, a term for each weight of an output channel."""
        positions = math.prod(self.windows.places(inputs[0][1:]))
        return Outline(positions, math.prod(self.weight.shape[1:]), True, self.bias is not None)

    def structure(self, *inputs: Shape) -> Sums:
        """Groups of channels; terms run over input channels, then over the kernel's axes."""
        ((_, *sizes),) = inputs
        outputs, channels = self.weight.shape[:2]
        classes, plane = outputs // self.groups, int(np.prod(sizes))
        return Sums(
            taps(np.arange(channels)[None, :] * plane, *self.windows.tables(tuple(sizes))),
            groups=self.groups,
            classes=classes,
            group_stride=channels * plane,
            weight=self.weight.reshape(self.groups, classes, -1),
            bias=None if self.bias is None else self.bias.reshape(self.groups, classes),
        )


def _each(values: Any, what: str, axes: int) -> tuple[int, ...]:
    given = integers(values, what, 1)
    return integers(given * axes if len(given) == 1 else given, what, 1, axes)
