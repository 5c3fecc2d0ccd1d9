"""The inputs that bounds are computed over: a box, and for a ball the ball within it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.verifiers.bounds import float_up
from fpsynth.verifiers.claims import Ball, Region
from fpsynth.verifiers.relaxations.ends import Ends
from fpsynth.verifiers.relaxations.maps import Matrix
from fpsynth.verifiers.relaxations.reasoning import LARGEST, Reasoning, magnitude


@dataclass(frozen=True, eq=False)
class Inputs:
    """All points of a box that are, where a centre is given, no farther than ``radius`` from it."""

    box: Ends
    centre: Floats | None = None
    radius: float = 0.0
    """Rounded up."""

    def least(self, matrix: Matrix, reasoning: Reasoning) -> Floats:
        """The least value of each row of A x, (rows,); for a ball the larger of two lower bounds."""
        lower, upper = self.box.lower, self.box.upper
        half = lower.dtype.type(0.5)
        middle = lower * half + upper * half
        room = np.maximum(upper - middle, middle - lower)
        if reasoning.rigorous:
            room = np.nextafter(room, np.inf)
        sizes = abs(matrix)
        least = matrix @ middle - sizes @ room
        if reasoning.rigorous:
            least = least - reasoning.gamma(matrix.shape[1]) * (sizes @ (np.abs(middle) + room)) - reasoning.least
        if reasoning.rigorous and not (magnitude(lower, upper) <= LARGEST).all():
            return np.full(least.shape, -np.inf)
        if self.centre is None:
            return np.asarray(least)
        norms = np.sqrt(np.asarray((sizes**2).sum(axis=1)).reshape(-1))
        ball = matrix @ self.centre - norms * lower.dtype.type(self.radius)
        if reasoning.rigorous:
            lost = sizes @ np.abs(self.centre) + norms * self.radius
            ball = ball - reasoning.gamma(matrix.shape[1]) * lost - reasoning.least * (1 + self.radius)
        return np.asarray(np.maximum(least, ball))

    def minimisers(self, matrix: Floats) -> Floats:
        """For each row of A a point of the region at which A x is about the least, (rows, inputs)."""
        if self.centre is None:
            return np.asarray(np.where(matrix > 0, self.box.lower, self.box.upper))
        norms = np.sqrt((matrix**2).sum(axis=1, keepdims=True))
        points = self.centre - self.radius * matrix / np.where(norms > 0, norms, 1)
        return np.asarray(np.clip(points, self.box.lower, self.box.upper))


def inputs_of(region: Region, reasoning: Reasoning) -> Inputs:
    """The inputs of a region, as numbers that bounds are computed in: outward where they are rigorous, else to nearest."""
    dtype = reasoning.dtype
    if not isinstance(region, Ball):
        return Inputs(Ends(np.array(region.lower, dtype), np.array(region.upper, dtype)))
    centre = np.array(region.centre, np.float64)
    radius = _as_float(region.radius, reasoning)
    lower, upper = centre - radius, centre + radius
    if reasoning.rigorous:
        lower, upper = np.nextafter(lower, -math.inf), np.nextafter(upper, math.inf)
    return Inputs(Ends(lower.astype(dtype), upper.astype(dtype)), centre.astype(dtype), radius)


def _as_float(radius: Fraction, reasoning: Reasoning) -> float:
    """Infinite where it is beyond the range of float64."""
    try:
        return float_up(radius) if reasoning.rigorous else float(radius)
    except OverflowError:
        return math.inf


def exact_box(inputs: Inputs) -> list[tuple[Fraction, Fraction]]:
    """The two ends of each input."""
    return [(Fraction(a), Fraction(b)) for a, b in zip(inputs.box.lower.tolist(), inputs.box.upper.tolist(), strict=True)]
