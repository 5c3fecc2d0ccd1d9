"""Points that violate a property for certain, in what a verifier reasons in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.evaluators.enclosing import enclosed_logits
from fpsynth.evaluators.float_arrays import round_array
from fpsynth.formats import Format
from fpsynth.networks.network import Network
from fpsynth.sums.arithmetic import Deployment
from fpsynth.verifiers.claims import Ball, Region
from fpsynth.verifiers.properties import Property
from fpsynth.verifiers.relaxations.bounding import least_by_intervals
from fpsynth.verifiers.relaxations.ends import Ends, interval_ends
from fpsynth.verifiers.relaxations.prepared import PreparedNetwork
from fpsynth.verifiers.relaxations.reasoning import magnitude
from fpsynth.verifiers.relaxations.region import Inputs

EXACT = 1 << 15
"""Products of a network up to which points are evaluated in exact rationals, or in a deployment's own arithmetic."""


def violation(
    network: Network, known: PreparedNetwork, region: Region, unsafe: Property, points: Iterable[Floats]
) -> tuple[float, ...]:
    """The first point of the region whose outputs are unsafe for certain; none: empty.

    Where bounds are of exact values, a small network is evaluated in rationals, where they are of one deployment, in its own
    arithmetic; else the bounds of the point alone decide.
    """
    for point in points:
        numbers = tuple(_into(known.reasoning.deployed, point).tolist())
        if inside(region, numbers) and _violates(network, known, unsafe, numbers):
            return numbers
    return ()


def inside(region: Region, point: Sequence[float]) -> bool:
    """Whether a point is one of the region, exactly."""
    if not all(map(math.isfinite, point)):
        return False
    if not isinstance(region, Ball):
        return all(low <= x <= high for low, x, high in zip(region.lower, point, region.upper, strict=True))
    squares = sum(((Fraction(x) - Fraction(c)) ** 2 for x, c in zip(point, region.centre, strict=True)), Fraction(0))
    return squares <= region.radius**2


def _into(fmt: Format | None, point: Floats) -> Floats:
    """A point that the deployed network can read."""
    numbers = point.astype(np.float64)
    return numbers if fmt is None else round_array(numbers, fmt)


def _violates(network: Network, known: PreparedNetwork, unsafe: Property, point: tuple[float, ...]) -> bool:
    if known.reasoning.name == "real" and network.operations <= EXACT:
        ends = enclosed_logits(network, [(x, x) for x in point])
        if all(low == high for low, high in ends):
            return unsafe.violated([low for low, _ in ends])
    if known.reasoning.deployment is not None and network.operations <= EXACT:
        outputs = _computed(network, point, known.reasoning.deployment)
        if outputs is not None:
            return unsafe.violated(outputs)
    numbers = np.array(point, known.reasoning.dtype)
    inputs = Inputs(Ends(numbers, numbers))
    found = interval_ends(known, inputs.box)
    rows, bounds = unsafe.rows(known.outputs)
    if not len(rows):
        return any(not conjunction for conjunction in unsafe.unsafe)
    most = -least_by_intervals(known, inputs, found, -rows)
    if unsafe.off(known.outputs) is not None and known.reasoning.rigorous:
        most = np.nextafter(most + room_of(unsafe, known, found[known.output]), np.inf)
    true = {
        one: bool(np.isfinite(top)) and (Fraction(float(top)) < bound if one.strict else Fraction(float(top)) <= bound)
        for one, top, bound in zip(unsafe.inequalities, most, bounds, strict=True)
    }
    return any(all(true[one] for one in conjunction) for conjunction in unsafe.unsafe)


def _computed(network: Network, point: tuple[float, ...], deployment: Deployment) -> list[float] | None:
    """What a deployment computes at a point, bit for bit; None where that is not finite, or not evaluated."""
    try:
        outputs = network_outputs(network, np.array(point).reshape(network.input_shape), deployment).reshape(-1)
    except InputError:
        return None
    return outputs.tolist() if np.isfinite(outputs).all() else None


def room_of(unsafe: Property, known: PreparedNetwork, outputs: Ends) -> Floats:
    """How far the exact left sides of a property are from its rows in float64, at most, for outputs between these ends.

    0 for models of verifiers that allow for no rounding: those take the nearest coefficients for the property's.
    """
    off, reasoning = unsafe.off(known.outputs), known.reasoning
    if off is None or not reasoning.rigorous:
        return np.zeros(len(unsafe.inequalities), reasoning.dtype)
    sizes = magnitude(outputs.lower, outputs.upper)
    room = np.where(off > 0, off * np.where(off > 0, sizes, 0.0), 0.0).sum(axis=1)
    return np.asarray(room * (1 + reasoning.gamma(off.shape[1])) + reasoning.least)
