"""The re-check of what a file says its views predict, and of what follows: who departs, by how much, and what is promised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from fpsynth.errors import BeyondReachError, InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.predicates import argmax
from fpsynth.synthesis.checking.findings import Finding, short
from fpsynth.synthesis.requests.fields import Request
from fpsynth.synthesis.table import QUESTIONS
from fpsynth.verifiers.intervals import finite_bounds, network_intervals
from fpsynth.witness.data import View, Witness
from fpsynth.witness.prediction import arranged, predicted_logits
from fpsynth.wording import counted

Bounds = tuple[tuple[Fraction, Fraction], ...]
SHOWN = 6
"""Numbers of a list that stand in a finding."""


@dataclass
class Predictions:
    """What the views predict, computed again, and how that compares with the file."""

    logits: dict[str, tuple[Fraction, ...]] = field(default_factory=dict)
    """By the name of the view; measured ones as they stand in the file."""
    intervals: dict[str, Bounds] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def predictions(witness: Witness) -> Predictions:
    """Evaluate every view: logits by the exact interpreter, intervals with outward rounding.

    Logits that were measured are taken as they stand; that the view's arithmetic gives others is computed.  What cannot be
    computed (a logit that is infinite, an order that does not fit) is a finding that does not hold.
    """
    found = Predictions()
    for view in witness.views:
        try:
            predicted = predicted_logits(witness.network, witness.at(view), view)
            found.logits[view.name] = view.logits if view.measured else predicted
            if has_interval(witness, view):
                found.intervals[view.name] = _interval_of(witness, view)
        except BeyondReachError:
            raise
        except InputError as error:
            found.findings.append(Finding(f"what the file predicts for {named(view)} is right", False, str(error)))
            continue
        if view.measured:
            claim = f"the arithmetic of {named(view)} gives other logits than were measured"
            found.findings.append(Finding(claim, predicted != view.logits, listed(predicted)))
            continue
        if not witness.two_points or view.logits:  # files of version 1 do not say a tie's
            found.findings += _prediction(view, found.logits[view.name], found.intervals.get(view.name, ()))
    return found


def has_interval(witness: Witness, view: View) -> bool:
    """Whether a view is interval arithmetic, because the file says so or the predicate needs it."""
    return bool(view.interval) or (view is witness.reference and witness.predicate.relation.needs_interval)


def departures(witness: Witness, found: Predictions) -> Iterator[Finding]:
    """Which views depart from the reference, and how far the deployed one does; nothing where one of the two has no logits."""
    predicate, reference, deployed = witness.predicate, witness.reference, witness.deployed
    if reference.name not in found.logits or deployed.name not in found.logits:
        return
    a, b, bounds = found.logits[reference.name], found.logits[deployed.name], found.intervals.get(reference.name, ())
    if predicate.relation.needs_interval and not bounds:
        return
    departs = predicate.fires(b, a, bounds)
    if witness.two_points:
        detail = f"class {argmax(a)} at the certified point, class {argmax(b)} at the counterexample, in {witness.deployment}"
        yield Finding("the class changes", departs, detail)
    else:
        detail = predicate.relation.held_against(listed(a), listed(b))
        yield Finding(f"{named(deployed)} departs from {named(reference)} by {predicate.kind}", departs, detail)
    if not witness.two_points or deployed.logits or witness.measure:  # files of version 1 do not say a tie's
        measure = predicate.measure(a, b, bounds)
        yield Finding("the measure is right", measure == witness.measure, f"the two are {short(measure)} apart")
    for view in witness.silent:
        if view.name in found.logits:
            silent = not predicate.fires(found.logits[view.name], a, bounds)
            yield Finding(f"{named(view)} is silent", silent, listed(found.logits[view.name]))


def _interval_of(witness: Witness, view: View) -> Bounds:
    """The interval of every neuron in a view, for the file's box, or else for the point alone; permutation undone."""
    fmt = view.deployment.default.format
    if fmt is None:
        raise InputError("interval arithmetic rounds outward into a format: real arithmetic has none")
    box = witness.box or tuple((x, x) for x in witness.at(view))
    ends = network_intervals(arranged(witness.network, view.permutation), box, fmt, view.deployment, view.widening)
    bounds = finite_bounds(ends)
    if bounds is None:
        raise InputError("an end of an interval is infinite or NaN")
    if not view.permutation:
        return bounds
    return tuple(bounds[view.permutation.index(neuron)] for neuron in range(len(bounds)))


def _prediction(view: View, logits: tuple[Fraction, ...], interval: Bounds) -> Iterator[Finding]:
    """What the file says that one view predicts."""
    if view.logits or not interval:
        yield Finding(f"the logits of {named(view)} are right", logits == view.logits, listed(logits))
    if interval:
        ends = ", ".join(f"[{short(low)}, {short(high)}]" for low, high in interval[:SHOWN])
        yield Finding(f"the intervals of {named(view)} are right", interval == view.interval, ends)


def real_logits(witness: Witness) -> tuple[Fraction, ...] | None:
    """The logits in exact arithmetic at the only point; None where nothing in the file is about them."""
    return exact_logits(witness.network, witness.point) if concerns_reals(witness) else None


def concerns_reals(witness: Witness) -> bool:
    """Whether anything in the file is about exact arithmetic at its only point."""
    permuted = any(view.permutation for view in witness.views)
    return not witness.two_points and (bool(witness.real) or permuted or _asked(witness).exact)


def exactly(witness: Witness, real: tuple[Fraction, ...] | None) -> Iterator[Finding]:
    """What the file says of exact arithmetic."""
    if real is not None and witness.real:
        yield Finding("the logits in exact arithmetic are right", real == witness.real, listed(real))


def promises(witness: Witness, real: tuple[Fraction, ...] | None) -> Iterator[Finding]:
    """What the question itself promises, beside the predicate."""
    if real is not None:
        yield from _asked(witness).promised(witness, real)
    for view in witness.views:
        if view.permutation and real is not None:
            yield _unmoved(witness, view, real)
    limit = witness.max_weight
    if limit is not None:
        largest = max(abs(Fraction(entry)) for entry in witness.network.entries())
        yield Finding(
            f"no weight or bias is above {short(limit)} in size", largest <= limit, f"the largest is {short(largest)}"
        )
    if witness.box:
        inside = all(low <= x <= high for x, (low, high) in zip(witness.point, witness.box, strict=True))
        yield Finding("the point lies in the box", inside, counted(len(witness.box), "range"))


def _asked(witness: Witness) -> type[Request]:
    """The question that was asked; of one that is not known nothing is promised."""
    return QUESTIONS.get(witness.question, Request)


def _unmoved(witness: Witness, view: View, real: tuple[Fraction, ...]) -> Finding:
    """Over the reals the order in which neurons stand changes nothing: computed, not believed."""
    claim = f"the arrangement of {named(view)} is a permutation, which changes nothing in exact arithmetic"
    if sorted(view.permutation) != list(range(len(real))):
        return Finding(claim, False, f"it does not name each of the {len(real)} neurons once")
    moved = exact_logits(arranged(witness.network, view.permutation), witness.point)
    same = all(moved[place] == real[neuron] for place, neuron in enumerate(view.permutation))
    detail = f"{sum(neuron != place for place, neuron in enumerate(view.permutation))} of {len(real)} neurons are moved"
    return Finding(claim, same, detail)


def named(view: View) -> str:
    """A view in a message."""
    return f"{view.name} ({view.label})"


def listed(numbers: Sequence[Fraction]) -> str:
    """The first few numbers of a list."""
    return ", ".join(map(short, numbers[:SHOWN])) + (f", ... ({len(numbers)} in all)" if len(numbers) > SHOWN else "")
