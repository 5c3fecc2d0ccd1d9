"""Solving: the question about a few active terms as a problem for the engines, and the race over it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fpsynth import expressions as ex
from fpsynth.aliases import Progress
from fpsynth.encoders import ENCODINGS
from fpsynth.errors import InputError
from fpsynth.expressions import Expression
from fpsynth.networks.template import template
from fpsynth.problems import Problem, Variable
from fpsynth.solvers.race import Race, Task, race
from fpsynth.solvers.schedule import runners
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.sums.building import restricted
from fpsynth.synthesis.flips.arithmetics import lowered_in
from fpsynth.synthesis.flips.question import FlipQuestion
from fpsynth.synthesis.settings import Settings
from fpsynth.synthesis.ties.search import glance

Logits = Sequence[Expression]
FIRST_SLICE = 5.0
"""Seconds of each engine's first try; every further round doubles it."""


def build(question: FlipQuestion, active: Sequence[int]) -> Problem:
    """The problem of finding the weights w0_0, w0_1, ... and the inputs x0, x1, ... of the active terms, all others zero.

    It is the question itself where all terms are active.
    """
    count = len(active)
    rows = tuple(tuple(ex.variable(f"w{j}_{k}", question.format) for k in range(count)) for j in range(question.outputs))
    inputs = [ex.constant(1, question.format) if question.ones else ex.variable(f"x{k}", question.format) for k in range(count)]
    network = template([(rows, None)])
    logits = [lowered_in(network, inputs, _deployment(question, view.deployment, active)) for view in question.views]
    reference, deployed, *silent = logits
    predicate, relation = question.predicate, question.predicate.searched
    assertions = [*_finite(question, logits), relation.expression(predicate, reference, deployed)]
    assertions += [ex.negation(relation.expression(predicate, reference, quiet)) for quiet in silent]
    variables = [Variable(w.name, question.format, question.weights.lower, question.weights.upper) for row in rows for w in row]
    if not question.ones:
        variables += [Variable(x.name, question.format, question.inputs.lower, question.inputs.upper) for x in inputs]
    if question.camouflage:
        zero = ex.constant(0, question.format)
        unknowns = [w for row in rows for w in row] + ([] if question.ones else list(inputs))
        assertions += [ex.negation(ex.eq(unknown, zero)) for unknown in unknowns]
    near = [(f"w0_{k}", f"w1_{k}") for k in range(count)] if question.outputs == 2 else []
    return Problem(f"{question.question} of {count} terms", tuple(variables), tuple(assertions), tuple(near))


def _deployment(question: FlipQuestion, deployment: Deployment, active: Sequence[int]) -> Deployment:
    def part(how: Arithmetic) -> Arithmetic:
        if how.format is None:
            return REAL
        return how if len(active) == question.terms else restricted(how, question.terms, active)

    hows = [part(deployment.at(0, j)) for j in range(question.outputs)]
    return Deployment(hows[0], tuple(((0, j), how) for j, how in enumerate(hows) if j))


def _finite(question: FlipQuestion, logits: Sequence[Logits]) -> Iterator[Expression]:
    """The demand that no logit is infinite or NaN, where the ranges do not see to that."""
    most = 4 * question.terms * question.weights.magnitude * question.inputs.magnitude
    for node in (node for view in logits for node in view):
        if node.format is not None and most > node.format.max_finite:
            yield ex.le(node, ex.constant(node.format.max_finite, node.format))
            yield ex.le(ex.constant(-node.format.max_finite, node.format), node)


def solve(
    question: FlipQuestion, active: Sequence[int], settings: Settings, seconds: float, progress: Progress | None = None
) -> Race:
    """Race the engines over the active terms.  Only where these are all terms does an ``unsat`` answer the question.

    Where the active terms alone are no question of their own (see ``restricted``), or an engine cannot be asked this one, the
    reason says so.
    """
    try:
        problem = build(question, active)
        glanced = glance(problem, settings, progress)
    except InputError as refusal:
        return Race("unknown", None, None, None, (), f"the solvers were not asked: {refusal}")
    if glanced is not None:
        return glanced
    return race(
        _tasks(problem, settings, complete=len(active) == question.terms),
        jobs=settings.jobs,
        seconds=seconds,
        memory=settings.memory,
        progress=progress,
    )


def _tasks(problem: Problem, settings: Settings, complete: bool) -> Iterator[Task]:
    every = runners(settings.engines)
    for round_ in range(8):
        for engine, encoding in every:
            proves = complete and encoding in ENCODINGS
            yield Task(engine, encoding, settings.seed + round_, problem, proves, FIRST_SLICE * 2**round_)
