"""Dense candidates: ordinary random layers whose sum is moved so close to zero that the rounding errors decide its sign.

No product stands out in them.  For two classes the difference of the two sums is moved close to zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.sums.building import program_of
from fpsynth.synthesis.flips.active import precisions
from fpsynth.synthesis.flips.columns import Columns, ends, fitted
from fpsynth.synthesis.flips.question import FlipQuestion, arithmetics

Wide = NDArray[Any]
QUANTILES = (0.6, 0.2, 0.0)
"""Terms that take up what is left of the sum, by the rank of their products: a smaller product has finer steps."""


@dataclass(frozen=True)
class Noise:
    """Draws dense candidates over the ``active`` terms, as many as there are in ``terms``."""

    question: FlipQuestion
    terms: int
    random: np.random.Generator

    def draw(self, count: int) -> Columns:
        """Return ``count`` candidates."""
        q = self.question
        inputs = self._inputs(count)
        tiny = self._tiny(count)
        weights = np.stack([self._spread(ends(q.weights, q.format), (self.terms, count)) for _ in range(q.outputs)])
        weights = fitted(weights * tiny, q.weights, q.format)
        if q.outputs == 2:
            near = self.random.random(count) < (0.1 if q.camouflage else 0.5)
            weights[1] = np.where(near, self._jittered(weights[0]), weights[1])
        if q.predicate.relation.bounded and q.cancels and not q.camouflage:  # a sum of one sign is larger, and so are its ulps
            weights = np.where(self.random.random(count) < 0.5, weights, self._aligned(weights, inputs))
        return self._balanced(Columns(weights, inputs))

    def changed(self, start: Columns, count: int) -> Columns:
        """Copies of one candidate in which some weights are drawn anew, doubled, halved, or at the ends of their range."""
        q = self.question
        weights, inputs = np.repeat(start.weights, count, axis=2), np.repeat(start.inputs, count, axis=1)
        low, high = ends(q.weights, q.format)
        anew = np.stack([self._spread((low, high), (self.terms, count)) for _ in range(q.outputs)])
        magnitudes = np.abs(weights) * np.exp2(self.random.integers(-1, 2, weights.shape))
        moved = np.where(self.random.random(weights.shape) < 0.3, -1.0, 1.0) * np.sign(weights) * magnitudes
        extreme = np.where(self.random.random(weights.shape) < 0.5, low, high)
        kinds = self.random.integers(0, 3, weights.shape)
        share = np.exp2(-self.random.uniform(0, 1 + np.log2(self.terms), count))
        touched = self.random.random(weights.shape) < share
        weights = np.where(touched, np.choose(kinds, [anew, moved, extreme]), weights)
        return self._balanced(Columns(fitted(weights, q.weights, q.format), inputs))

    def _balanced(self, columns: Columns) -> Columns:
        """The candidates with their last row changed so that the sums that are compared are close; not so for a gap."""
        q, weights, inputs = self.question, columns.weights, columns.inputs
        if q.predicate.relation.bounded:
            return columns
        if q.outputs == 2:
            goal = (weights[0].astype(np.longdouble) * inputs).sum(axis=0)
            return Columns(np.stack([weights[0], self._towards(weights[1], inputs, goal)]), inputs)
        if q.cancels:
            return Columns(self._towards(weights[0], inputs, np.zeros(columns.count, np.longdouble))[None], inputs)
        return columns

    def _aligned(self, weights: Floats, inputs: Floats) -> Floats:
        """The weights with their signs changed so that, as far as the range allows, all products are positive."""
        return fitted(np.abs(weights) * np.where(inputs < 0, -1.0, 1.0), self.question.weights, self.question.format)

    def _inputs(self, count: int) -> Floats:
        q = self.question
        if q.ones:
            return np.ones((self.terms, count))
        return fitted(self._spread(ends(q.inputs, q.format), (self.terms, count)), q.inputs, q.format)

    def _spread(self, bounds: tuple[float, float], shape: tuple[int, ...]) -> Floats:
        """Magnitudes like those of a trained layer, at most 1 where the range allows that."""
        low, high = bounds
        if low == high:  # perhaps zero, of which there is no logarithm
            return np.full(shape, low)
        if low < 0 < high:
            largest = min(-low, high, 1.0)
            return np.clip(self.random.normal(0, largest / 3, shape), -largest, largest)
        sign, low, high = (1.0, low, high) if high > 0 else (-1.0, -high, -low)
        high = min(high, max(1.0, 4 * low))
        low = max(low, high / 100)
        return np.asarray(sign * np.exp(self.random.uniform(np.log(low), np.log(high), shape)))

    def _tiny(self, count: int) -> Floats:
        """Factors that bring half of the candidates to where subnormals are, if the views treat these differently."""
        q = self.question
        hows = [how for view in q.views for how in arithmetics(view, q.outputs) if how.format is not None]
        programs = [program_of(how, q.terms) for how in hows]
        formats = {how.format for how in hows if how.format is not None}.union(*(program.sum_formats for program in programs))
        if len({program.flush for program in programs}) < 2 and len({f.lsb_min for f in formats}) < 2:
            return np.ones(count)
        emin = max(f.emin for f in formats)
        scale = np.ldexp(1.0, emin + self.random.integers(-2, 8, count))
        return np.where(self.random.random(count) < 0.5, scale, 1.0)

    def _jittered(self, row: Floats) -> Floats:
        q = self.question
        factor = 1 + self.random.normal(0, 1, row.shape) * np.exp2(-self.random.uniform(2, q.format.precision, row.shape[1]))
        return fitted(row * factor, q.weights, q.format)

    def _towards(self, row: Floats, inputs: Floats, goal: Wide) -> Floats:
        """The row changed so that its sum is close to ``goal``, within a random multiple of the rounding errors."""
        q = self.question
        wide = inputs.astype(np.longdouble)
        largest = np.abs(row * inputs).max(axis=0)
        coarse, fine = precisions(q)[0], precisions(q)[-1]
        low, high = -fine - 4, -coarse + 1 + np.log2(self.terms) / 2
        size = largest * np.exp2(self.random.uniform(low, high, largest.shape))
        rest = goal + np.where(self.random.random(largest.shape) < 0.5, size, -size)
        with np.errstate(all="ignore"):
            for rounds in range(3):  # the first fits the whole sum; clipping leaves something
                missing = rest - (row * wide).sum(axis=0)
                if rounds < 2:
                    row = fitted((row + missing * wide / (wide * wide).sum(axis=0)).astype(np.float64), q.weights, q.format)
        return self._settled(row, wide, rest)

    def _settled(self, row: Floats, wide: Wide, rest: Wide) -> Floats:
        q = self.question
        ranks = np.argsort(np.abs(row * wide.astype(np.float64)), axis=0)
        columns = np.arange(row.shape[1])
        with np.errstate(all="ignore"):
            for quantile in QUANTILES:
                chosen = ranks[int(quantile * (self.terms - 1))], columns
                missing = rest - (row * wide).sum(axis=0)
                moved = (row[chosen] + missing / wide[chosen]).astype(np.float64)
                row[chosen] = fitted(np.nan_to_num(moved, nan=0.0), q.weights, q.format)
        return row
