"""Ask a verifier, case by case, and put together what it says."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from fractions import Fraction

from fpsynth.aliases import Json
from fpsynth.errors import InputError
from fpsynth.networks.network import Network
from fpsynth.networks.reading import read_network
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.requests.verifying import VerifyRequest
from fpsynth.synthesis.verifying.asked import cases_of
from fpsynth.synthesis.verifying.reasoning import Reasoned, reasoned
from fpsynth.verifiers.base import VERIFIERS, Verifier, verifier
from fpsynth.verifiers.claims import Ball, Box, Claim
from fpsynth.verifiers.properties import Case
from fpsynth.verifiers.relaxation_verifier import RelaxationVerifier
from fpsynth.verifiers.relaxations.deciding import DECISIONS
from fpsynth.verifiers.vnnlib import down
from fpsynth.wording import counted
from fpsynth.workers.deadlines import OutOfTimeError, within


@dataclass(frozen=True)
class Verification:
    """What a verifier says of a network and a property."""

    verifier: str
    arithmetic: str
    """What it reasons in, by the name that was asked for."""
    verdict: str
    """unsat: no case reaches what is unsafe; sat: one does; unknown."""
    reason: str
    """Why it is unknown; empty for others."""
    cases: tuple[Case, ...]
    claims: tuple[Claim, ...]
    """Of the cases, in their order, up to the first that is sat."""
    seconds: float
    environment: str = ""
    """Whose revealed arithmetics the claims are of."""
    explained: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    settings: Json = field(default_factory=dict)

    @property
    def versions(self) -> dict[str, str]:
        """Of all that computed a claim."""
        return {name: version for claim in self.claims for name, version in claim.versions.items()}

    @property
    def point(self) -> tuple[float, ...]:
        """A point whose outputs are unsafe; empty where none is known."""
        return next((claim.point for claim in self.claims if claim.verdict == "sat"), ())

    @property
    def bounds(self) -> tuple[tuple[Fraction, Fraction], ...]:
        """Of the outputs in all cases together; empty where one has none."""
        if not self.claims or not all(claim.bounds for claim in self.claims):
            return ()
        columns = zip(*(claim.bounds for claim in self.claims), strict=True)
        return tuple((min(low for low, _ in column), max(high for _, high in column)) for column in columns)


def verify_request(request: VerifyRequest) -> Verification:
    """Answer a request.  Raises InputError for what cannot be read or is not accepted by the verifier."""
    started = time.monotonic()
    if request.verifier not in VERIFIERS:
        from fpsynth.errors import unknown_name

        raise unknown_name("verifier", request.verifier, VERIFIERS)
    network = read_network(request.network).network.logits
    try:
        with within(request.timeout):
            what = reasoned(request.arithmetic, network, request.format, request.vectors, request.seed, request.progress)
            cases = cases_of(request, what.network, what.reasoning.deployed)
    except OutOfTimeError as error:
        return _verification(request, "unknown", str(error), (), (), started, None)
    claims = _claims(request, made(request.verifier, what), what, cases, started)
    verdict, reason = _together(claims, len(cases))
    if verdict == "unsat" and not what.rests_on_all and what.explained is not None:
        told = f"{what.environment} is explained in {what.explained[0]} of {what.explained[1]} results only"
        verdict, reason = "unknown", f"unsat in the revealed arithmetics, but {told}"
    return _verification(request, verdict, reason, cases, claims, started, what)


def made(name: str, what: Reasoned) -> Verifier:
    """The verifier of a name that reasons in this.  Raises InputError where it cannot."""
    if name in DECISIONS:
        return RelaxationVerifier(name, what.reasoning)
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
    _require_regions(request.verifier, cases)
    claims: list[Claim] = []
    for number, case in enumerate(cases):
        if request.progress:
            request.progress(f"{request.verifier}: case {number + 1} of {len(cases)}")
        left = max(0.0, request.timeout - (time.monotonic() - started))
        claims.append(_within(case, judge.verify(what.network, case.region, case.property, budget=left), judge, what.network))
        if claims[-1].verdict == "sat":
            break
    return tuple(claims)


def _within(case: Case, claim: Claim, judge: Verifier, network: Network) -> Claim:
    """The claim, its point moved into the exact box where it lies in the box of float64 around that alone.

    A box that holds no float64 but those at its ends may have no such point; then nothing is known.
    """
    if claim.verdict != "sat" or not claim.point or case.exact is None or case.exact.contains(claim.point):
        return claim
    ends = zip(case.exact.lower, claim.point, case.exact.upper, strict=True)
    point = tuple(-down(-low) if x < low else down(high) if x > high else x for low, x, high in ends)
    if case.exact.contains(point):
        moved = judge.verify(network, Box(point, point), case.property)
        if moved.verdict == "sat" and case.property is not None:
            return replace(moved, region=claim.region, bounds=claim.bounds)
    reason = "the point that was found lies beyond an end of the box, by the rounding of that end"
    return replace(claim, verdict="unknown", point=(), reason=reason)


def _require_regions(name: str, cases: tuple[Case, ...]) -> None:
    """Raise InputError where the verifier takes no such regions."""
    taken = VERIFIERS[name].regions
    for case in cases:
        if type(case.region) not in taken:
            words = {Ball: "balls", Box: "boxes"}
            others = [other for other, entry in VERIFIERS.items() if type(case.region) in entry.regions]
            raise InputError(f"{name} takes no {words[type(case.region)]}: ask {', '.join(others)}")


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
    cases: tuple[Case, ...],
    claims: tuple[Claim, ...],
    started: float,
    what: Reasoned | None,
) -> Verification:
    return Verification(
        verifier=request.verifier,
        arithmetic=request.arithmetic,
        verdict=verdict,
        reason=reason,
        cases=cases,
        claims=claims,
        seconds=time.monotonic() - started,
        environment="" if what is None else what.environment,
        explained=None if what is None else what.explained,
        notes=() if what is None else what.notes,
        settings=request.described(),
    )
