"""Lipschitz certifiers as verifiers of balls: prepared once for each network, they judge from computed logits at the centre."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Protocol

from fpsynth.errors import InputError
from fpsynth.evaluators.networks import network_logits
from fpsynth.evaluators.real import exact_logits
from fpsynth.formats import FLOAT64, Format
from fpsynth.networks.network import Network
from fpsynth.packages import package_version
from fpsynth.sums.arithmetic import REAL, Deployment
from fpsynth.verifiers.asked import ball_in, in_time, require_held, require_stack
from fpsynth.verifiers.claims import Ball, Claim, Region
from fpsynth.verifiers.covered import covers_all
from fpsynth.verifiers.margins import Bounds, Logits, Progress, no_progress
from fpsynth.verifiers.properties import Property, one_class
from fpsynth.version import __version__
from fpsynth.wording import significant


class Certifier(Protocol):
    """Says for which radii (L2) around a point one network, for which it was prepared, keeps its class."""

    @property
    def name(self) -> str:
        """One of base.NAMES."""

    @property
    def bounds(self) -> Bounds:
        """[p][q] bounds how much faster than the input logit q moves against logit p, in real arithmetic."""

    def accepts(self, point: Sequence[float], logits: Logits, radius: Fraction) -> bool:
        """Whether ``radius`` is certified at ``point``; ``logits`` are the floats a library computed there, read as exact.

        The point's class is the lowest index of the largest logit.
        """

    def accepts_all(self, points: Sequence[Sequence[float]], logits: Sequence[Logits], radius: Fraction) -> list[bool]:
        """``accepts`` of many points, faster than one by one."""

    def supremum(self, point: Sequence[float], logits: Logits) -> Fraction:
        """Return the rational such that exactly the radii below it are accepted (0 where none is).

        Raises InputError where all are.
        """


Prepare = Callable[[Network, Format | None, int, Progress], Certifier]
"""From a network, the format that it is deployed in, the number of Gram iterations, and who is told of progress."""


def judged(certifier: Certifier, ball: Ball, logits: Logits) -> Claim:
    """What a certifier claims of a ball at whose centre a library computed ``logits``: for replays and data sets.

    Raises InputError where centre or logits do not fit the certifier's network, and for a negative radius.
    """
    accepted = certifier.accepts(ball.centre, logits, ball.radius)
    try:
        supremum = certifier.supremum(ball.centre, logits)
    except InputError:  # the query is one that ``accepts`` takes: every radius is accepted
        supremum = None
    reason = "" if accepted else f"{certifier.name} accepts only radii below {significant(supremum or 0, 6, 'up')}"
    return Claim(certifier.name, ball, "unsat" if accepted else "unknown", supremum, dict(_versions()), reason=reason)


@dataclass(frozen=True)
class LipschitzVerifier:
    """A Lipschitz certifier as a ``base.Verifier`` of balls.

    It evaluates the logits at the centre under ``deployment`` itself and reads them as exact, as verified certifiers do; under
    REAL they are exact, and then a claim of ``lipschitz`` or ``lipschitz-exact`` is true in real arithmetic.
    """

    name: str
    deployment: Deployment
    """In which the logits at the centre are computed; networks and centres are of its format."""
    prepare: Prepare
    sound: bool = False
    """Whether the claim is of every evaluation in the deployment's format, and not of real arithmetic."""
    gram: int = 11
    """Gram iterations for each spectral norm."""

    def __post_init__(self) -> None:
        if self.sound and self.deployment.default.format is None:
            raise InputError(
                f"{self.name} needs the format that the network is deployed in, which real arithmetic has not: ask for an"
                " arithmetic such as float32"
            )

    @property
    def reasons_in(self) -> Deployment | Format:
        """Real arithmetic; the sound one: every deployment in a format that ``covered.covers_all`` allows."""
        return self.deployment.default.format or FLOAT64 if self.sound else Deployment(REAL)

    def verify(self, network: Network, region: Region, unsafe: Property | None = None, *, budget: float | None = None) -> Claim:
        """See ``base.Verifier``.  ``unsat`` where the certifier accepts the radius; it never says ``sat``.

        Properties are those of one class, which must be that of the centre.
        """
        ball = ball_in(network, region, self.name)
        fmt = self.deployment.default.format
        if fmt is not None:
            require_held(network, ball, fmt)
        if self.sound:
            require_stack(network, self.name)
        if self.sound and fmt is not None and not covers_all(network, self.deployment, fmt):
            raise InputError(f"{self.name} bounds what is rounded to nearest, sum by sum, in {fmt}: not {self.deployment}")
        return in_time(self.name, ball, budget, lambda: self._judged(network, ball, unsafe))

    def _judged(self, network: Network, ball: Ball, unsafe: Property | None) -> Claim:
        logits = self._logits(network, ball.centre)
        if unsafe is not None:
            label = max(range(len(logits)), key=lambda k: (logits[k], -k))
            if unsafe != one_class(label, len(logits)):
                raise InputError(f"{self.name} takes one property only: that the class is {label}, that of the centre")
        certifier = _prepared(self.prepare, network, self.deployment.default.format, self.gram)
        return judged(certifier, ball, logits)

    def _logits(self, network: Network, centre: tuple[float, ...]) -> Logits:
        fmt = self.deployment.default.format
        return exact_logits(network, centre) if fmt is None else network_logits(network, centre, fmt, self.deployment)


@lru_cache(maxsize=4)
def _prepared(prepare: Prepare, network: Network, fmt: Format | None, gram: int) -> Certifier:
    return prepare(network, fmt, gram, no_progress)


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    flint = package_version("python-flint")
    return {"fpsynth": __version__, **({"python-flint": flint} if flint else {})}
