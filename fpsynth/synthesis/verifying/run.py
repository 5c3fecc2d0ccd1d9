"""Ask a verifier, case by case, and put together what it says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from fpsynth.errors import InputError
from fpsynth.evaluators.float_arrays import round_array
from fpsynth.formats import Format
from fpsynth.networks.reading import read_network
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.requests.verifying import VerifyRequest
from fpsynth.synthesis.verifying.asked import AskedCases, asked_of
from fpsynth.synthesis.verifying.reasoning import Reasoned, reasoned
from fpsynth.synthesis.verifying.verification import Verification
from fpsynth.verifiers.base import VERIFIERS, Verifier, entry, verifier
from fpsynth.verifiers.claims import Ball, Box, Claim, Region
from fpsynth.verifiers.properties import Case, ExactBall, ExactBox
from fpsynth.verifiers.vnnlib import down
from fpsynth.wording import counted
from fpsynth.workers.deadlines import OutOfTimeError, within


def verify_request(request: VerifyRequest) -> Verification:
    """Answer a request.  Raises InputError for what cannot be read or is not accepted by the verifier."""
    if request.external:
        from fpsynth.synthesis.verifying.others import verify_externally

        return verify_externally(request)
    started = time.monotonic()
    entry(request.verifier)  # refuses unknown names
    network = read_network(request.network).network
    try:
        with within(request.timeout):
            what = reasoned(request.arithmetic, network, request.format, request.vectors, request.seed, request.progress)
            asked = asked_of(request, what.network, what.reasoning.deployed)
    except OutOfTimeError as error:
        return _verification(request, "unknown", str(error), AskedCases(()), (), started, None)
    claims = _claims(request, made(request.verifier, what), what, asked.cases, started)
    verdict, reason = _together(claims, len(asked.cases))
    verdict, doubt = what.borne(verdict)
    reason = doubt or reason
    return _verification(request, verdict, reason, asked, claims, started, what)


def made(name: str, what: Reasoned) -> Verifier:
    """The verifier of a name that reasons in this.  Raises InputError where it cannot."""
    reasoned_verifier = entry(name).reasoned
    if reasoned_verifier is not None:
        return reasoned_verifier(what.reasoning)
    deployment, fmt = what.deployment, what.reasoning.deployed
    if deployment is None and fmt is not None:
        deployment = Deployment(Arithmetic(fmt))
        judge = verifier(name, deployment)
        if isinstance(judge.reasons_in, Deployment):
            raise InputError(f"{name} reasons about one deployment: name it, as in sound:onnxruntime:batch=1, or real")
        return judge
    assert deployment is not None
    return verifier(name, deployment)


def _claims(
    request: VerifyRequest, judge: Verifier, what: Reasoned, cases: tuple[Case, ...], started: float
) -> tuple[Claim, ...]:
    for case in cases:
        require_region(request.verifier, case.region)
    claims: list[Claim] = []
    for number, case in enumerate(cases):
        if request.progress:
            request.progress(f"{request.verifier}: case {number + 1} of {len(cases)}")
        left = max(0.0, request.timeout - (time.monotonic() - started))
        claims.append(_within(case, judge.verify(what.network, case.region, case.property, budget=left), judge, what))
        if claims[-1].verdict == "sat":
            break
    return tuple(claims)


def _within(case: Case, claim: Claim, judge: Verifier, what: Reasoned) -> Claim:
    """The claim, its point moved into the exact region where it lies in the one of floats around that alone.

    A box that holds no float64 but those at its ends may have no such point; then nothing is known.
    """
    if claim.verdict != "sat" or case.exact is None or (claim.point and _holds(case, claim.point)):
        return claim
    for point in _inward(case, claim.point, what.reasoning.deployed) if claim.point and case.property is not None else ():
        if case.exact.contains(point):
            moved = judge.verify(what.network, Box(point, point), case.property)
            if moved.verdict == "sat":
                return replace(moved, region=claim.region, bounds=claim.bounds)
    end = "an end of the box, by the rounding of that end"
    if isinstance(case.exact, ExactBall):
        end = "the end of the ball, by the rounding of its centre"
    return replace(claim, verdict="unknown", point=(), reason=f"the point that was found lies beyond {end}")


def _holds(case: Case, point: tuple[float, ...]) -> bool:
    """Whether a claim about a point is one about the exact region.

    Where no property is given it speaks of the centre of the ball, too, whose class is not that of the point.
    """
    assert case.exact is not None
    if isinstance(case.region, Ball) and case.property is None and not case.exact.contains(case.region.centre):
        return False
    return case.exact.contains(point)


def _inward(case: Case, point: tuple[float, ...], fmt: Format | None) -> Iterator[tuple[float, ...]]:
    """Points near one, in the exact region or nearer to it."""
    if isinstance(case.exact, ExactBox):
        ends = zip(case.exact.lower, point, case.exact.upper, strict=True)
        yield tuple(-down(-low) if x < low else down(high) if x > high else x for low, x, high in ends)
        return
    assert isinstance(case.region, Ball)
    away = np.array(point) - case.region.centre
    for part in (*(1 - 2.0**-k for k in range(48, 0, -8)), 0.0):
        numbers = case.region.centre + part * away
        yield tuple((numbers if fmt is None else round_array(numbers, fmt)).tolist())


def require_region(name: str, region: Region) -> None:
    """Raise InputError where the verifier takes no such regions."""
    if type(region) not in entry(name).regions:
        words = {Ball: "balls", Box: "boxes"}
        others = [other for other, known in VERIFIERS.items() if type(region) in known.regions]
        raise InputError(f"{name} takes no {words[type(region)]}: ask {', '.join(others)}")


def _together(claims: tuple[Claim, ...], cases: int) -> tuple[str, str]:
    if any(claim.verdict == "sat" for claim in claims):
        return "sat", ""
    open_ones = [claim for claim in claims if claim.verdict == "unknown"]
    if not open_ones:
        return "unsat", ""
    of = f"{counted(len(open_ones), 'case')} of {cases}: " if cases > 1 else ""
    return "unknown", of + open_ones[0].reason


def _verification(
    request: VerifyRequest,
    verdict: str,
    reason: str,
    asked: AskedCases,
    claims: tuple[Claim, ...],
    started: float,
    what: Reasoned | None,
) -> Verification:
    caution = entry(request.verifier).caution
    rounded = tuple(_rounded_words(case) for case in asked.cases if isinstance(case.exact, ExactBall))
    return Verification(
        verifier=request.verifier,
        arithmetic=request.arithmetic,
        verdict=verdict,
        reason=reason,
        cases=asked.cases,
        claims=claims,
        seconds=time.monotonic() - started,
        environment="" if what is None else what.environment,
        explained=None if what is None else what.explained,
        open_question="" if what is None else what.open_question,
        notes=(*(() if what is None else what.notes), *rounded, *((caution,) if caution else ())),
        settings=request.described(),
        kept=asked.kept,
    )


def _rounded_words(case: Case) -> str:
    """What became of a ball whose centre no float holds."""
    assert isinstance(case.exact, ExactBall)
    assert isinstance(case.region, Ball)
    more = float(case.region.radius - case.exact.radius)
    return (
        f"The centre of the ball was rounded to floats and its radius enlarged by about {more:.3g}: unsat is of that ball,"
        " which holds the one that was asked for; a point is one of the latter"
    )
