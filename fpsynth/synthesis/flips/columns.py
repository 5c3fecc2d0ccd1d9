"""Columns: many candidate layers side by side in arrays, evaluated in every view at once and judged by the predicate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.evaluators.bit_patterns import from_index, grid
from fpsynth.evaluators.float_arrays import round_array
from fpsynth.evaluators.sums import sum_of_products
from fpsynth.formats import Format
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import restricted
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.flips.question import FlipQuestion, arithmetics

Truths = NDArray[np.bool_]
MAX_NUMBERS = 1 << 21
"""Weights that are evaluated at once."""
MAX_COLUMNS = 1 << 13


@dataclass(frozen=True)
class Columns:
    """Candidates: ``weights`` of shape (outputs, active terms, candidates), ``inputs`` of shape (active terms, candidates)."""

    weights: Floats
    inputs: Floats

    @property
    def count(self) -> int:
        """How many candidates there are."""
        return int(self.inputs.shape[-1])

    def pick(self, which: Any) -> Columns:
        """Those candidates that an index, a mask or a slice of numpy selects."""
        return Columns(self.weights[:, :, which], self.inputs[:, which])


def joined(parts: Sequence[Columns]) -> Columns:
    """The candidates of several."""
    return Columns(np.concatenate([p.weights for p in parts], axis=2), np.concatenate([p.inputs for p in parts], axis=1))


def ends(interval: Interval, fmt: Format) -> tuple[float, float]:
    """The smallest and the largest number of the format within the interval."""
    low, high = grid(fmt, interval.lower, interval.upper)
    return tuple(float(from_index(np.array([index]), fmt)[0]) for index in (low, high))  # type: ignore[return-value]


def fitted(numbers: Floats, interval: Interval, fmt: Format) -> Floats:
    """The numbers rounded into the format and moved into the interval."""
    low, high = ends(interval, fmt)
    return np.clip(round_array(np.clip(numbers, low, high), fmt), low, high)


@dataclass(frozen=True)
class Judgement:
    """What became of each candidate."""

    fires: Truths
    """The deployed view departs from the reference and no silent one does, as far as float64 can tell."""
    strict: Truths
    """Nothing hangs on a zero: the signs that are compared are opposite."""
    measure: Floats
    """As ``Predicate.measure``; infinities where that is no number are replaced by 0."""


@dataclass(frozen=True)
class _Sum:
    """How one logit is computed."""

    how: Arithmetic
    whole: bool = False
    """From all terms, zeros included; else from the active ones."""


class Bench:
    """Evaluates columns in every view of a question, restricted to the ``active`` terms: all others count as zero."""

    def __init__(self, question: FlipQuestion, active: Sequence[int] | None = None) -> None:
        self.question = question
        self.active = tuple(range(question.terms)) if active is None else tuple(sorted(set(active)))
        self._sums = [[self._sum(how) for how in arithmetics(view, question.outputs)] for view in question.views]

    @property
    def capacity(self) -> int:
        """How many candidates are evaluated at once."""
        whole = any(sum_.whole for view in self._sums for sum_ in view)
        terms = self.question.terms if whole else len(self.active)
        return max(64, min(MAX_COLUMNS, MAX_NUMBERS // (terms * self.question.outputs)))

    def logits(self, columns: Columns) -> list[Floats]:
        """The logits of each view, of shape (outputs, candidates); those in REAL to about 64 bits."""
        exact = None
        out: list[Floats] = []
        for view in self._sums:
            if all(sum_.how.format is None for sum_ in view):
                exact = real_sums(columns) if exact is None else exact
                out.append(exact)
            else:
                out.append(np.stack([self._evaluated(sum_, columns, output) for output, sum_ in enumerate(view)]))
        return out

    def _evaluated(self, sum_: _Sum, columns: Columns, output: int) -> Floats:
        """One logit of every candidate."""
        weights, inputs = columns.weights[output].T, columns.inputs.T
        if sum_.whole:
            weights, inputs = (self._spread(numbers) for numbers in (weights, inputs))
        return sum_of_products(sum_.how, weights, inputs)

    def _spread(self, numbers: Floats) -> Floats:
        """Rows of numbers for all terms, zero where a term is not active."""
        rows = np.zeros((len(numbers), self.question.terms))
        rows[:, self.active] = numbers
        return rows

    def _sum(self, how: Arithmetic) -> _Sum:
        """How a logit is computed: from the active terms alone, or from all where those cannot be told apart from zeros."""
        if how.format is None or len(self.active) == self.question.terms:
            return _Sum(how)
        try:
            return _Sum(restricted(how, self.question.terms, self.active))
        except InputError:
            return _Sum(how, whole=True)

    def judge(self, columns: Columns) -> Judgement:
        """Which candidates are solutions; exact arithmetic is approximated, so the exact re-check has the last word."""
        predicate, relation = self.question.predicate, self.question.predicate.searched
        reference, deployed, *silent = self.logits(columns)
        with np.errstate(all="ignore"):
            fires = relation.holds_each(predicate, reference, deployed, 0.0)
            strict = relation.strict_each(predicate, reference, deployed)
            measure = relation.measure_each(predicate, reference, deployed)
            for logits in silent:
                fires &= ~relation.holds_each(predicate, reference, logits, 0.0) & np.isfinite(logits).all(axis=0)
            fires &= np.isfinite(reference).all(axis=0) & np.isfinite(deployed).all(axis=0)
        if self.question.camouflage:
            fires &= (columns.weights != 0).all(axis=(0, 1)) & (columns.inputs != 0).all(axis=0)
        return Judgement(fires, strict, np.nan_to_num(measure, nan=0.0, posinf=0.0, neginf=0.0))


def real_sums(columns: Columns) -> Floats:
    """The sums in extended precision, where the machine has it, rounded once into float64; of shape (outputs, candidates)."""
    wide = columns.inputs.astype(np.longdouble)
    return np.stack([(row.astype(np.longdouble) * wide).sum(axis=0) for row in columns.weights]).astype(np.float64)
