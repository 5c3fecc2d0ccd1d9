"""Orders: a constant is swallowed or kept by the order of additions alone, so that one library is wrong at every input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fpsynth.corpus.families.base import (
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
from fpsynth.networks.network import Network
from fpsynth.verifiers.properties import ExactBox

_TRIES = 300
"""Places that are tried."""
Places = tuple[int, int, int]


def order(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """Wrong for every input in ONNX Runtime at batch 1, right in the others."""
    return _drafts(drawing, wrong=RUNTIME, right=_others(drawing))


def ghost(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """Wrong for every input in another library, right in ONNX Runtime."""
    others = _others(drawing)
    return _drafts(drawing, wrong=others[-1 - drawing.number % len(others)], right=(RUNTIME,))


def _others(drawing: FamilyDrawing) -> tuple[str, ...]:
    names = tuple(name for name in drawing.environments.names if name != RUNTIME)
    if not names:
        raise NothingDrawnError(f"orders are compared with that of {RUNTIME}: name another environment")
    return names


def _drafts(drawing: FamilyDrawing, wrong: str, right: Sequence[str]) -> Sequence[InstanceDraft]:
    """A row with -W x, W x and a constant among zeros: whoever adds the constant between the two loses it."""
    rng, terms, inputs = drawing.rng, drawing.of(16, 24, 32, 48, 64, 20), drawing.of(1, 1, 2)
    large, amplitude = power(26 + rng.randrange(3)), power(rng.randrange(1, 4))
    each = round((1 << 13) ** (1 / inputs))
    starts = [0.5 + rng.randrange(1 << 21) * power(-24) for _ in range(inputs)]
    box = box_of([(low, steps(low, each - 1)) for low in starts])
    weights = [float(rng.randrange(1, 4)) for _ in range(inputs)]

    def made(places: Places, size: float) -> Network:
        return _network(terms, weights, places, size, amplitude)

    places = _chosen(drawing, made, large, box, wrong, right)
    parameters: dict[str, int | str] = {
        "terms": terms,
        "places": " ".join(map(str, places)),
        "wrong_in": wrong,
        "inputs": inputs,
    }
    wanted = {REAL: UNSAT, wrong: SAT, **dict.fromkeys(right, UNSAT)}
    return [
        InstanceDraft(made(places, large), box, parameters, wanted, tuple(map(float, box.lower))),
        InstanceDraft(
            made(places, power(12)),
            box,
            parameters,
            {REAL: UNSAT, RUNTIME: UNSAT, **dict.fromkeys(right, UNSAT)},
            controls="the two large weights are smaller: no order loses the constant",
        ),
    ]


def _network(terms: int, weights: Sequence[float], places: Places, large: float, amplitude: float) -> Network:
    low, high, constant = places
    first, bias, row = np.zeros((terms, len(weights))), np.zeros(terms), np.zeros((1, terms))
    first[:] = weights
    first[constant], bias[constant] = 0, 1
    row[0, low], row[0, high], row[0, constant] = -large, large, 1
    return stack((first, bias), (row, [0.0]), ([[0.0], [amplitude]], [0.0, -amplitude / 2]))


def _chosen(drawing: FamilyDrawing, made: object, large: float, box: ExactBox, wrong: str, right: Sequence[str]) -> Places:
    """Places at which the revealed orders differ as wanted, tried at one corner."""
    rng, terms = drawing.rng, drawing.of(16, 24, 32, 48, 64, 20)
    corner = np.array([[float(low) for low in box.lower]])
    orders: dict[str, Computed] | None = None
    for _ in range(_TRIES):
        low, high, constant = rng.sample(range(terms), 3)
        network = made((low, high, constant), large)  # type: ignore[operator]
        if orders is None:
            orders = _orders(drawing, network, (wrong, *right))
        if _margin(orders[wrong], network, corner) <= 0 and all(_margin(orders[name], network, corner) > 0 for name in right):
            return low, high, constant
    raise NothingDrawnError(f"{wrong} adds up {terms} terms as {' and '.join(right)} do")


def _orders(drawing: FamilyDrawing, network: Network, names: Sequence[str]) -> dict[str, Computed]:
    """How networks of these shapes are computed; the labels are revealed anew for the one that is chosen."""
    orders = {name: drawing.environments.computed(network, name) for name in names}
    if any(one is None or one.network != network for one in orders.values()):
        raise NothingDrawnError("an order is not known")
    return {name: one for name, one in orders.items() if one is not None}


def _margin(order_: Computed, network: Network, points: object) -> float:
    outputs = replace(order_, network=network).outputs(np.asarray(points))
    return float(outputs[0, 1] - outputs[0, 0])


ORDER = InstanceFamily(
    "order",
    "order",
    "verifiers that attack in another library",
    "ONNX Runtime adds a row in an order that swallows a constant, at every input; other libraries keep it.",
    order,
)
GHOST = InstanceFamily(
    "ghost",
    "ghost",
    "verifiers whose attacks run in another library than what is deployed",
    "Another library swallows a constant at every input; ONNX Runtime keeps it: a counterexample found there does not replay.",
    ghost,
)
