"""Needles: one input of billions is unsafe: a bump narrower than an ulp lifts a common part, which swallows a constant."""

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
    steps,
)
from fpsynth.corpus.instances.data import REAL, RUNTIME, SAT, UNSAT
from fpsynth.networks.network import Network

_SWALLOW = 24
"""2**24 times a number swallows it: in t = 2**24 m b + m, of which m is half an ulp where b is 1."""
_AWAY = 8
"""Numbers of float32 between the centre and a box without it."""
Layers = list[tuple[object, object]]


def draw(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """b = max(0, 1 - K sum |x_i - c_i|) is 1 at the centre c and 0 at every other float32.

    Then t = H b + m and p = H b with H = 2**24 m: t - p is m over the reals, and 0 in float32 where b is 1.
    """
    rng, inputs = drawing.rng, drawing.of(1, 2, 1, 3, 4)
    shift, amplitude = rng.randrange(-4, 5), power(rng.randrange(0, 4))
    m = power(rng.randrange(-3, 4))
    centre = [drawing.significand() * power(shift) for _ in range(inputs)]
    bits = rng.randrange(20, 29)
    ends = [around(x, (1 << bits) + rng.randrange(1 << bits), rng) for x in centre]
    limit = _limit(drawing, m)

    def made(least: float) -> Network:
        return stack(*_bump(centre, limit), *_swallowed(m, least, amplitude, limit))

    parameters: dict[str, int | str] = {"inputs": inputs, "constant": m.hex(), "amplitude": amplitude.hex(), "bits": limit or 0}
    return [
        InstanceDraft(made(m), box_of(ends), parameters, {REAL: UNSAT, RUNTIME: SAT}, tuple(centre)),
        InstanceDraft(
            made(steps(m, 1)),
            box_of(ends),
            parameters,
            {REAL: UNSAT, RUNTIME: UNSAT},
            controls="the swallowed constant is one ulp larger, more than half an ulp: no input is unsafe",
        ),
        InstanceDraft(
            made(m),
            box_of([_cut(centre[0], ends[0]), *ends[1:]]),
            parameters,
            {REAL: UNSAT, RUNTIME: UNSAT},
            controls="the same network, the box cut so that its bad input is outside",
        ),
    ]


def _cut(centre: float, ends: tuple[float, float]) -> tuple[float, float]:
    """The part of an interval below the centre, or that above it, and not next to it."""
    low, high = ends
    return (low, steps(centre, -_AWAY)) if steps(centre, -_AWAY) >= low else (steps(centre, _AWAY), high)


def _limit(drawing: FamilyDrawing, m: float) -> int | None:
    """How many bits a factor may have where weights are limited; None: as many as it takes."""
    if drawing.max_weight is None:
        return None
    bits = int(drawing.max_weight).bit_length() - 1
    if bits < 2 or drawing.max_weight < 8:
        raise NothingDrawnError("needles need weights of 8")
    return bits


def _bump(centre: Sequence[float], limit: int | None) -> Layers:
    """Layers whose one output is b."""
    count = len(centre)
    rows, bias = np.zeros((2 * count, count)), np.zeros(2 * count)
    for k, c in enumerate(centre):
        rows[2 * k, k], bias[2 * k] = 1, -c
        rows[2 * k + 1, k], bias[2 * k + 1] = -1, c
    gap = min(c - steps(c, -1) for c in centre)
    exponents = _parts(-int(np.log2(gap)), limit)
    *first, last = exponents
    layers: Layers = [(rows, bias)]
    width = 2 * count
    for exponent in first:
        layers.append((np.full((1, width), power(exponent)), [0.0]))
        width = 1
    return [*layers, (np.full((1, width), -power(last)), [1.0])]


def _swallowed(m: float, least: float, amplitude: float, limit: int | None) -> Layers:
    """Layers from b to the outputs 0 and amplitude (u - m / 2), u = t - p; ``least``: the constant in t's place of m."""
    exponents = _parts(_SWALLOW, limit)
    *first, last = exponents
    grown: Layers = [([[power(exponent)]], [0.0]) for exponent in first]
    both: Layers = [([[power(last) * m], [power(last) * m]], [least, 0.0])]
    return [*grown, *both, ([[1.0, -1.0]], [0.0]), ([[0.0], [amplitude]], [0.0, -amplitude * m / 2])]


def _parts(exponent: int, limit: int | None) -> list[int]:
    """Factors of 2**exponent, as exponents, none larger than the limit."""
    if limit is None:
        return [exponent]
    parts = []
    while exponent > limit:
        parts.append(limit)
        exponent -= limit
    return [*parts, exponent]


FAMILY = InstanceFamily(
    "needle",
    "rare",
    "verifiers that attack, then bound",
    "One input of the box makes a hidden sum so large that it swallows a constant, which it never does over the reals.",
    draw,
)
