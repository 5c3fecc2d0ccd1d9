"""Count unsafe inputs by sums: where neurons read one input each, up to a layer whose sums are exact in every order.

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
from fpsynth.corpus.labels.counting_each import Count
from fpsynth.corpus.labels.environments import Computed
from fpsynth.corpus.labels.margins import violated
from fpsynth.corpus.labels.points import Grid
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.formats import FLOAT32, holds
from fpsynth.networks.layers.structure import PADDING, Rearrangement, Selection, Sums, moved
from fpsynth.networks.network import INPUT, Network
from fpsynth.revealing.layer_runs import up_to
from fpsynth.sums.arithmetic import Deployment
from fpsynth.verifiers.properties import Property
from fpsynth.workers.deadlines import require_time

MAX_AXIS = 1 << 15
"""Values of one input that are tried."""
MAX_SUMS = 1 << 17
"""Multiples of the unit between the smallest and the largest sum."""
_BITS, _LEAST = FLOAT32.precision, -149
Owners = list[frozenset[int]]


def by_sums(computed: Computed, grid: Grid, unsafe: Property) -> Count | None:
    """All inputs of a grid; None where the network is not of that kind, or there are too many values or sums."""
    if max(grid.lengths) > MAX_AXIS or len(grid.lengths) < 2:
        return None
    mixing = _mixing(computed.network.logits)
    if mixing is None:
        return None
    sums = _Mixing(computed, grid, *mixing).sums()
    if sums is None:
        return None
    wrong = violated(unsafe, _after(computed, mixing[0], sums.numbers()))
    frequencies = sums.frequencies()
    bad = sum(number for number, is_bad in zip(frequencies, wrong.tolist(), strict=True) if is_bad)
    worst = next((k for k, number in enumerate(frequencies) if number and wrong[k]), None)
    example = () if worst is None else sums.example(worst)
    return Count(bad, grid.total, "all values of each input, and the frequencies of their exact sums", example)


def _after(computed: Computed, name: str, sums: Floats) -> Floats:
    """The outputs of the network for results (points, 1) of one of its nodes."""
    network = computed.network.logits
    place = [node.name for node in network.nodes].index(name)
    if name == network.output:
        return sums
    first, *others = network.nodes[place + 1 :]
    rest = Network((replace(first, inputs=(INPUT,)), *others), network.shapes[name], network.output)
    return Computed(computed.environment, rest, _later(computed.deployment, network.sums.index(name) + 1)).outputs(sums)


def _later(deployment: Deployment, first: int) -> Deployment:
    """That of the layers from ``first`` on."""
    exceptions = tuple(((layer - first, output), how) for (layer, output), how in deployment.exceptions if layer >= first)
    return Deployment(deployment.default, exceptions, tuple((k - first, how) for k, how in deployment.layers if k >= first))


@dataclass(frozen=True)
class _Axis:
    """The addends of one input in units, from ``least`` on: how many values have each, and the first that has it."""

    least: int
    counts: list[int]
    first: list[float]

    @classmethod
    def of(cls, numbers: Floats, units: NDArray[np.int64]) -> _Axis:
        """From the values of the input and what each adds."""
        least = int(units.min())
        found, first, counts = np.unique(units - least, return_index=True, return_counts=True)
        axis = cls(least, [0] * (int(found[-1]) + 1), [0.0] * (int(found[-1]) + 1))
        for place, n, k in zip(found.tolist(), counts.tolist(), first.tolist(), strict=True):
            axis.counts[place], axis.first[place] = n, float(numbers[k])
        return axis


@dataclass(frozen=True)
class _Sums:
    """The sums of one addend of each axis and of a constant, all in units."""

    unit: float
    start: int
    axes: Sequence[_Axis]

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

    def example(self, total: int) -> tuple[float, ...]:
        """An input whose sum is the ``total``-th."""
        found: list[float] = []
        for k in range(len(self.axes) - 1, -1, -1):
            before = _Sums(self.unit, 0, self.axes[:k]).frequencies() if k else [1]
            counts = self.axes[k].counts
            own = next(a for a, n in enumerate(counts) if n and 0 <= total - a < len(before) and before[total - a])
            found.insert(0, self.axes[k].first[own])
            total -= own
        return tuple(found)


def _mixing(graph: Network) -> tuple[str, Owners] | None:
    """The first node whose outputs read several inputs, and which input each number before it reads; None: there is none.

    Nor is there one in a network that is no chain: what follows must read that node alone.
    """
    if [node.inputs for node in graph.nodes] != [(name,) for name in (INPUT, *(node.name for node in graph.nodes[:-1]))]:
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
    found = []
    for output in range(sums.outputs):
        addends = sums.addends(output)
        weights = np.ones(len(addends.read)) if addends.weights is None else addends.weights
        read = [place for place, w in zip(addends.read.tolist(), weights.tolist(), strict=True) if w and place != PADDING]
        found.append(frozenset[int]().union(*(owners[place] for place in read)))
    return found


def _carried(structure: Selection | Rearrangement, owners: Owners) -> Owners:
    if isinstance(structure, Rearrangement):
        read = range(len(owners)) if structure.read is None else structure.read.tolist()
        return [frozenset() if place == PADDING else owners[place] for place in read]
    first = structure.taps.at(slice(None))
    rows = [row for g in range(structure.groups) for row in moved(first, g * structure.group_stride).tolist()]
    return [frozenset[int]().union(*(owners[place] for place in row if place != PADDING)) for row in rows]


@dataclass(frozen=True)
class _Mixing:
    """A network up to and with the layer that mixes, which has one output."""

    computed: Computed
    grid: Grid
    name: str
    owners: Owners

    def sums(self) -> _Sums | None:
        """All sums of the layer; None where they are not exact in every order, or too many."""
        network = self.computed.network.logits
        sums = network.structure(self.name)
        assert isinstance(sums, Sums)
        if sums.outputs != 1 or not self._plain(sums, network.sums.index(self.name)):
            return None
        weights, bias = _dense(sums, len(self.owners))
        axes = [self._values(k) for k in range(len(self.grid.lengths))]
        unit = _unit(weights, bias, [values for _, values in axes])
        if unit is None:
            return None
        still = [j for j, own in enumerate(self.owners) if not own]
        start = int((axes[0][1][0, still] @ weights[still] + bias) / unit)
        made = _Sums(unit, start, [self._axis(k, *axes[k], weights / unit) for k in range(len(axes))])
        return made if made.length <= MAX_SUMS else None

    def _axis(self, k: int, numbers: Floats, values: Floats, weights: Floats) -> _Axis:
        own = [j for j, one in enumerate(self.owners) if one == {k}]
        return _Axis.of(numbers, (values[:, own] @ weights[own]).astype(np.int64))

    def _plain(self, sums: Sums, index: int) -> bool:
        """Whether the layer is of float32 or wider formats throughout, and nothing else happens to a sum."""
        hows = {self.computed.deployment.at(index, output) for output in range(sums.outputs)}
        if sums.normalisation is not None or sums.divisor is not None:
            return False
        return all(
            how.given is None and how.operands is None and how.products is None and how.alignment is None and not how.flush
            and how.sum_format is not None and holds(how.sum_format, FLOAT32)
            for how in hows
        )  # fmt: skip

    def _values(self, axis: int) -> tuple[Floats, Floats]:
        """All numbers of one input, and for each what comes into the layer while the other inputs stay at their first."""
        require_time()
        numbers = self.grid.axis(axis)
        points = np.tile([low for low, _ in self.grid.ends()], (len(numbers), 1))
        points[:, axis] = numbers
        network = self.computed.network.logits
        (before,) = network[self.name].inputs
        if before == INPUT:
            return numbers, points
        part = up_to(network, before)
        with np.errstate(all="ignore"):
            values = network_outputs(part, points.reshape(len(points), *part.input_shape), self.computed.deployment)
        return numbers, values.reshape(len(points), -1)


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
