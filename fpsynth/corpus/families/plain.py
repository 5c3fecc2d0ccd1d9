"""Controls of a whole corpus: networks drawn at random, broken over the reals or robust by margins that nobody rounds away."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction

from fpsynth.corpus.families.base import FamilyDrawing, InstanceDraft, InstanceFamily, NothingDrawnError, box_of, power, stack
from fpsynth.corpus.instances.data import ANY, REAL, RUNTIME, SAT, UNSAT
from fpsynth.corpus.labels.margins import margin
from fpsynth.corpus.labels.real import least_margin
from fpsynth.evaluators.real import exact_logits
from fpsynth.networks.network import Network
from fpsynth.verifiers.properties import ExactBox, Property, one_class

_LEAST = Fraction(1, 64)
"""Margins, on either side."""


def broken(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """Another class has the larger output at some point of the box, by a margin of _LEAST."""
    network, centre, unsafe = _drawn(drawing)
    radius = power(drawing.rng.randrange(-3, 0))
    box = _cube(centre, radius)
    points = [tuple(_on_grid(x + drawing.rng.uniform(-1, 1) * radius) for x in centre) for _ in range(200)]
    inside = [point for point in points if box.contains(point)]
    worst = min(inside, key=lambda point: margin(unsafe, exact_logits(network, point)), default=centre)
    if margin(unsafe, exact_logits(network, worst)) > -_LEAST:
        raise NothingDrawnError("the network is not broken there")
    return [InstanceDraft(network, box, _sizes(network), {REAL: SAT, RUNTIME: SAT, ANY: SAT}, worst, unsafe)]


def robust(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """One class has the largest output in all of the box, by a margin of _LEAST."""
    network, centre, unsafe = _drawn(drawing)
    for exponent in range(-2, -9, -1):
        box = _cube(centre, power(exponent))
        bound = least_margin(network, box, unsafe)
        if bound is not None and bound.least >= _LEAST:
            return [InstanceDraft(network, box, _sizes(network), {REAL: UNSAT, RUNTIME: UNSAT, ANY: UNSAT}, unsafe=unsafe)]
    raise NothingDrawnError("the class changes too near")


def _drawn(drawing: FamilyDrawing) -> tuple[Network, tuple[float, ...], Property]:
    """A network, a point, and the property that its class there is kept."""
    rng = drawing.rng
    inputs, outputs, depth = drawing.of(2, 3, 2, 4, 5), drawing.of(2, 2, 3), drawing.of(1, 2)
    sizes = [inputs, *(rng.randrange(3, 9) for _ in range(depth)), outputs]
    layers = []
    for n, m in itertools.pairwise(sizes):
        weights = [[_coarse(rng.gauss(0, 1)) for _ in range(n)] for _ in range(m)]
        layers.append((weights, [_coarse(rng.gauss(0, 0.3)) for _ in range(m)]))
    network = stack(*layers)
    centre = tuple(_on_grid(rng.uniform(-1, 1)) for _ in range(inputs))
    logits = exact_logits(network, centre)
    return network, centre, one_class(logits.index(max(logits)), outputs)


def _coarse(number: float) -> float:
    return round(number * 64) / 64


def _on_grid(number: float) -> float:
    return round(number * 1024) / 1024


def _cube(centre: Sequence[float], radius: float) -> ExactBox:
    return box_of([(x - radius, x + radius) for x in centre])


def _sizes(network: Network) -> dict[str, int | str]:
    return {"widths": " ".join(map(str, network.widths)), "numbers": network.parameter_count}


BROKEN = InstanceFamily(
    "broken",
    "broken",
    "verifiers that always say unsat",
    "A control: the network is unsafe over the reals and in every evaluation in float32.",
    broken,
)
ROBUST = InstanceFamily(
    "robust",
    "robust",
    "verifiers that always say sat",
    "A control: the network is safe over the reals and in every evaluation in float32.",
    robust,
)
