"""Alpha-CROWN: the slopes of the lower lines, free between those of the pieces, are moved to where a bound is the best.

Xu et al., "Fast and complete: enabling complete verification with rapid and massively parallel incomplete verifiers", ICLR
2021.  The bound is the value of a piecewise linear network at the point that minimises it: with that point and the chosen
lines held, its derivative by the slope s of a lower line s v + t with coefficient A > 0 is A (v + dt/ds), v being the line's
input there.  Every slope gives a valid bound, so that nothing here needs to be rounded with care.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.networks.graph import INPUT
from fpsynth.verifiers.relaxations.backward import Relaxed, least_values, relaxed
from fpsynth.verifiers.relaxations.crown import Analysis
from fpsynth.verifiers.relaxations.lines import Selecting
from fpsynth.verifiers.relaxations.maps import AffineMap
from fpsynth.verifiers.relaxations.prepared import PreparedLayer, PreparedNetwork
from fpsynth.verifiers.relaxations.region import Inputs

STEPS = 20
"""Of the ascent, for each row."""
_RATE, _DECAY = 0.1, 0.98
_MEAN, _SQUARE, _LEAST = 0.9, 0.999, 1e-8
"""Adam's."""


def improved(network: PreparedNetwork, inputs: Inputs, analysis: Analysis, rows: Floats, steps: int = STEPS) -> Floats:
    """A lower bound of each row of A y, the best that was met; rows that are positive already are left at that."""
    rows = rows.astype(network.reasoning.dtype)
    best = least_values(network, inputs, analysis.found, analysis.relaxations, {network.output: rows})
    for number in np.flatnonzero(best <= 0):
        if np.isfinite(best[number]):
            best[number] = Ascent(network, inputs, analysis, rows[number : number + 1]).best(steps)
    return best


@dataclass(eq=False)
class Ascent:
    """One row on its way up."""

    network: PreparedNetwork
    inputs: Inputs
    analysis: Analysis
    row: Floats
    """(1, outputs)."""

    def best(self, steps: int) -> float:
        """The best bound that was met."""
        slopes = {name: one.under.slopes.copy() for name, one in self.analysis.relaxations.items()}
        means: dict[str, Any] = dict.fromkeys(slopes, 0.0)
        squares: dict[str, Any] = dict.fromkeys(slopes, 0.0)
        best, rate = -np.inf, _RATE
        for step in range(1, steps + 1):
            relaxations = self._relaxed(slopes) if step > 1 else self.analysis.relaxations
            bound, gradients = self.bound(relaxations)
            best = max(best, bound)
            if best > 0 or not gradients:
                break
            for name, gradient in gradients.items():
                means[name] = _MEAN * means[name] + (1 - _MEAN) * gradient
                squares[name] = _SQUARE * squares[name] + (1 - _SQUARE) * gradient**2
                move = means[name] / (1 - _MEAN**step) / (np.sqrt(squares[name] / (1 - _SQUARE**step)) + _LEAST)
                slopes[name] = np.clip(slopes[name] + rate * move, 0, 1).astype(self.network.reasoning.dtype)
            rate *= _DECAY
        return best

    def _relaxed(self, slopes: Mapping[str, Floats]) -> dict[str, Relaxed]:
        found = self.analysis.found
        return {name: relaxed(self.network.named[name], found, below) for name, below in slopes.items()}

    def bound(self, relaxations: Mapping[str, Relaxed]) -> tuple[float, dict[str, Floats]]:
        """The bound, and its derivatives by the slopes of each selection's lower lines."""
        trace: dict[str, Any] = {}
        at = {self.network.output: self.row}
        (bound,) = least_values(self.network, self.inputs, self.analysis.found, relaxations, at, trace)
        if INPUT not in trace:
            return float(bound), {}
        coefficients = {name: dense(matrix)[0] for name, matrix in trace.items()}
        values = {INPUT: self.inputs.minimisers(coefficients[INPUT][None])[0]}
        gradients: dict[str, Floats] = {}
        for layer in self.network.layers:
            given = layer.joined([values[source] for source in layer.sources])
            if isinstance(layer.made, Selecting):
                own, lines = coefficients.get(layer.name), relaxations[layer.name]
                if own is None:
                    own = np.zeros(len(lines.under.read))
                below = own > 0
                slopes = np.where(below, lines.under.slopes, lines.over.slopes)
                offsets = np.where(below, lines.under.offsets, lines.over.offsets)
                values[layer.name] = slopes * given[lines.under.read] + offsets
                gradients[layer.name] = np.where(below, own * (given[lines.under.read] - self._turning(layer, lines)), 0)
            else:
                values[layer.name] = given if layer.made is None else mapped(layer.made, given)
        return float(bound), {name: gradient for name, gradient in gradients.items() if gradient.any()}

    def _turning(self, layer: PreparedLayer, lines: Relaxed) -> Floats:
        """Where a lower line touches what it lies below: its offset falls by that for each unit of its slope."""
        assert isinstance(layer.made, Selecting)
        ends = [self.analysis.found[source] for source in layer.sources]
        low = layer.made.largest(layer.joined([end.lower for end in ends]))
        high = layer.made.largest(layer.joined([end.upper for end in ends]))
        points = np.array([low, high, *(np.clip(knot, low, high) for knot in layer.made.made.knots)])
        gaps = np.array([layer.made.made(point) for point in points]) - lines.under.slopes * points
        return np.asarray(np.take_along_axis(points, gaps.argmin(axis=0)[None], 0)[0])


def mapped(map: AffineMap, values: Floats) -> Floats:
    """A map of one vector."""
    return np.asarray(map.weight @ values + map.bias)


def dense(matrix: Any) -> Floats:
    """A matrix as an array."""
    return np.asarray(matrix if isinstance(matrix, np.ndarray) else matrix.toarray())
