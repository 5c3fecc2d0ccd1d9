"""Kernels of real layers: where rows, weights and biases go in a layer's input and parameters, and its sums come out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsynth.aliases import Array
from fpsynth.libraries.graphs import Numbers
from fpsynth.libraries.kernels import MAX_RESULTS, MAX_TERMS, Kernel
from fpsynth.libraries.layer_shapes import NODE, LayerShape
from fpsynth.libraries.operands import CannotRun, narrowed, widened
from fpsynth.networks.layers.structure import PADDING, Sums
from fpsynth.networks.network import Dense, Network, Node


@dataclass(frozen=True)
class LayerKernel:
    """A network of one node, and how operands of a kernel become its input, its numbers and its result the kernel's."""

    network: Network
    inputs: Callable[[Array], Array]
    """Rows (batch, terms) to flat points (batch, inputs)."""
    numbers: Callable[[Array, Array | None], Numbers]
    """Weights (outputs, terms) and bias (outputs,) or None to the parameters of the node."""
    sums: Callable[[Array], Array]
    """Flat results (batch, all outputs) to the sums (batch, outputs) at the position."""


def layer_kernel(kernel: Kernel) -> LayerKernel:
    """Of a dense layer of the kernel's sizes, or of the real layer that it names.

    There, what the position's taps read is the row, all else is zero; a tap in the padding reads +0 whatever the row says: its
    term stays out.  The weights and the bias are those of the first group, the numbers of other groups, and their inputs, zero.
    Where the layer has no weights, every group reads the row, and the outputs are the groups.  Raises CannotRun where kernel
    and layer do not fit together, and for more than MAX_TERMS terms or MAX_RESULTS results.
    """
    if not 1 <= kernel.terms <= MAX_TERMS:
        raise CannotRun(f"a kernel has from 1 to {MAX_TERMS} terms, not {kernel.terms}")
    return _dense(kernel) if kernel.layer is None else _real(kernel, kernel.layer)


def _dense(kernel: Kernel) -> LayerKernel:
    weight = np.zeros((kernel.outputs, kernel.terms), np.float32)
    layer = Dense(weight, np.zeros(kernel.outputs, np.float32) if kernel.bias else None)
    network = Network((Node(NODE, layer),), (kernel.terms,), NODE)
    return LayerKernel(network, _same, lambda weights, bias: {NODE: (weights, bias)}, _same)


def _same(array: Array) -> Array:
    return array


def _real(kernel: Kernel, layer: LayerShape) -> LayerKernel:
    sums = layer.sums
    _require_fitting(kernel, layer, sums)
    outputs = sums.flat(np.arange(sums.groups), 0, kernel.position)
    if sums.weight is not None:
        outputs = sums.flat(0, np.arange(sums.classes), kernel.position)
    return LayerKernel(
        layer.network,
        _embedding(kernel, layer, sums),
        lambda weights, bias: {NODE: _parameters(layer, kernel, weights, bias)},
        lambda results: np.ascontiguousarray(results[:, outputs]),
    )


def _require_fitting(kernel: Kernel, layer: LayerShape, sums: Sums) -> None:
    if sums.normalisation is not None:
        raise CannotRun(f"a {layer.kind} is no sum: ask about the affine layer that it is computed as")
    own = sums.classes if sums.weight is not None else sums.groups
    if kernel.terms != sums.terms or kernel.outputs != own:
        raise CannotRun(f"the {layer.kind} adds {sums.terms} terms and has {own} outputs at a position")
    if not 0 <= kernel.position < sums.positions:
        raise CannotRun(f"position {kernel.position} is not among the {sums.positions} of the {layer.kind}")
    if kernel.bias and sums.bias is None:
        raise CannotRun(f"this {layer.kind} has no bias")
    if sums.weight is not None and not _PARAMETERS.get(layer.kind, ("", ""))[0]:
        raise CannotRun(f"the weights of a {layer.kind} cannot be chosen")
    if kernel.bias and sums.weight is None and math.prod(dict(layer.parameters)["value"]) != sums.groups:
        raise CannotRun(f"one number of this {layer.kind} stands for several: they cannot be chosen")
    if kernel.environment.batch * sums.outputs > MAX_RESULTS:
        raise CannotRun(f"{kernel.environment.batch} rows of {sums.outputs} outputs are more than {MAX_RESULTS} numbers")
    if kernel.environment.layout and layer.kind != Dense.kind:
        raise CannotRun(f"a {layer.kind} takes no layout")


def _embedding(kernel: Kernel, layer: LayerShape, sums: Sums) -> Callable[[Array], Array]:
    read = sums.taps.at(np.array([kernel.position]))[0]
    inside = read != PADDING
    size = math.prod(layer.input_shape)
    groups = 1 if sums.weight is not None else sums.groups
    places = read[inside] + np.arange(groups)[:, None] * sums.group_stride

    def embed(rows: Array) -> Array:
        """Zeros of a structured dtype are patterns of zeros, and these are +0 in every format."""
        points = np.zeros((len(rows), size), rows.dtype)
        points[:, places] = rows[:, None, inside]
        return points

    return embed


def _parameters(layer: LayerShape, kernel: Kernel, weights: Array, bias: Array | None) -> list[Array | None]:
    """In the order of the layer's parameters."""
    shapes = dict(layer.parameters)
    made: dict[str, Any] = {name: np.zeros(shape, weights.dtype) for name, shape in shapes.items()}
    weight, constant = _PARAMETERS.get(layer.kind, ("", ""))
    if weight:
        made[weight].reshape(-1)[: weights.size] = weights.reshape(-1)
    if constant in made and bias is not None:
        made[constant].reshape(-1)[: len(bias)] = bias if layer.kind not in _SUBTRACTED else _negated(bias, layer, kernel)
    return [made.get(name) for name in layer.layer.parameters]


_PARAMETERS = {
    "dense": ("weight", "bias"),
    "convolution": ("weight", "bias"),
    "affine": ("scale", "shift"),
    "multiply constant": ("value", ""),
    "add constant": ("", "value"),
    "subtract constant": ("", "value"),
}
"""Which parameters weights and biases are; of both, the first group's stand first."""
_SUBTRACTED = ("subtract constant",)


def _negated(bias: Array, layer: LayerShape, kernel: Kernel) -> Array:
    """What x - constant subtracts to add the bias, which is exact; constant - x adds it as it is."""
    if dict(layer.attributes).get("turned"):
        return bias
    return narrowed(-widened(bias), kernel.dtype, patterns=True)
