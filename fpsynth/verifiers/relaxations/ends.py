"""Interval bound propagation in arrays: a lower and an upper end of every number of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.networks.graph import INPUT
from fpsynth.verifiers.relaxations.lines import Selecting
from fpsynth.verifiers.relaxations.maps import AffineMap
from fpsynth.verifiers.relaxations.reasoning import Reasoning, magnitude
from fpsynth.verifiers.relaxations.steps import Step, Steps


@dataclass(frozen=True, eq=False)
class Ends:
    """Two ends, each (numbers,)."""

    lower: Floats
    upper: Floats

    def within(self, other: Ends) -> Ends:
        """The numbers that lie between both pairs of ends."""
        return Ends(np.maximum(self.lower, other.lower), np.minimum(self.upper, other.upper))


def interval_ends(steps: Steps, box: Ends, known: Mapping[str, Ends] | None = None) -> dict[str, Ends]:
    """The ends of every step's results, and of INPUT, for inputs in a box; ``known`` ends are kept where they are closer."""
    found = {INPUT: box}
    for step in steps.steps:
        own = step_ends(step, found)
        found[step.name] = own if known is None or step.name not in known else own.within(known[step.name])
    return found


def step_ends(step: Step, found: Mapping[str, Ends]) -> Ends:
    """The ends of one step's results, from those of its sources."""
    given = source_ends(step, found)
    if step.made is None:
        return given
    with np.errstate(over="ignore", invalid="ignore"):
        if isinstance(step.made, Selecting):
            lower, upper = step.made.ends(given.lower, given.upper, step.reasoning)
        else:
            lower, upper = _affine(step, step.made, given)
        lost = step.rounding(given.lower, given.upper)
        return widened(Ends(lower, upper), lost, step.reasoning)


def source_ends(step: Step, found: Mapping[str, Ends]) -> Ends:
    """The ends of a step's inputs."""
    parts = [found[source] for source in step.sources]
    return Ends(step.joined([part.lower for part in parts]), step.joined([part.upper for part in parts]))


def widened(ends: Ends, lost: Floats | float, reasoning: Reasoning) -> Ends:
    """With so much room on both sides, rounded outward where bounds are rigorous."""
    if isinstance(lost, float) and not lost:
        return ends
    lower, upper = ends.lower - lost, ends.upper + lost
    if not reasoning.rigorous:
        return Ends(lower, upper)
    return Ends(np.nextafter(lower, -np.inf), np.nextafter(upper, np.inf))


def _affine(step: Step, map: AffineMap, given: Ends) -> tuple[Floats, Floats]:
    """From the middle and the half width, as interval bound propagation is usually computed."""
    half = given.lower.dtype.type(0.5)
    middle = given.lower * half + given.upper * half
    width = given.upper - middle
    if step.reasoning.rigorous:
        width = np.nextafter(np.maximum(width, middle - given.lower), np.inf)
    centre, room = map.weight @ middle + map.bias, map.magnitude @ width
    own = step.own(magnitude(given.lower, given.upper) + width if step.reasoning.rigorous else width)
    return centre - room - own, centre + room + own
