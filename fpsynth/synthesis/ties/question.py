"""The tie question: certified at b with a radius that contains a, yet at a the class changes because logits tie.

Two outputs tie at a, so argmax takes the lower index; at b the other one is ahead by a margin that the Lipschitz certifier
accepts (Murray, "Breaking a Verified Certifier").  Certification is part of the query: with d the distance of a and b, and L_i
the Lipschitz bound of logit i minus the certified logit, the certifier accepts a radius above d exactly if
L_i * d < margin_i for every other class i.  The ratio of the certified radius and d is min_i margin_i / (L_i * d).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce

from fpsynth import expressions as ex
from fpsynth.errors import InputError, unknown_name
from fpsynth.expressions import Expression
from fpsynth.formats import Format
from fpsynth.networks.lowering import lower
from fpsynth.networks.network import Network, with_numbers
from fpsynth.networks.template import Template, template
from fpsynth.problems import Assignment, Problem, Variable
from fpsynth.sums.arithmetic import Deployment
from fpsynth.synthesis.domain import Interval, check_interval
from fpsynth.synthesis.requests.ties import OBJECTIVES as OBJECTIVES

TIED = 0
"""The class at the counterexample: the lowest index among the tied logits."""
CERTIFIED = 1
"""The class at the certified point."""
MAX_RATIO = Fraction(10) ** 300
"""The largest ratio that can be demanded: float64 still holds it."""
MAX_PARAMETERS = 512
"""Larger networks than this are no toys any more: the exact certificate inside the query would drown every solver."""


@dataclass(frozen=True)
class TieQuestion:
    """Which tie is wanted: the format, the network's shape, the arithmetics in which it must flip, and the domain."""

    format: Format
    shape: tuple[int, ...]
    """(inputs, hidden widths..., outputs)."""
    deployments: tuple[Deployment, ...]
    """The tie must happen in each of them; the first is the one that was asked for."""
    weights: Interval
    inputs: Interval
    objective: str = "ratio"
    min_ratio: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        if len(self.shape) < 2 or min(self.shape) < 1:
            raise InputError("a shape needs inputs and outputs, each at least 1, for example 1,2")
        if self.shape[-1] < 2:
            raise InputError("a network with one output has one class: a shape needs at least 2 outputs")
        parameters = sum(a * b for a, b in zip(self.shape, self.shape[1:], strict=False))
        if parameters + 2 * self.shape[0] > MAX_PARAMETERS:
            raise InputError(f"a shape with {parameters} weights is too large for a toy network (at most {MAX_PARAMETERS})")
        if self.objective not in OBJECTIVES:
            raise unknown_name("objective", self.objective, OBJECTIVES)
        if not 0 < self.min_ratio <= MAX_RATIO:
            raise InputError(f"the least ratio must be above 0 and at most {float(MAX_RATIO):g}")
        check_interval(self.weights, self.format, "the weights' range")
        check_interval(self.inputs, self.format, "the inputs' range")

    @property
    def scalar(self) -> bool:
        """Whether this is the smallest shape, one input and two outputs, of which most is known."""
        return self.shape == (1, 2)


@dataclass(frozen=True)
class Bound:
    """A demand on an objective: at least ``value``, or with ``strict`` more than it."""

    objective: str
    value: Fraction
    strict: bool = False


def weight_name(layer: int, output: int, source: int) -> str:
    """Name of the unknown for one weight."""
    return f"w{layer}_{output}_{source}"


def symbolic_network(question: TieQuestion) -> Template[Expression]:
    """The network of the question's shape over unknowns, without biases."""
    pairs = list(zip(question.shape, question.shape[1:], strict=False))
    unknowns = [
        [[ex.variable(weight_name(layer, j, k), question.format) for k in range(sources)] for j in range(outputs)]
        for layer, (sources, outputs) in enumerate(pairs)
    ]
    return template([(weight, None) for weight in unknowns])


def points(question: TieQuestion) -> tuple[tuple[Expression, ...], tuple[Expression, ...]]:
    """The unknown counterexample a and the unknown certified point b."""
    size = range(question.shape[0])
    a = tuple(ex.variable(f"a{k}", question.format) for k in size)
    b = tuple(ex.variable(f"b{k}", question.format) for k in size)
    return a, b


def build(
    question: TieQuestion,
    bounds: Sequence[Bound] = (),
    narrowed: Mapping[str, Interval] | None = None,
    name: str = "tie",
) -> Problem:
    """State the question as a problem, with further demands and with narrower bounds for some unknowns."""
    narrowed = narrowed or {}
    network = symbolic_network(question)
    a, b = points(question)
    demands = [*bounds, Bound("ratio", question.min_ratio) if question.min_ratio > 1 else Bound("ratio", Fraction(1), True)]
    assertions: list[Expression] = []
    for deployment in question.deployments:
        at_a, at_b = lower(network, a, deployment), lower(network, b, deployment)
        assertions += _tied(at_a)
        if _may_overflow(question):
            assertions += [ex.le(at_a[TIED], ex.constant(question.format.max_finite, question.format))]
            assertions += [ex.le(ex.constant(-question.format.max_finite, question.format), at_a[TIED])]
        for other in range(question.shape[-1]):
            if other != CERTIFIED:
                assertions += _certified(network, a, b, at_b, other, demands)
    variables = [
        *(Variable(w.name, question.format, *_limits(w.name, question.weights, narrowed)) for w in network.entries()),
        *(Variable(x.name, question.format, *_limits(x.name, question.inputs, narrowed)) for x in (*a, *b)),
    ]
    last = len(network.dense_layers) - 1
    sources = range(question.shape[-2])
    near = [(weight_name(last, TIED, k), weight_name(last, CERTIFIED, k)) for k in sources]
    near += [(x.name, y.name) for x, y in zip(a, b, strict=True)]
    return Problem(name, tuple(variables), tuple(assertions), tuple(near))


def _limits(name: str, interval: Interval, narrowed: Mapping[str, Interval]) -> tuple[Fraction, Fraction]:
    chosen = narrowed.get(name, interval)
    return chosen.lower, chosen.upper


def _tied(logits: Sequence[Expression]) -> list[Expression]:
    """The two logits are equal and no other is above them."""
    others = [logits[k] for k in range(len(logits)) if k not in (TIED, CERTIFIED)]
    return [ex.eq(logits[TIED], logits[CERTIFIED]), *(ex.le(other, logits[TIED]) for other in others)]


def _may_overflow(question: TieQuestion) -> bool:
    """Whether a sum could exceed half the largest number of the format.

    A sum of n products is rounded n + 1 times at most, the cast from an accumulator included, each time by less than 2u.
    """
    bound = question.inputs.magnitude
    for sources in question.shape[:-1]:
        bound *= sources * question.weights.magnitude * (1 + 2 * question.format.unit_roundoff) ** (sources + 1)
    return 2 * bound > question.format.max_finite


def _difference(a: Expression, b: Expression) -> Expression:
    return ex.sub(ex.real(a), ex.real(b))


def _magnitude(a: Expression) -> Expression:
    return ex.maximum(a, ex.neg(a))


def _sum(terms: Sequence[Expression]) -> Expression:
    return reduce(ex.add, terms)


def _scaled(a: Expression, factor: int) -> Expression:
    return a if factor == 1 else ex.mul(ex.constant(factor, None), a)


def _certified(
    network: Template[Expression],
    a: Sequence[Expression],
    b: Sequence[Expression],
    at_b: Sequence[Expression],
    other: int,
    demands: Sequence[Bound],
) -> list[Expression]:
    """The demands on one class beside the certified one, in exact arithmetic.

    With one input and one layer all norms are absolute values; otherwise both sides are squared.  Hidden layers enter with
    their Frobenius norms, which bound the spectral norms from above.
    """
    margin = _difference(at_b[CERTIFIED], at_b[other])
    last = network.dense_layers[-1].weight.tolist()
    gaps = [_difference(u, v) for u, v in zip(last[CERTIFIED], last[other], strict=True)]
    steps = [_difference(u, v) for u, v in zip(b, a, strict=True)]
    scalar = network.widths[0] == 1 and len(network.dense_layers) == 1
    if scalar:
        power, lipschitz, distance = 1, _magnitude(gaps[0]), _magnitude(steps[0])
    else:
        power, lipschitz, distance = 2, _sum([ex.mul(g, g) for g in gaps]), _sum([ex.mul(s, s) for s in steps])
        for layer in network.dense_layers[:-1]:
            lipschitz = ex.mul(lipschitz, _sum([ex.mul(ex.real(w), ex.real(w)) for row in layer.weight.tolist() for w in row]))
    powered = margin if scalar else ex.mul(margin, margin)
    sides: dict[str, tuple[Expression, Expression]] = {  # objective: numerator and denominator, to that power
        "ratio": (powered, ex.mul(lipschitz, distance)),
        "radius": (powered, lipschitz),
        "margin": (powered, ex.constant(1, None)),
        "distance": (distance, ex.constant(1, None)),
    }
    assertions = [ex.lt(ex.constant(0, None), margin)]
    for demand in demands:
        numerator, denominator = sides[demand.objective]
        value = demand.value**power
        small, large = _scaled(denominator, value.numerator), _scaled(numerator, value.denominator)
        assertions.append(ex.lt(small, large) if demand.strict else ex.le(small, large))
    return assertions


def solution(question: TieQuestion, assignment: Assignment) -> tuple[Network, tuple[float, ...], tuple[float, ...]]:
    """Return the network, the counterexample and the certified point of a solution, as floats."""
    network = with_numbers(symbolic_network(question), lambda w: float(assignment[w.name]))
    a, b = points(question)
    return network, tuple(float(assignment[x.name]) for x in a), tuple(float(assignment[x.name]) for x in b)
