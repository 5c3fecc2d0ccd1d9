"""The exact re-check of a witness: every claim of the file computed again, without a solver."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.evaluators.networks import argmax, network_logits
from fpsynth.synthesis.certification import REAL_CERTIFIERS, claims, lipschitz_ratio, nearest_sqrt, squared_distance
from fpsynth.witness import Witness


@dataclass(frozen=True)
class Finding:
    """One claim and what became of it."""

    claim: str
    holds: bool
    detail: str


@dataclass(frozen=True)
class CheckResult:
    """The outcome of a re-check."""

    findings: tuple[Finding, ...]
    radius_ratio: float
    """The certified radius of the file divided by the distance of the points."""
    supremum_ratio: float
    """The same for the largest radius that the exact Lipschitz bound certifies."""

    @property
    def confirmed(self) -> bool:
        """Whether every claim holds."""
        return all(finding.holds for finding in self.findings)


def check(witness: Witness) -> CheckResult:
    """Compute everything that the witness claims again, exactly.

    Raises InputError where the witness cannot be computed at all: an unknown certifier, a logit that is NaN.
    """
    fmt, network = witness.format, witness.network
    if witness.certificate.certifier not in REAL_CERTIFIERS:
        raise InputError(f"certificate.certifier: unknown certifier {witness.certificate.certifier!r}")
    at = network_logits(network, witness.certified, fmt, witness.deployment)
    other = network_logits(network, witness.counterexample, fmt, witness.deployment)
    if not all(map(math.isfinite, (*at, *other))):
        raise InputError("a logit is infinite or NaN in the witness's own arithmetic: nothing can be certified")
    squared = squared_distance(witness.certified, witness.counterexample)
    radius = witness.certificate.radius
    said = claims(network, witness.certified, at, squared, fmt, witness.certificate.certifier, radius)
    distance = nearest_sqrt(squared)
    ratio, _ = lipschitz_ratio(network, at, squared, said.certificate.supremum)
    findings = [
        Finding(
            "the class changes",
            argmax(at) != argmax(other),
            f"class {argmax(at)} at the certified point, class {argmax(other)} at the counterexample, in {witness.deployment}",
        ),
        Finding(
            f"{witness.certificate.certifier} accepts radius {float(radius):.12g}",
            said.certificate.accepted,
            f"it accepts exactly the radii below {float(said.certificate.supremum):.17g}",
        ),
        Finding("the counterexample lies within that radius", squared <= radius**2, f"its distance is {distance:.12g}"),
        _tie(witness, other),
        *_sound(said.sound.accepted if said.sound else None),
        Finding("the distance in the file is right", _close(distance, witness.distance), f"{witness.distance!r}"),
        Finding("the ratio in the file is right", _close(ratio, witness.ratio), f"{witness.ratio!r}"),
    ]
    return CheckResult(tuple(findings), float(radius) / distance if distance else math.inf, ratio)


def _tie(witness: Witness, logits: tuple[float, ...]) -> Finding:
    best = max(logits)
    tied = [k for k, v in enumerate(logits) if v == best]
    holds = witness.question != "tie" or len(tied) > 1
    return Finding("the largest logits tie at the counterexample", holds, f"classes {tied} share the logit {best.hex()}")


def _sound(accepted: bool | None) -> list[Finding]:
    """The negative control: the floating-point-sound certifier must reject what is refuted."""
    if accepted is None:
        return []
    return [
        Finding(
            "the floating-point-sound certifier rejects the smallest ball that contains the counterexample",
            not accepted,
            "accepted: one of the two is wrong" if accepted else "rejected",
        )
    ]


def _close(computed: float, stated: float) -> bool:
    """Equal up to the last place: both are square roots rounded to float64."""
    return computed == stated or abs(Fraction(computed) - Fraction(stated)) <= Fraction(math.ulp(computed))
