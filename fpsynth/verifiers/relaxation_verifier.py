"""Bounds by relaxation as a verifier of balls and boxes: intervals, zonotopes, DeepPoly, CROWN, alpha-CROWN."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import numpy as np

from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.networks.network import Network
from fpsynth.packages import package_version
from fpsynth.sums.arithmetic import REAL, Deployment
from fpsynth.verifiers.asked import ball_in, box_in, in_time
from fpsynth.verifiers.claims import Ball, Claim, Region
from fpsynth.verifiers.properties import Inequality, Property, one_class
from fpsynth.verifiers.relaxations.asked import BoundQuestion, Outcome, middle
from fpsynth.verifiers.relaxations.bounding import BOUNDINGS, by_substitution
from fpsynth.verifiers.relaxations.deciding import DECISIONS
from fpsynth.verifiers.relaxations.ends import Ends, interval_ends
from fpsynth.verifiers.relaxations.formats import require_read
from fpsynth.verifiers.relaxations.prepared import PreparedNetwork, prepared
from fpsynth.verifiers.relaxations.reasoning import REAL as REAL_NUMBERS
from fpsynth.verifiers.relaxations.reasoning import Reasoning, sound
from fpsynth.verifiers.relaxations.region import Inputs, inputs_of
from fpsynth.version import __version__
from fpsynth.workers.deadlines import require_time


@dataclass(frozen=True)
class RelaxationVerifier:
    """A way to bound logits as a ``base.Verifier``; what its claims are of is what it reasons in.

    ``float32`` and ``float64`` reasoning are models of verifiers without allowance for rounding: they claim to be of real
    arithmetic, and may be wrong.
    """

    name: str
    reasoning: Reasoning

    @property
    def reasons_in(self) -> Deployment | Format:
        """Real arithmetic; a deployment; or all in a format that round to nearest, in that format or in wider ones."""
        if self.reasoning.deployed is None:
            return Deployment(REAL)
        return self.reasoning.deployment or self.reasoning.deployed

    def verify(self, network: Network, region: Region, unsafe: Property | None = None, *, budget: float | None = None) -> Claim:
        """See ``base.Verifier``."""
        region = (ball_in if isinstance(region, Ball) else box_in)(network, region, self.name)
        require_read(network, region, self.reasoning)
        with np.errstate(all="ignore"):  # what overflows has no bound
            return in_time(self.name, region, budget, lambda: self._claim(network, region, unsafe, budget is not None))

    def _claim(self, network: Network, region: Region, unsafe: Property | None, limited: bool) -> Claim:
        require_time()
        known = prepared_for(network, self.reasoning)
        inputs = inputs_of(region, self.reasoning)
        if unsafe is None:
            if known.outputs < 2:
                found = BOUNDINGS.get(self.name, by_substitution)(known, inputs, np.eye(1))
                return self._said(region, ("unknown", (), "a network with one output has no classes"), found.outputs)
            label = class_at(known, inputs)
            asked = BoundQuestion(network, known, region, inputs, one_class(label, known.outputs), limited)
            outcome, outputs = DECISIONS[self.name](asked)
            return self._said(region, of_two_classes(asked, label, outcome), outputs)
        unsafe.require(known.outputs)
        if any(not conjunction for conjunction in unsafe.unsafe):  # whatever the outputs are
            point = region.centre if isinstance(region, Ball) else region.lower
            return self._said(region, ("sat", point, ""), interval_ends(known, inputs.box)[known.output])
        outcome, outputs = DECISIONS[self.name](BoundQuestion(network, known, region, inputs, unsafe, limited))
        return self._said(region, outcome, outputs)

    def _said(self, region: Region, outcome: Outcome, outputs: Ends) -> Claim:
        verdict, point, reason = outcome
        return Claim(self.name, region, verdict, None, _versions(), exact_ends(outputs), point, reason)


def class_at(known: PreparedNetwork, inputs: Inputs) -> int:
    """The class of the middle of a region, about."""
    point = middle(inputs)
    logits = interval_ends(known, Ends(point, point))[known.output]
    return int(np.argmax(logits.lower))


def of_two_classes(asked: BoundQuestion, label: int, outcome: Outcome) -> Outcome:
    """What may be said of every class where ``asked`` is about that of the middle, which is ``label``, about.

    A point of another class than ``label``, or of none, refutes every class where the middle surely has the class ``label``,
    and where no class is above all others at the point itself; elsewhere nothing is known.
    """
    if outcome[0] != "sat" or _surely(asked, label) or _of_no_class_but(asked, label, outcome[1]):
        return outcome
    return "unknown", (), "the class of the middle is not certain"


def _surely(asked: BoundQuestion, label: int) -> bool:
    """Whether the middle has the class ``label``."""
    others = [k for k in range(asked.known.outputs) if k != label]
    below = (Inequality(((k, Fraction(1)), (label, Fraction(-1))), Fraction(0), strict=True) for k in others)
    return bool(replace(asked, unsafe=Property((tuple(below),))).violation([middle(asked.inputs)]))


def _of_no_class_but(asked: BoundQuestion, label: int, point: tuple[float, ...]) -> bool:
    """Whether no class but ``label`` is above all others at a point."""
    classes = (one_class(k, asked.known.outputs) for k in range(asked.known.outputs) if k != label)
    return all(replace(asked, unsafe=unsafe).violation([np.array(point)]) for unsafe in classes)


def exact_ends(outputs: Ends) -> tuple[tuple[Fraction, Fraction], ...]:
    """As rationals; empty where one is infinite."""
    if not (np.isfinite(outputs.lower).all() and np.isfinite(outputs.upper).all()):
        return ()
    return tuple((Fraction(a), Fraction(b)) for a, b in zip(outputs.lower.tolist(), outputs.upper.tolist(), strict=True))


@lru_cache(maxsize=8)
def prepared_for(network: Network, reasoning: Reasoning) -> PreparedNetwork:
    """``prepared``, kept."""
    return prepared(network, reasoning)


@lru_cache(maxsize=1)
def _found_versions() -> tuple[tuple[str, str], ...]:
    known = {"fpsynth": __version__, "numpy": package_version("numpy"), "scipy": package_version("scipy")}
    return tuple((name, version) for name, version in known.items() if version)


def _versions() -> dict[str, str]:
    return dict(_found_versions())


def reasoning_of(deployment: Deployment) -> Reasoning:
    """Sound reasoning about a deployment, or rigorous reasoning about real numbers."""
    fmt = deployment.default.format
    if fmt is not None:
        return sound(fmt, deployment, "deployment")
    if any(how.format is not None for _, how in (*deployment.layers, *deployment.exceptions)):
        raise InputError("bounds by relaxation are of deployments that compute in formats, or in exact arithmetic alone")
    return REAL_NUMBERS
