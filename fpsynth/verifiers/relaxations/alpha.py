"""Alpha-CROWN: the slopes of the lower lines, free between those of the pieces, are moved to where a bound is the best.

Xu et al., "Fast and complete: enabling complete verification with rapid and massively parallel incomplete verifiers", ICLR
2021.  The bound is the value of a piecewise linear network at the point that minimises it: with that point and the chosen
lines held, its derivative by the slope s of a lower line s v + t with coefficient A > 0 is A (v + dt/ds), v being the line's
input there.  Every slope gives a valid bound, so that nothing here needs to be rounded with care.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.networks.graph import INPUT
from fpsynth.verifiers.relaxations.backward import Relaxed, least_values, relaxed
from fpsynth.verifiers.relaxations.crown import Analysis
from fpsynth.verifiers.relaxations.lines import Selecting
from fpsynth.verifiers.relaxations.maps import AffineMap, Matrix
from fpsynth.verifiers.relaxations.prepared import PreparedLayer, PreparedNetwork
from fpsynth.verifiers.relaxations.region import Inputs

STEPS = 20
"""Of the ascent, for each row."""
_RATE, _DECAY = 0.1, 0.98
_MEAN, _SQUARE, _LEAST = 0.9, 0.999, 1e-8
"""Adam's."""


@dataclass(frozen=True)
class Split:
    """A half of a region: the number at a place of a node's results is at least ``knot`` (sign 1), or at most (-1)."""

    node: str
    place: int
    sign: int
    knot: float


def improved(
    network: PreparedNetwork,
    inputs: Inputs,
    analysis: Analysis,
    rows: Floats,
    enough: Floats | float = 0.0,
    splits: tuple[Split, ...] = (),
    steps: int = STEPS,
) -> Floats:
    """A lower bound of each row of A y, the best that was met; rows that are above ``enough`` already are left at that."""
    rows = rows.astype(network.reasoning.dtype)
    best = least_values(network, inputs, analysis.found, analysis.relaxations, {network.output: rows})
    needed = np.broadcast_to(np.asarray(enough, best.dtype), best.shape)
    for number in np.flatnonzero(~(best > needed)):
        if np.isfinite(best[number]):
            ascent = Ascent(network, inputs, analysis, rows[number : number + 1], splits, float(needed[number]))
            best[number] = max(best[number], ascent.best(steps))
    return best


@dataclass(eq=False)
class Ascent:
    """One row on its way up.

    What a split says, sign (v - knot) >= 0, is subtracted with a factor that is not negative: the bound holds for all of the
    region's half, and is the larger the better the factor (Wang et al., "Beta-CROWN", NeurIPS 2021).
    """

    network: PreparedNetwork
    inputs: Inputs
    analysis: Analysis
    row: Floats
    """(1, outputs)."""
    splits: tuple[Split, ...] = ()
    enough: float = 0.0
    """Above it there is nothing to be won."""
    factors: Floats = field(init=False)
    """Of the splits."""

    def __post_init__(self) -> None:
        self.factors = np.zeros(len(self.splits), self.network.reasoning.dtype)

    def best(self, steps: int) -> float:
        """The best bound that was met."""
        relaxations: Mapping[str, Relaxed] = self.analysis.relaxations
        slopes = {name: one.under.slopes.copy() for name, one in relaxations.items()}
        adam, best = _Adam(), -np.inf
        for step in range(1, steps + 1):
            bound, gradients, by_factor = self.bound(relaxations)
            best = max(best, bound)
            if best > self.enough or not (gradients or by_factor.any()) or step == steps:
                break
            for name, gradient in gradients.items():
                moved = slopes[name] + adam.move(name, gradient, step)
                slopes[name] = np.clip(moved, 0, 1).astype(self.network.reasoning.dtype)
            if len(self.splits):
                moved = self.factors + adam.move("", by_factor, step) * self._scale
                self.factors = np.maximum(moved, 0).astype(self.network.reasoning.dtype)
            relaxations = self._relaxed(slopes)
        return best

    @property
    def _scale(self) -> float:
        """How large factors may be about: as the row is."""
        return float(np.abs(self.row).max(initial=0.0)) or 1.0

    def _relaxed(self, slopes: Mapping[str, Floats]) -> dict[str, Relaxed]:
        found = self.analysis.found
        return {name: relaxed(self.network.named[name], found, below) for name, below in slopes.items()}

    def bound(self, relaxations: Mapping[str, Relaxed]) -> tuple[float, dict[str, Floats], Floats]:
        """The bound, and its derivatives by the slopes of each selection's lower lines and by the splits' factors."""
        trace: dict[str, Any] = {}
        at, constant = self._wanted()
        least = least_values(self.network, self.inputs, self.analysis.found, relaxations, at, trace, constant)
        if INPUT not in trace:
            return float(least[0]), {}, np.zeros(len(self.splits))
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
        by_factor = np.array([-one.sign * (values[one.node][one.place] - one.knot) for one in self.splits])
        return float(least[0]), {name: gradient for name, gradient in gradients.items() if gradient.any()}, by_factor

    def _wanted(self) -> tuple[dict[str, Matrix], Floats]:
        """The coefficients of the logits and of the numbers that are split, and the constant."""
        reasoning, sizes = self.network.reasoning, self.network.sizes
        at: dict[str, Matrix] = {self.network.output: self.row.copy()}
        constant, lost = 0.0, 0.0
        for one, factor in zip(self.splits, self.factors.tolist(), strict=True):
            own = at.setdefault(one.node, np.zeros((1, sizes[one.node]), reasoning.dtype))
            if own[0, one.place]:
                continue  # the number is split already: a sum of two factors might round
            own[0, one.place] = -one.sign * factor
            constant += one.sign * factor * one.knot
            lost += abs(factor * one.knot) * reasoning.gamma(len(self.splits))
        return at, np.full(1, constant - lost, reasoning.dtype)

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


@dataclass(eq=False)
class _Adam:
    """Steps of Adam (Kingma and Ba, ICLR 2015), by the names of what is moved."""

    means: dict[str, Any] = field(default_factory=dict)
    squares: dict[str, Any] = field(default_factory=dict)

    def move(self, name: str, gradient: Floats, step: int) -> Floats:
        """How far to go upward."""
        mean = self.means[name] = _MEAN * self.means.get(name, 0.0) + (1 - _MEAN) * gradient
        square = self.squares[name] = _SQUARE * self.squares.get(name, 0.0) + (1 - _SQUARE) * gradient**2
        size = np.sqrt(square / (1 - _SQUARE**step)) + _LEAST
        return np.asarray(_RATE * _DECAY**step * mean / (1 - _MEAN**step) / size)
