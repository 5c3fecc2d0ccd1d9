"""Exhaustive search of a one-input, two-output tie: every pair of weights against every pair of inputs, in exact numbers.

For positive inputs and any monotone roundings, however many in a row, w1 < w2 < w3 gives y1 <= y2 <= y3 at each input, so a
tie of w1 and w3 is one of w1 and w2 too: once a w2 ties nowhere with w1, no larger weight does.  (For negative inputs the order
is mirrored; for mixed signs, or if zero is an input, no pair is left out.)  That keeps 16-bit formats within seconds without
skipping any solution.

Float64 holds all numbers, gaps, distances and margins exactly (``feasible`` sees to that).  What is computed from them is only
used to sort: whatever comes within a relative 1e-9 of being valid, or the best, is decided with fractions.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from fpsynth import rounding as r
from fpsynth.errors import ContradictionError
from fpsynth.evaluators.recheck import failures
from fpsynth.formats import Format
from fpsynth.problems import Assignment
from fpsynth.sums.building import program_of
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.ties.question import CERTIFIED, TIED, TieQuestion, build, weight_name
from fpsynth.synthesis.ties.ratio_bound import product_rounding

MAX_NUMBERS = 8192
"""Largest number of weights and of inputs that is enumerated."""
MAX_WORK = 4_000_000_000
"""Largest number of (weight, weight, input) triples that may have to be looked at when no pair can be left out."""
_SLACK = 1e-9
"""Far above the rounding errors of the float64 estimates that candidates are sorted by."""
_BLOCK = 128
"""Rows of products that are computed at a time: memory for the intermediate results is what limits it."""


@dataclass(frozen=True)
class Enumeration:
    """The outcome: the best solution, or None if there is none at all."""

    best: Assignment | None
    value: Fraction | None
    """The exact value of the objective."""
    weight_pairs: int
    """Pairs of weights that were looked at; all others are excluded by monotonicity."""
    inputs: int
    complete: bool = True
    """False if time ran out: then nothing is proved about the pairs that were not looked at."""


def numbers(interval: Interval, fmt: Format) -> int:
    """How many different numbers of the format lie in the interval (the zeros count once)."""
    low, high = r.index_range(interval.lower, interval.upper, fmt)
    return max(0, high - low + 1)


def contradiction(question: TieQuestion) -> str:
    """Say why a domain can hold no tie at all, of whatever shape; empty if that is not plain to see.

    With a single weight all neurons of a layer are alike, so no logit is ever ahead; with a single input the points coincide.
    """
    if numbers(question.weights, question.format) == 1:
        return f"{question.weights} holds a single {question.format} number, so all logits are always equal"
    if numbers(question.inputs, question.format) == 1:
        return f"{question.inputs} holds a single {question.format} number, so the two points coincide"
    return ""


def feasible(question: TieQuestion, pairs: int = MAX_NUMBERS**2) -> bool:
    """Whether ``enumerate_ties`` takes this question on, and it has at most so many pairs of a weight and an input."""
    fmt, weights, inputs = question.format, question.weights, question.inputs
    if not question.scalar or fmt.precision > 11 or len(question.deployments) != 1:
        return False
    programs = [program_of(question.deployments[0].at(0, output), 1) for output in (TIED, CERTIFIED)]
    if programs[0] != programs[1] or programs[0].format != fmt:
        return False
    rows, columns = numbers(weights, fmt), numbers(inputs, fmt)
    if max(rows, columns) > MAX_NUMBERS or rows * columns > pairs:
        return False
    products = weights.mignitude * inputs.mignitude, weights.magnitude * inputs.magnitude
    if product_rounding(question, TIED) is None:  # it may come out anywhere in the format
        products = Fraction(0), fmt.max_finite
    ranges = [(weights.mignitude, weights.magnitude), (inputs.mignitude, inputs.magnitude), products]
    if any(_bits(low, min(high, fmt.max_finite), fmt) > 53 for low, high in ranges):
        return False
    return inputs.mignitude > 0 or rows * rows * columns <= MAX_WORK


def _bits(low: Fraction, high: Fraction, fmt: Format) -> int:
    """Bits of an integer that holds any difference of two numbers with magnitudes from low to high, in units of the finest."""
    finest = fmt.lsb_min if low < fmt.min_normal else _exponent(low) - fmt.precision
    return max(_exponent(high), fmt.emin) + 3 - finest  # a carry of the rounding, and the sign


def _exponent(number: Fraction) -> int:
    """An integer e with 2**(e-1) <= number < 2**(e+1); 0 for zero."""
    return number.numerator.bit_length() - number.denominator.bit_length()


def enumerate_ties(question: TieQuestion, seconds: float | None = None) -> Enumeration:
    """Return the solution with the largest objective; with ``seconds``, what was found until they were over.

    The question must be ``feasible``.  Raises ContradictionError where the result fails the exact re-check.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    fmt = question.format
    weights, inputs = _values(question.weights, fmt), _values(question.inputs, fmt)
    if len(weights) < 2 or len(inputs) < 2:
        return Enumeration(None, None, 0, len(inputs))
    search = _Search(question, weights, inputs)
    prune = question.inputs.mignitude > 0
    pairs, complete = 0, search.multiply(deadline)
    for first in range(len(weights)) if complete else ():
        if deadline is not None and time.monotonic() > deadline:
            complete = False
            break
        # the certified class is the second neuron; with negative inputs it is ahead when its weight is the smaller one
        for second in _partners(first, len(weights), question):
            pairs += 1
            if not search.look(first, second) and prune:
                break
    if search.best is None:
        return Enumeration(None, None, pairs, len(inputs), complete)
    first, second, a, b = search.best
    chosen = {
        weight_name(0, TIED, 0): weights[first],
        weight_name(0, CERTIFIED, 0): weights[second],
        "a0": inputs[a],
        "b0": inputs[b],
    }
    assignment = {name: r.from_float(float(number)) for name, number in chosen.items()}
    wrong = failures(build(question), assignment)
    if wrong:
        raise ContradictionError(f"the enumeration's best solution fails the exact re-check: {wrong[0]}")
    return Enumeration(assignment, search.value, pairs, len(inputs), complete)


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
    from fpsynth.networks.template import template

    w, x = variable("w", question.format), variable("x", question.format)
    (product,) = lower(template([(((w,),), None)]), (x,), question.deployments[0])
    (result,) = evaluate_arrays([product], {"w": weights[:, None], "x": inputs[None, :]})
    return result


class _Search:
    """The best solution so far, and how it gets better."""

    def __init__(self, question: TieQuestion, weights: Any, inputs: Any) -> None:
        self.question, self.weights, self.inputs = question, weights, inputs
        self.least = max(question.min_ratio, Fraction(1))
        self.value: Fraction | None = None
        self.best: tuple[int, int, int, int] | None = None
        """Indices of both weights, of a and of b."""
        self._seen: set[tuple[float, float, float]] = set()

    def multiply(self, deadline: float | None) -> bool:
        """Compute all products; false if time runs out."""
        import numpy as np

        # float32 holds the products of all named formats of so few bits, in half the memory
        small = self.question.format.exponent_bits <= 8
        self.products = np.empty((len(self.weights), len(self.inputs)), np.float32 if small else np.float64)
        for start in range(0, len(self.weights), _BLOCK):
            if deadline is not None and time.monotonic() > deadline:
                return False
            rows = slice(start, start + _BLOCK)
            self.products[rows] = _products(self.question, self.weights[rows], self.inputs)
        return True

    def look(self, first: int, second: int) -> bool:
        """Take in the best solution with these weights; return whether they tie anywhere."""
        import numpy as np

        tied = self.products[first] == self.products[second]
        if not tied.any():
            return False
        low, high = self.products[first].astype(np.float64), self.products[second].astype(np.float64)
        with np.errstate(invalid="ignore"):
            margin = high - low
        ahead = np.flatnonzero(np.isfinite(margin) & (margin > 0))
        ties = np.flatnonzero(tied & np.isfinite(low))
        if len(ahead) and len(ties):
            self._improve(first, second, margin, ties, ahead)
        return True

    def _improve(self, first: int, second: int, margin: Any, ties: Any, ahead: Any) -> None:
        import numpy as np

        gap = abs(self.weights[second] - self.weights[first])
        a, b = self._points(ties, ahead, margin[ahead] / gap)
        distance, lead = np.abs(self.inputs[a] - self.inputs[b]), margin[b]
        scores = self._objective(lead, gap, distance)
        possible = lead >= float(self.least) * gap * distance * (1 - _SLACK)
        if self.value is not None:
            possible &= scores >= float(self.value) * (1 - _SLACK)
        places = np.flatnonzero(possible)
        for k in places[np.argsort(-scores[places], kind="stable")]:
            if self.value is not None and scores[k] < float(self.value) * (1 - _SLACK):
                return
            numbers_ = float(lead[k]), float(gap), float(distance[k])
            if numbers_ in self._seen:
                continue
            self._seen.add(numbers_)
            value = self._valid(*map(Fraction, numbers_))
            if value is not None and (self.value is None or value > self.value):
                self.value, self.best = value, (first, second, int(a[k]), int(b[k]))

    def _objective(self, lead: Any, gap: Any, distance: Any) -> Any:
        """Of numbers or of arrays."""
        match self.question.objective:
            case "ratio":
                return lead / (gap * distance)
            case "radius":
                return lead / gap
            case "distance":
                return distance
        return lead

    def _valid(self, lead: Fraction, gap: Fraction, distance: Fraction) -> Fraction | None:
        """The exact objective, or None where the ratio is not above 1 or below what is demanded."""
        if lead <= gap * distance or lead < self.question.min_ratio * gap * distance:
            return None
        value: Fraction = self._objective(lead, gap, distance)
        return value

    def _points(self, ties: Any, ahead: Any, radius: Any) -> tuple[Any, Any]:
        """Pairs (index of a, index of b), the best for each b among them.

        That is the nearest tie on either side, but for the objective ``distance`` the farthest one within the radius.
        """
        import numpy as np

        if self.question.objective != "distance":
            place = np.searchsorted(ties, ahead)
            return np.concatenate([ties[np.maximum(place - 1, 0)], ties[np.minimum(place, len(ties) - 1)]]), np.tile(ahead, 2)
        tied, centre, reach = self.inputs[ties], self.inputs[ahead], radius / float(self.least)
        inner, outer = reach * (1 - _SLACK), reach * (1 + _SLACK)
        surely_left, perhaps_left = np.searchsorted(tied, centre - inner), np.searchsorted(tied, centre - outer)
        surely_right = np.searchsorted(tied, centre + inner, side="right") - 1
        perhaps_right = np.searchsorted(tied, centre + outer, side="right") - 1
        last = len(ties) - 1
        pairs = [(ties[np.minimum(surely_left, last)], ahead), (ties[np.maximum(surely_right, 0)], ahead)]
        for low, high in ((perhaps_left, surely_left), (surely_right + 1, perhaps_right + 1)):
            for k in np.flatnonzero(low < high):  # a few, too near the rim for float64 to decide
                pairs.append((ties[low[k] : high[k]], np.full(high[k] - low[k], ahead[k])))
        return np.concatenate([a for a, _ in pairs]), np.concatenate([b for _, b in pairs])
