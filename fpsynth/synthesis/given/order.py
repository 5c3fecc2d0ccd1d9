"""An input on which two ways to evaluate a network that is given give it different classes, looked for at its boundaries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.confirmation.replay import replay
from fpsynth.errors import BeyondReachError, InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.evaluators.rounded import rounded_points
from fpsynth.evaluators.work import affordable_extra, exact_work, require_affordable
from fpsynth.formats import Format
from fpsynth.networks.network import Network
from fpsynth.predicates import Predicate
from fpsynth.synthesis.classes import require_classes
from fpsynth.synthesis.given.alike import alike, borne, compared, doubts_of
from fpsynth.synthesis.given.boundaries import neighbours
from fpsynth.synthesis.given.running import (
    RUN,
    measured,
    measured_views,
    outputs_in_row,
    outputs_of_unexplained,
    run_words,
    unexplained,
)
from fpsynth.synthesis.given.views import Given, GivenView, given_view
from fpsynth.synthesis.proofs import versions_used
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.settings import Clock
from fpsynth.synthesis.verdicts import Proof, Verdict
from fpsynth.witness.data import Provenance, View, Witness, only_point
from fpsynth.witness.prediction import with_prediction
from fpsynth.wording import counted
from fpsynth.workers.deadlines import OutOfTimeError, within

MIXED = 256
"""Points of each pair of neighbours that are tried."""
SIZED = 16
"""Inputs by whose numbers it is estimated how long an exact evaluation takes."""
ARGMAX = Predicate("argmax")


@dataclass(frozen=True)
class GivenOrder:
    """What is asked: the sides as the user wrote them, the reference first, and points (points, inputs) to start from."""

    network: Network
    format: Format
    sides: tuple[str, ...]
    inputs: Floats

    def __post_init__(self) -> None:
        size = int(np.prod(self.network.input_shape))
        if self.inputs.ndim != 2 or self.inputs.shape[1] != size or len(self.inputs) < 2:
            raise InputError(f"the network has {size} inputs, and two points at least are needed, not {self.inputs.shape}")


@dataclass(frozen=True)
class Running:
    """Where a witness is run."""

    libraries: Sequence[str]
    batches: Sequence[int]
    device: str


def order_of_network(
    asked: GivenOrder, given: Given, seconds: float, settings: dict[str, Any], running: Running | None
) -> Result:
    """Look for an input whose class is one in the reference and another in the deployed view, and nothing else in silent ones.

    Points on the boundaries of the reference's classes are tried; what is found is computed again by the exact interpreter,
    and run in every environment whose reveal does not explain everything: what no run bears out is discarded.
    Reveals and search together take ``seconds``, or a moment more: the clock is looked at within evaluations, too.  Impossible
    is only what takes the same sums in every layer, and of libraries only in the revealed arithmetics, see ``given.alike``.
    Raises InputError as ``given_view``, and for a network of one output, which has one class; BeyondReachError where a side in
    exact arithmetic cannot be evaluated at one point in the time that is left.
    """
    require_classes(asked.network)
    clock = Clock(seconds)
    names = ["a", "b", *(f"silent{k}" for k in range(1, len(asked.sides) - 1))]
    roles = ["reference", "deployed", *["silent"] * (len(asked.sides) - 2)]
    views: list[GivenView] = []
    try:
        with within(seconds):
            for text, name, role in zip(asked.sides, names, roles, strict=True):
                views.append(given_view(given, text, name, role))
        started = Clock(clock.left)
        with within(started.left):
            decision = _decided(asked, views, given, started)
    except OutOfTimeError:
        known = len(views) == len(asked.sides)
        started = started if known else Clock(0.0)
        decision = _over(seconds, "the search was done" if known else "every side was revealed")
    solved, witness = started.spent, decision.witness
    if witness is not None:
        witness = replace(witness, provenance=_provenance(given, clock, decision))
        if running is not None:
            given.progress("replaying the witness in the libraries")
            witness = replay(witness, libraries=running.libraries, batches=running.batches, device=running.device)
    return Result(
        question="order",
        verdict=decision.verdict,
        witnesses=() if witness is None else (witness,),
        reason=decision.reason,
        proof=decision.proof,
        attempts=(),
        seconds_solve=round(solved, 3),
        seconds_total=round(clock.spent, 3),
        settings=settings,
        notes=given.notes,
        versions={**versions_used(), **{v.view.environment.partition(":")[0]: v.found.version for v in views if v.found}},
    )


@dataclass(frozen=True)
class _Decision:
    """An answer, before it is replayed."""

    verdict: Verdict
    reason: str
    source: tuple[str, str]
    """The engine that it comes from, and how that looked for it."""
    witness: Witness | None = None
    proof: Proof | None = None


def _over(seconds: float, what: str) -> _Decision:
    return _Decision(Verdict.UNKNOWN, f"the time limit of {seconds:g} s was over before {what}", ("", ""))


def _decided(asked: GivenOrder, views: Sequence[GivenView], given: Given, clock: Clock) -> _Decision:
    """The answer, while there is time.  Raises OutOfTimeError and BeyondReachError."""
    proof = alike(views, asked.format)
    if proof is not None:
        return _without_search(asked, views, given, proof)
    require_evaluable(asked, views)
    return _searched(asked, views, given, clock)


def require_evaluable(asked: GivenOrder, views: Sequence[GivenView]) -> None:
    """Raise BeyondReachError where a side in exact arithmetic takes too long at one point: what is found is computed in it."""
    numbers = rounded_points(asked.inputs[:SIZED], asked.format).reshape(-1).tolist()
    for view in views:
        if view.view.deployment.default.format is None:
            require_affordable(
                f"evaluating the network at one point in {view.view.label}", exact_work(view.network.logits, numbers)
            )


def _searched(asked: GivenOrder, views: Sequence[GivenView], given: Given, clock: Clock) -> _Decision:
    """What a search on the boundaries of the classes comes to.  Raises OutOfTimeError where it came to nothing at all."""
    search = searched(asked, views, given, clock)
    if search.witness is None and not search.tried:
        raise OutOfTimeError
    source = ("boundary", f"pairs of inputs closed in on the boundary of their classes; {search.tried} points tried")
    if search.witness is not None:
        return _Decision(Verdict.FOUND, run_words(views, "this input"), source, search.witness)
    reason = f"no point on a boundary of two classes tells them apart; {search.tried} were tried"
    if search.discarded:
        reason += (
            f", of which {search.discarded} would in the revealed arithmetics, which do not explain everything of"
            f" {unexplained(views)}, and do not when that is run directly"
        )
    return _Decision(Verdict.UNKNOWN, f"{reason}{f'; {search.failed}' if search.failed else ''}", source)


def _without_search(asked: GivenOrder, views: Sequence[GivenView], given: Given, proof: Proof) -> _Decision:
    """What may be said where the same sums are taken: of libraries, once they have been run directly (see ``grounds``)."""
    points = rounded_points(asked.inputs, asked.format)
    told = borne(proof, views, given)
    if told is proof:
        return _Decision(Verdict.IMPOSSIBLE, proof.statement, ("structure", ""), proof=proof)
    seen = compared(views, given, points)
    source = ("comparison", f"both run directly on {counted(seen.points, 'input')}")
    witness, failed = _run_again(asked, views, given, points, seen.apart)
    if witness is not None:
        return _Decision(Verdict.FOUND, "found among the inputs that both were run on directly", source, witness)
    open_ = (*doubts_of(views, given), *seen.departing, *failed)
    if open_:
        return _Decision(Verdict.UNKNOWN, f"{told.statement}; but {'; '.join(open_)}", source)
    statement = f"{told.statement}; run directly on {counted(seen.points, 'input')}, they give just that"
    return _Decision(Verdict.IMPOSSIBLE, statement, source, proof=replace(told, statement=statement))


def _run_again(
    asked: GivenOrder, views: Sequence[GivenView], given: Given, points: Floats, apart: Sequence[int]
) -> tuple[Witness | None, tuple[str, ...]]:
    """The first point at which the libraries themselves differ in the rows that a witness names, and why one was not run.

    ``apart``: numbers of points at which they were seen to.  Each is run again as the witness will be, filling its batches: in
    the row that was asked for, else in the one in which it was seen.
    """
    together = max(1, RUN // max(view.found.environment.batch if view.found else 1 for view in views))
    for start in range(0, len(apart), together):
        some = list(apart[start : start + together])
        placed = [[_where_seen(view, number) for number in some] for view in views]
        try:
            outputs = [
                None if own[0].found is None else outputs_in_row(own[0], given, points[some], [one.view.row for one in own])
                for own in placed
            ]
        except InputError as error:
            return None, (f"what was seen to differ could not be run again: {error}",)
        for place, number in enumerate(some):
            at = [own[place] for own in placed]
            witness = _measured(asked, at, given, points[number], [None if own is None else own[place] for own in outputs])
            if witness is not None:
                return witness, ()
    return None, ()


def _where_seen(view: GivenView, number: int) -> GivenView:
    """The view in the row in which the point of a number stands, of points that fill batches in turn."""
    return view if view.found is None else view.in_row(number % view.found.environment.batch)


def _measured(
    asked: GivenOrder, views: Sequence[GivenView], given: Given, point: Floats, outputs: Sequence[Floats | None]
) -> Witness | None:
    """The witness at a point at which the libraries themselves differ; None where it is none."""
    numbers = tuple(point.tolist())
    try:
        return _witness_of(asked, numbers, measured_views(views, given, numbers, outputs))
    except InputError:  # a logit that is infinite or NaN is no logit
        return None


@dataclass(frozen=True)
class SearchedBoundary:
    """What a search on the boundaries came to."""

    tried: int
    """Points, until the time was over."""
    witness: Witness | None = None
    """Of the first of them that makes one."""
    discarded: int = 0
    """Points that would, if what was revealed of a library were what it does."""
    failed: str = ""
    """Why no more were tried, where a library could not be run."""


def searched(asked: GivenOrder, views: Sequence[GivenView], given: Given, clock: Clock) -> SearchedBoundary:
    """Try points until one makes a witness, or the time is over."""
    tried = discarded = 0
    candidates = _candidates(asked, views, given.seed, clock)
    try:
        with within(clock.left):
            for tried, point in candidates:
                witness = None if point is None else _witness(asked, views, point)
                if witness is None or point is None:
                    continue
                try:
                    outputs = outputs_of_unexplained(views, given, point)
                except InputError as error:
                    return SearchedBoundary(tried, None, discarded, f"what was found could not be run: {error}")
                witness = _borne_out(asked, witness, outputs)
                if witness is not None:
                    return SearchedBoundary(tried, witness, discarded)
                discarded += 1
    except OutOfTimeError:
        pass
    return SearchedBoundary(tried, None, discarded)


def _borne_out(asked: GivenOrder, witness: Witness, outputs: Sequence[Floats | None]) -> Witness | None:
    """The witness with what libraries gave where they were run; None where that makes none."""
    if all(own is None for own in outputs):
        return witness
    try:
        views = tuple(measured(view, own) for view, own in zip(witness.views, outputs, strict=True))
    except InputError:  # a logit that is infinite or NaN is no logit
        return None
    return _witness_of(asked, witness.point, views)


def _candidates(asked: GivenOrder, views: Sequence[GivenView], seed: int, clock: Clock) -> Iterator[tuple[int, Floats | None]]:
    """(points tried, one that tells the views apart over arrays, or None), until the time is over.  Raises OutOfTimeError."""
    rng = np.random.default_rng(seed)
    points, tried = rounded_points(asked.inputs, asked.format), 0
    reference, deployed, *silent = views
    rows = min(MIXED, *(view.rows for view in views))
    for pair in neighbours(reference, points, asked.format, rng):
        mixed = pair.mixed(MIXED, rng)
        for start in range(0, MIXED, rows):
            some = mixed[start : start + rows]
            tried += len(some)
            for number in _departing(some, reference, deployed, silent):
                yield tried, some[number]
            yield tried, None
            if clock.left <= 0:
                return


def _departing(points: Floats, reference: GivenView, deployed: GivenView, silent: Sequence[GivenView]) -> Iterator[int]:
    """The numbers of the points that tell the views apart over arrays."""
    believed = reference(points).argmax(axis=1)
    departs = believed != deployed(points).argmax(axis=1)
    for view in silent:
        if departs.any():
            departs[departs] = believed[departs] == view(points[departs]).argmax(axis=1)
    yield from np.flatnonzero(departs).tolist()


def _witness(asked: GivenOrder, views: Sequence[GivenView], point: Floats) -> Witness | None:
    """The witness at a point, every view evaluated exactly; None where it is none."""
    numbers, graph = tuple(point.tolist()), asked.network.logits
    try:
        filled = tuple(with_prediction(graph, numbers, view.view) for view in views)
    except BeyondReachError:  # which is no answer: nobody has looked
        raise
    except InputError:  # a logit that is infinite or NaN is no logit
        return None
    return _witness_of(asked, numbers, filled)


def _witness_of(asked: GivenOrder, numbers: tuple[float, ...], filled: Sequence[View]) -> Witness | None:
    """The witness of views with their logits; None where they tell of none."""
    graph = asked.network.logits
    a, b, *silent = (view.logits for view in filled)
    if not ARGMAX.holds(a, b) or any(ARGMAX.fires(quiet, a) for quiet in silent):
        return None
    return Witness(
        question="order",
        format=asked.format,
        network=graph,
        points=only_point(numbers),
        predicate=ARGMAX,
        views=tuple(filled),
        real=_real(graph, numbers),
        measure=ARGMAX.measure(a, b),
    )


def _real(network: Network, point: Sequence[float]) -> tuple[Fraction, ...]:
    if not affordable_extra(exact_work(network, point)):
        return ()
    try:
        return exact_logits(network, point)
    except InputError:  # a batch normalisation by an irrational number
        return ()


def _provenance(given: Given, clock: Clock, decision: _Decision) -> Provenance:
    engine, encoding = decision.source
    return Provenance(
        engine=engine,
        encoding=encoding,
        seed=given.seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions_used(),
        seconds_solve=round(clock.spent, 3),
        seconds_total=round(clock.spent, 3),
        notes=given.notes,
    )
