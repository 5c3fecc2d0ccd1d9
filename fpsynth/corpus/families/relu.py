"""ReLU: a sum that is zero over the reals comes out above zero, so that a ReLU lets through what is not there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fpsynth.corpus.families.base import (
    FamilyDrawing,
    InstanceDraft,
    InstanceFamily,
    NothingDrawnError,
    around,
    box_of,
    power,
    stack,
)
from fpsynth.corpus.instances.data import REAL, RUNTIME, SAT, UNSAT
from fpsynth.networks.network import Network

_EACH = 1 << 13
"""Inputs of float32 in the box."""


def draw(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """z = a x + b x - c x with c = a + b exactly; y = 1 - A max(0, z) with A z of several units where z is above 0."""
    rng, terms = drawing.rng, drawing.of(3, 4, 6, 8)
    scale = power(rng.randrange(-3, 4))
    parts = [drawing.significand() * scale for _ in range(terms - 1)]
    total = sum(parts)
    if float(np.float32(total)) != total:
        parts[0] = _mended(parts)
        total = sum(parts)
    centre = drawing.significand()
    box = box_of([around(centre, _EACH, rng)])
    strength = power(26) / scale
    parameters: dict[str, int | str] = {"terms": terms, "scale": scale.hex()}
    return [
        InstanceDraft(_network(parts, total, 0.0, strength), box, parameters, {REAL: UNSAT, RUNTIME: SAT}),
        InstanceDraft(
            _network(parts, total, -power(-10) * scale, strength),
            box,
            parameters,
            {REAL: UNSAT, RUNTIME: UNSAT},
            controls="a bias takes the sum further below zero than rounding can lift it",
        ),
    ]


def _mended(parts: Sequence[float]) -> float:
    """The first part, changed so that the sum of all is a float32."""
    rest = sum(parts[1:])
    total = float(np.float32(sum(parts)))
    first = total - rest
    if float(np.float32(first)) != first or first + rest != total:
        raise NothingDrawnError("the parts have no sum in float32")
    return first


def _network(parts: Sequence[float], total: float, bias: float, strength: float) -> Network:
    count = len(parts) + 1
    return stack(
        (np.ones((count, 1)), np.zeros(count)),
        ([[*parts, -total]], [bias]),
        ([[0.0], [-strength]], [0.0, 1.0]),
    )


FAMILY = InstanceFamily(
    "relu",
    "relu",
    "verifiers that take the signs of ReLUs from the reals",
    "A ReLU's argument is zero over the reals and above zero in float32 at some inputs; what follows is magnified.",
    draw,
)
