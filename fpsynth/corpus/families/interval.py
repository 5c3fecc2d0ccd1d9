"""Drift: many small addends are all rounded the same way, so that a sum leaves the interval that the reals allow."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from fpsynth.corpus.families.base import FamilyDrawing, InstanceDraft, InstanceFamily, around, box_of, power, stack
from fpsynth.corpus.instances.data import REAL, RUNTIME, SAT, UNSAT
from fpsynth.networks.network import Network
from fpsynth.verifiers.properties import Inequality, Property

_EACH = 1 << 10


def draw(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """x + sum of eps x, each eps a little more than half an ulp of the sum: rounded up by half an ulp every time."""
    rng, terms = drawing.rng, drawing.of(32, 64, 48, 96)
    scale = power(rng.randrange(-3, 4))
    eps = power(-24) * (1 + rng.randrange(1, 1 << 8) * power(-12))
    low, high = around(1 + 16 * power(-23) * _EACH, _EACH, rng)
    row = [1.0, *([eps] * terms)]
    true = Fraction(high) * Fraction(scale) * sum(map(Fraction, row))
    step = Fraction(power(-23) * scale)
    limit = float(np.float32(float(true + 4 * step)))
    parameters: dict[str, int | str] = {"terms": terms, "scale": scale.hex(), "eps": eps.hex()}
    box = box_of([(low, high)])
    return [
        InstanceDraft(_network(row, scale), box, parameters, {REAL: UNSAT, RUNTIME: SAT}, (high,), _above(limit)),
        InstanceDraft(
            _network(row, scale),
            box,
            parameters,
            {REAL: UNSAT, RUNTIME: UNSAT},
            unsafe=_above(float(np.float32(float(true + 8 * terms * step)))),
            controls="the limit is beyond what rounding can move",
        ),
    ]


def _above(limit: float) -> Property:
    """Unsafe where Y_0 >= limit."""
    return Property(((Inequality(((0, Fraction(-1)),), Fraction(-limit)),),))


def _network(row: Sequence[float], scale: float) -> Network:
    count = len(row)
    return stack((np.ones((count, 1)), np.zeros(count)), ([[w * scale for w in row]], [0.0]))


FAMILY = InstanceFamily(
    "interval",
    "interval",
    "interval arithmetic and bounds whose sums are in another order",
    "Many small addends are all rounded up, so that the sum leaves the interval that real numbers allow.",
    draw,
)
