"""Interval bound propagation in arrays: a lower and an upper end of every number of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.networks.graph import INPUT
from fpsynth.verifiers.relaxations.lines import Selecting
from fpsynth.verifiers.relaxations.maps import AffineMap
from fpsynth.verifiers.relaxations.prepared import NOTHING_KNOWN, PreparedLayer, PreparedNetwork, Units
from fpsynth.verifiers.relaxations.reasoning import Reasoning, magnitude


@dataclass(frozen=True, eq=False)
class Ends:
    """Two ends, each (numbers,)."""

    lower: Floats
    upper: Floats
    units: Units | None = None
    """Of what powers of two the numbers are multiples that a deployment computes; None where nothing is known of that."""

    def within(self, other: Ends) -> Ends:
        """The numbers that lie between both pairs of ends."""
        units = other.units if self.units is None else self.units
        if self.units is not None and other.units is not None:
            units = np.maximum(self.units, other.units)
        return Ends(np.maximum(self.lower, other.lower), np.minimum(self.upper, other.upper), units)


def interval_ends(network: PreparedNetwork, box: Ends, known: Mapping[str, Ends] | None = None) -> dict[str, Ends]:
    """The ends of every layer's results, and of INPUT, for inputs in a box; ``known`` ends are kept where they are closer."""
    found = {INPUT: box}
    for layer in network.layers:
        own = layer_ends(layer, found)
        found[layer.name] = own if known is None or layer.name not in known else own.within(known[layer.name])
    return found


def layer_ends(layer: PreparedLayer, found: Mapping[str, Ends]) -> Ends:
    """The ends of one layer's results, from those of its sources."""
    given = source_ends(layer, found)
    if layer.made is None:
        return given
    with np.errstate(over="ignore", invalid="ignore"):
        if isinstance(layer.made, Selecting):
            lower, upper = layer.made.ends(given.lower, given.upper, layer.reasoning)
        else:
            lower, upper = _affine(layer, layer.made, given)
        lost = layer.rounding(given.lower, given.upper, given.units)
        own = widened(Ends(lower, upper, layer.units(given.units)), lost, layer.reasoning)
        followed = layer.followed(given.lower, given.upper, given.units)
        return own if followed is None else own.within(Ends(followed.low, followed.high, followed.units))


def source_ends(layer: PreparedLayer, found: Mapping[str, Ends]) -> Ends:
    """The ends of a layer's inputs."""
    parts = [found[source] for source in layer.sources]
    return Ends(layer.joined([part.lower for part in parts]), layer.joined([part.upper for part in parts]), _units(parts))


def _units(parts: Sequence[Ends]) -> Units | None:
    if all(part.units is None for part in parts):
        return None
    each = [np.full(len(part.lower), NOTHING_KNOWN, np.int64) if part.units is None else part.units for part in parts]
    return each[0] if len(each) == 1 else np.concatenate(each)


def widened(ends: Ends, lost: Floats | float, reasoning: Reasoning) -> Ends:
    """With so much room on both sides, rounded outward where bounds are rigorous."""
    if isinstance(lost, float) and not lost:
        return ends
    lower, upper = ends.lower - lost, ends.upper + lost
    if not reasoning.rigorous:
        return replace(ends, lower=lower, upper=upper)
    return replace(ends, lower=np.nextafter(lower, -np.inf), upper=np.nextafter(upper, np.inf))


def _affine(layer: PreparedLayer, map: AffineMap, given: Ends) -> tuple[Floats, Floats]:
    """From the middle and the half width, as interval bound propagation is usually computed."""
    half = given.lower.dtype.type(0.5)
    middle = given.lower * half + given.upper * half
    width = given.upper - middle
    if layer.reasoning.rigorous:
        width = np.nextafter(np.maximum(width, middle - given.lower), np.inf)
    centre, room = map.weight @ middle + map.bias, map.magnitude @ width
    own = layer.own(magnitude(given.lower, given.upper) + width if layer.reasoning.rigorous else width)
    return centre - room - own, centre + room + own
