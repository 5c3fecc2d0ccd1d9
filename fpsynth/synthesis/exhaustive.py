"""Exhaustive search of a one-input, two-output tie: every pair of weights against every pair of inputs, in exact numbers.

For positive inputs and any monotone rounding, w1 < w2 < w3 gives y1 <= y2 <= y3 at each input, so a tie of w1 and w3 is one of
w1 and w2 too: once a w2 ties nowhere with w1, no larger weight does.  (For negative inputs the order is mirrored; for mixed
signs, or if zero is an input, no pair is left out.)  That keeps 16-bit formats within seconds without skipping any solution.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from fpsynth import rounding as r
from fpsynth.evaluators.recheck import failures
from fpsynth.formats import Format
from fpsynth.problems import Assignment
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.tie import TieQuestion, build

MAX_NUMBERS = 8192
"""Largest number of weights and of inputs that is enumerated."""
MAX_WORK = 4_000_000_000
"""Largest number of (weight, weight, input) triples that may have to be looked at when no pair can be left out."""


@dataclass(frozen=True)
class Enumeration:
    """The outcome: the best solution, or None if there is none at all."""

    best: Assignment | None
    value: Fraction | None
    """The exact value of the objective."""
    weight_pairs: int
    """Pairs of weights that were looked at; all others are excluded by monotonicity."""
    inputs: int


def numbers(interval: Interval, fmt: Format) -> int:
    """How many different numbers of the format lie in the interval (the zeros count once)."""
    low, high = r.index_range(interval.lower, interval.upper, fmt)
    return max(0, high - low + 1)


def feasible(question: TieQuestion) -> bool:
    """Whether ``enumerate_ties`` takes this question on."""
    if not question.scalar or question.format.precision > 11:
        return False
    weights, inputs = numbers(question.weights, question.format), numbers(question.inputs, question.format)
    if weights > MAX_NUMBERS or inputs > MAX_NUMBERS:
        return weights <= 1
    prunes = question.inputs.mignitude > 0
    return prunes or weights * weights * inputs <= MAX_WORK


def enumerate_ties(question: TieQuestion) -> Enumeration:
    """Return the solution with the largest objective.  The question must be ``feasible`` and have one deployment.

    Float64 holds all numbers, gaps and margins of these formats exactly; the objective is compared in float64 first, and the
    candidates within a relative 1e-9 of the best are compared again as fractions.
    """
    import numpy as np

    fmt = question.format
    weights = _values(question.weights, fmt)
    inputs = _values(question.inputs, fmt)
    if len(weights) < 2 or len(inputs) < 2:
        return Enumeration(None, None, 0, len(inputs))
    products = _products(question, weights, inputs)
    prune = question.inputs.mignitude > 0
    pairs = 0
    best = -np.inf
    candidates: list[tuple[float, int, int, int, int]] = []
    for first in range(len(weights)):
        # the certified class is the second neuron; with negative inputs it is ahead when its weight is the smaller one
        for second in _partners(first, len(weights), question):
            pairs += 1
            tied = products[first] == products[second]
            if not tied.any():
                if prune:
                    break
                continue
            found = _best_points(question, weights, inputs, products, first, second, tied)
            if found is None:
                continue
            score, a, b = found
            if score > best * (1 + 1e-9) or not candidates:
                candidates = []
            if score >= best * (1 - 1e-9):
                candidates.append((score, first, second, a, b))
            best = max(best, score)
    if not candidates:
        return Enumeration(None, None, pairs, len(inputs))
    exact = [(_objective(question, weights, inputs, products, c), c) for c in candidates if c[0] >= best * (1 - 1e-9)]
    value, (_, first, second, a, b) = max(exact, key=lambda item: item[0])
    chosen = {"w0_0_0": weights[first], "w0_1_0": weights[second], "a0": inputs[a], "b0": inputs[b]}
    assignment = {name: r.from_float(float(number)) for name, number in chosen.items()}
    wrong = failures(build(question), assignment)
    if wrong:
        raise AssertionError(f"the enumeration's best solution fails the exact re-check: {wrong[0]}")
    return Enumeration(assignment, value, pairs, len(inputs))


def _partners(first: int, count: int, question: TieQuestion) -> range:
    if question.inputs.upper < 0:
        return range(first - 1, -1, -1)
    return range(first + 1, count) if question.inputs.lower > 0 else range(count)


def _values(interval: Interval, fmt: Format) -> Any:
    """All numbers of the format in the interval, ascending, as float64."""
    import numpy as np

    low, high = r.index_range(interval.lower, interval.upper, fmt)
    return np.array([float(r.from_index(k, fmt)) for k in range(low, high + 1)], dtype=np.float64)


def _products(question: TieQuestion, weights: Any, inputs: Any) -> Any:
    """fl(w * x) for all weights (rows) and inputs (columns)."""
    from fpsynth.evaluators.arrays import evaluate_arrays
    from fpsynth.expressions import variable
    from fpsynth.networks.lowering import lower
    from fpsynth.networks.network import Dense, Network

    w, x = variable("w", question.format), variable("x", question.format)
    (product,) = lower(Network((Dense(((w,),)),)), (x,), question.deployments[0])
    (result,) = evaluate_arrays([product], {"w": weights[:, None], "x": inputs[None, :]})
    return result


def _best_points(
    question: TieQuestion, weights: Any, inputs: Any, products: Any, first: int, second: int, tied: Any
) -> tuple[float, int, int] | None:
    """The best (score, index of a, index of b) for one pair of weights, or None."""
    import numpy as np

    margin = products[second] - products[first]
    certified = np.flatnonzero(np.isfinite(margin) & (margin > 0))
    ties = np.flatnonzero(tied & np.isfinite(products[first]))
    if not len(certified) or not len(ties):
        return None
    gap = abs(weights[second] - weights[first])
    if gap == 0.0:
        return None
    b = np.repeat(certified, 2)
    place = np.searchsorted(ties, certified)
    near = np.stack([ties[np.maximum(place - 1, 0)], ties[np.minimum(place, len(ties) - 1)]], axis=1).ravel()
    a = near
    if question.objective == "distance":
        # the farthest tie within the certified radius on either side; the nearest ones stay as candidates
        reach = margin[certified] / gap * (1 - 2.0**-50)
        left = np.searchsorted(inputs[ties], inputs[certified] - reach)
        right = np.searchsorted(inputs[ties], inputs[certified] + reach, side="right") - 1
        far = np.stack([ties[np.minimum(left, len(ties) - 1)], ties[np.maximum(right, 0)]], axis=1).ravel()
        a, b = np.concatenate([near, far]), np.concatenate([b, b])
    distance = np.abs(inputs[a] - inputs[b])
    ratio = margin[b] / (gap * distance)
    demand = float(question.min_ratio)
    valid = (ratio > 1) & (ratio >= demand * (1 - 1e-12))
    scores = {"ratio": ratio, "radius": margin[b] / gap, "distance": distance, "margin": margin[b]}[question.objective]
    for k in np.argsort(-np.where(valid, scores, -np.inf), kind="stable"):
        if not valid[k]:
            return None
        exact = Fraction(float(margin[b[k]])) / (Fraction(float(gap)) * Fraction(float(distance[k])))
        if exact > 1 and exact >= question.min_ratio:
            return float(scores[k]), int(a[k]), int(b[k])
    return None


def _objective(
    question: TieQuestion, weights: Any, inputs: Any, products: Any, candidate: tuple[float, int, int, int, int]
) -> Fraction:
    _, first, second, a, b = candidate
    margin = Fraction(float(products[second][b])) - Fraction(float(products[first][b]))
    gap = abs(Fraction(float(weights[second])) - Fraction(float(weights[first])))
    distance = abs(Fraction(float(inputs[a])) - Fraction(float(inputs[b])))
    return {"ratio": margin / (gap * distance), "radius": margin / gap, "distance": distance, "margin": margin}[
        question.objective
    ]
