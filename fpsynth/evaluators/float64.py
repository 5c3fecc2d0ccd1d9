"""A network over arrays of points as numpy computes it, each operation one of numpy, in whatever order numpy adds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.evaluators.gathering import blocks, flat_points, gathered, read_by, viewed
from fpsynth.networks.layers.structure import Selection, Sums, moved
from fpsynth.networks.network import Network, Node


def float64_outputs(network: Network, points: NDArray[np.float64]) -> Floats:
    """What the network gives in plain float64, for plausibility, never for claims: see ``numpy_outputs``."""
    return numpy_outputs(network, np.asarray(points, np.float64))


def numpy_outputs(network: Network, points: NDArray[Any]) -> NDArray[Any]:
    """What the network gives, softmax and argmax included, of shape (..., *output shape), for points (..., *input shape).

    Everything is computed in the type of the points: float16, float32 or float64, into which the network's numbers are rounded;
    batch normalisation by its formula.  Raises InputError for points of another shape.
    """

    def step(node: Node, inputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
        values, structure = inputs[0] if len(inputs) == 1 else np.concatenate(inputs, axis=1), network.structure(node.name)
        if isinstance(structure, Sums):
            return _summed(structure, values)
        return _selected(structure, values) if isinstance(structure, Selection) else viewed(structure, values)

    values = network.run(flat_points(network, points).astype(points.dtype), step)
    lead = np.asarray(points).shape[: np.ndim(points) - len(network.input_shape)]
    shaped: NDArray[Any] = values.reshape(*lead, *network.output_shape)
    return shaped


def _summed(sums: Sums, values: Floats) -> NDArray[Any]:
    if sums.classes_last and sums.weight is not None:  # dense: rows of inputs as they lie
        rows = values.reshape(-1, sums.terms)
        result = rows @ sums.weight[0].T.astype(values.dtype)
        return np.asarray(result if sums.bias is None else result + sums.bias[0].astype(values.dtype)).reshape(len(values), -1)
    result = np.empty((len(values), sums.groups, sums.classes, sums.positions), values.dtype)
    for chosen, groups, places in blocks(sums, len(values)):
        inputs = gathered(values[chosen], read_by(sums, groups, places), 0.0)
        result[chosen, groups, :, places] = _weighted(sums, groups, inputs)
    if sums.bias is not None:
        result += sums.bias[:, :, None].astype(values.dtype)
    if sums.divisor is not None:
        result /= sums.divisor.astype(values.dtype)
    if (by := sums.normalisation) is not None:
        mean, factor, shift = (a[:, None, None].astype(values.dtype) for a in (by.mean, by.factors(), by.shift))
        result = (result - mean) * factor + shift
    flat: NDArray[Any] = result.reshape(len(values), -1)
    return flat


def _weighted(sums: Sums, groups: slice, inputs: Floats) -> Floats:
    """``inputs`` (points, groups, positions, terms) weighted and added: (points, groups, classes, positions)."""
    if sums.weight is None:
        return np.asarray(inputs.sum(axis=-1)[:, :, None, :])
    return np.asarray((inputs @ sums.weight[groups].transpose(0, 2, 1).astype(inputs.dtype)).transpose(0, 1, 3, 2))


def _selected(selection: Selection, values: Floats) -> Floats:
    results = []
    for group in range(selection.groups):
        read = moved(selection.taps.at(slice(None)), group * selection.group_stride)
        results.append(_chosen(selection, gathered(values, read, -np.inf)))
    return np.concatenate(results, axis=1)


def _chosen(selection: Selection, inputs: Floats) -> Floats:
    """``inputs`` (points, positions, taps) reduced: (points, positions), or with the taps behind them for softmax."""
    if selection.rule == "argmax":
        return np.asarray(inputs.argmax(axis=-1), np.float64)
    if selection.rule == "softmax":
        powers = np.exp(inputs - inputs.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True)).reshape(len(inputs), -1)
    result = inputs.max(axis=-1)
    if selection.floor is not None:
        result = np.maximum(result, selection.floor)
    if selection.ceiling is not None:
        result = np.minimum(result, selection.ceiling)
    return np.asarray(result if selection.slope is None else np.where(result < 0, selection.slope * result, result))
