"""What happens to a divergence once it is found: replayed in the libraries, and put into a result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fpsynth.confirmation.replay import replay
from fpsynth.revealing.result import Reveal
from fpsynth.solvers.engines import undecided
from fpsynth.solvers.race import Attempt
from fpsynth.synthesis.comparison import compared, departing
from fpsynth.synthesis.contest import Comparison, Contest
from fpsynth.synthesis.grounds import Ground, doubts, left_out, weighed
from fpsynth.synthesis.options import Options
from fpsynth.synthesis.proofs import versions_used
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.settings import Clock
from fpsynth.synthesis.verdicts import Proof, Verdict
from fpsynth.witness.data import Witness
from fpsynth.workers.deadlines import OutOfTimeError, within

_COMPARING = 10.0
"""Seconds that comparing two libraries directly may take however little of the time limit is left."""


@dataclass(frozen=True)
class Decision:
    """What a search came to, before the libraries have been asked."""

    verdict: Verdict
    divergence: Witness | None
    reason: str
    seconds: float = 0.0
    """Of the search, reveals not included."""
    proof: Proof | None = None
    attempts: tuple[Attempt, ...] = ()


def concluded(
    request: Options,
    decision: Decision,
    clock: Clock,
    reveals: Sequence[Reveal] = (),
    grounds: Sequence[Ground] = (),
    contest: Contest | None = None,
) -> Result:
    """The result, the divergence replayed if that was asked for; ``clock`` has run from the start, reveals included.

    ``grounds``: what the views have of ``reveals``; what is not found is said of their libraries only as far as these bear it
    (see ``grounds.weighed``), and only once the libraries have been compared directly, as ``contest`` says.
    """
    comparison = None
    verdict, divergence, reason, proof = decision.verdict, decision.divergence, decision.reason, decision.proof
    if verdict is not Verdict.FOUND and grounds and contest is not None:
        comparison = _compared(contest, clock, request)
        if comparison.divergence is not None:
            divergence, verdict, proof = comparison.divergence, Verdict.FOUND, None
            reason = "found among the hostile vectors on which the libraries were compared directly"
    difference = "" if comparison is None else departing(comparison)
    verdict, reason, proof = weighed(verdict, reason, proof, grounds, difference)
    attempts = decision.attempts
    versions = {**versions_used(attempts=attempts, proof=proof), **{_library(found): found.version for found in reveals}}
    if divergence is not None:
        if proof is not None and not divergence.optimum:
            divergence = replace(divergence, optimum=proof.statement)
        if request.replay:
            if request.progress:
                request.progress("replaying the witness in the libraries")
            divergence = replay(divergence, libraries=request.libraries, batches=request.batches, device=request.device)
            versions |= {seen.library: seen.version for seen in divergence.observations if seen.version}
        if divergence.provenance is not None:
            own = divergence.provenance
            notes = (*own.notes, *doubts(ground for ground in grounds if not ground.explained), *left_out(grounds))
            known = {**own.versions, **versions}
            divergence = replace(
                divergence, provenance=replace(own, seconds_total=round(clock.spent, 3), notes=notes, versions=known)
            )
            versions = known
    return Result(
        question=request.question,
        verdict=verdict,
        witnesses=() if divergence is None else (divergence,),
        reason=undecided(reason) if verdict is Verdict.UNKNOWN else reason,
        proof=proof,
        attempts=attempts,
        seconds_solve=round(decision.seconds, 3),
        seconds_total=round(clock.spent, 3),
        settings=request.described(),
        reveals=tuple(reveals),
        grounds=tuple(grounds),
        comparison=comparison,
        versions=versions,
    )


def _compared(contest: Contest, clock: Clock, options: Options) -> Comparison:
    """The libraries compared directly, in what is left of the time but for a few seconds at least."""
    try:
        with within(max(clock.left, _COMPARING)):
            return compared(contest, options.progress)
    except OutOfTimeError as error:
        return Comparison(not_made=str(error))


def _library(found: Reveal) -> str:
    return found.kernel.environment.library
