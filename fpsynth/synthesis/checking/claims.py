"""The re-check of claims about balls: what the verifiers say again, the negative control, the distance and the ratio."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from fractions import Fraction
from functools import cache

from fpsynth.errors import InputError, MissingPackageError
from fpsynth.networks.network import stacked
from fpsynth.synthesis.checking.findings import Finding, Findings, NotChecked
from fpsynth.synthesis.ties.certification import (
    REAL_CERTIFIERS,
    SOUND_FORMATS,
    containing,
    lipschitz_ratio,
    nearest_sqrt,
    squared_distance,
    stated_ratio,
)
from fpsynth.verifiers.base import Certifier, certifier
from fpsynth.verifiers.claims import Ball, Claim
from fpsynth.verifiers.covered import covers_all
from fpsynth.witness.data import Witness

MAX_FLOAT = Fraction(sys.float_info.max)


class Balls:
    """What is computed of a witness of two points once, and what its file says beside it."""

    def __init__(self, witness: Witness, at: Sequence[float], other: Sequence[float]) -> None:
        """``at`` and ``other``: the computed logits at the reference's and at the deployed view's point."""
        self.witness, self.at, self.other = witness, at, other
        self.chosen = witness.claim.verifier
        if self.chosen not in REAL_CERTIFIERS:
            raise InputError(f"certificate.certifier: unknown certifier {self.chosen!r}")
        self.squared = squared_distance(witness.certified, witness.point)
        # a network is prepared once for each certifier, which may take long
        self.tool = cache(lambda name: certifier(name, witness.network, format=witness.format))
        self.reach = self.supremum(at)
        self.distance = nearest_sqrt(self.squared)
        self.ratio, _ = lipschitz_ratio(witness.network, at, self.squared, self.reach)

    def supremum(self, logits: Sequence[float]) -> Fraction:
        """The chosen verifier's, for any logits at the certified point."""
        tool: Certifier = self.tool(self.chosen)
        return tool.supremum(self.witness.certified, logits)

    @property
    def radius_ratio(self) -> float:
        """The certified radius of the file divided by the distance of the points."""
        return float(self.witness.claim.radius) / self.distance if self.distance else math.inf

    def claim(self) -> Findings:
        """The claim that is refuted."""
        witness, radius, at, other = self.witness, self.witness.claim.radius, self.at, self.other
        accepted = self.tool(self.chosen).accepts(witness.certified, at, radius)
        yield Finding(
            f"{self.chosen} accepts radius {float(radius):.12g}",
            radius > 0 and accepted,
            f"it accepts exactly the radii below {_text(self.reach)}",
        )
        inside = self.squared <= radius**2
        yield Finding("the counterexample lies within that radius", inside, f"its distance is {self.distance:.12g}")
        if witness.question == "tie":
            best = max(other)
            tied = [k for k, v in enumerate(other) if v == best]
            detail = f"classes {tied} share the logit {best.hex()}"
            yield Finding("the largest logits tie at the counterexample", len(tied) > 1, detail)

    def negative_control(self) -> Findings:
        """The floating-point-sound certifier must reject what is refuted, whether or not the file says so."""
        witness = self.witness
        if witness.format.name not in SOUND_FORMATS:
            return
        claim = "the floating-point-sound certifier rejects the smallest ball that contains the counterexample"
        try:
            tool = self.tool("lipschitz-sound")
        except MissingPackageError:
            return
        except InputError as error:
            if stacked(witness.network):
                raise
            yield NotChecked(claim, str(error))
            return
        accepted = tool.accepts(witness.certified, self.at, containing(self.squared))
        if accepted and not covers_all(witness.network, witness.deployment, witness.format):
            yield NotChecked(claim, f"it accepts it, but does not speak of {witness.deployment}")
            return
        yield Finding(
            claim,
            not accepted,
            "accepted: one of the two is wrong" if accepted else "rejected",
        )

    def certificates(self) -> Findings:
        """What the file says that each verifier says."""
        sound = self.witness.control
        for claim in (*self.witness.claims, *((sound,) if sound else ())):
            yield self._certificate(claim)
        if sound is not None and sound.verifier != "lipschitz-sound":
            claimed = "what stands under sound_certifier is what lipschitz-sound says"
            yield Finding(claimed, False, f"it is what {sound.verifier} says")

    def _certificate(self, certificate: Claim) -> Finding | NotChecked:
        claim = f"what the file says of {certificate.verifier} is right"
        if certificate.region != Ball(self.witness.certified, certificate.radius):
            return Finding(claim, False, "it is said of a ball around another point than the certified one")
        try:
            tool = self.tool(certificate.verifier)
            supremum = tool.supremum(self.witness.certified, self.at)
            accepted = tool.accepts(self.witness.certified, self.at, certificate.radius)
        except MissingPackageError as missing:
            return NotChecked(claim, str(missing))
        except InputError as error:
            return Finding(claim, False, str(error))
        # ball arithmetic and float64 may round otherwise in another version or on another machine
        tolerance = 0 if certificate.verifier == "lipschitz-exact" else supremum / 10**9
        holds = accepted == certificate.accepted and abs(supremum - certificate.reach) <= tolerance
        verb = "accepts" if accepted else "rejects"
        detail = f"it {verb} radius {float(certificate.radius):.12g}, and accepts exactly the radii below {_text(supremum)}"
        return Finding(claim, holds, detail)

    def numbers(self) -> Findings:
        """The distance and the ratio, where the file says them."""
        witness = self.witness
        stated = stated_ratio(witness.network, self.at, self.squared, self.reach)
        for name, computed, said in (("distance", self.distance, witness.distance), ("ratio", stated, witness.ratio)):
            if said is not None:
                yield Finding(f"the {name} in the file is right", _close(computed, said), f"{said!r}")

    def reached(self) -> dict[str, Fraction]:
        """The value of each objective."""
        first, second, *_ = sorted(self.at, reverse=True)
        values = {"radius": self.reach, "distance": Fraction(self.distance), "margin": Fraction(first) - Fraction(second)}
        return {**values, "ratio": Fraction(self.ratio)} if math.isfinite(self.ratio) else values


def _close(computed: float, stated: float) -> bool:
    """Equal up to the last place: both are square roots rounded to float64."""
    if computed == stated or not (math.isfinite(computed) and math.isfinite(stated)):
        return computed == stated
    return abs(Fraction(computed) - Fraction(stated)) <= Fraction(math.ulp(computed))


def _text(number: Fraction) -> str:
    """The number in a message, whatever its size."""
    return f"{float(number):.17g}" if number < MAX_FLOAT else "a number beyond float64"
