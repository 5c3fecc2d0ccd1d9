"""Columns: many candidate layers side by side in arrays, evaluated in every view at once and judged by the predicate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.arithmetic import REAL, Arithmetic, Deployment, restricted
from fpsynth.evaluators.arrays import evaluate_arrays
from fpsynth.evaluators.bit_patterns import from_index, grid
from fpsynth.evaluators.float_arrays import round_array
from fpsynth.expressions import Expression, variable
from fpsynth.formats import Format
from fpsynth.networks.network import Dense, Network
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.flips.arithmetics import lowered_in
from fpsynth.synthesis.flips.question import FlipQuestion
from fpsynth.witness.divergence import View

Floats = NDArray[np.float64]
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


class Bench:
    """Evaluates columns in every view of a question, restricted to the ``active`` terms: all others count as zero."""

    def __init__(self, question: FlipQuestion, active: Sequence[int] | None = None) -> None:
        self.question = question
        self.active = tuple(range(question.terms)) if active is None else tuple(sorted(set(active)))
        count, outputs = len(self.active), question.outputs
        self.names = [[f"w{j}_{k}" for k in range(count)] for j in range(outputs)]
        network = Network((Dense(tuple(tuple(variable(name, question.format) for name in row) for row in self.names)),))
        point = [variable(f"x{k}", question.format) for k in range(count)]
        self.roots: list[tuple[Expression, ...] | None] = [
            None if self._real(view) else lowered_in(network, point, self.deployment(view)) for view in question.views
        ]

    @property
    def capacity(self) -> int:
        """How many candidates are evaluated at once."""
        return max(64, min(MAX_COLUMNS, MAX_NUMBERS // (len(self.active) * self.question.outputs)))

    def deployment(self, view: View) -> Deployment:
        """The view's deployment of the active terms alone."""
        hows = [self._restricted(view.deployment.at(0, j)) for j in range(self.question.outputs)]
        return Deployment(hows[0], tuple(((0, j), how) for j, how in enumerate(hows) if how != hows[0]))

    def logits(self, columns: Columns) -> list[Floats]:
        """The logits of each view, of shape (outputs, candidates); those in REAL to about 64 bits."""
        values: dict[str, Floats] = {f"x{k}": columns.inputs[k] for k in range(len(self.active))}
        for j, names in enumerate(self.names):
            values |= {name: columns.weights[j, k] for k, name in enumerate(names)}
        roots = [root for view in self.roots if view is not None for root in view]
        results = iter(evaluate_arrays(roots, values) if roots else [])
        exact = None if all(view is not None for view in self.roots) else real_sums(columns)
        out: list[Floats] = []
        for view in self.roots:
            out.append(np.stack([next(results) for _ in view]) if view is not None else np.asarray(exact))
        return out

    def judge(self, columns: Columns) -> Judgement:
        """Which candidates are solutions; exact arithmetic is approximated, so the exact re-check has the last word."""
        reference, deployed, *silent = self.logits(columns)
        with np.errstate(all="ignore"):
            fires, strict, measure = self._compared(reference, deployed)
            for logits in silent:
                fires &= ~self._compared(reference, logits)[0] & np.isfinite(logits).all(axis=0)
            fires &= np.isfinite(reference).all(axis=0) & np.isfinite(deployed).all(axis=0)
        if self.question.camouflage:
            fires &= (columns.weights != 0).all(axis=(0, 1)) & (columns.inputs != 0).all(axis=0)
        return Judgement(fires, strict, np.nan_to_num(measure, nan=0.0, posinf=0.0, neginf=0.0))

    def _compared(self, a: Floats, b: Floats) -> tuple[Truths, Truths, Floats]:
        predicate = self.question.predicate
        if predicate.kind == "argmax":
            first, second = a.argmax(axis=0), b.argmax(axis=0)
            measure = np.minimum(np.abs(a[0] - a[1]), np.abs(b[0] - b[1]))
            return first != second, measure > 0, measure
        x, y = a[predicate.output], b[predicate.output]
        opposite = (x < 0) & (y > 0) | (x > 0) & (y < 0)
        gap = np.abs(x - y)
        match predicate.kind:
            case "sign":
                return (x > 0) != (y > 0), opposite, gap
            case "relu":
                return (x < 0) & (y > 0), opposite, gap
        return gap >= float(predicate.bound), np.ones(gap.shape, bool), gap

    def _restricted(self, how: Arithmetic) -> Arithmetic:
        if how.format is None:
            return REAL
        return how if len(self.active) == self.question.terms else restricted(how, self.question.terms, self.active)

    def _real(self, view: View) -> bool:
        return all(view.deployment.at(0, j).format is None for j in range(self.question.outputs))


def real_sums(columns: Columns) -> Floats:
    """The sums in extended precision, where the machine has it, rounded once into float64; of shape (outputs, candidates)."""
    wide = columns.inputs.astype(np.longdouble)
    return np.stack([(row.astype(np.longdouble) * wide).sum(axis=0) for row in columns.weights]).astype(np.float64)
