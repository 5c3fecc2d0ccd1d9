"""A tie on a network that is given: two points that hardly differ, of which a verifier's ball around one holds the other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import numpy as np

from fpsynth.confirmation import replay
from fpsynth.errors import InputError
from fpsynth.evaluators.float_arrays import round_array
from fpsynth.synthesis.given.boundaries import Floats, Neighbours, neighbours
from fpsynth.synthesis.given.order import Running
from fpsynth.synthesis.given.views import Given, GivenView, given_view
from fpsynth.synthesis.proofs import versions_used
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.settings import Clock
from fpsynth.synthesis.ties.certification import Prepared, require_refutable, tie_of
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness.data import Provenance, Witness

WALKS = 4
"""Ways from one of two neighbouring points to the other that are tried."""
NEAR = 8
"""Steps of such a way within which a certified point is looked for."""
TRIED = 64
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
    they differ; where the class changes, both points lie nearer to each other than any certificate should reach.  Within
    ``seconds`` from when the arithmetic is known; nothing is ever proved impossible.  Raises InputError as ``given_view`` does,
    for an environment that computes the network by other layers, and where no verifier takes the network.
    """
    require_refutable(asked.chosen)
    clock = Clock(seconds)
    view = given_view(given, asked.side, "a", "reference")
    if view.view.network is not None:
        raise InputError(f"{asked.side} computes layers of the network by others: name one that computes it as it is")
    if view.view.deployment.default.format is None:
        raise InputError("a tie is a matter of rounding: in exact arithmetic there is none")
    tools = Prepared(given.network.logits, given.format)
    given.progress(f"preparing {asked.chosen} for the network")
    tools(asked.chosen)
    started = Clock(seconds)
    tried, witness, rejection = _searched(asked, given, view, tools, started)
    solved = started.spent
    if witness is not None:
        witness = replace(witness, provenance=_provenance(given, clock, tried))
        if running is not None:
            given.progress("replaying the witness in the libraries")
            witness = replay(witness, libraries=running.libraries, batches=running.batches, device=running.device)
    none = f"no tie on the boundaries of its classes is certified; {tried} pairs of points were tried"
    return Result(
        question="tie",
        verdict=Verdict.UNKNOWN if witness is None else Verdict.FOUND,
        witnesses=() if witness is None else (witness,),
        reason="" if witness else f"{none}{f', and {rejection}' if rejection else ''}",
        proof=None,
        attempts=(),
        seconds_solve=round(solved, 3),
        seconds_total=round(clock.spent, 3),
        settings=settings,
        versions=versions_used(),
    )


def _searched(asked: GivenTie, given: Given, view: GivenView, tools: Prepared, clock: Clock) -> tuple[int, Witness | None, str]:
    """How many pairs the verifier was asked about, the first that is a witness, and why the last was rejected."""
    rng = np.random.default_rng(given.seed)
    inputs, tried, rejection = round_array(asked.inputs, given.format), 0, ""
    for pair in neighbours(view, inputs, given.format, rng):
        for _ in range(WALKS):
            for found in _pairs(view, pair, rng):
                tried += 1
                points = tuple(found.certified.tolist()), tuple(found.counterexample.tolist())
                witness, rejection = tie_of(
                    given.network.logits, points, view.view.deployment, given.format, asked.chosen, tools
                )
                if not rejection and (witness.ratio or 0.0) >= asked.min_ratio and _ties(witness):
                    return tried, witness, ""
                if clock.left <= 0:
                    return tried, None, rejection
        if clock.left <= 0:
            break
    return tried, None, rejection


def _ties(witness: Witness) -> bool:
    """Whether the largest logits tie at the counterexample, and the class is another one."""
    at, other = witness.reference.logits, witness.deployed.logits
    return witness.predicate.holds(at, other) and list(other).count(max(other)) > 1


def _pairs(view: GivenView, pair: Neighbours, rng: np.random.Generator) -> Iterator[_Pair]:
    """Pairs of points on one way in which the second ties and the first has another class, the most promising first."""
    points = pair.walk(rng)
    logits = view(points)
    classes = logits.argmax(axis=1)
    ordered = np.sort(logits, axis=1)
    margins = ordered[:, -1] - ordered[:, -2]
    found = []
    for tied in np.flatnonzero(margins == 0).tolist():
        for beside in range(max(0, tied - NEAR), min(len(points), tied + NEAR + 1)):
            if classes[beside] != classes[tied] and margins[beside] > 0:
                distance = math.dist(points[beside], points[tied])
                if distance > 0:
                    found.append(_Pair(points[beside], points[tied], float(margins[beside]) / distance))
    yield from sorted(found, key=lambda one: -one.promise)[:TRIED]


def _provenance(given: Given, clock: Clock, tried: int) -> Provenance:
    return Provenance(
        engine="boundary",
        encoding=f"one coordinate after the other across the boundary of two classes; {tried} pairs of points asked about",
        seed=given.seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions_used(),
        seconds_solve=round(clock.spent, 3),
        seconds_total=round(clock.spent, 3),
    )
