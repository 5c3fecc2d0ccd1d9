"""What attacks are given: a network in the arithmetic of an attacker, its gradients, and a judge of what they come up with."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from random import Random

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.corpus.labels.environments import Computed
from fpsynth.corpus.labels.margins import violated
from fpsynth.corpus.labels.points import Grid
from fpsynth.networks.layers.structure import PADDING, Rearrangement, Sums
from fpsynth.networks.network import Network
from fpsynth.verifiers.properties import Property

Singles = NDArray[np.float32]


class AttackResult(Exception):
    """A point was unsafe where it counts: the attack is over."""


class Spent(Exception):
    """No evaluations are left."""


@dataclass
class Target:
    """A question, and how many evaluations are left."""

    attacker: Computed
    """In which order the attacker computes the network."""
    judge: Computed
    """In which order it counts."""
    grid: Grid
    unsafe: Property
    limit: int
    rng: Random
    evaluations: int = field(default=0)

    @property
    def network(self) -> Network:
        """As it was given."""
        return self.attacker.network.logits

    @cached_property
    def ends(self) -> tuple[Floats, Floats]:
        """The corners of the box, each (inputs,)."""
        low, high = zip(*self.grid.ends(), strict=True)
        return np.array(low), np.array(high)

    def inside(self, points: Floats) -> Floats:
        """The nearest float32 in the box."""
        low, high = self.ends
        return np.clip(points.astype(np.float32).astype(np.float64), low, high)

    def drawn(self, count: int) -> Floats:
        """Points that are uniform in the box as a part of space, (count, inputs)."""
        low, high = self.ends
        uniform = np.array([[self.rng.random() for _ in low] for _ in range(count)])
        return self.inside(low + uniform * (high - low))

    def tried(self, points: Floats) -> Floats:
        """Evaluate points: how far the attacker finds each from being unsafe, roughly, (points,).

        Raises AttackResult where one of those that the attacker finds unsafe is unsafe in the judge's order, and Spent.
        """
        left = self.limit - self.evaluations
        if left <= 0:
            raise Spent
        points = points[:left]
        self.evaluations += len(points)
        outputs = self.attacker.outputs(points)
        candidates = points[violated(self.unsafe, outputs)]
        if len(candidates) and violated(self.unsafe, self.judge.outputs(candidates)).any():
            raise AttackResult
        return self.margins(outputs)

    def margins(self, outputs: Floats) -> Floats:
        """The least over conjunctions of the largest left side, in float64."""
        rows, bounds = self._rows
        lefts = outputs @ rows.T - bounds
        place, ends = 0, []
        for conjunction in self.unsafe.unsafe:
            ends.append(lefts[:, place : place + len(conjunction)].max(axis=1))
            place += len(conjunction)
        return np.asarray(np.min(ends, axis=0))

    @cached_property
    def _rows(self) -> tuple[Floats, Floats]:
        """Every inequality of every conjunction: coefficients of outputs, and bounds."""
        every = [one for conjunction in self.unsafe.unsafe for one in conjunction]
        rows = np.zeros((len(every), int(np.prod(self.network.output_shape))))
        for row, one in zip(rows, every, strict=True):
            for k, factor in one.coefficients:
                row[k] = float(factor)
        return rows, np.array([one.near_bound for one in every])

    @cached_property
    def layers(self) -> Layers | None:
        """The network as matrices; None where it is not a chain of sums, ReLUs and rearrangements."""
        return layers_of(self.network)

    def gradients(self, points: Floats) -> Singles:
        """Of the left side of the first inequality, as libraries differentiate in float32: (points, inputs)."""
        layers = self.layers
        assert layers is not None
        rows, _ = self._rows
        return gradients(layers, points.astype(np.float32), rows[0].astype(np.float32))


Layers = tuple[tuple[Singles, Singles] | None, ...]
"""Matrix (outputs, inputs) and bias of each layer of sums; None for a ReLU."""
MAX_ENTRIES = 1 << 22
"""Of a matrix."""


def layers_of(network: Network) -> Layers | None:
    """The network as matrices and ReLUs; None where it is anything else, or a matrix would be huge."""
    layers: list[tuple[Singles, Singles] | None] = []
    before = "input"
    size = int(np.prod(network.input_shape))
    for node in network.nodes:
        structure = network.structure(node.name)
        if node.inputs != (before,):
            return None
        if isinstance(structure, Sums):
            if structure.normalisation is not None or structure.outputs * size > MAX_ENTRIES:
                return None
            layers.append(_matrix(structure, size))
        elif isinstance(structure, Rearrangement):
            if structure.read is not None and structure.read.tolist() != list(range(size)):
                return None
        elif node.layer.kind == "relu":
            layers.append(None)
        else:
            return None
        before, size = node.name, int(np.prod(network.shapes[node.name]))
    return tuple(layers)


def _matrix(sums: Sums, size: int) -> tuple[Singles, Singles]:
    matrix, bias = np.zeros((sums.outputs, size), np.float32), np.zeros(sums.outputs, np.float32)
    for output in range(sums.outputs):
        addends = sums.addends(output)
        divisor = np.float32(addends.divisor)
        for t, place in enumerate(addends.read.tolist()):
            if place != PADDING:
                matrix[output, place] += (1.0 if addends.weights is None else addends.weights[t]) / divisor
        bias[output] = (0.0 if addends.bias is None else float(addends.bias)) / divisor
    return matrix, bias


def gradients(layers: Layers, points: Singles, direction: Singles) -> Singles:
    """Of the sum of ``direction`` times outputs at each point, backwards through the layers, all in float32."""
    values, masks = points, list[NDArray[np.bool_]]()
    for layer in layers:
        if layer is None:
            masks.append(values > 0)
            values = np.maximum(values, 0)
        else:
            values = values @ layer[0].T + layer[1]
    back = np.tile(direction, (len(points), 1)).astype(np.float32)
    for layer in reversed(layers):
        back = back * masks.pop() if layer is None else back @ layer[0]
    return back
