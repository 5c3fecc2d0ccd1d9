"""The exact re-check of a witness: every claim of the file computed again, without a solver."""

from __future__ import annotations

import math
import sys
from fractions import Fraction

from fpsynth.certifiers.base import certifier
from fpsynth.errors import InputError, MissingPackageError
from fpsynth.evaluators.networks import argmax, network_logits
from fpsynth.synthesis.check_divergence import check_divergence
from fpsynth.synthesis.findings import CheckResult, Finding
from fpsynth.synthesis.ties.certification import (
    REAL_CERTIFIERS,
    claims,
    lipschitz_ratio,
    nearest_sqrt,
    squared_distance,
    stated_ratio,
)
from fpsynth.witness import Divergence, Witness

__all__ = ["CheckResult", "Finding", "check"]

MAX_FLOAT = Fraction(sys.float_info.max)


def check(witness: Witness | Divergence) -> CheckResult:
    """Compute everything that a tie or a divergence claims again, exactly, apart from its replays.

    Raises InputError where a tie cannot be computed at all: an unknown certifier, a logit that is NaN.
    """
    return check_divergence(witness) if isinstance(witness, Divergence) else _check_tie(witness)


def _check_tie(witness: Witness) -> CheckResult:
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
    stated = stated_ratio(network, at, squared, said.certificate.supremum)
    statements, skipped = _statements(witness, at)
    findings = [
        Finding(
            "the class changes",
            argmax(at) != argmax(other),
            f"class {argmax(at)} at the certified point, class {argmax(other)} at the counterexample, in {witness.deployment}",
        ),
        Finding(
            f"{witness.certificate.certifier} accepts radius {float(radius):.12g}",
            said.certificate.accepted,
            f"it accepts exactly the radii below {_text(said.certificate.supremum)}",
        ),
        Finding("the counterexample lies within that radius", squared <= radius**2, f"its distance is {distance:.12g}"),
        _tie(witness, other),
        *_sound(said.sound.accepted if said.sound else None),
        *statements,
        Finding("the distance in the file is right", _close(distance, witness.distance), f"{witness.distance!r}"),
        Finding("the ratio in the file is right", _close(stated, witness.ratio), f"{witness.ratio!r}"),
    ]
    if witness.replays:
        skipped = (
            *skipped,
            f"{len(witness.replays)} replays: only running the libraries again can check them (fpsynth replay)",
        )
    return CheckResult(tuple(findings), float(radius) / distance if distance else math.inf, ratio, skipped)


def _statements(witness: Witness, logits: tuple[float, ...]) -> tuple[list[Finding], tuple[str, ...]]:
    """What the file says that each certifier says; and what cannot be computed here."""
    findings: list[Finding] = []
    skipped: list[str] = []
    stated = [witness.certificate, *witness.other_certificates]
    for certificate in [*stated, witness.sound_certificate] if witness.sound_certificate else stated:
        claim = f"what the file says of {certificate.certifier} is right"
        try:
            tool = certifier(certificate.certifier, witness.network, format=witness.format)
            supremum = tool.supremum(witness.certified, logits)
            accepted = tool.accepts(witness.certified, logits, certificate.radius)
        except MissingPackageError as missing:
            skipped.append(f"{claim}: {missing}")
            continue
        except InputError as error:
            findings.append(Finding(claim, False, str(error)))
            continue
        # ball arithmetic and float64 may round otherwise in another version or on another machine
        tolerance = 0 if certificate.certifier == "lipschitz-exact" else supremum / 10**9
        holds = accepted == certificate.accepted and abs(supremum - certificate.supremum) <= tolerance
        verb = "accepts" if accepted else "rejects"
        detail = f"it {verb} radius {float(certificate.radius):.12g}, and accepts exactly the radii below {_text(supremum)}"
        findings.append(Finding(claim, holds, detail))
    return findings, tuple(skipped)


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
    if computed == stated or not (math.isfinite(computed) and math.isfinite(stated)):
        return computed == stated
    return abs(Fraction(computed) - Fraction(stated)) <= Fraction(math.ulp(computed))


def _text(number: Fraction) -> str:
    """The number in a message, whatever its size."""
    return f"{float(number):.17g}" if number < MAX_FLOAT else "a number beyond float64"
