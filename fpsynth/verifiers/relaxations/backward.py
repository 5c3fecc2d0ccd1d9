"""Linear bounds substituted backwards through a network (DeepPoly, CROWN): how small linear functions of a node can be.

The invariant: for every input x of the region, with z the values of the nodes,

    wanted(x) >= sum over pending nodes of A_node z_node + constant - lost.

A step through z = W h + b + r, |r| <= e, replaces A z by (A W) h + A b - |A| e; one through a selection puts the lower line
where a coefficient is positive, the upper one where it is negative.  What float64 rounds in A W, with h no larger than m, is at
most gamma |A| |W| m: one product of a matrix with a vector, and exact values stay above the bound whatever A became.  (Singh et
al., "An abstract domain for certifying neural networks", POPL 2019; Zhang et al., "Efficient neural network robustness
certification with general activation functions", NeurIPS 2018.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.networks.graph import INPUT
from fpsynth.verifiers.relaxations.ends import Ends, source_ends
from fpsynth.verifiers.relaxations.lines import Lines, Selecting
from fpsynth.verifiers.relaxations.maps import AffineMap, Matrix, scipy_sparse
from fpsynth.verifiers.relaxations.prepared import PreparedLayer, PreparedNetwork
from fpsynth.verifiers.relaxations.reasoning import magnitude
from fpsynth.verifiers.relaxations.region import Inputs
from fpsynth.workers.deadlines import require_time

_DENSE = 0.2
"""The share of entries above which a matrix is no longer kept as a sparse one."""
_ROWS = 1 << 24
"""Entries of a dense matrix of coefficients: more rows are done in turns."""


@dataclass(frozen=True, eq=False)
class Relaxed:
    """A selection between its ends: lines below and above every output, and what its evaluation rounds."""

    under: Lines
    over: Lines
    rounding: Floats | float


def relaxed(layer: PreparedLayer, found: Mapping[str, Ends], below: Floats | None = None) -> Relaxed:
    """The lines of a selection, for the ends of its sources; ``below`` as in ``Selecting.lines``."""
    assert isinstance(layer.made, Selecting)
    given = source_ends(layer, found)
    under, over = layer.made.lines(given.lower, given.upper, layer.reasoning, below)
    return Relaxed(under, over, layer.rounding(given.lower, given.upper, given.units))


@dataclass(eq=False)
class Backward:
    """Rows of a linear function on their way to the input.  ``coefficients`` of nodes that are still to be replaced."""

    network: PreparedNetwork
    found: Mapping[str, Ends]
    relaxations: Mapping[str, Relaxed]
    constant: Floats
    lost: Floats
    coefficients: dict[str, Matrix] = field(default_factory=dict)
    trace: dict[str, Matrix] | None = None
    """Where given: the coefficients of every selection's results are put down here."""

    def run(self, inputs: Inputs) -> Floats:
        """A lower bound of every row over the inputs, (rows,)."""
        for layer in reversed(self.network.layers):
            matrix = self.coefficients.pop(layer.name, None)
            if matrix is None:
                continue
            require_time()
            with np.errstate(over="ignore", invalid="ignore"):
                self._spread(layer, self._through(layer, matrix))
        last = self.coefficients.pop(INPUT, None)
        if self.trace is not None and last is not None:
            self.trace[INPUT] = last
        return self._least(last, inputs)

    def ended(self, layer: PreparedLayer, matrix: Matrix, inputs: Inputs) -> Floats:
        """A lower bound of A z, z being the results of a layer whose own inputs are these."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self._least(self._through(layer, matrix), inputs)

    def _least(self, last: Matrix | None, inputs: Inputs) -> Floats:
        reasoning = self.network.reasoning
        with np.errstate(over="ignore", invalid="ignore"):
            least = self.constant if last is None else self._added(self.constant, inputs.least(last, reasoning))
            bound = least - self.lost
            if reasoning.rigorous:
                bound = bound - reasoning.gamma(4) * (np.abs(least) + self.lost) - reasoning.least
        return np.where(np.isnan(bound), -np.inf, bound)

    def _through(self, layer: PreparedLayer, matrix: Matrix) -> Matrix:
        if self.trace is not None and isinstance(layer.made, Selecting):
            self.trace[layer.name] = matrix
        if layer.made is None:
            return matrix
        given = source_ends(layer, self.found)
        inputs = magnitude(given.lower, given.upper)
        if isinstance(layer.made, AffineMap):
            self._lose(matrix, layer.own(inputs) + layer.rounding(given.lower, given.upper, given.units))
            self.constant = self._added(self.constant, matrix @ layer.made.bias)
            return _fitting(matrix @ layer.made.weight)
        lines = self.relaxations[layer.name]
        result, offsets, sizes = _replaced(matrix, lines.under, lines.over, inputs.shape[0])
        self.constant = self._added(self.constant, offsets)
        reasoning = self.network.reasoning
        if reasoning.rigorous:
            most = np.maximum(np.abs(lines.under.offsets), np.abs(lines.over.offsets))
            reach = np.maximum(lines.under.slopes, lines.over.slopes) * inputs[lines.under.read]
            self._lose(matrix, reasoning.gamma(sizes + matrix.shape[1]) * (most + reach) + reasoning.least)
        self._lose(matrix, lines.rounding)
        return result

    def _lose(self, matrix: Matrix, each: Floats | float) -> None:
        """|A| times what each of the node's results may be off by."""
        if isinstance(each, float) and not each:
            return
        weights = np.full(matrix.shape[1], each) if isinstance(each, float) else each
        lost = abs(matrix) @ weights
        if self.network.reasoning.rigorous:
            lost = lost * (1 + self.network.reasoning.gamma(matrix.shape[1])) + self.network.reasoning.least
            self.lost = np.nextafter(self.lost + lost, np.inf)
        else:
            self.lost = self.lost + lost

    def _added(self, a: Floats, b: Floats) -> Floats:
        """The sum, whose rounding is lost."""
        result = a + b
        if self.network.reasoning.rigorous:
            self.lost = np.nextafter(self.lost + np.abs(result) * self.network.reasoning.gamma(1), np.inf)
        return result

    def _spread(self, layer: PreparedLayer, matrix: Matrix) -> None:
        """Add the coefficients of a layer's inputs to those of its sources."""
        for source, part in zip(layer.sources, layer.slices, strict=True):
            own = matrix if len(layer.sources) == 1 else matrix[:, part]
            before = self.coefficients.get(source)
            if before is None:
                self.coefficients[source] = own
                continue
            total = before + own
            if self.network.reasoning.rigorous:
                ends = self.found[source]
                self._lose(total, self.network.reasoning.gamma(1) * magnitude(ends.lower, ends.upper))
            self.coefficients[source] = total


def _replaced(matrix: Matrix, under: Lines, over: Lines, inputs: int) -> tuple[Matrix, Floats, int]:
    """The coefficients of a selection's inputs, the sum of offsets, and the longest sum of coefficients."""
    if isinstance(matrix, np.ndarray):
        positive = matrix > 0
        scaled: Matrix = matrix * np.where(positive, under.slopes, over.slopes)
        offsets = np.where(positive, matrix, 0) @ under.offsets + np.where(positive, 0, matrix) @ over.offsets
    else:
        columns, data = matrix.indices, matrix.data
        positive = data > 0
        scaled = matrix.copy()
        scaled.data = data * np.where(positive, under.slopes[columns], over.slopes[columns])
        each = matrix.copy()
        each.data = data * np.where(positive, under.offsets[columns], over.offsets[columns])
        offsets = np.asarray(each.sum(axis=1)).reshape(-1)
    read = under.read
    if len(read) == inputs and (read == np.arange(inputs)).all():
        return scaled, offsets, 1
    count = len(read)
    places = scipy_sparse().csr_array((np.ones(count, scaled.dtype), (np.arange(count), read)), shape=(count, inputs))
    return _fitting(scaled @ places), offsets, int(np.bincount(read, minlength=1).max())


def _fitting(matrix: Matrix) -> Matrix:
    """Dense where most is not zero."""
    if isinstance(matrix, np.ndarray) or matrix.nnz < _DENSE * matrix.shape[0] * matrix.shape[1]:
        return matrix
    return matrix.toarray()


def least_values(
    network: PreparedNetwork,
    inputs: Inputs,
    found: Mapping[str, Ends],
    relaxations: Mapping[str, Relaxed],
    at: Mapping[str, Matrix],
    trace: dict[str, Any] | None = None,
    constant: Floats | None = None,
) -> Floats:
    """A lower bound, over the inputs, of each row of the sum of A z over nodes, and of a constant (rows,).

    ``at``: A of each node, (rows, numbers).  ``found`` and ``relaxations``: valid for all inputs of the region.  ``trace`` is
    given the coefficients of every selection's results, and of the inputs.
    """
    rows = next(iter(at.values())).shape[0]
    nothing = np.zeros(rows, network.reasoning.dtype)
    return Backward(network, found, relaxations, nothing if constant is None else constant, nothing, dict(at), trace).run(
        inputs
    )


def turns(rows: int, width: int) -> list[slice]:
    """So many rows in turns of which each holds no more than _ROWS numbers of a layer of that width."""
    layer = max(1, _ROWS // max(1, width))
    return [slice(start, min(start + layer, rows)) for start in range(0, rows, layer)]
