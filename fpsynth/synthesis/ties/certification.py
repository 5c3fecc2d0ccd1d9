"""Certification: what the certifiers say of a solution, and the witness that comes of it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache

from fpsynth.errors import ContradictionError, InputError, MissingPackageError
from fpsynth.evaluators.networks import network_logits
from fpsynth.formats import Format
from fpsynth.networks.network import Network
from fpsynth.predicates import Predicate
from fpsynth.problems import Assignment
from fpsynth.sums.arithmetic import Deployment
from fpsynth.synthesis.ties.question import TieQuestion, solution
from fpsynth.verifiers.base import Certifier, certifier
from fpsynth.verifiers.claims import Ball, Claim
from fpsynth.verifiers.covered import covers_all
from fpsynth.verifiers.radii import (
    LOSS,
    containing,
    decimal_radius,
    lipschitz_ratio,
    nearest_sqrt,
    squared_distance,
    stated_ratio,
)
from fpsynth.witness.data import CERTIFIED, COUNTEREXAMPLE, Point, Provenance, Witness, tie_views
from fpsynth.witness.prediction import with_prediction
from fpsynth.wording import significant

__all__ = [
    "REAL_CERTIFIERS",
    "SOUND_FORMATS",
    "Certification",
    "Claims",
    "Prepared",
    "Solution",
    "claims",
    "containing",
    "lipschitz_ratio",
    "nearest_sqrt",
    "require_refutable",
    "squared_distance",
    "stated_ratio",
    "tie_of",
]

REAL_CERTIFIERS = ("lipschitz-exact", "lipschitz")
"""The certifiers whose claims a witness can refute: they reason about real numbers."""
SOUND_FORMATS = ("float16", "bfloat16", "float32", "float64")
"""The formats that the floating-point-sound certifier knows."""
Solution = tuple[Network, tuple[float, ...], tuple[float, ...]]
"""Network, counterexample, certified point."""


def require_refutable(name: str) -> None:
    """Raise InputError for a certifier that makes no claims about real numbers, as the sound one, and for an unknown one."""
    if name in REAL_CERTIFIERS:
        return
    near = () if name == "lipschitz-sound" else difflib.get_close_matches(name[:60].lower(), REAL_CERTIFIERS, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    choices = ", ".join(REAL_CERTIFIERS)
    raise InputError(f"the certifier must be one of {choices} ({hint}the sound one is the negative control), not {name[:60]!r}")


class Prepared:
    """The certifiers of one network, each prepared once when it is first asked for, which may take long."""

    def __init__(self, network: Network, fmt: Format) -> None:
        self._make = cache(lambda name: certifier(name, network, format=fmt))

    def __call__(self, name: str) -> Certifier:
        """The certifier of that name.  Raises InputError and MissingPackageError as ``certifier`` does."""
        return self._make(name)


@dataclass(frozen=True)
class Claims:
    """What the certifiers say of a solution; ``rejection`` says why the chosen one does not accept it, empty if it does."""

    claim: Claim
    others: tuple[Claim, ...]
    sound: Claim | None
    rejection: str


def claims(
    network: Network,
    certified: Sequence[float],
    logits: Sequence[float],
    squared: Fraction,
    fmt: Format,
    chosen: str,
    radius: Fraction | None = None,
    tools: Prepared | None = None,
) -> Claims:
    """Ask all certifiers about the point ``certified`` with the computed ``logits``.

    The radius they are asked about is ``radius``, or else the largest decimal with few digits that the chosen certifier
    accepts; it must contain the other point, whose squared distance is ``squared``.  ``tools``: certifiers of this very
    network that are prepared already.
    """
    prepared = tools or Prepared(network, fmt)
    tool = prepared(chosen)
    supremum = tool.supremum(certified, logits)
    if radius is None:
        radius = decimal_radius(supremum, squared)
    accepted = radius > 0 and tool.accepts(certified, logits, radius)
    if not accepted:
        rejection = f"{chosen} accepts only radii below {significant(supremum, 6, 'up')}"
    elif radius**2 < squared:
        rejection = f"its radius {float(radius):.6g} does not contain the other point, {nearest_sqrt(squared):.6g} away"
    else:
        rejection = ""
    others = []
    for name in REAL_CERTIFIERS:
        if name != chosen:
            try:
                others.append(asked(prepared(name), certified, logits, radius))
            except InputError:  # not installed, or it cannot read a network with a bias
                continue
    sound = None
    if fmt.name in SOUND_FORMATS:
        # the negative control is asked about the smallest ball that contains the other point, the easiest claim; it may be
        # missing, or not speak of such a network
        with suppress(MissingPackageError, InputError):
            sound = asked(prepared("lipschitz-sound"), certified, logits, containing(squared))
    return Claims(asked(tool, certified, logits, radius), tuple(others), sound, rejection)


def asked(tool: Certifier, certified: Sequence[float], logits: Sequence[float], radius: Fraction) -> Claim:
    """What a certifier claims of a ball around a point with the computed ``logits``."""
    accepted = radius > 0 and tool.accepts(certified, logits, radius)
    verdict = "unsat" if accepted else "unknown"
    return Claim(tool.name, Ball(tuple(certified), radius), verdict, tool.supremum(certified, logits))


def tie_of(
    network: Network,
    points: tuple[tuple[float, ...], tuple[float, ...]],
    deployment: Deployment,
    fmt: Format,
    chosen: str,
    tools: Prepared | None = None,
) -> tuple[Witness, str]:
    """The witness that a certified point and a counterexample are, and why the chosen certifier rejects it (empty if not).

    Raises ContradictionError where the floating-point-sound certifier accepts, and speaks of the arithmetic: then one of the
    two is wrong.
    """
    certified, counterexample = points
    logits = network_logits(network, certified, fmt, deployment)
    squared = squared_distance(certified, counterexample)
    said = claims(network, certified, logits, squared, fmt, chosen, tools=tools)
    if said.sound is not None and said.sound.accepted and covers_all(network, deployment, fmt):
        raise ContradictionError(f"lipschitz-sound accepts a witness: {network} at {certified} against {counterexample}")
    named = (Point(CERTIFIED, certified), Point(COUNTEREXAMPLE, counterexample))
    sides = zip(tie_views(deployment), named, strict=True)
    views = tuple(with_prediction(network, point.numbers, view) for view, point in sides)
    predicate = Predicate("argmax")
    witness = Witness(
        question="tie",
        format=fmt,
        network=network,
        points=named,
        predicate=predicate,
        views=views,
        claims=(said.claim, *said.others),
        control=said.sound,
        measure=predicate.measure(views[0].logits, views[1].logits),
        distance=nearest_sqrt(squared),
        ratio=stated_ratio(network, logits, squared, said.claim.reach),
        objective="ratio",
    )
    return witness, said.rejection


class Certification:
    """Judges solutions of one question with one certifier, and turns the accepted ones into witnesses."""

    def __init__(self, question: TieQuestion, chosen: str) -> None:
        """Raises InputError for a certifier that makes no claims about real numbers, as the sound one."""
        require_refutable(chosen)
        self.question = question
        self.chosen = chosen

    def witness(
        self,
        assignment: Assignment,
        optimum: str = "",
        provenance: Provenance | None = None,
        arranged: Callable[[Solution], Solution] | None = None,
    ) -> tuple[Witness, str]:
        """Return the witness, and why the chosen certifier rejects it (empty if it accepts).

        ``arranged`` changes the solution first, in a way that leaves it one.
        Raises ContradictionError where the floating-point-sound certifier accepts, and speaks of the arithmetic: then one of
        the two is wrong.
        """
        solved = solution(self.question, assignment)
        network, counterexample, certified = solved if arranged is None else arranged(solved)
        deployment, fmt = self.question.deployments[0], self.question.format
        witness, rejection = tie_of(network, (certified, counterexample), deployment, fmt, self.chosen)
        witness = replace(witness, objective=self.question.objective, optimum=optimum, provenance=provenance)
        squared = squared_distance(certified, counterexample)
        return witness, rejection or self._short_of_what_is_asked(squared, witness.claim.reach)

    def _short_of_what_is_asked(self, squared: Fraction, supremum: Fraction) -> str:
        """Why the radii are too small for the least ratio, though by the exact Lipschitz bound they are not; else empty."""
        if supremum**2 >= ((1 - LOSS) * self.question.min_ratio) ** 2 * squared or self.question.min_ratio <= 1:
            return ""
        times = nearest_sqrt(supremum**2 / squared)
        return f"it accepts only radii below {significant(supremum, 6, 'up')}, {times:.6g} times the distance"

    def judge(self, assignment: Assignment) -> str:
        """Say why the chosen certifier rejects a solution; empty if it accepts."""
        return self.witness(assignment)[1]
