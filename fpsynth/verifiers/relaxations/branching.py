"""Branch and bound: a region in parts, each bounded by itself, until none is left, a point is found, or time is over.

A part is a half of a part: by an input, where there are few, else by the sign of a number that a selection reads.  The worse
half of a part comes next, so that a way leads down to points; then the worst part there is.  (Bunel et al., "Branch and bound
for piecewise linear neural network verification", JMLR 2020.)  A part that holds few points that a deployment can read is not
bounded at all: it is computed there (``leaves.py``).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.formats import Format
from fpsynth.networks.graph import INPUT
from fpsynth.rounding import Rounding, from_index, index_range, round_fraction, to_index
from fpsynth.verifiers.relaxations.alpha import Split, dense, improved
from fpsynth.verifiers.relaxations.asked import BoundQuestion, Outcome, middle
from fpsynth.verifiers.relaxations.backward import least_values
from fpsynth.verifiers.relaxations.crown import Analysis, analysed
from fpsynth.verifiers.relaxations.ends import Ends
from fpsynth.verifiers.relaxations.leaves import enumerated
from fpsynth.verifiers.relaxations.lines import Selecting
from fpsynth.verifiers.relaxations.region import Inputs
from fpsynth.workers.deadlines import require_time

STEPS = 8
"""Of the ascent, for each row of a part."""
FEW = 16
"""Inputs up to which they are split."""
MAX_PARTS = 64
"""Where no time limit ends the search."""


@dataclass(frozen=True, eq=False)
class RegionPart:
    """A part of the region."""

    inputs: Inputs
    known: Mapping[str, Ends]
    """Ends that hold in it."""
    splits: tuple[Split, ...]


@dataclass(frozen=True, eq=False)
class Judged:
    """What is known of a part."""

    part: RegionPart
    analysis: Analysis
    least: Floats
    """Of each of the property's inequalities."""
    open: int
    """The inequality that is nearest to excluding a conjunction that is not excluded yet; -1: all are."""


def branched(asked: BoundQuestion) -> tuple[Outcome, int]:
    """What becomes of a property, and how many parts were looked at.

    Ends where the time is over by OutOfTimeError, as everything here.
    """
    if outcome := enumerated(asked, asked.inputs.box):
        return outcome, 1
    whole = _judged(asked, RegionPart(asked.inputs, {}, ()))
    waiting = _Waiting()
    looked = 1
    if whole.open >= 0:
        waiting.add([whole])
    if point := asked.violation([middle(asked.inputs), *_hostile(asked, whole)]):
        return ("sat", point, ""), looked
    while waiting and (asked.limited or looked < MAX_PARTS):
        require_time()
        judged = waiting.next()
        if not np.isfinite(judged.least[judged.open]):
            return ("unknown", (), "an end of an interval is infinite or NaN"), looked
        halves = _halves(asked, judged)
        if not halves:
            return ("unknown", (), "a part of the region cannot be split further"), looked
        open_ones = []
        for half in halves:
            looked += 1
            inner = _half(asked, half)
            if isinstance(inner, Judged):
                open_ones.append(inner)
            elif inner:
                return ("sat", inner, ""), looked
        waiting.add(open_ones)
    if waiting:
        return ("unknown", (), f"{looked} parts of the region were looked at, and {len(waiting)} are open"), looked
    return ("unsat", (), ""), looked


@dataclass(eq=False)
class _Waiting:
    """Parts that are open: the worse of those that were added last comes next, then the worst of all."""

    heap: list[tuple[float, int, Judged]] = field(default_factory=list)
    last: Judged | None = None
    added: int = 0

    def __len__(self) -> int:
        return len(self.heap) + (self.last is not None)

    def add(self, parts: Sequence[Judged]) -> None:
        """Halves of the part that came last; none is there any more of those added before."""
        ordered = sorted(parts, key=_worth)
        self.last = ordered[0] if ordered else None
        for one in ordered[1:]:
            self.added += 1
            heapq.heappush(self.heap, (_worth(one), -self.added, one))

    def next(self) -> Judged:
        """The next one, which waits no longer."""
        one, self.last = self.last, None
        return heapq.heappop(self.heap)[2] if one is None else one


def _worth(judged: Judged) -> float:
    return float(judged.least[judged.open])


def _half(asked: BoundQuestion, half: RegionPart) -> Judged | tuple[float, ...]:
    """What is known of a half: nothing unsafe (), an unsafe point, or bounds that leave it open."""
    if len(half.inputs.box.lower) <= FEW and (outcome := enumerated(asked, half.inputs.box)):
        return outcome[1]
    inner = _judged(asked, half)
    if inner.open < 0:
        return ()
    return asked.violation([*_hostile(asked, inner), middle(half.inputs)]) or inner


def _judged(asked: BoundQuestion, part: RegionPart) -> Judged:
    """Bounds of a part: its ends anew where its inputs were split, else those of the whole region, brought closer."""
    fresh = part.inputs is not asked.inputs or not part.known
    analysis = analysed(asked.known, part.inputs, part.known, refined=fresh)
    rigorous = asked.known.reasoning.rigorous  # else roundings alone may put ends the wrong way
    if rigorous and any((ends.lower > ends.upper).any() for ends in analysis.found.values()):
        return Judged(part, analysis, np.zeros(0), -1)  # no input does what the splits ask for
    outputs = analysis.output(asked.known)
    enough = _bounds(asked) + 2 * asked.room(outputs)
    least = improved(asked.known, part.inputs, analysis, asked.rows(), enough, part.splits, STEPS)
    least = below(asked, least, outputs)
    return Judged(part, analysis, least, _open(asked, least))


def below(asked: BoundQuestion, least: Floats, outputs: Ends) -> Floats:
    """Lower bounds of the exact left sides, from those of their rows in float64."""
    if asked.unsafe.off(asked.known.outputs) is None:
        return least
    less = least - asked.room(outputs)
    return np.nextafter(less, -np.inf) if asked.known.reasoning.rigorous else less


def _bounds(asked: BoundQuestion) -> Floats:
    """Above which a left side excludes its inequality, (inequalities,)."""
    return np.array([one.near_bound for one in asked.unsafe.inequalities])


def _open(asked: BoundQuestion, least: Floats) -> int:
    """See ``Judged.open``."""
    place = {one: k for k, one in enumerate(asked.unsafe.inequalities)}
    best, worst = -1, np.inf
    for conjunction in asked.unsafe.unsafe:
        places = [place[one] for one in conjunction]
        if any(one.excluded_by(float(least[k])) for k, one in zip(places, conjunction, strict=True)):
            continue
        if not places:
            return 0
        gaps = [float(least[k]) - asked.unsafe.inequalities[k].near_bound for k in places]
        gap = max(gaps)
        nearest = places[gaps.index(gap)]
        if best < 0 or gap < worst:
            best, worst = nearest, gap
    return best


def _traced(asked: BoundQuestion, judged: Judged) -> dict[str, Floats]:
    """The coefficients of every selection's results, and of the inputs, on the way of the open row."""
    trace: dict[str, Any] = {}
    row = asked.rows()[judged.open : judged.open + 1].astype(asked.known.reasoning.dtype)
    at = {asked.known.output: row}
    least_values(asked.known, judged.part.inputs, judged.analysis.found, judged.analysis.relaxations, at, trace)
    return {name: dense(matrix)[0] for name, matrix in trace.items()}


def _hostile(asked: BoundQuestion, judged: Judged) -> Iterator[Floats]:
    """Points at which a bound of the open row is the least."""
    if judged.open >= 0:
        coefficients = _traced(asked, judged).get(INPUT)
        if coefficients is not None:
            yield judged.part.inputs.minimisers(coefficients[None])[0]


def _halves(asked: BoundQuestion, judged: Judged) -> list[RegionPart]:
    """A part in two; none where there is nothing to split."""
    trace = _traced(asked, judged)
    few = len(judged.part.inputs.box.lower) <= FEW
    split = None if few else _worst_number(asked, judged, trace)
    return _by_input(judged, trace, asked.known.reasoning.deployed) if split is None else _by_number(asked, judged, split)


def _by_input(judged: Judged, trace: Mapping[str, Floats], fmt: Format | None) -> list[RegionPart]:
    """By the input whose range moves the bound the most."""
    inputs = judged.part.inputs
    lower, upper = inputs.box.lower, inputs.box.upper
    widths = upper - lower
    weights = np.abs(trace[INPUT]) + 1e-6 * np.abs(trace[INPUT]).max(initial=1.0) if INPUT in trace else np.ones_like(widths)
    place = int((weights * widths).argmax())
    cut = _cut(float(lower[place]), float(upper[place]), fmt)
    if cut is None:
        return []
    first, second = upper.copy(), lower.copy()
    first[place], second[place] = cut
    parts = (Ends(lower, first), Ends(second, upper))
    known = judged.part.known or {}
    return [RegionPart(replace(inputs, box=box), known, judged.part.splits) for box in parts]


def _cut(low: float, high: float, fmt: Format | None) -> tuple[float, float] | None:
    """Where a range ends and another begins: of a format at neighbouring numbers; None where there is nothing between."""
    middle = low / 2 + high / 2
    if fmt is None:
        return (middle, middle) if low < middle < high else None
    if not low < high:
        return None
    first, last = index_range(Fraction(low), Fraction(high), fmt)
    if not first < last:
        return None
    below = min(to_index(round_fraction(Fraction(middle), fmt, Rounding.RTN), fmt), last - 1)
    return float(from_index(below, fmt).fraction()), float(from_index(below + 1, fmt).fraction())


def _worst_number(asked: BoundQuestion, judged: Judged, trace: Mapping[str, Floats]) -> Split | None:
    """The number whose lines are the farthest apart for the open row; None where all selections are straight."""
    best, score = None, 0.0
    for layer in asked.known.layers:
        own = trace.get(layer.name)
        if not isinstance(layer.made, Selecting) or own is None or layer.made.read.shape[1] > 1:
            continue
        for knot in layer.made.made.knots:
            joined = [judged.analysis.found[source] for source in layer.sources]
            low = layer.made.largest(layer.joined([ends.lower for ends in joined]))
            high = layer.made.largest(layer.joined([ends.upper for ends in joined]))
            lines = judged.analysis.relaxations[layer.name]
            gap = lines.over.offsets - lines.under.offsets + (lines.over.slopes - lines.under.slopes) * np.clip(knot, low, high)
            scores = np.where((low < knot) & (high > knot), np.abs(own) * np.abs(gap), 0)
            place = int(scores.argmax())
            if scores[place] > score:
                position = int(layer.made.read[place, 0])
                source = next(k for k, part in enumerate(layer.slices) if part.start <= position < part.stop)
                if layer.sources[source] == INPUT:
                    continue
                best, score = (layer.sources[source], position - layer.slices[source].start, knot), float(scores[place])
    return None if best is None else Split(best[0], best[1], 1, best[2])


def _by_number(asked: BoundQuestion, judged: Judged, split: Split) -> list[RegionPart]:
    """At least the knot, and at most; the ends of the part, all of them, are kept for both."""
    parts = []
    found = {name: ends for name, ends in judged.analysis.found.items() if name != INPUT}
    for sign in (1, -1):
        ends = found[split.node]
        lower, upper = ends.lower.copy(), ends.upper.copy()
        (lower if sign > 0 else upper)[split.place] = split.knot
        own = {**found, split.node: Ends(lower, upper, ends.units)}
        parts.append(RegionPart(judged.part.inputs, own, (*judged.part.splits, replace(split, sign=sign))))
    return parts
