"""Positions: where a neuron stands decides how it is summed and added on, which over the reals changes nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.corpus.families.base import (
    BELOW,
    FamilyDrawing,
    InstanceDraft,
    InstanceFamily,
    NothingDrawnError,
    box_of,
    power,
    stack,
    steps,
)
from fpsynth.corpus.instances.data import REAL, RUNTIME, SAT, UNSAT
from fpsynth.corpus.labels.environments import Computed
from fpsynth.corpus.labels.margins import violated
from fpsynth.networks.network import Network
from fpsynth.verifiers.properties import ExactBox

_TRIES = 100
"""Places that are tried."""
_TWINS = 1
"""The layer whose neurons are twins."""
Pair = tuple[int, int]
Places = Sequence[int]
"""Of the large weight that is subtracted, of the one that is added, and of the constant."""
Choice = TypeVar("Choice")


def twin(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """Two neurons have the same weights, and only one loses the constant where a library sums a layer in two ways.

    The margin is the amplitude times 1/2 less their difference.
    """
    rng, terms, outputs = drawing.rng, drawing.of(24, 16, 32, 48), drawing.of(5, 9, 17, 5, 10)
    large, amplitude = power(26 + rng.randrange(3)), power(rng.randrange(1, 4))
    weights, box = _weights_and_box(drawing)

    def made(places: Places, pair: Pair, size: float = large) -> Network:
        rows, last = np.zeros((outputs, terms)), np.zeros((2, outputs))
        rows[list(pair)] = _row(terms, places, size)
        last[1, list(pair)] = -amplitude, amplitude
        return stack(_first(terms, weights, places), (rows, np.zeros(outputs)), (last, [0.0, amplitude / 2]))

    tried = [rng.sample(range(terms), 3) for _ in range(_TRIES)]
    order = _in_two_ways(drawing, made(tried[0], (0, 1)), outputs)
    pairs = list(_unlike(order, outputs))
    places, pair = _chosen(itertools.product(tried, pairs), lambda choice: made(*choice), order, box, unsafe=True)
    parameters: dict[str, int | str] = {
        "terms": terms,
        "outputs": outputs,
        "places": " ".join(map(str, places)),
        "twins": " ".join(map(str, pair)),
        "wrong_in": order.environment,
    }
    safe = {REAL: UNSAT, RUNTIME: UNSAT, order.environment: UNSAT}
    small = "the two large weights are smaller: neither twin loses the constant"
    drafts = [
        InstanceDraft(made(places, pair), box, parameters, {**safe, order.environment: SAT}, _corner(box)),
        InstanceDraft(made(places, pair, power(12)), box, parameters, safe, controls=small),
    ]
    alike = next(((k, of) for of in pair for k in range(outputs) if k != of and _way(order, k) == _way(order, of)), None)
    if alike is not None:
        there = {**parameters, "twins": " ".join(map(str, alike))}
        text = "the twins stand where they are summed in one way"
        drafts.append(InstanceDraft(made(places, alike), box, there, safe, controls=text))
    return drafts


def _in_two_ways(drawing: FamilyDrawing, network: Network, outputs: int) -> Computed:
    """The order of the first environment that sums the twins' layer in two ways, ONNX Runtime being right."""
    others = (name for name in drawing.environments.names if name != RUNTIME)
    orders = (drawing.environments.computed(network, name) for name in others)
    for order in orders:
        if order is not None and order.network == network and any(_unlike(order, outputs)):
            return order
    raise NothingDrawnError(f"no environment sums {outputs} neurons of a layer in two ways")


def _unlike(order: Computed, outputs: int) -> Iterator[Pair]:
    """Neurons that are summed differently: a pair for each two ways, both ways round."""
    ways = {_way(order, k): k for k in range(outputs)}
    yield from itertools.permutations(ways.values(), 2)


def _way(order: Computed, neuron: int) -> object:
    return order.deployment.at(_TWINS, neuron)


def position(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """A sum over a layer's neurons loses a constant, and keeps it once two of them have changed places."""
    rng, terms, outputs = drawing.rng, drawing.of(4, 8, 16, 32, 64), drawing.of(2, 3, 4)
    large, amplitude = power(26 + rng.randrange(3)), power(rng.randrange(1, 4))
    weights, box = _weights_and_box(drawing)
    places = rng.sample(range(terms), 3)
    others = [[float(rng.randrange(3)) for _ in range(terms)] for _ in range(outputs - 1)]

    def made(other: int) -> Network:
        """The neuron of the constant has changed places with another one; all weights go with their neurons."""
        (before, bias), rows, last = (
            _first(terms, weights, places),
            [_row(terms, places, large), *others],
            np.zeros((2, outputs)),
        )
        last[1, 0] = amplitude
        at = _exchanged(terms, places[2], other)
        return stack((before[at], bias[at]), (np.array(rows)[:, at], np.zeros(outputs)), (last, [0.0, -amplitude / 2]))

    order = drawing.environments.computed(made(0), RUNTIME)
    if order is None or order.network != made(0):
        raise NothingDrawnError("the order is not known")
    tried = rng.sample(range(terms), terms)
    lost = _chosen(tried, made, order, box, unsafe=True)
    kept = _chosen(tried, made, order, box, unsafe=False)
    parameters: dict[str, int | str] = {"terms": terms, "outputs": outputs, "places": " ".join(map(str, places)), "other": lost}
    return [
        InstanceDraft(made(lost), box, parameters, {REAL: UNSAT, RUNTIME: SAT}, _corner(box)),
        InstanceDraft(
            made(kept),
            box,
            {**parameters, "other": kept},
            {REAL: UNSAT, RUNTIME: UNSAT},
            controls="the same neurons in other places: the same function over the reals",
        ),
    ]


def _exchanged(terms: int, one: int, other: int) -> list[int]:
    at = list(range(terms))
    at[one], at[other] = other, one
    return at


def _chosen(
    choices: Iterable[Choice], made: Callable[[Choice], Network], order: Computed, box: ExactBox, unsafe: bool
) -> Choice:
    """The first choice whose network is unsafe, or safe, at a corner, summed as one of the same shapes is."""
    corner = np.array([_corner(box)])
    for choice in choices:
        outputs = replace(order, network=made(choice)).outputs(corner)
        if bool(violated(BELOW, outputs)[0]) == unsafe:
            return choice
    raise NothingDrawnError(f"{order.environment} computes the same wherever the neurons stand")


def _weights_and_box(drawing: FamilyDrawing) -> tuple[list[float], ExactBox]:
    """Weights of the inputs, and a box with some thousand inputs of float32."""
    rng, inputs = drawing.rng, drawing.of(1, 2, 1)
    each = round((1 << 13) ** (1 / inputs))
    starts = [0.5 + rng.randrange(1 << 21) * power(-24) for _ in range(inputs)]
    return [float(rng.randrange(1, 4)) for _ in starts], box_of([(low, steps(low, each - 1)) for low in starts])


def _corner(box: ExactBox) -> tuple[float, ...]:
    return tuple(map(float, box.lower))


def _first(terms: int, weights: Sequence[float], places: Places) -> tuple[Floats, Floats]:
    """Neurons that are the same sum of the inputs, but for the constant."""
    before, bias = np.tile(np.array(weights, np.float64), (terms, 1)), np.zeros(terms)
    before[places[2]], bias[places[2]] = 0, 1
    return before, bias


def _row(terms: int, places: Places, large: float) -> Floats:
    row = np.zeros(terms)
    row[list(places)] = -large, large, 1
    return row


TWIN = InstanceFamily(
    "twin",
    "twin",
    "verifiers that take one order of additions for all neurons of a layer",
    "Two neurons have the same weights; a library sums them in different orders, so that they differ at every input.",
    twin,
)
POSITION = InstanceFamily(
    "position",
    "position",
    "verifiers to which the order of neurons means nothing",
    "A constant is lost at every input where its neuron stands; with two neurons exchanged, the same function is safe.",
    position,
)
