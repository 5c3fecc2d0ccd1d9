"""How far rounding can move the results of a network at given points: for one deployment, or for any order of its sums.

Let V be what float64 computes at a node, x the exact value there, and c what is computed in an arithmetic.  Through a sum
y = sum w_i x_i + b with all numbers finite, by Higham, "Accuracy and Stability of Numerical Algorithms" (2nd ed., 3.1 and 4.2):
a product or the bias takes part in at most m roundings on its way to the result, each a factor 1 + d with |d| <= u, so that

    |c_y - sum w_i c_i - b| <= g (sum |w_i| |c_i| + |b|) + r eta,      g = m u / (1 - m u),

r being the number of roundings and eta what one of them may lose by underflow; where subnormal operands are flushed, each
product may lose eta (|w_i| + |c_i|) more.  In any order of n products and a bias m is at most n + 1 and r at most 2n + 1.
With |c - V| <= e and |x - V| <= f at the inputs, e grows by sum |w_i| e_i and the like, f as in exact arithmetic but for the
rounding of V itself.  A maximum and a bound move no further than their inputs, and those by less than the least normal number
where subnormals are read as zeros; a slope between 0 and 1 rounds once more.  All this is evaluated in float64, and what that
rounds is added on top.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.evaluators.gathering import blocks, flat_points, gathered, read_by
from fpsynth.formats import Format
from fpsynth.networks.layers.structure import Selection, Sums, moved
from fpsynth.networks.network import Network, Node
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.sums.building import program_of
from fpsynth.sums.program import Program, StepKind

_NUMBERS, _ROWS = 1 << 19, 16
"""Of a layer's outputs whose bounds are computed at a time, and points at least: memory stays small, and products of matrices
large enough that threads of BLAS are not started in vain, which on a busy machine takes several times as long."""
_U = 2.0**-53
_TINY = 2.0**-1000
"""More than float64 loses to underflow in any sum here."""


@dataclass(frozen=True)
class Bounds:
    """Values of float64, and how far others may be from them; all of shape (points, outputs)."""

    values: Floats
    computed: Floats
    """What is computed is no farther from them; infinite where a number may overflow, or no bound is known."""
    exact: Floats
    """The exact values are no farther from them."""

    def may_change(self) -> NDArray[np.bool_]:
        """For each point whether two results within these bounds may have different classes, by the largest logit."""
        top = self.values.argmax(axis=1)[:, None]
        best, room = np.take_along_axis(self.values, top, 1), np.take_along_axis(self.computed, top, 1)
        with np.errstate(invalid="ignore"):
            others = ~(best - self.values > (room + self.computed) * (1 + 4 * _U) + 4 * _U * np.abs(best))
        np.put_along_axis(others, top, False, 1)
        return np.asarray(others.any(axis=1))


def rounding_bounds(network: Network, points: Floats, dtype: Format, deployment: Deployment | None = None) -> Bounds:
    """Bounds for the logits at points (..., *input shape) of numbers of ``dtype``, all computed in it.

    ``deployment``: how each layer is evaluated; None: products and sums are rounded to nearest into ``dtype`` or a wider
    format, in any order, fused or not, subnormals flushed or not.  Raises InputError for a batch normalisation, which must be
    rewritten as what it is computed as, and for points of another shape.
    """
    graph = network.logits
    flat = flat_points(graph, points)
    rows = max(_ROWS, _NUMBERS // max(math.prod(shape) for shape in graph.shapes.values()))
    sums = [(name, graph.structure(name)) for name in graph.sums]
    layers = {
        name: _Layer(LayerLosses(name, s, dtype, deployment, k)) for k, (name, s) in enumerate(sums) if isinstance(s, Sums)
    }
    starts = range(0, max(1, len(flat)), rows)
    parts = [_parts(_bounds(graph, flat[start : start + rows], dtype, layers)) for start in starts]
    return Bounds(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _bounds(graph: Network, flat: Floats, dtype: Format, layers: Mapping[str, _Layer]) -> Bounds:
    """The bounds of some points (points, inputs)."""
    nothing = np.zeros_like(flat)

    def step(node: Node, inputs: Sequence[Bounds]) -> Bounds:
        given = _joined(inputs)
        structure = graph.structure(node.name)
        if isinstance(structure, Sums):
            return layers[node.name].of(given)
        if isinstance(structure, Selection):
            return _selected(structure, given, dtype)
        if structure.read is None:
            return given
        read, fill = structure.read, structure.fill
        return Bounds(*(gathered(x, read, f) for x, f in zip(_parts(given), (fill, 0.0, 0.0), strict=True)))

    with np.errstate(over="ignore", invalid="ignore"):
        return graph.run(Bounds(flat, nothing, nothing), step)


def _parts(bounds: Bounds) -> tuple[Floats, Floats, Floats]:
    return bounds.values, bounds.computed, bounds.exact


def _joined(parts: Sequence[Bounds]) -> Bounds:
    if len(parts) == 1:
        return parts[0]
    return Bounds(*(np.concatenate(columns, axis=1) for columns in zip(*map(_parts, parts), strict=True)))


@dataclass(frozen=True)
class _Loss:
    """What a sum loses: relatively to the sum of its addends' magnitudes, and absolutely."""

    relative: float
    absolute: float


def _any_order(terms: int, biased: bool, fmt: Format) -> _Loss:
    return _loss((terms + biased + 1) * float(fmt.unit_roundoff), (2 * terms + 2) * float(fmt.min_normal))


def _loss(roundings: float, absolute: float) -> _Loss:
    """``roundings``: the sum of their units on the longest way."""
    if roundings >= 0.5:
        return _Loss(float("inf"), absolute)
    return _Loss(roundings / (1 - roundings) * (1 + 2.0**-40), absolute * 2)


def program_loss(program: Program) -> _Loss:
    """The same of a program; infinite where it aligns, of which this file knows no bound."""
    assert program.format is not None
    if any(step.kind is StepKind.ALIGNED for step in set(program.steps)):
        return _Loss(float("inf"), 0.0)
    units = {one: 2 * float(one.format.unit_roundoff) for one in program.roundings}
    for one in units:
        if one.mode.value in ("RNE", "RNA"):
            units[one] /= 2
    ways = [sum(2 * units[one] for one in leaf.reads) + sum(units[one] for one in leaf.rounds) for leaf in program.leaves]
    for operands, step in zip(program.tree.steps, program.steps, strict=True):
        ways.append(max(ways[node] for node in operands) + sum(units[one] for one in step.rounds))
    last = ways[program.tree.root] + sum(units[one] for one in program.result)
    count = 3 * len(program.leaves) + sum(len(step.rounds) for step in program.steps) + len(program.result)
    lost = max((float(one.format.min_normal) for one in units), default=0.0)
    return _loss(last, 2 * count * lost)


@dataclass(frozen=True)
class LayerLosses:
    """What a node of sums of numbers of ``dtype`` loses by rounding: as layer ``index`` of a deployment, or in any order.

    Raises InputError for a batch normalisation, which must be rewritten as what it is computed as.
    """

    name: str
    sums: Sums
    dtype: Format
    deployment: Deployment | None
    index: int

    def __post_init__(self) -> None:
        if self.sums.normalisation is not None:
            raise InputError(f"{self.name}: rewrite the batch normalisation as what it is computed as first")

    @property
    def relative(self) -> Floats:
        """Of each output, relative to the sum of its addends' magnitudes as they are computed, (outputs,)."""
        return self._losses[0]

    @property
    def absolute(self) -> Floats:
        """Of each output beside that, (outputs,)."""
        return self._losses[1]

    def flushed(self, largest: Floats | float) -> Any:
        """What products lose by factors that are read as zeros or as subnormals, where no input is larger than ``largest``."""
        least = max(float(fmt.min_normal) for fmt in self._formats)
        return 4 * least * self.sums.terms * (largest + self._largest) * self._quotients[0]

    def fits(self, sizes: Floats, largest: Floats | float) -> Any:
        """Whether nothing can overflow, for each output: neither a number that is read nor a sum before it is divided.

        ``sizes``: more than the sums of the addends' magnitudes, divided, with all that is lost; ``largest``: as above.
        """
        limit = min(float(fmt.max_finite) for fmt in self._formats) / 2
        return (sizes * self._quotients[1] < limit) & (largest < limit) & (self._largest < limit)

    @cached_property
    def _formats(self) -> frozenset[Format]:
        """All that a number is rounded into on its way, and the node's own."""
        found = {self.dtype}
        if self.deployment is not None:
            exceptions = {how for (layer, _), how in self.deployment.exceptions if layer == self.index}
            for how in {self.deployment.of_layer(self.index), *exceptions}:
                found |= program_of(how, self.sums.terms, self.sums.bias is not None).formats
        return frozenset(found)

    @cached_property
    def _quotients(self) -> tuple[Floats | float, Floats | float]:
        """By how much a quotient may be larger than its sum, and the sum than its quotient; at least 1, (outputs,)."""
        if self.sums.divisor is None:
            return 1.0, 1.0
        divisors = np.abs(self._divisors)
        return np.maximum(1.0, 1 / divisors) * (1 + 4 * _U), np.maximum(1.0, divisors)

    @cached_property
    def _divisors(self) -> Floats:
        """Of each output, (outputs,)."""
        assert self.sums.divisor is not None
        positions = np.asarray(self.sums.divisor, np.float64)
        outputs = np.arange(self.sums.outputs)
        return positions[outputs // self.sums.classes if self.sums.classes_last else outputs % self.sums.positions]

    @cached_property
    def _largest(self) -> float:
        """Of the weights' magnitudes."""
        return 1.0 if self.sums.weight is None else float(np.abs(self.sums.weight).max(initial=0.0))

    @cached_property
    def _losses(self) -> tuple[Floats, Floats]:
        sums = self.sums
        biased, divided = sums.bias is not None, 3.0 * float(self.dtype.unit_roundoff) if sums.divisor is not None else 0.0
        if self.deployment is None:
            loss = _any_order(sums.terms, biased, self.dtype)
            return loss.relative + divided + self._inverted(), np.full(sums.outputs, loss.absolute) * self._quotients[0]
        usual = self._of(self.deployment.of_layer(self.index), biased)
        relative, absolute = np.full(sums.outputs, usual.relative), np.full(sums.outputs, usual.absolute)
        known: dict[Arithmetic, _Loss] = {}
        for (layer, output), how in self.deployment.exceptions:
            if layer == self.index:
                if how not in known:
                    known[how] = self._of(how, biased)
                relative[output], absolute[output] = known[how].relative, known[how].absolute
        return relative + divided, absolute * self._quotients[0]

    def _inverted(self) -> Floats:
        """What more is lost where the sum is multiplied by the inverse of its divisor, which may be no normal number."""
        lost = np.zeros(self.sums.outputs)
        if self.sums.divisor is None:
            return lost
        divisors = np.abs(self._divisors)
        lost[divisors > 0.5 / float(self.dtype.min_normal)] = 1.0
        lost[(divisors < 4 / float(self.dtype.max_finite)) | (divisors < float(self.dtype.min_normal))] = np.inf
        return lost

    def _of(self, how: Arithmetic, biased: bool) -> _Loss:
        if how.format is None:
            return _Loss(0.0, 0.0)
        return program_loss(program_of(how, self.sums.terms, biased))


@dataclass(frozen=True)
class _Layer:
    """One node of sums."""

    losses: LayerLosses

    @property
    def sums(self) -> Sums:
        """Of the node."""
        return self.losses.sums

    def of(self, given: Bounds) -> Bounds:
        """The bounds behind it."""
        sums, losses = self.sums, self.losses
        values, size = self._summed(given.values, signed=True), self._summed(np.abs(given.values), signed=False)
        moved_by, exact = (self._summed(error, signed=False, bias=False) for error in (given.computed, given.exact))
        own = 2 * (sums.terms + 4) * _U
        largest = (np.abs(given.values) + given.computed).max(axis=1, keepdims=True, initial=0.0)
        flushed = losses.flushed(largest)
        computed = (moved_by + losses.relative * (size + moved_by) + losses.absolute + flushed) * (1 + own) + own * size + _TINY
        computed = np.where(losses.fits(size * (1 + own) + computed, largest), computed, np.inf)
        return Bounds(values, np.where(np.isnan(computed), np.inf, computed), exact * (1 + own) + own * size + _TINY)

    @cached_property
    def _weights(self) -> tuple[Floats | None, Floats | None]:
        """The weights in float64, and their magnitudes."""
        if self.sums.weight is None:
            return None, None
        weight = self.sums.weight.astype(np.float64, copy=False)
        return weight, np.abs(weight)

    def _summed(self, values: Floats, *, signed: bool, bias: bool = True) -> Floats:
        """Sums in float64, with the weights' magnitudes unless ``signed``."""
        sums = self.sums
        if not bias and not values.any():
            return np.zeros((len(values), sums.outputs))
        weight, added = self._weights[0 if signed else 1], sums.bias if bias else None
        if added is not None:
            added = added.astype(np.float64) if signed else np.abs(added.astype(np.float64))
        if sums.classes_last and weight is not None:
            result = (values.reshape(-1, sums.terms) @ weight[0].T).reshape(len(values), -1, sums.classes)
            return np.asarray(result if added is None else result + added[0]).reshape(len(values), -1)
        out = np.empty((len(values), sums.groups, sums.classes, sums.positions))
        for chosen, groups, places in blocks(sums, len(values)):
            inputs = gathered(values[chosen], read_by(sums, groups, places), 0.0)
            if weight is None:
                out[chosen, groups, :, places] = inputs.sum(axis=-1)[:, :, None, :]
            else:
                out[chosen, groups, :, places] = _products(inputs, weight[groups]).transpose(0, 1, 3, 2)
        if added is not None:
            out += added[:, :, None]
        if sums.divisor is not None:
            out /= sums.divisor if signed else np.abs(sums.divisor)
        return out.reshape(len(values), -1)


def _products(inputs: Floats, weight: Floats) -> Floats:
    """(points, groups, positions, terms) times (groups, classes, terms): (points, groups, positions, classes).

    All points of one group are one product of matrices, which takes a fraction of the time of one for each point.
    """
    points, groups, places, terms = inputs.shape
    if groups > 1:
        return np.asarray(inputs @ weight.transpose(0, 2, 1))
    return np.asarray(inputs.reshape(-1, terms) @ weight[0].T).reshape(points, 1, places, -1)


def _selected(selection: Selection, given: Bounds, dtype: Format) -> Bounds:
    parts = []
    for group in range(selection.groups):
        read = moved(selection.taps.at(slice(None)), group * selection.group_stride)
        values = gathered(given.values, read, -np.inf).max(axis=-1)
        errors = [gathered(error, read, 0.0).max(axis=-1) for error in (given.computed, given.exact)]
        parts.append((values, *errors))
    values, computed, exact = (np.concatenate(column, axis=1) for column in zip(*parts, strict=True))
    unit, least = float(dtype.unit_roundoff), float(dtype.min_normal)
    computed = (computed + 2 * least) * (1 + 4 * _U)  # subnormals may be read as zeros, those of the network's inputs too
    if selection.slope is not None:
        computed = computed + (np.abs(values) + computed) * (unit * 2 + 2 * least) + least  # a slope may be subnormal
        exact = exact + np.abs(values) * 4 * _U + _TINY
        values = np.where(values < 0, selection.slope * values, values)
    if selection.floor is not None:
        values = np.maximum(values, selection.floor)
    if selection.ceiling is not None:
        values = np.minimum(values, selection.ceiling)
    return Bounds(values, computed, exact)
