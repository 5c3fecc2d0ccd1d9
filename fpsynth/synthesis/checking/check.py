"""The exact re-check of a witness: every claim of the file computed again, without a solver."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache

from fpsynth.errors import InputError, MissingPackageError
from fpsynth.evaluators.networks import argmax, network_logits
from fpsynth.synthesis.checking.divergences import check_divergence
from fpsynth.synthesis.checking.findings import CheckResult, Finding, NotChecked, narrow_accumulators, origin, wording
from fpsynth.synthesis.checking.optimum import objective_findings, optimum_findings
from fpsynth.synthesis.checking.replays import replay_findings
from fpsynth.synthesis.ties.certification import (
    REAL_CERTIFIERS,
    SOUND_FORMATS,
    containing,
    lipschitz_ratio,
    nearest_sqrt,
    squared_distance,
    stated_ratio,
)
from fpsynth.synthesis.ties.question import OBJECTIVES
from fpsynth.verifiers.base import Certifier, certifier
from fpsynth.verifiers.covered import covers_all
from fpsynth.witness import Certificate, Divergence, Witness

__all__ = ["CheckResult", "Finding", "NotChecked", "check"]

MAX_FLOAT = Fraction(sys.float_info.max)
Outcome = Iterator[Finding | NotChecked]


def check(witness: Witness | Divergence) -> CheckResult:
    """Compute everything that a tie or a divergence claims again, exactly, apart from what only libraries or solvers can say.

    What is not computed is listed with the reason (``CheckResult.not_checked``).  What a file does not say is not held against
    it.  Raises InputError where a tie cannot be computed at all: an unknown certifier, a logit that is NaN.
    """
    return check_divergence(witness) if isinstance(witness, Divergence) else _Tie(witness).result()


class _Tie:
    """What is computed of a tie once, and what the file says beside it."""

    def __init__(self, witness: Witness) -> None:
        self.witness = witness
        self.chosen = witness.certificate.certifier
        if self.chosen not in REAL_CERTIFIERS:
            raise InputError(f"certificate.certifier: unknown certifier {self.chosen!r}")
        self.at, self.other = (
            network_logits(witness.network, point, witness.format, witness.deployment)
            for point in (witness.certified, witness.counterexample)
        )
        if not all(map(math.isfinite, (*self.at, *self.other))):
            raise InputError("a logit is infinite or NaN in the witness's own arithmetic: nothing can be certified")
        self.squared = squared_distance(witness.certified, witness.counterexample)
        # a network is prepared once for each certifier, which may take long
        self.tool = cache(lambda name: certifier(name, witness.network, format=witness.format))

    def supremum(self, logits: Sequence[float]) -> Fraction:
        """The chosen certifier's, for any logits at the certified point."""
        tool: Certifier = self.tool(self.chosen)
        return tool.supremum(self.witness.certified, logits)

    def result(self) -> CheckResult:
        """Every finding, and what was not checked."""
        witness, radius = self.witness, self.witness.certificate.radius
        supremum, distance = self.supremum(self.at), nearest_sqrt(self.squared)
        ratio, _ = lipschitz_ratio(witness.network, self.at, self.squared, supremum)
        outcome = [
            *self._question(),
            *self._claim(supremum, distance),
            *self._negative_control(),
            *self._certificates(),
            *self._numbers(supremum, distance),
            *replay_findings(witness, (self.at, self.other), self.supremum, self.squared),
            *self._words(supremum, distance, ratio),
        ]
        findings = tuple(entry for entry in outcome if isinstance(entry, Finding))
        not_checked = tuple(entry for entry in outcome if isinstance(entry, NotChecked))
        return CheckResult(findings, float(radius) / distance if distance else math.inf, ratio, not_checked)

    def _question(self) -> Outcome:
        if self.witness.question != "tie":
            yield Finding("the question is that of a tie", False, f"it is {self.witness.question}")

    def _claim(self, supremum: Fraction, distance: float) -> Outcome:
        """The witness itself."""
        witness, radius, at, other = self.witness, self.witness.certificate.radius, self.at, self.other
        yield Finding(
            "the class changes",
            argmax(at) != argmax(other),
            f"class {argmax(at)} at the certified point, class {argmax(other)} at the counterexample, in {witness.deployment}",
        )
        accepted = self.tool(self.chosen).accepts(witness.certified, at, radius)
        yield Finding(
            f"{self.chosen} accepts radius {float(radius):.12g}",
            radius > 0 and accepted,
            f"it accepts exactly the radii below {_text(supremum)}",
        )
        inside = self.squared <= radius**2
        yield Finding("the counterexample lies within that radius", inside, f"its distance is {distance:.12g}")
        if witness.question == "tie":
            best = max(other)
            tied = [k for k, v in enumerate(other) if v == best]
            detail = f"classes {tied} share the logit {best.hex()}"
            yield Finding("the largest logits tie at the counterexample", len(tied) > 1, detail)

    def _negative_control(self) -> Outcome:
        """The floating-point-sound certifier must reject what is refuted, whether or not the file says so."""
        witness = self.witness
        if witness.format.name not in SOUND_FORMATS:
            return
        try:
            tool = self.tool("lipschitz-sound")
        except MissingPackageError:
            return
        accepted = tool.accepts(witness.certified, self.at, containing(self.squared))
        claim = "the floating-point-sound certifier rejects the smallest ball that contains the counterexample"
        if accepted and not covers_all(witness.network, witness.deployment, witness.format):
            yield NotChecked(claim, f"it accepts it, but does not speak of {witness.deployment}")
            return
        yield Finding(
            claim,
            not accepted,
            "accepted: one of the two is wrong" if accepted else "rejected",
        )

    def _certificates(self) -> Outcome:
        """What the file says that each certifier says."""
        witness, sound = self.witness, self.witness.sound_certificate
        for certificate in (witness.certificate, *witness.other_certificates, *((sound,) if sound else ())):
            yield self._certificate(certificate)
        if sound is not None and sound.certifier != "lipschitz-sound":
            claim = "what stands under sound_certifier is what lipschitz-sound says"
            yield Finding(claim, False, f"it is what {sound.certifier} says")

    def _certificate(self, certificate: Certificate) -> Finding | NotChecked:
        claim = f"what the file says of {certificate.certifier} is right"
        try:
            tool = self.tool(certificate.certifier)
            supremum = tool.supremum(self.witness.certified, self.at)
            accepted = tool.accepts(self.witness.certified, self.at, certificate.radius)
        except MissingPackageError as missing:
            return NotChecked(claim, str(missing))
        except InputError as error:
            return Finding(claim, False, str(error))
        # ball arithmetic and float64 may round otherwise in another version or on another machine
        tolerance = 0 if certificate.certifier == "lipschitz-exact" else supremum / 10**9
        holds = accepted == certificate.accepted and abs(supremum - certificate.supremum) <= tolerance
        verb = "accepts" if accepted else "rejects"
        detail = f"it {verb} radius {float(certificate.radius):.12g}, and accepts exactly the radii below {_text(supremum)}"
        return Finding(claim, holds, detail)

    def _numbers(self, supremum: Fraction, distance: float) -> Outcome:
        """The distance and the ratio, where the file says them."""
        witness = self.witness
        stated = stated_ratio(witness.network, self.at, self.squared, supremum)
        for name, computed, said in (("distance", distance, witness.distance), ("ratio", stated, witness.ratio)):
            if name not in witness.unsaid:
                yield Finding(f"the {name} in the file is right", _close(computed, said), f"{said!r}")

    def _words(self, supremum: Fraction, distance: float, ratio: float) -> Outcome:
        """What the file says in words, and what nobody can compute."""
        witness = self.witness
        expected = str(witness.deployment)
        former = expected.endswith("with 1 exception") and witness.description == expected + "s"  # as 0.1.0 wrote it at first
        said = expected if former else witness.description
        described = wording("the description of the arithmetic", said, expected, witness.provenance)
        if described is not None:
            yield described
        yield from objective_findings(witness.objective, OBJECTIVES)
        yield from optimum_findings(witness.optimum, self._reached(supremum, distance, ratio))
        if witness.replays:
            reason = "only running the libraries again can check them (fpsynth replay)"
            yield NotChecked("the libraries, logits and rows of the replays", reason)
        yield from narrow_accumulators((witness.deployment.default, *(how for _, how in witness.deployment.exceptions)))
        yield from origin(witness.provenance)

    def _reached(self, supremum: Fraction, distance: float, ratio: float) -> dict[str, Fraction]:
        """The value of each objective."""
        first, second, *_ = sorted(self.at, reverse=True)
        values = {"radius": supremum, "distance": Fraction(distance), "margin": Fraction(first) - Fraction(second)}
        return {**values, "ratio": Fraction(ratio)} if math.isfinite(ratio) else values


def _close(computed: float, stated: float) -> bool:
    """Equal up to the last place: both are square roots rounded to float64."""
    if computed == stated or not (math.isfinite(computed) and math.isfinite(stated)):
        return computed == stated
    return abs(Fraction(computed) - Fraction(stated)) <= Fraction(math.ulp(computed))


def _text(number: Fraction) -> str:
    """The number in a message, whatever its size."""
    return f"{float(number):.17g}" if number < MAX_FLOAT else "a number beyond float64"
