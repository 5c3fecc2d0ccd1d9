"""Sums that are exact in every order, of addends that depend on one input each: how often each comes up.

Of each input all values are tried: they give that layer addends, and how often each comes up is counted.  The addends of two
inputs are independent, so that the sums' frequencies are their convolution; all later layers depend on the sum alone, and each
sum that comes up is tried once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.corpus.labels.environments import Computed
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.formats import FLOAT32, holds
from fpsynth.networks.layers import Flatten
from fpsynth.networks.layers.structure import PADDING, Rearrangement, Selection, Sums, moved
from fpsynth.networks.network import INPUT, Network, Node
from fpsynth.revealing.layer_runs import up_to
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.workers.deadlines import require_time

MAX_SUMS = 1 << 17
"""Multiples of the unit between the smallest and the largest sum."""
_BITS, _LEAST = FLOAT32.precision, -149
Owners = list[frozenset[int]]


def after(computed: Computed, name: str) -> Computed:
    """What follows a node, which nothing but the next one reads: its results are the input."""
    network = computed.network.logits
    place = [node.name for node in network.nodes].index(name)
    if name == network.output:
        same = Node("same", Flatten(), (INPUT,))
        return Computed(computed.environment, Network((same,), network.shapes[name], "same"), computed.deployment)
    first, *others = network.nodes[place + 1 :]
    rest = Network((replace(first, inputs=(INPUT,)), *others), network.shapes[name], network.output)
    return Computed(computed.environment, rest, later(computed.deployment, network.sums.index(name) + 1))


def later(deployment: Deployment, first: int) -> Deployment:
    """That of the layers from ``first`` on."""
    exceptions = tuple(
        ((layer - first, output), arithmetic) for (layer, output), arithmetic in deployment.exceptions if layer >= first
    )
    return Deployment(
        deployment.default, exceptions, tuple((k - first, arithmetic) for k, arithmetic in deployment.layers if k >= first)
    )


@dataclass(frozen=True)
class Axis:
    """The addends of one input in units, from ``least`` on: how many values have each, and the first that has it."""

    least: int
    counts: list[int]
    first: list[float]

    @classmethod
    def of(cls, numbers: Floats, units: NDArray[np.int64]) -> Axis:
        """From the values of the input and what each adds."""
        least = int(units.min())
        different, first, counts = np.unique(units - least, return_index=True, return_counts=True)
        axis = cls(least, [0] * (int(different[-1]) + 1), [0.0] * (int(different[-1]) + 1))
        for place, n, k in zip(different.tolist(), counts.tolist(), first.tolist(), strict=True):
            axis.counts[place], axis.first[place] = n, float(numbers[k])
        return axis


@dataclass(frozen=True)
class Totals:
    """The sums of one addend of each axis and of a constant, all in units."""

    unit: float
    start: int
    axes: Sequence[Axis]

    @property
    def length(self) -> int:
        """Multiples of the unit from the smallest sum to the largest."""
        return 1 + sum(len(axis.counts) - 1 for axis in self.axes)

    def numbers(self) -> Floats:
        """Every one of them, (sums, 1)."""
        least = self.start + sum(axis.least for axis in self.axes)
        return (np.arange(least, least + self.length, dtype=np.float64) * self.unit)[:, None]

    def frequencies(self) -> list[int]:
        """How many inputs have each: products of polynomials, packed into one integer each."""
        width = sum(sum(axis.counts).bit_length() for axis in self.axes) // 8 + 1
        product = 1
        for axis in self.axes:
            product *= int.from_bytes(b"".join(n.to_bytes(width, "little") for n in axis.counts), "little")
        packed = product.to_bytes(width * self.length, "little")
        return [int.from_bytes(packed[k : k + width], "little") for k in range(0, len(packed), width)]

    def marked(self, marks: NDArray[np.bool_]) -> tuple[int, int | None]:
        """How many inputs have sums that are marked, and the first of these; None: none."""
        frequencies = self.frequencies()
        number = sum(n for n, marked in zip(frequencies, marks.tolist(), strict=True) if marked)
        return number, next((k for k, n in enumerate(frequencies) if n and marks[k]), None)

    def example(self, total: int) -> tuple[float, ...]:
        """An input whose sum is the ``total``-th."""
        numbers: list[float] = []
        for k in range(len(self.axes) - 1, -1, -1):
            before = Totals(self.unit, 0, self.axes[:k]).frequencies() if k else [1]
            counts = self.axes[k].counts
            own = next(a for a, n in enumerate(counts) if n and 0 <= total - a < len(before) and before[total - a])
            numbers.insert(0, self.axes[k].first[own])
            total -= own
        return tuple(numbers)


def is_chain(graph: Network) -> bool:
    """Whether every node reads the one before it alone."""
    before = (INPUT, *(node.name for node in graph.nodes[:-1]))
    return [node.inputs for node in graph.nodes] == [(name,) for name in before]


def mixing_of(graph: Network) -> tuple[str, Owners] | None:
    """The first node whose outputs read several inputs, and which input each number before it reads; None: there is none.

    Nor is there one in a network that is no chain: what follows must read that node alone.
    """
    if not is_chain(graph):
        return None
    owners: Owners = [frozenset([k]) for k in range(int(np.prod(graph.input_shape)))]
    for node in graph.nodes:
        structure = graph.structure(node.name)
        if isinstance(structure, Sums):
            after = _owners(structure, owners)
            if any(len(one) > 1 for one in after):
                return node.name, owners
        else:
            after = _carried(structure, owners)
        if any(len(one) > 1 for one in after):
            return None
        owners = after
    return None


def _owners(sums: Sums, owners: Owners) -> Owners:
    owners_after = []
    for output in range(sums.outputs):
        addends = sums.addends(output)
        weights = np.ones(len(addends.read)) if addends.weights is None else addends.weights
        read = [place for place, w in zip(addends.read.tolist(), weights.tolist(), strict=True) if w and place != PADDING]
        owners_after.append(frozenset[int]().union(*(owners[place] for place in read)))
    return owners_after


def _carried(structure: Selection | Rearrangement, owners: Owners) -> Owners:
    if isinstance(structure, Rearrangement):
        read = range(len(owners)) if structure.read is None else structure.read.tolist()
        return [frozenset() if place == PADDING else owners[place] for place in read]
    first = structure.taps.at(slice(None))
    rows = [row for g in range(structure.groups) for row in moved(first, g * structure.group_stride).tolist()]
    return [frozenset[int]().union(*(owners[place] for place in row if place != PADDING)) for row in rows]


@dataclass(frozen=True)
class InputAddends:
    """What makes up the sums of a layer with one output, in units."""

    unit: float
    start: int
    """The constant part."""
    parts: Sequence[NDArray[np.int64]]
    """Of each input, value by value."""

    def totals(self, axes: Sequence[Floats]) -> Totals | None:
        """All sums of these values; None where there are too many."""
        made = Totals(self.unit, self.start, [Axis.of(*each) for each in zip(axes, self.parts, strict=True)])
        return made if made.length <= MAX_SUMS else None


@dataclass(frozen=True)
class Mixing:
    """A network up to and with the layer that mixes, which has one output."""

    computed: Computed
    axes: Sequence[Floats]
    """All values of each input."""
    name: str
    owners: Owners

    def addends(self) -> InputAddends | None:
        """What each value of each input adds; None where sums are not exact in every order."""
        network = self.computed.network.logits
        sums = network.structure(self.name)
        assert isinstance(sums, Sums)
        if sums.outputs != 1 or not computes_exactly(self.computed.deployment, network.sums.index(self.name), sums):
            return None
        weights, bias = _dense(sums, len(self.owners))
        values = [self._values(k) for k in range(len(self.axes))]
        unit = _unit(weights, bias, values)
        if unit is None:
            return None
        still = [j for j, own in enumerate(self.owners) if not own]
        start = int((values[0][0, still] @ weights[still] + bias) / unit)
        return InputAddends(unit, start, [self._own(k, each, weights / unit) for k, each in enumerate(values)])

    def _own(self, k: int, values: Floats, weights: Floats) -> NDArray[np.int64]:
        own = [j for j, one in enumerate(self.owners) if one == {k}]
        return (values[:, own] @ weights[own]).astype(np.int64)

    def _values(self, axis: int) -> Floats:
        """For each value of one input, what comes into the layer while the other inputs stay at their first."""
        require_time()
        points = np.tile([numbers[0] for numbers in self.axes], (len(self.axes[axis]), 1))
        points[:, axis] = self.axes[axis]
        network = self.computed.network.logits
        (before,) = network[self.name].inputs
        if before == INPUT:
            return points
        part = up_to(network, before)
        with np.errstate(all="ignore"):
            values = network_outputs(part, points.reshape(len(points), *part.input_shape), self.computed.deployment)
        return values.reshape(len(points), -1)


def computes_exactly(deployment: Deployment, layer: int, sums: Sums) -> bool:
    """Whether a layer gives exact sums wherever every partial sum of them is a float32, and does nothing else to them."""
    if sums.normalisation is not None or sums.divisor is not None:
        return False
    return all(map(_plain, {deployment.at(layer, output) for output in range(sums.outputs)}))


def _plain(arithmetic: Arithmetic) -> bool:
    """Whether it reads and keeps every float32 as it is."""
    changed = (arithmetic.given, arithmetic.operands, arithmetic.products, arithmetic.alignment)
    within = arithmetic.sum_format is not None and holds(arithmetic.sum_format, FLOAT32)
    return within and not arithmetic.flush and all(each is None for each in changed)


def _dense(sums: Sums, inputs: int) -> tuple[Floats, float]:
    """The weights (inputs,) and the bias of a layer with one output."""
    addends = sums.addends(0)
    weights = np.zeros(inputs)
    for t, place in enumerate(addends.read.tolist()):
        if place != PADDING:
            weights[place] += 1.0 if addends.weights is None else float(addends.weights[t])
    return weights, 0.0 if addends.bias is None else float(addends.bias)


def _unit(weights: Floats, bias: float, values: Sequence[Floats]) -> float | None:
    """A power of two that all products and biases are multiples of, if no sum of them needs more bits than float32 has.

    Then every partial sum is a float32, in whatever order; so are the products, which are exact in float64.
    """
    largest = np.max([np.abs(each).max(axis=0) for each in values], axis=0)
    if not (np.isfinite(largest).all() and np.isfinite(weights).all()):
        return None
    exponent = min([_last_bit(np.array([bias])), *(_last_bit(np.unique(each, axis=0) * weights) for each in values)])
    if exponent < _LEAST:
        return None
    unit = float(np.ldexp(1.0, min(exponent, 1000)))
    largest_sum = float((np.abs(weights) * largest).sum()) + abs(bias)
    return unit if largest_sum <= 2.0 ** (_BITS - 1) * unit else None


def _last_bit(numbers: Floats) -> int:
    """The exponent of the lowest bit that is set in any of them; large where all are zero."""
    nonzero = numbers[numbers != 0]
    if not len(nonzero):
        return 1 << 20
    significand, exponent = np.frexp(nonzero)
    whole = np.abs(np.ldexp(significand, 53)).astype(np.int64)
    low: NDArray[np.int64] = whole & -whole
    return int((exponent - 53 + np.round(np.log2(low.astype(np.float64))).astype(np.int64)).min())
