"""The interval question: does interval arithmetic in one arithmetic miss the value that another one computes?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from fpsynth import expressions as ex
from fpsynth.errors import InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.expressions import Expression
from fpsynth.formats import Format, power_of_two
from fpsynth.networks.lowering import lower
from fpsynth.networks.network import Dense, Network, dense_relu
from fpsynth.networks.template import template
from fpsynth.predicates import Predicate
from fpsynth.problems import Assignment, Problem, Variable
from fpsynth.rounding import Rounding, from_fraction, representable, round_fraction
from fpsynth.solvers.race import Attempt
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.sums.building import program_of, restricted
from fpsynth.synthesis.domain import Interval, check_interval
from fpsynth.synthesis.verdicts import Proof, Verdict
from fpsynth.verifiers.claims import Box
from fpsynth.verifiers.interval_expressions import includes, lower_interval
from fpsynth.verifiers.interval_verifier import IntervalVerifier
from fpsynth.verifiers.intervals import widening_named
from fpsynth.witness.data import View, Witness, only_point
from fpsynth.witness.prediction import predicted_logits

MAX_TERMS = 4096
OUTSIDE = Predicate("outside")


@dataclass(frozen=True)
class IntervalQuestion:
    """Find a neuron of ``terms`` inputs and a point where b's value lies outside the interval that a gives."""

    format: Format
    """Of weights and inputs; the formats of both views contain it."""
    terms: int
    a: View
    """Interval arithmetic: its deployment says in which arithmetic."""
    b: View
    """What really computes the value."""
    weights: Interval
    inputs: Interval
    widening: str = ""
    """Empty for outward rounding, or a name of ``verifiers.intervals.WIDENINGS``."""
    radius: Fraction = Fraction(0)
    """The interval is that of the box of this radius around the point (its ends rounded outward); 0: of the point."""
    maximise: bool = False
    """Use the time for improvements to find a value farther outside."""

    def __post_init__(self) -> None:
        if not 1 <= self.terms <= MAX_TERMS:
            raise InputError(f"the number of terms must be from 1 to {MAX_TERMS}, not {self.terms}")
        widening_named(self.widening)
        if self.radius < 0:
            raise InputError(f"the radius of a box cannot be negative, as {self.radius} is")
        check_interval(self.weights, self.format, "the weights' range")
        check_interval(self.inputs, self.format, "the inputs' range")
        if self.reference.format is None:
            raise InputError(f"{self.a.label}: interval arithmetic rounds outward into a format, and real arithmetic has none")
        for view, how in ((self.a, self.reference), (self.b, self.deployed)):
            if how.needs_bias:
                raise InputError(f"{view.label}: the order has a leaf for the bias, but the neuron has none")
            if how.format is not None:
                program_of(how, self.terms)
                if not includes(how.format, self.format):
                    raise InputError(f"{view.label}: not every {self.format} number is a {how.format} number")
        if program_of(self.reference, self.terms).alignments:
            raise InputError(
                f"{self.a.label}: interval arithmetic rounds sums outward, but sums that are aligned drop parts of their terms"
            )

    @property
    def reference(self) -> Arithmetic:
        """The arithmetic that the interval is computed in."""
        return self.a.deployment.at(0, 0)

    @property
    def deployed(self) -> Arithmetic:
        """The arithmetic that computes the value."""
        return self.b.deployment.at(0, 0)

    @property
    def zero_term(self) -> tuple[float, float] | None:
        """A weight and an input whose product is zero all over the box; None where the ranges allow none."""
        if self.weights.lower <= 0 <= self.weights.upper:
            return 0.0, self._plain(self.inputs)
        if self.inputs.lower <= 0 <= self.inputs.upper and not self.radius:
            return self._plain(self.weights), 0.0
        return None

    @property
    def reach(self) -> Fraction | None:
        """About the largest radius of a box beyond which rounding may carry b's value; None where b rounds nowhere.

        n steps of r roundings of relative error u change a sum of products by n*r*u*sum|w*x| at most, while the interval of a
        box extends R*sum|w| beyond the exact sum: only where R <= n*r*u*max|x| is anything to be expected, but for underflow.
        """
        program = program_of(self.deployed, self.terms)
        if program.format is None:
            return None
        bits = [fmt.precision for fmt in program.formats] + [align.fraction_bits for align in program.alignments]
        often = max((len(step.rounds) for step in set(program.steps)), default=1)
        return self.terms * often * power_of_two(1 - min(bits)) * self.inputs.magnitude

    def _plain(self, interval: Interval) -> float:
        """Some unsuspicious number of a range: 1, or its upper end."""
        if interval.lower <= 1 <= interval.upper:
            return 1.0
        return float(round_fraction(interval.upper, self.format, Rounding.RTN))


def radius_within(radius: Fraction, fmt: Format) -> Fraction:
    """The least number of the format that is no smaller than a radius: solvers cannot be asked about others, such as 0.1.

    The interval of the larger box contains that of the one asked for: what lies outside the former is outside the latter.
    Raises InputError for a radius that is negative, or beyond the format.
    """
    if radius < 0:
        raise InputError(f"the radius of a box cannot be negative, as {float(radius):.6g} is")
    if radius > fmt.max_finite:
        raise InputError(f"the radius {float(radius):.6g} exceeds the largest {fmt} number, {float(fmt.max_finite):.6g}")
    return round_fraction(radius, fmt, Rounding.RTP).fraction()


def told_of_radius(result: IntervalResult, radius: Fraction, fmt: Format) -> IntervalResult:
    """The result of the box of ``radius_within``, which says so where nothing was found: a smaller box is another question."""
    larger = rounded_up(radius, fmt)
    if not larger or result.divergence is not None:
        return result
    note = f"{larger[0]}; of the smaller box nothing is said"
    proof = result.proof and replace(result.proof, statement=f"{result.proof.statement} ({note})")
    return replace(result, proof=proof, reason=f"{result.reason}; {note}")


def rounded_up(radius: Fraction, fmt: Format) -> tuple[str, ...]:
    """What is to be said of a radius that ``radius_within`` makes larger; nothing of others."""
    return (
        () if radius_within(radius, fmt) == radius else (f"the radius {float(radius)!r} is no {fmt} number: it is rounded up",)
    )


@dataclass(frozen=True)
class IntervalResult:
    """The answer to the question."""

    verdict: Verdict
    divergence: Witness | None
    proof: Proof | None
    reason: str
    """Why the verdict is what it is, in one line."""
    attempts: tuple[Attempt, ...] = ()
    seconds: float = 0.0


def box_around(question: IntervalQuestion, point: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """The box of the question's radius around a point, its ends rounded outward into the question's format."""
    if not question.radius:
        return tuple((x, x) for x in point)
    fmt, radius = question.format, question.radius
    ends = [
        (round_fraction(Fraction(x) - radius, fmt, Rounding.RTN), round_fraction(Fraction(x) + radius, fmt, Rounding.RTP))
        for x in point
    ]
    return tuple((float(low), float(high)) for low, high in ends)


def interval_of(
    question: IntervalQuestion, network: Network, point: Sequence[float]
) -> tuple[tuple[Fraction, Fraction], ...] | None:
    """The interval that a gives for the neuron at a point; None where an end is infinite or NaN."""
    lower, upper = zip(*box_around(question, point), strict=True)
    if not all(map(math.isfinite, (*lower, *upper))):
        return None
    verifier = IntervalVerifier("intervals", question.a.deployment, question.widening)
    return verifier.verify(network, Box(lower, upper)).bounds or None


def divergence(question: IntervalQuestion, weights: Sequence[float], point: Sequence[float]) -> Witness | None:
    """What these weights and this point come to, evaluated exactly; None where b's value is not outside a's interval.

    None, too, where a number is not of the format or the ranges, or where an end or a value is infinite or NaN.
    """
    fmt = question.format
    for numbers, interval in ((weights, question.weights), (point, question.inputs)):
        exact = [Fraction(x) for x in numbers]
        if any(not interval.lower <= x <= interval.upper or not representable(from_fraction(x), fmt) for x in exact):
            return None
    network = dense_relu([Dense([weights])])
    a, b = question.a, question.b
    box, bounds = box_around(question, point), interval_of(question, network, point)
    if bounds is None:
        return None
    try:
        of_a, of_b = predicted_logits(network, point, a), predicted_logits(network, point, b)
    except InputError:
        return None
    if not OUTSIDE.holds(of_a, of_b, bounds):
        return None
    return Witness(
        question="interval",
        format=fmt,
        network=network,
        points=only_point(point),
        predicate=OUTSIDE,
        views=(replace(a, logits=of_a, interval=bounds, widening=question.widening), replace(b, logits=of_b)),
        real=exact_logits(network, point),
        measure=OUTSIDE.measure(of_a, of_b, bounds),
        box=box if question.radius else (),
    )


def build(question: IntervalQuestion, active: Sequence[int], beyond: Fraction = Fraction(0), name: str = "interval") -> Problem:
    """State the question for the ``active`` terms (ascending), all others being zero, as a problem over w0, x0, w1, ...

    With ``beyond`` the value is that far outside at least.  Zeros change no interval that is rounded outward, but widenings
    grow with them: there the problem promises more than holds of all terms, and the exact re-check decides.  Raises InputError
    where the active terms alone are summed otherwise than among zeros (see ``restricted``).
    """
    fmt = question.format
    weights = [ex.variable(f"w{k}", fmt) for k in range(len(active))]
    point = [ex.variable(f"x{k}", fmt) for k in range(len(active))]
    low, high = _interval(question, weights, point, active)
    value = _value(question, weights, point, active)
    return Problem(
        name,
        (
            *(Variable(w.name, fmt, question.weights.lower, question.weights.upper) for w in weights),
            *(Variable(x.name, fmt, question.inputs.lower, question.inputs.upper) for x in point),
        ),
        (_outside(low, high, value, beyond), *_finite(question, low, high, value)),
        tuple((a.name, b.name) for group in (weights, point) for a, b in pairwise(group)),
    )


def filled(question: IntervalQuestion, active: Sequence[int], assignment: Assignment) -> tuple[list[float], list[float]] | None:
    """Weights and point of all terms, from a solution of ``build`` for the active ones; None where no term may be zero."""
    zero = question.zero_term
    if zero is None and len(active) < question.terms:
        return None
    weight, x = zero or (0.0, 0.0)
    weights, point = [weight] * question.terms, [x] * question.terms
    for k, leaf in enumerate(active):
        weights[leaf], point[leaf] = float(assignment[f"w{k}"]), float(assignment[f"x{k}"])
    return weights, point


def _sum(question: IntervalQuestion, how: Arithmetic, active: Sequence[int]) -> Deployment:
    """How the active terms alone are summed."""
    if how.format is None:
        return Deployment(REAL)
    return Deployment(how if len(active) == question.terms else restricted(how, question.terms, active))


def _read(nodes: Sequence[Expression], how: Arithmetic) -> list[Expression]:
    return [node if how.format is None else ex.cast(node, how.format) for node in nodes]


def _interval(
    question: IntervalQuestion, weights: Sequence[Expression], point: Sequence[Expression], active: Sequence[int]
) -> tuple[Expression, Expression]:
    how, radius = question.reference, question.radius
    if radius:
        ends = [(_shifted(x, -radius, Rounding.RTN), _shifted(x, radius, Rounding.RTP)) for x in point]
        box = [(_read([low], how)[0], _read([high], how)[0]) for low, high in ends]
    else:
        box = [(x, x) for x in _read(point, how)]
    network = template([((tuple(_read(weights, how)),), None)])
    return lower_interval(network, box, _sum(question, how, active), question.widening)[0]


def _shifted(x: Expression, by: Fraction, mode: Rounding) -> Expression:
    return ex.cast(ex.add(ex.real(x), ex.constant(by, None)), x.format, mode)


def _value(
    question: IntervalQuestion, weights: Sequence[Expression], point: Sequence[Expression], active: Sequence[int]
) -> Expression:
    how = question.deployed
    network = template([((tuple(_read(weights, how)),), None)])
    return lower(network, _read(point, how), _sum(question, how, active))[0]


def _outside(low: Expression, high: Expression, value: Expression, beyond: Fraction) -> Expression:
    if low.format == value.format and not beyond:
        return ex.disjunction([ex.lt(value, low), ex.lt(high, value)])
    low, high, value = ex.real(low), ex.real(high), ex.real(value)
    if not beyond:
        return ex.disjunction([ex.lt(value, low), ex.lt(high, value)])
    gap = ex.constant(beyond, None)
    return ex.disjunction([ex.le(ex.add(value, gap), low), ex.le(ex.add(high, gap), value)])


def _finite(question: IntervalQuestion, low: Expression, high: Expression, value: Expression) -> list[Expression]:
    """Both ends and the value are numbers; nothing where no sum can come near the largest one."""
    limits = []
    for node in (low, high, value):
        if node.format is None:
            continue
        reach = question.terms * question.weights.magnitude * (question.inputs.magnitude + question.radius)
        if 4 * reach > node.format.max_finite:
            most = ex.constant(node.format.max_finite, node.format)
            limits += [ex.le(node, most), ex.le(ex.neg(most), node)]
    return limits
