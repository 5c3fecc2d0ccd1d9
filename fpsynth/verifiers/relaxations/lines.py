"""Straight lines below and above what a selection makes of its inputs, between given ends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.networks.layers.structure import PADDING, Selection, moved
from fpsynth.verifiers.relaxations.reasoning import Reasoning

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Lines:
    """A bound on each output: slopes * inputs[read] + offsets; no slope is negative."""

    read: Indices
    """(outputs,): flat input positions."""
    slopes: Floats
    offsets: Floats


@dataclass(frozen=True, eq=False)
class Piecewise:
    """What is made of the largest input: the larger of it and ``floor``, then the smaller and ``ceiling``, then the slope."""

    floor: float | None
    ceiling: float | None
    slope: float | None

    def __call__(self, values: Floats) -> Floats:
        """Of each number; a negative result times the slope is rounded."""
        result = values if self.floor is None else np.maximum(values, values.dtype.type(self.floor))
        if self.ceiling is not None:
            result = np.minimum(result, result.dtype.type(self.ceiling))
        if self.slope is not None:
            result = np.where(result < 0, result * result.dtype.type(self.slope), result)
        return result

    @cached_property
    def knots(self) -> tuple[float, ...]:
        """Where its slope changes."""
        ends = [end for end in (self.floor, self.ceiling) if end is not None]
        return (*ends, *([0.0] if self.slope is not None else []))

    @cached_property
    def slopes(self) -> tuple[float, ...]:
        """The slopes of its pieces."""
        flat = [0.0] if self.floor is not None or self.ceiling is not None else []
        return (1.0, *flat, *([float(self.slope)] if self.slope is not None else []))


@dataclass(frozen=True, eq=False)
class Selecting:
    """A selection by flat positions, ready to be relaxed: outputs are groups * positions, each of some of its inputs."""

    read: Indices
    """(outputs, taps), PADDING outside."""
    made: Piecewise

    @classmethod
    def of(cls, selection: Selection) -> Selecting:
        """The same of a layer."""
        at = selection.taps.at(slice(None))
        read = np.concatenate([moved(at, group * selection.group_stride) for group in range(selection.groups)])
        return cls(read.astype(np.int64), Piecewise(selection.floor, selection.ceiling, selection.slope))

    def largest(self, values: Floats) -> Floats:
        """The largest of each output's inputs, of (inputs,)."""
        if self.read.shape[1] == 1:
            return np.asarray(values[self.read[:, 0]])
        return np.asarray(np.where(self.read == PADDING, -np.inf, values[self.read]).max(axis=1))

    def ends(self, lower: Floats, upper: Floats, reasoning: Reasoning) -> tuple[Floats, Floats]:
        """The ends of every output."""
        low, high = self.made(self.largest(lower)), self.made(self.largest(upper))
        if self.made.slope is None or not reasoning.rigorous:
            return low, high
        return low - reasoning.gamma(1) * np.abs(low) - reasoning.least, high + reasoning.gamma(1) * np.abs(
            high
        ) + reasoning.least

    def unstable(self, lower: Floats, upper: Floats) -> Indices:
        """The inputs whose ends decide how far the lines are apart, sorted."""
        low, high = self.largest(lower), self.largest(upper)
        bent = np.zeros(len(low), bool)
        for knot in self.made.knots:
            bent |= (low < knot) & (high > knot)
        if self.read.shape[1] > 1:
            leading = self._leading(lower)
            others = np.where((self.read == PADDING) | (self.read == leading[:, None]), -np.inf, upper[self.read])
            bent |= others.max(axis=1) > lower[leading]
        read = self.read[bent]
        return np.unique(read[read != PADDING])

    def _leading(self, lower: Floats) -> Indices:
        """Of each output the input whose lower end is the largest."""
        if self.read.shape[1] == 1:
            return self.read[:, 0]
        least = -np.finfo(lower.dtype).max  # what is infinite or no number is chosen before padding, which is no input
        ends = np.where(self.read == PADDING, -np.inf, np.nan_to_num(lower[self.read], nan=least, neginf=least))
        return np.take_along_axis(self.read, ends.argmax(axis=1)[:, None], 1)[:, 0]

    def lines(self, lower: Floats, upper: Floats, reasoning: Reasoning, below: Floats | None = None) -> tuple[Lines, Lines]:
        """Lines below and above, valid between the ends; ``below``: slopes of the lower ones (outputs,), NaN for the usual.

        Any slope is valid with an offset that is the least, or the largest, difference at the ends and the knots between
        them; above it is that of the chord, below that which leaves the smallest area (for ReLU: that of CROWN).
        """
        leading = self._leading(lower)
        low, high = self.largest(lower), self.largest(upper)
        chord = self._chord(low, high)
        points = [low, high, *(np.asarray(np.clip(low.dtype.type(knot), low, high)) for knot in self.made.knots)]
        made = [self.made(point) for point in points]
        slopes = self._smallest(points, made, chord)
        if below is not None:
            slopes = np.where(np.isnan(below), slopes, below).astype(low.dtype)
        under = Lines(leading, slopes, self._offsets(points, made, slopes, -1.0, reasoning))
        over = self._offsets(points, made, chord, 1.0, reasoning)
        if self.read.shape[1] == 1:
            return under, Lines(leading, chord, over)
        others = np.where((self.read == PADDING) | (self.read == leading[:, None]), -np.inf, upper[self.read]).max(axis=1)
        wins = others <= lower[leading]  # the leading input is the largest, so that the upper line of it is one of all
        top = self.made(high)
        rounded = reasoning.gamma(1) * np.abs(top) + reasoning.least if self.made.slope is not None else 0.0
        return under, Lines(leading, np.where(wins, chord, 0).astype(low.dtype), np.where(wins, over, top + rounded))

    def parallel(self, lower: Floats, upper: Floats, reasoning: Reasoning) -> tuple[Lines, Lines]:
        """Lines below and above with the same slope, those of the chords; for maxima of several inputs as ``lines``."""
        below = self._chord(self.largest(lower), self.largest(upper))
        under, over = self.lines(lower, upper, reasoning, below)
        same = under.slopes == over.slopes
        if same.all():
            return under, over
        low, high = self.ends(lower, upper, reasoning)  # nothing but the ends where the slopes differ
        flat = np.where(same, under.slopes, 0).astype(low.dtype)
        return (
            Lines(under.read, flat, np.where(same, under.offsets, low)),
            Lines(over.read, flat, np.where(same, over.offsets, high)),
        )

    def _chord(self, low: Floats, high: Floats) -> Floats:
        """The slope from one end to the other; 0 where they are one."""
        with np.errstate(divide="ignore", invalid="ignore"):
            slopes = (self.made(high) - self.made(low)) / (high - low)
        return np.where(high > low, np.clip(slopes, 0, 1), 0).astype(low.dtype)

    def _smallest(self, points: list[Floats], made: list[Floats], chord: Floats) -> Floats:
        """Of the slopes of the pieces and the chord, those whose lower line is the highest in the middle."""
        low, high = points[:2]
        middle = low / 2 + high / 2
        best, height = chord, np.full_like(low, -np.inf)
        for slope in self.made.slopes:
            slopes = np.full_like(low, slope)
            offsets = np.min([value - slopes * point for value, point in zip(made, points, strict=True)], axis=0)
            better = slopes * middle + offsets > height
            best, height = np.where(better, slopes, best), np.where(better, slopes * middle + offsets, height)
        return best

    def _offsets(self, points: list[Floats], made: list[Floats], slopes: Floats, sign: float, reasoning: Reasoning) -> Floats:
        """The largest (sign 1) or least (-1) difference from lines through 0, rounded outward."""
        differences = np.array([sign * (value - slopes * point) for value, point in zip(made, points, strict=True)])
        if reasoning.rigorous:
            sizes = np.array([np.abs(value) + np.abs(slopes * point) for value, point in zip(made, points, strict=True)])
            inexact = sizes * reasoning.gamma(2) + reasoning.least
            straight = (slopes == 0) | ((slopes == 1) & (differences == 0)) if self.made.slope is None else np.zeros(1, bool)
            differences = differences + np.where(straight, 0.0, inexact)
        return np.asarray(sign * differences.max(axis=0)).astype(points[0].dtype)
