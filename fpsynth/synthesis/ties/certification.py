"""Certification: what the certifiers say of a solution, and the witness that comes of it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from fpsynth.certifiers.base import Certifier, certifier
from fpsynth.certifiers.bounds import sqrt_upper
from fpsynth.certifiers.claims import Ball, Claim
from fpsynth.certifiers.covered import covers_all
from fpsynth.certifiers.lipschitz_ball import exact_supremum_squared
from fpsynth.errors import ContradictionError, InputError, MissingPackageError
from fpsynth.evaluators.networks import network_logits
from fpsynth.formats import Format
from fpsynth.networks.network import Network
from fpsynth.predicates import Predicate
from fpsynth.problems import Assignment
from fpsynth.synthesis.ties.question import TieQuestion, solution
from fpsynth.witness.data import CERTIFIED, COUNTEREXAMPLE, Point, Provenance, Witness, tie_views
from fpsynth.witness.prediction import with_prediction

REAL_CERTIFIERS = ("lipschitz-exact", "lipschitz")
"""The certifiers whose claims a witness can refute: they reason about real numbers."""
SOUND_FORMATS = ("float16", "bfloat16", "float32", "float64")
"""The formats that the floating-point-sound certifier knows."""
Solution = tuple[Network, tuple[float, ...], tuple[float, ...]]
"""Network, counterexample, certified point."""
_DIGITS = 12
"""Significant digits of the radius that a certifier is asked about."""
_LOSS = Fraction(1, 1000)
"""The share of its radius that a certifier may lose to rounding its bounds up before a ratio is that of its own radius."""


def require_refutable(name: str) -> None:
    """Raise InputError for a certifier that makes no claims about real numbers, as the sound one, and for an unknown one."""
    if name in REAL_CERTIFIERS:
        return
    near = () if name == "lipschitz-sound" else difflib.get_close_matches(name[:60].lower(), REAL_CERTIFIERS, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    choices = ", ".join(REAL_CERTIFIERS)
    raise InputError(f"--certifier must be one of {choices} ({hint}the sound one is the negative control), not {name[:60]!r}")


def squared_distance(a: Sequence[float], b: Sequence[float]) -> Fraction:
    """The square of the L2 distance of two points, exactly."""
    return sum(((Fraction(x) - Fraction(y)) ** 2 for x, y in zip(a, b, strict=True)), Fraction(0))


def nearest_sqrt(square: Fraction) -> float:
    """The square root of a rational, to within one unit in the last place of float64.

    Raises InputError where it is beyond the range of float64.
    """
    if square == 0:
        return 0.0
    shift = 2 * max(0, 64 - (square.numerator.bit_length() - square.denominator.bit_length()) // 2)
    root = Fraction(math.isqrt((square.numerator << shift) // square.denominator), 1 << (shift // 2))
    try:
        return float(root)
    except OverflowError:
        raise InputError("the distance or the ratio of the certified radius to it exceeds the range of float64") from None


def decimal_below(bound: Fraction, digits: int = _DIGITS) -> Fraction:
    """The largest decimal number with so many significant digits that is below ``bound`` > 0."""
    unit = _unit(bound, digits)
    return (math.ceil(bound / unit) - 1) * unit


def decimal_above(bound: Fraction, digits: int = _DIGITS) -> Fraction:
    """The smallest decimal number with so many significant digits that is at least ``bound`` > 0."""
    unit = _unit(bound, digits)
    return math.ceil(bound / unit) * unit


def _unit(bound: Fraction, digits: int) -> Fraction:
    """The power of ten with unit * 10**(digits - 1) < bound <= unit * 10**digits."""
    unit = Fraction(10) ** (math.floor(math.log10(bound.numerator) - math.log10(bound.denominator)) - digits + 1)
    while bound > unit * 10**digits:  # the logarithms are rounded
        unit *= 10
    while bound <= unit * 10 ** (digits - 1):
        unit /= 10
    return unit


def lipschitz_ratio(
    network: Network, logits: Sequence[float], squared: Fraction, supremum: Fraction
) -> tuple[float, Fraction | None]:
    """Return the ratio of certified radius and distance (a float64), and its square where it is known exactly.

    One layer: the Lipschitz bounds are norms of differences of rows, so the square is the rational min_i margin_i^2 /
    (L_i^2 d^2).  Otherwise the supremum of the certifier's radii is divided by the distance.
    """
    if squared == 0:
        return math.inf, None
    if len(network.dense_layers) > 1:
        return nearest_sqrt(supremum**2 / squared), None
    try:
        square = exact_supremum_squared(network, logits) / squared
    except InputError:  # no difference of two logits depends on the input
        return math.inf, None
    return nearest_sqrt(square), square


def stated_ratio(network: Network, logits: Sequence[float], squared: Fraction, supremum: Fraction) -> float:
    """Return the ratio that a witness states (a float64): ``lipschitz_ratio`` where the certifier's own radii come up to it.

    The verified certifier cuts its bounds to 16 decimals.  Where that costs more than a thousandth, as for float64 weights
    near 1, the ratio is that of its own radii, ``supremum`` divided by the distance.
    """
    exact, _ = lipschitz_ratio(network, logits, squared, supremum)
    own = nearest_sqrt(supremum**2 / squared) if squared else exact
    return exact if own >= exact * (1 - float(_LOSS)) else own


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
) -> Claims:
    """Ask all certifiers about the point ``certified`` with the computed ``logits``.

    The radius they are asked about is ``radius``, or else the largest decimal with few digits that the chosen certifier
    accepts; it must contain the other point, whose squared distance is ``squared``.
    """
    tool = certifier(chosen, network)
    supremum = tool.supremum(certified, logits)
    if radius is None:
        radius = _radius(supremum, squared)
    accepted = radius > 0 and tool.accepts(certified, logits, radius)
    if not accepted:
        rejection = f"{chosen} accepts only radii below {float(supremum):.6g}"
    elif radius**2 < squared:
        rejection = f"its radius {float(radius):.6g} does not contain the other point, {nearest_sqrt(squared):.6g} away"
    else:
        rejection = ""
    others = []
    for name in REAL_CERTIFIERS:
        if name != chosen:
            try:
                others.append(asked(certifier(name, network), certified, logits, radius))
            except InputError:  # not installed, or it cannot read a network with a bias
                continue
    sound = None
    if fmt.name in SOUND_FORMATS:
        try:
            # the negative control is asked about the smallest ball that contains the other point, the easiest claim
            strict = certifier("lipschitz-sound", network, format=fmt)
            sound = asked(strict, certified, logits, containing(squared))
        except MissingPackageError:
            pass
    return Claims(asked(tool, certified, logits, radius), tuple(others), sound, rejection)


def asked(tool: Certifier, certified: Sequence[float], logits: Sequence[float], radius: Fraction) -> Claim:
    """What a certifier claims of a ball around a point with the computed ``logits``."""
    accepted = radius > 0 and tool.accepts(certified, logits, radius)
    verdict = "unsat" if accepted else "unknown"
    return Claim(tool.name, Ball(tuple(certified), radius), verdict, tool.supremum(certified, logits))


def containing(squared: Fraction) -> Fraction:
    """A decimal number at least the distance, hardly more."""
    return decimal_above(sqrt_upper(squared)) if squared else squared


def _radius(supremum: Fraction, squared: Fraction) -> Fraction:
    """The largest decimal below the supremum with few digits; more digits where it must still contain the other point."""
    if supremum <= 0:
        return Fraction(0)
    for digits in (_DIGITS, 17, 25, 40):
        radius = decimal_below(supremum, digits)
        if radius**2 >= squared:
            return radius
    return decimal_below(supremum)


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
        logits = network_logits(network, certified, fmt, deployment)
        squared = squared_distance(certified, counterexample)
        said = claims(network, certified, logits, squared, fmt, self.chosen)
        if said.sound is not None and said.sound.accepted and covers_all(network, deployment, fmt):
            raise ContradictionError(f"lipschitz-sound accepts a witness: {network} at {certified} against {counterexample}")
        points = (Point(CERTIFIED, certified), Point(COUNTEREXAMPLE, counterexample))
        sides = zip(tie_views(deployment), points, strict=True)
        views = tuple(with_prediction(network, point.numbers, view) for view, point in sides)
        predicate = Predicate("argmax")
        witness = Witness(
            question="tie",
            format=fmt,
            network=network,
            points=points,
            predicate=predicate,
            views=views,
            claims=(said.claim, *said.others),
            control=said.sound,
            measure=predicate.measure(views[0].logits, views[1].logits),
            distance=nearest_sqrt(squared),
            ratio=stated_ratio(network, logits, squared, said.claim.reach),
            objective=self.question.objective,
            optimum=optimum,
            provenance=provenance,
        )
        return witness, said.rejection or self._short_of_what_is_asked(squared, said.claim.reach)

    def _short_of_what_is_asked(self, squared: Fraction, supremum: Fraction) -> str:
        """Why the radii are too small for the least ratio, though by the exact Lipschitz bound they are not; else empty."""
        if supremum**2 >= ((1 - _LOSS) * self.question.min_ratio) ** 2 * squared or self.question.min_ratio <= 1:
            return ""
        return (
            f"it accepts only radii below {float(supremum):.6g}, {nearest_sqrt(supremum**2 / squared):.6g} times the distance"
        )

    def judge(self, assignment: Assignment) -> str:
        """Say why the chosen certifier rejects a solution; empty if it accepts."""
        return self.witness(assignment)[1]
