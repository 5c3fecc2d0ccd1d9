"""A tie on a network that is given: two points that hardly differ, of which a verifier's ball around one holds the other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.confirmation import replay
from fpsynth.errors import InputError
from fpsynth.evaluators.arrays import from_index, to_index
from fpsynth.evaluators.rounded import rounded_points
from fpsynth.formats import Format
from fpsynth.rounding import index_range
from fpsynth.synthesis.classes import require_classes
from fpsynth.synthesis.given.boundaries import Neighbours, neighbours
from fpsynth.synthesis.given.order import Running
from fpsynth.synthesis.given.running import outputs_in_row, run_words
from fpsynth.synthesis.given.views import Given, GivenView, given_view
from fpsynth.synthesis.proofs import versions_used
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.settings import Clock
from fpsynth.synthesis.ties.certification import Prepared, require_refutable, tie_of
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.verifiers.lipschitz import Certifier
from fpsynth.verifiers.radii import nearest_sqrt, squared_distance
from fpsynth.witness.data import Provenance, Witness
from fpsynth.wording import significant
from fpsynth.workers.deadlines import OutOfTimeError, require_time, within

WALKS = 4
"""Ways from one of two neighbouring points to the other that are tried."""
NEAR = 8
"""Steps of such a way within which a certified point is looked for."""
TIED = 4
"""Tied points of a way around which single steps are tried."""
TRIED = 16
"""Pairs of points of one way that the verifier is asked about at most, the most promising first."""


@dataclass(frozen=True)
class GivenTie:
    """What is asked: in which arithmetic or environment the network runs, points (points, inputs), and who judges the tie."""

    side: str
    inputs: Floats
    chosen: str = "lipschitz"
    min_ratio: Fraction = Fraction(1)


@dataclass(frozen=True)
class _Pair:
    """A certified point and a counterexample on one way."""

    certified: Floats
    counterexample: Floats
    promise: float
    """The margin at the first, divided by their distance."""


def tie_of_network(asked: GivenTie, given: Given, seconds: float, settings: dict[str, Any], running: Running | None) -> Result:
    """Look for a point at which two largest logits tie, and one beside it whose class a verifier certifies beyond it.

    Between two neighbouring points of different classes one coordinate after the other is changed by the ulp or so by which
    they differ; where the class changes, both points lie nearer to each other than any certificate should reach.  What is found
    in an environment whose reveal does not explain everything is run there, and has to give the same logits.  Reveals,
    the verifier's preparation and the search together take ``seconds``, or a moment more; nothing is ever proved impossible.
    Raises InputError as ``given_view`` does, for an environment that computes the network by other layers, and where no
    verifier takes the network.
    """
    require_refutable(asked.chosen)
    require_classes(given.network)
    clock = Clock(seconds)
    search = _search(asked, given, clock, seconds)
    witness = search.witness
    if witness is not None:
        witness = replace(witness, provenance=_provenance(given, clock, search.tried))
        if running is not None:
            given.progress("replaying the witness in the libraries")
            witness = replay(witness, libraries=running.libraries, batches=running.batches, device=running.device)
    return Result(
        question="tie",
        verdict=Verdict.UNKNOWN if witness is None else Verdict.FOUND,
        witnesses=() if witness is None else (witness,),
        reason=search.reason,
        proof=None,
        attempts=(),
        seconds_solve=round(search.seconds, 3),
        seconds_total=round(clock.spent, 3),
        settings=settings,
        notes=given.notes,
        versions=versions_used(),
    )


@dataclass(frozen=True)
class _Search:
    """What came of looking for a tie."""

    reason: str
    """Why there is no witness; where there is one, that it was run, if it was."""
    tried: int = 0
    witness: Witness | None = None
    seconds: float = 0.0
    """From when everything was prepared."""


def _search(asked: GivenTie, given: Given, clock: Clock, seconds: float) -> _Search:
    """Reveal, prepare the verifier, and search, while there is time."""
    missing = "the arithmetic was revealed"
    try:
        with within(clock.left):
            view = _usable(given_view(given, asked.side, "a", "reference"))
            missing = f"{asked.chosen} was prepared for the network"
            given.progress(f"preparing {asked.chosen} for the network")
            tools = Prepared(given.network.logits, given.format)
            tools(asked.chosen)
    except OutOfTimeError:
        return _Search(f"the time limit of {seconds:g} s was over before {missing}")
    started = Clock(clock.left)
    tried, witness, rejection = searched(asked, given, view, tools, started)
    none = f"no tie on the boundaries of its classes is certified; {tried} pairs of points were tried"
    reason = run_words([view], "both points") if witness else f"{none}{f', and {rejection}' if rejection else ''}"
    return _Search(reason, tried, witness, started.spent)


def _usable(view: GivenView) -> GivenView:
    """The view itself.  Raises InputError for one that computes other layers, or in exact arithmetic."""
    if view.view.network is not None:
        raise InputError(f"{view.view.label} computes layers of the network by others: name one that computes it as it is")
    if view.view.deployment.default.format is None:
        raise InputError("a tie is a matter of rounding: in exact arithmetic there is none")
    return view


def searched(asked: GivenTie, given: Given, view: GivenView, tools: Prepared, clock: Clock) -> tuple[int, Witness | None, str]:
    """How many pairs the verifier was asked about, the first that is a witness, and why the last was rejected."""
    tried, rejection, departing = 0, "", ""
    try:
        with within(clock.left):
            for found in _on_boundaries(asked, given, view):
                tried += 1
                points = tuple(found.certified.tolist()), tuple(found.counterexample.tolist())
                rejection = _too_far(tools(asked.chosen), view, found, asked.min_ratio)
                if not rejection:  # the others are asked only about what the chosen one accepts
                    witness, rejection = tie_of(
                        given.network.logits, points, view.view.deployment, given.format, asked.chosen, tools
                    )
                    if not rejection and (witness.ratio or 0.0) >= asked.min_ratio and _ties(witness):
                        departing = _departing(witness, given, view)
                        if not departing:
                            return tried, _placed(witness, view), ""
                require_time()
    except OutOfTimeError:
        pass
    except _NotRunError as error:
        departing = str(error)
    return tried, None, departing or rejection  # what was nearest to a witness says most


class _NotRunError(RuntimeError):
    """A library could not be run, and no other pair is worth trying."""


def _departing(witness: Witness, given: Given, view: GivenView) -> str:
    """Why a library's runs at the two points are not what was revealed, where that does not explain everything; else empty.

    The verifier's claim rests on the very logits.  Raises _NotRunError where it cannot be run, and OutOfTimeError.
    """
    if view.explained:
        return ""
    points = np.array([witness.at(own) for own in witness.views])
    try:
        outputs = outputs_in_row(view, given, points, [view.view.row] * len(points))
    except InputError as error:
        raise _NotRunError(f"what was found could not be run: {error}") from None
    if outputs.tolist() == [[float(logit) for logit in own.logits] for own in witness.views]:
        return ""
    name = view.view.environment
    return f"run directly, {name} gives other logits than were revealed for it, which does not explain everything"


def _on_boundaries(asked: GivenTie, given: Given, view: GivenView) -> Iterator[_Pair]:
    """Pairs of points of which one ties, for ever.  Raises OutOfTimeError."""
    rng = np.random.default_rng(given.seed)
    inputs = rounded_points(asked.inputs, given.format)
    for pair in neighbours(view, inputs, given.format, rng):
        for _ in range(WALKS):
            yield from _pairs(view, pair, given.format, rng)
        require_time()


def _placed(witness: Witness, view: GivenView) -> Witness:
    """The witness with the environment that its arithmetic was revealed from."""
    own = view.view
    if not own.environment:
        return witness
    named = (replace(one, label=own.label, environment=own.environment, row=own.row) for one in witness.views)
    return replace(witness, views=tuple(named))


def _too_far(tool: Certifier, view: GivenView, found: _Pair, min_ratio: Fraction) -> str:
    """Why the certifier's ball around the certified point does not hold the other one; empty where it does."""
    supremum = tool.supremum(found.certified.tolist(), view(found.certified[None])[0].tolist())
    squared = squared_distance(found.certified.tolist(), found.counterexample.tolist())
    if supremum > 0 and supremum**2 > squared * min_ratio**2:
        return ""
    away = nearest_sqrt(squared)
    if supremum**2 > squared:
        times = nearest_sqrt(supremum**2 / squared)
        return f"its radius is {times:.6g} times the distance, where at least {float(min_ratio):.6g} times are asked for"
    return f"{tool.name} accepts only radii below {significant(supremum, 6, 'up')}, and the other point is {away:.6g} away"


def _ties(witness: Witness) -> bool:
    """Whether the largest logits tie at the counterexample, and the class is another one."""
    at, other = witness.reference.logits, witness.deployed.logits
    return witness.predicate.holds(at, other) and list(other).count(max(other)) > 1


def _pairs(view: GivenView, pair: Neighbours, fmt: Format, rng: np.random.Generator) -> Iterator[_Pair]:
    """Pairs of points, the second of which ties, on one way or a step from it, the most promising first."""
    points = pair.walk(rng)
    classes, margins = _judged(view(points))
    tied = np.flatnonzero(margins == 0)
    found: list[_Pair] = []
    for number in rng.permutation(tied)[:TIED].tolist():
        beside = slice(max(0, number - NEAR), number + NEAR + 1)
        found += _beside(points[number], classes[number], points[beside], (classes[beside], margins[beside]))
        steps = single_steps(points[number], fmt)
        found += _beside(points[number], classes[number], steps, _judged(view(steps)))
    yield from sorted(found, key=lambda one: -one.promise)[:TRIED]


def _judged(logits: Floats) -> tuple[NDArray[np.intp], Floats]:
    """The class of each point, and the margin by which it wins."""
    ordered = np.sort(logits, axis=1)
    return logits.argmax(axis=1), ordered[:, -1] - ordered[:, -2]


def _beside(tied: Floats, of_tied: int, points: Floats, judged: tuple[NDArray[np.intp], Floats]) -> Iterator[_Pair]:
    """The points that have another class than a tied one, each with it."""
    classes, margins = judged
    for number in np.flatnonzero((classes != of_tied) & (margins > 0)).tolist():
        distance = math.dist(points[number], tied)
        if distance > 0:
            yield _Pair(points[number], tied, float(margins[number]) / distance)


def single_steps(point: Floats, fmt: Format) -> Floats:
    """All points (steps, inputs) that differ from one in a single number, which is a neighbouring number of the format."""
    numbers = to_index(point, fmt)
    least, most = index_range(-fmt.max_finite, fmt.max_finite, fmt)
    places = np.arange(len(point))
    moved = []
    for step in (-1, 1):
        there = numbers + step
        inside = places[(there >= least) & (there <= most)]
        rows = np.repeat(point[None], len(inside), axis=0)
        rows[np.arange(len(inside)), inside] = from_index(there[inside], fmt)
        moved.append(rows)
    return np.concatenate(moved)


def _provenance(given: Given, clock: Clock, tried: int) -> Provenance:
    return Provenance(
        engine="boundary",
        encoding=f"one coordinate after the other across the boundary of two classes; {tried} pairs of points asked about",
        seed=given.seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions_used(),
        seconds_solve=round(clock.spent, 3),
        seconds_total=round(clock.spent, 3),
        notes=given.notes,
    )
