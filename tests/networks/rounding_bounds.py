"""What a network gives in float64, and how far any float32 (or narrower) evaluation of it may be from that: a bound, proved.

Each sum of n terms, in whatever order and with whatever fusing, errs by at most gamma = k u / (1 - k u) times the sum of the
magnitudes of its terms, k >= n + 2 (its products, its additions, a bias, a division), u the unit roundoff: N. Higham, Accuracy
and Stability of Numerical Algorithms, 2nd ed., section 3.1.  Selections and views pass errors on: each is 1-Lipschitz in the
maximum norm.  What float64 itself errs is 2**-29 of that and covered by one more unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fpsynth.evaluators.gathering import gathered, viewed
from fpsynth.networks.layers.structure import Rearrangement, Selection, Sums, moved
from fpsynth.networks.network import Network, Node

SOFTMAX = 64
"""Units that exp, the sum of few of them and a division may err by: no standard says how far exp may be off."""


def outputs_and_bounds(network: Network, points: Any, unit: float = 2.0**-24, tiny: float = 2.0**-126) -> tuple[Any, Any]:
    """For points (count, *input shape), exact in their format: what the network gives, and how far others may be from it."""
    count = len(points)

    def step(node: Node, inputs: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
        values, errors = (np.concatenate(parts, axis=1) for parts in zip(*inputs, strict=True))
        structure = network.structure(node.name)
        if isinstance(structure, Rearrangement):
            zero = Rearrangement(structure.read)
            return viewed(structure, values), viewed(zero, errors)
        if isinstance(structure, Sums):
            return _summed(structure, values, errors, unit, tiny)
        return _selected(structure, values, errors, unit)

    flat = np.asarray(points, np.float64).reshape(count, -1)
    result: tuple[Any, Any] = network.run((flat, np.zeros_like(flat)), step)
    shaped = tuple(part.reshape(count, *network.output_shape) for part in result)
    return shaped[0], shaped[1]


def _summed(sums: Sums, values: Any, errors: Any, unit: float, tiny: float) -> tuple[Any, Any]:
    total, error = np.empty((len(values), sums.outputs)), np.empty((len(values), sums.outputs))
    for output in range(sums.outputs):
        addends = sums.addends(output)
        given, off = gathered(values, addends.read, 0.0), gathered(errors, addends.read, 0.0)
        weights = np.ones(given.shape[1]) if addends.weights is None else addends.weights.astype(np.float64)
        bias = 0.0 if addends.bias is None else float(addends.bias)
        k = given.shape[1] + 8  # eight: rather more than a bias, a division and what float64 errs
        gamma = k * unit / (1 - k * unit)
        size = (np.abs(given) + off) @ np.abs(weights) + abs(bias)
        total[:, output] = (given @ weights + bias) / addends.divisor
        error[:, output] = (off @ np.abs(weights) + gamma * size + k * tiny) / abs(addends.divisor)
    if (by := sums.normalisation) is None:
        return total, error
    group = np.repeat(np.arange(sums.groups), sums.classes * sums.positions)
    mean, factor, shift = (np.asarray(a, np.float64)[group] for a in (by.mean, by.factors(), by.shift))
    result = (total - mean) * factor + shift
    # scale x / d - (scale mean / d - shift) and other forms: ten roundings of what each of them adds
    size = (np.abs(total) + error + np.abs(mean)) * np.abs(factor) + np.abs(shift)
    return result, error * np.abs(factor) + 20 * unit * size + tiny


def _selected(selection: Selection, values: Any, errors: Any, unit: float) -> tuple[Any, Any]:
    results, bounds = [], []
    for group in range(selection.groups):
        read = moved(selection.taps.at(slice(None)), group * selection.group_stride)
        given, off = gathered(values, read, -np.inf), gathered(errors, read, 0.0)
        if selection.rule == "softmax":
            powers = np.exp(given - given.max(axis=-1, keepdims=True))
            results.append((powers / powers.sum(axis=-1, keepdims=True)).reshape(len(values), -1))
            spread = 2 * off.max(axis=-1, keepdims=True) + SOFTMAX * unit * (1 + np.abs(given).max(axis=-1, keepdims=True))
            bounds.append(np.broadcast_to(spread, given.shape).reshape(len(values), -1))
            continue
        if selection.rule == "argmax":
            results.append(given.argmax(axis=-1).astype(np.float64))
            best = np.sort(given, axis=-1)
            clear = best[..., -1] - (best[..., -2] if best.shape[-1] > 1 else -np.inf) > 2 * off.max(axis=-1)
            bounds.append(np.where(clear, 0.0, np.inf))
            continue
        value, error = given.max(axis=-1), off.max(axis=-1)
        if selection.slope is not None:
            error = error + unit * np.abs(value)
            value = np.where(value < 0, selection.slope * value, value)
        if selection.floor is not None:
            value = np.maximum(value, selection.floor)
        if selection.ceiling is not None:
            value = np.minimum(value, selection.ceiling)
        results.append(value)
        bounds.append(error)
    return np.concatenate(results, axis=1), np.concatenate(bounds, axis=1)
