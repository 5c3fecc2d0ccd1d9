"""Zonotopes (DeepZ): every number as a centre and generators that all numbers share, pushed forward through the layers.

Singh et al., "Fast and effective robustness certification", NeurIPS 2018.  A number is centre + sum of generators[k] * e_k,
|e_k| <= 1, give or take ``room``: what roundings move, which nothing else depends on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.networks.graph import INPUT
from fpsynth.verifiers.relaxations.ends import Ends, layer_ends, source_ends
from fpsynth.verifiers.relaxations.lines import Lines
from fpsynth.verifiers.relaxations.maps import AffineMap
from fpsynth.verifiers.relaxations.prepared import PreparedLayer, PreparedNetwork
from fpsynth.verifiers.relaxations.reasoning import LARGEST, Reasoning
from fpsynth.verifiers.relaxations.region import Inputs
from fpsynth.workers.deadlines import require_time


@dataclass(frozen=True, eq=False)
class Zonotope:
    """Some numbers."""

    centre: Floats
    """(numbers,)."""
    generators: Floats
    """(generators, numbers)."""
    room: Floats
    """(numbers,)."""
    ball: int = 0
    """The first so many generators' e lie in the unit ball together, beside each in [-1, 1]."""

    def reach(self, reasoning: Reasoning) -> Floats:
        """How far each number may be from its centre."""
        sizes = np.abs(self.generators)
        rest = sizes[self.ball :].sum(axis=0)
        if self.ball:
            own = sizes[: self.ball]
            rest = rest + np.minimum(np.sqrt((own**2).sum(axis=0)), own.sum(axis=0))
        reach = rest + self.room
        if not reasoning.rigorous:
            return np.asarray(reach)
        return np.asarray(reach * (1 + reasoning.gamma(len(self.generators) + 1)) + reasoning.least)

    def ends(self, reasoning: Reasoning) -> Ends:
        """Between which each number lies."""
        reach = self.reach(reasoning)
        lower, upper = self.centre - reach, self.centre + reach
        if reasoning.rigorous:
            lower, upper = np.nextafter(lower, -np.inf), np.nextafter(upper, np.inf)
        return Ends(lower, upper)


def zonotopes(network: PreparedNetwork, inputs: Inputs) -> tuple[Zonotope, dict[str, Ends]]:
    """The logits, and the ends of every layer's results, which intervals may have brought closer."""
    known = {INPUT: _inputs(inputs, network.reasoning)}
    found = {INPUT: inputs.box}
    count = len(known[INPUT].generators)
    for layer in network.layers:
        require_time()
        with np.errstate(over="ignore", invalid="ignore"):
            known[layer.name] = _through(layer, _joined(layer, known), found, count)
            count = max(count, len(known[layer.name].generators))
            found[layer.name] = layer_ends(layer, found).within(known[layer.name].ends(network.reasoning))
    return known[network.output], found


def least_rows(zonotope: Zonotope, rows: Floats, reasoning: Reasoning) -> Floats:
    """A lower bound of each row of A y, y being the zonotope's numbers."""
    rows = rows.astype(reasoning.dtype)
    made = _times(AffineMap(rows, np.zeros(len(rows), reasoning.dtype)), zonotope, reasoning)
    return made.ends(reasoning).lower


def _inputs(inputs: Inputs, reasoning: Reasoning) -> Zonotope:
    lower, upper = inputs.box.lower, inputs.box.upper
    half = lower.dtype.type(0.5)
    centre = lower * half + upper * half
    if inputs.centre is not None:
        count, radius = len(centre), lower.dtype.type(inputs.radius)
        return Zonotope(inputs.centre, np.eye(count, dtype=lower.dtype) * radius, np.zeros_like(centre), count)
    reach = np.maximum(upper - centre, centre - lower)
    if reasoning.rigorous:
        reach = np.nextafter(reach, np.inf)
    wide = np.flatnonzero(reach)
    generators = np.zeros((len(wide), len(centre)), lower.dtype)
    generators[np.arange(len(wide)), wide] = reach[wide]
    return Zonotope(centre, generators, np.zeros_like(centre))


def _joined(layer: PreparedLayer, known: Mapping[str, Zonotope]) -> Zonotope:
    """The inputs of a layer: sources of different ages have different numbers of generators, those of the older ones first."""
    parts = [known[source] for source in layer.sources]
    if len(parts) == 1:
        return parts[0]
    count = max(len(part.generators) for part in parts)
    padded = [np.pad(part.generators, ((0, count - len(part.generators)), (0, 0))) for part in parts]
    return Zonotope(
        np.concatenate([part.centre for part in parts]),
        np.concatenate(padded, axis=1),
        np.concatenate([part.room for part in parts]),
        parts[0].ball,
    )


def _through(layer: PreparedLayer, given: Zonotope, found: Mapping[str, Ends], count: int) -> Zonotope:
    """A layer's results; generators that it adds come behind ``count`` of others, whose signs they must not share."""
    if layer.made is None:
        return given
    ends = source_ends(layer, found)
    lost = layer.rounding(ends.lower, ends.upper, ends.units)
    if isinstance(layer.made, AffineMap):
        made = _times(layer.made, given, layer.reasoning, layer)
        room = made.room + lost
        if layer.reasoning.rigorous:
            room = np.nextafter(room, np.inf)
        return Zonotope(made.centre, made.generators, room, made.ball)
    under, over = layer.made.parallel(ends.lower, ends.upper, layer.reasoning)
    return _selected(under, over, given, lost, count, layer.reasoning)


def _times(map: AffineMap, given: Zonotope, reasoning: Reasoning, layer: PreparedLayer | None = None) -> Zonotope:
    """A map of the numbers; of a layer with what it knows of its own entries."""
    centre = map.weight @ given.centre + map.bias
    generators = np.ascontiguousarray((map.weight @ given.generators.T).T)
    room = map.magnitude @ given.room
    if reasoning.rigorous:
        inputs = np.abs(given.centre) + np.abs(given.generators).sum(axis=0) + given.room
        sizes = (map.magnitude @ inputs + np.abs(map.bias)) * (1 + reasoning.gamma(map.terms + len(given.generators)))
        own = reasoning.gamma(map.terms + len(given.generators)) * sizes + reasoning.least
        if not (inputs <= LARGEST).all():
            own = np.full_like(own, np.inf)
        room = np.nextafter(room + own + (0.0 if layer is None else layer.own(inputs)), np.inf)
    return Zonotope(centre, generators, room, given.ball)


def _selected(under: Lines, over: Lines, given: Zonotope, lost: Floats | float, count: int, reasoning: Reasoning) -> Zonotope:
    """Between two lines of one slope: half their distance is a generator of its own."""
    slopes, read = under.slopes, under.read
    half = slopes.dtype.type(0.5)
    middle = under.offsets * half + over.offsets * half
    width = np.maximum(over.offsets - middle, middle - under.offsets)
    if reasoning.rigorous:
        width = np.nextafter(width, np.inf)
    centre = slopes * given.centre[read] + middle
    bent = np.flatnonzero(over.offsets > under.offsets)
    generators = np.zeros((count + len(bent), len(read)), slopes.dtype)
    generators[: len(given.generators)] = given.generators[:, read] * slopes
    generators[count + np.arange(len(bent)), bent] = width[bent]
    room = slopes * given.room[read] + lost
    if reasoning.rigorous:
        straight = np.abs(given.generators).sum(axis=0)[read] + np.abs(given.centre[read])
        sizes = slopes * straight + np.abs(middle) + width + room
        room = np.nextafter(room + reasoning.gamma(len(generators)) * sizes + reasoning.least, np.inf)
    return Zonotope(centre, generators, room, given.ball)
