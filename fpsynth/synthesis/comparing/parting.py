"""Where two environments part: the first layer, and the neuron in it, whose values decide which class an input gets.

Truncated copies of the network are run in both libraries, which gives each layer's values; the layers behind them are then
computed in float64 from the values of either.  Up to the layer where the environments part, both lead to one class: what
rounding did so far is what rounding does.  From there on each leads to the class that its environment gave.  The first such
layer is found by bisection, and in it the neuron whose value alone, put among the other environment's, brings the class over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.evaluators.float64 import numpy_outputs
from fpsynth.formats import Format
from fpsynth.libraries.kernels import Environment
from fpsynth.networks.cancellation import cancelling, rows_of
from fpsynth.networks.cutting import behind, cuts, until
from fpsynth.networks.layers import Convolution, Dense
from fpsynth.networks.network import INPUT, Network, Node
from fpsynth.revealing.revealer import Revealer
from fpsynth.synthesis.comparing.comparison import NetworkComparison, Parting

MOST_PAIRS = 4
"""Pairs of environments that are looked into: those that change most."""
_MOST_NEURONS = 256
"""Neurons of the layer that are tried: those that differ most beside their own size."""


def partings(found: NetworkComparison, revealer: Revealer | None = None) -> tuple[Parting, ...]:
    """Where environments part whose classes change, for the pairs that change most; none where nothing is found.

    Runs at most about 2 log2(layers) truncated networks for each pair.
    """
    pairs = sorted((pair for pair in found.distinct_pairs if pair.changed), key=lambda pair: -len(pair.changed))
    by_name = {one.name: one.found.environment for one in found.environments if one.found is not None}
    result = []
    with Revealer() if revealer is None else _Kept(revealer) as asking:
        for pair in pairs[:MOST_PAIRS]:
            sides = by_name[pair.a], by_name[pair.b]
            where = parting(found.network.logits, found.dtype, found.points, pair.changed[0], sides, asking)
            if where is not None:
                result.append(where)
    return tuple(result)


class _Kept:
    """A revealer that somebody else closes."""

    def __init__(self, revealer: Revealer) -> None:
        self.revealer = revealer

    def __enter__(self) -> Revealer:
        return self.revealer

    def __exit__(self, *error: object) -> None:
        pass


def parting(
    network: Network, dtype: Format, points: Floats, number: int, sides: tuple[Environment, Environment], revealer: Revealer
) -> Parting | None:
    """Where ``sides`` part at the input of that number among ``points``; None where no layer's values lead to both classes."""
    looking = _Looking(network, dtype, points, number, sides, revealer)
    names = looking.cuts
    try:
        low, high = 0, len(names) - 1  # the last has the logits themselves
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if looking.decided(names[middle]) else (middle + 1, high)
        return looking.neuron(names[low]) if looking.decided(names[low]) else None
    except InputError:  # a library that runs the whole and not a part of it
        return None


@dataclass(frozen=True)
class _Looking:
    network: Network
    dtype: Format
    points: Floats
    number: int
    sides: tuple[Environment, Environment]
    revealer: Revealer

    @cached_property
    def cuts(self) -> tuple[str, ...]:
        """Layers that add, such that all that follows reads nothing before them but through them, in order; and the output."""
        adding = (name for name in self.network.sums if cuts(self.network, name))
        return tuple(dict.fromkeys([*adding, self.network.output]))

    @cached_property
    def _values(self) -> dict[str, tuple[Floats, Floats]]:
        return {}

    def values(self, name: str) -> tuple[Floats, Floats]:
        """What a layer gives in each environment for the input, flattened; it stands in its row of its batch."""
        if name not in self._values:
            a, b = (self._run(name, where) for where in self.sides)
            self._values[name] = a, b
        return self._values[name]

    def _run(self, name: str, where: Environment) -> Floats:
        begin = self.number - self.number % where.batch
        batch = self.points[begin : begin + where.batch]
        given = self.revealer.outputs(until(self.network, name), self.dtype, where, batch)
        values = np.asarray(given["outputs"], np.float64).reshape(len(batch), -1)
        return np.asarray(values[self.number - begin])

    @cached_property
    def classes(self) -> tuple[int, int]:
        """What each environment gives in the end."""
        a, b = (int(values.argmax()) for values in self.values(self.cuts[-1]))
        return a, b

    def decided(self, name: str) -> bool:
        """Whether the layer's values lead to the class of either environment."""
        logits = after(self.network, name, np.stack(self.values(name)))
        return tuple(logits.argmax(axis=1).tolist()) == self.classes and self.classes[0] != self.classes[1]

    def neuron(self, name: str) -> Parting:
        """The neuron of the layer that decides: each of b in turn put among those of a."""
        tried = self._differing(name)
        logits = after(self.network, name, self._exchanged(name, tried))
        first, second = self.classes
        ahead = np.nan_to_num(logits[:, second] - logits[:, first], nan=-np.inf)
        best = int(ahead.argmax())
        place = int(tried[best])
        a, b = self.values(name)
        position = tuple(map(int, np.unravel_index(place, self.network.shapes[name])))
        return Parting(
            a=str(self.sides[0]),
            b=str(self.sides[1]),
            input=self.number,
            layer=name,
            neuron=place,
            values=(float(a[place]), float(b[place])),
            alone=bool(logits[best].argmax() == second),
            size=self._size(name, place),
            position=position,
            cancels=_cancels(self.network[name], position),
        )

    def _differing(self, name: str) -> NDArray[np.intp]:
        """The neurons of the layer that differ, those first that do most beside their own size; not all of very many."""
        a, b = self.values(name)
        differing = np.flatnonzero(a != b)
        with np.errstate(invalid="ignore"):
            parts = np.abs(a - b)[differing] / np.maximum(np.abs(a), np.abs(b))[differing]
        order = np.argsort(-np.nan_to_num(parts, nan=np.inf), kind="stable")
        return np.asarray(differing[order][:_MOST_NEURONS])

    def _exchanged(self, name: str, neurons: NDArray[np.intp]) -> Floats:
        """A row for each of the neurons: the values of a, that neuron's of b."""
        a, b = self.values(name)
        rows = np.repeat(a[None], len(neurons), axis=0)
        rows[np.arange(len(neurons)), neurons] = b[neurons]
        return rows

    def _size(self, name: str, place: int) -> float | None:
        """The sum of the sizes of a neuron's summands, the values before it being those of float64."""
        node = self.network[name]
        if not isinstance(node.layer, Dense | Convolution):
            return None
        point = self.points[self.number].reshape(self.network.input_shape)
        (source,) = node.inputs
        inputs = point if source == INPUT else numpy_outputs(until(self.network, source), point)
        bias = None if node.layer.bias is None else np.abs(node.layer.bias)
        sizes = replace(node.layer, weight=np.abs(node.layer.weight), bias=bias)
        alone = Network((Node(name, sizes),), self.network.shapes[source], name)
        return float(numpy_outputs(alone, np.abs(np.asarray(inputs, np.float64))).reshape(-1)[place])


def _cancels(node: Node, position: Sequence[int]) -> bool:
    if not isinstance(node.layer, Dense | Convolution):
        return False
    neuron = position[0] if isinstance(node.layer, Convolution) else position[-1]
    return cancelling(rows_of(node.layer)[neuron]) is not None


def after(network: Network, name: str, values: Floats) -> Floats:
    """The logits (rows, outputs) in float64 where a node that cuts the network gives ``values`` (rows, numbers)."""
    rest = behind(network, name)
    if rest is None:
        return values
    shaped: Any = values.reshape(len(values), *network.shapes[name])
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(numpy_outputs(rest, shaped)).reshape(len(values), -1)


def parting_words(found: Parting) -> str:
    """One sentence."""
    who = "alone decides" if found.alone else "decides most"
    a, b = (f"{value:.6g}" for value in found.values)
    size = "" if found.size is None else f", of summands of {found.size:.3g} in all"
    weights = "; its weights cancel" if found.cancels else ""
    return (
        f"{found.a} and {found.b} part at input {found.input} in {found.layer}, neuron {found.neuron}: {a} and {b}{size}, which"
        f" {who} the class{weights}."
    )
