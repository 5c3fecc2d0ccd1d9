"""The search for solutions of a tie question: races over engines, encodings and seeds, towards a larger objective."""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from fpsynth import rounding as r
from fpsynth.aliases import Progress
from fpsynth.encoders import ENCODINGS
from fpsynth.errors import InputError
from fpsynth.evaluators.recheck import failures
from fpsynth.formats import power_of_two
from fpsynth.problems import Assignment, Problem
from fpsynth.solvers.base import Engine
from fpsynth.solvers.race import Attempt, Race, Task, race
from fpsynth.solvers.schedule import runners
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.settings import Settings
from fpsynth.synthesis.ties.question import CERTIFIED, TIED, Bound, TieQuestion, build, points, symbolic_network, weight_name

FIRST_SLICE = 4.0
"""Seconds that a first try with some weights fixed may take; each further round of tries doubles it."""
WINDOW = 1 << 12
"""So many neighbouring numbers are left to an input in such a try."""
NARROWED = "tie, weights and high bits of the inputs fixed"
GLANCE = 0.2
"""Seconds for a first look of the sampler, before any process is started."""
TRIES = 4
"""Such tries per engine in each round."""


def narrow(question: TieQuestion, seed: int) -> dict[str, Interval]:
    """Fix all weights at random, the tied and the certified row a few ulps apart, and all but the low bits of the inputs.

    What is left, two points whose rounded images tie here and differ there, is easy for every solver in every format; that a
    solution with these very weights exists is likely, not certain, so an ``unsat`` of it says nothing.
    """
    rng = random.Random(seed)
    fmt = question.format
    low, high = r.index_range(question.weights.lower, question.weights.upper, fmt)
    chosen: dict[str, int] = {w.name: rng.randint(low, high) for w in symbolic_network(question).entries()}
    last = len(question.shape) - 2
    for k in range(question.shape[-2]):
        step = rng.choice((1, 1, 2)) if question.scalar else rng.choice((-2, -1, 0, 1, 2))
        base = chosen[weight_name(last, TIED, k)]
        if question.scalar and question.inputs.upper < 0:
            step = -step
        chosen[weight_name(last, CERTIFIED, k)] = min(max(base + step, low), high)
    narrowed = {}
    for name, index in chosen.items():
        number = r.from_index(index, fmt).fraction()
        narrowed[name] = Interval(number, number)
    for a, b in zip(*points(question), strict=True):
        narrowed[a.name] = narrowed[b.name] = _window(question, rng)
    return narrowed


def _window(question: TieQuestion, rng: random.Random) -> Interval:
    """WINDOW neighbouring numbers of the inputs' range, at a random place of it."""
    fmt = question.format
    low, high = r.index_range(question.inputs.lower, question.inputs.upper, fmt)
    start = rng.randint(low, max(low, high - WINDOW))
    return Interval(r.from_index(start, fmt).fraction(), r.from_index(min(start + WINDOW, high), fmt).fraction())


def tasks(question: TieQuestion, bounds: Sequence[Bound], engines: Sequence[Engine], seed: int) -> Iterator[Task]:
    """Endless tries, in rounds: easier problems with weights fixed at random, then the whole one for every engine."""
    whole = build(question, bounds)
    every = runners(engines)
    samplers = [(engine, encoding) for engine, encoding in every if encoding not in ENCODINGS]
    solvers = [(engine, encoding) for engine, encoding in every if encoding in ENCODINGS]
    quick = [engine for engine, encoding in solvers if encoding == "significands"]
    for round_ in itertools.count():
        slice_ = FIRST_SLICE * 2**round_
        for engine, encoding in samplers:
            yield Task(engine, encoding, seed + round_, whole, complete=False, seconds=slice_)
        for number in range(TRIES):
            try_seed = seed + round_ * TRIES + number
            fixed = build(question, bounds, narrow(question, try_seed), name=NARROWED)
            for engine in quick:
                yield Task(engine, "significands", try_seed, fixed, complete=False, seconds=slice_)
        for engine, encoding in solvers:
            yield Task(engine, encoding, seed + round_, whole, seconds=2 * slice_)


def glance(problem: Problem, settings: Settings, progress: Progress | None = None) -> Race | None:
    """Let the sampler look at a problem for a moment in this very process: what is easy is found before another has started."""
    for engine in settings.engines:
        for encoding in engine.encodings:
            if encoding in ENCODINGS:
                continue
            start = time.monotonic()
            try:
                answer = engine.solve(problem, encoding, settings.seed, GLANCE, None)
            except InputError:  # it does not know one of the operations
                continue
            if answer.assignment is not None and not failures(problem, answer.assignment):
                spent = time.monotonic() - start
                if progress:
                    progress(f"{engine.name} ({encoding}, seed {settings.seed}) on {problem.name}: sat after {spent:.2f} s")
                run = Attempt(engine.name, encoding, settings.seed, problem.name, False, "sat", "", spent, None, 0.0, spent)
                return Race("sat", answer.assignment, run, problem, (run,), "")
    return None


def find(
    question: TieQuestion, bounds: Sequence[Bound], settings: Settings, seconds: float, progress: Progress | None = None
) -> Race:
    """Look for one solution of the question with further demands: at a glance, then in a race."""
    glanced = glance(build(question, bounds), settings, progress)
    if glanced is not None:
        return glanced
    return race(
        tasks(question, bounds, settings.engines, settings.seed),
        jobs=settings.jobs,
        seconds=seconds,
        memory=settings.memory,
        progress=progress,
    )


def refute(problem: Problem, settings: Settings, seconds: float, progress: Progress | None = None, needed: int = 2) -> Race:
    """Ask every engine and encoding about a whole problem, until ``needed`` engines say ``unsat`` or one solution is found."""
    every = runners(settings.engines)
    runs = [Task(engine, encoding, settings.seed, problem) for engine, encoding in every if encoding in ENCODINGS]
    return race(runs, jobs=settings.jobs, seconds=seconds, memory=settings.memory, refutations=needed, progress=progress)


@dataclass(frozen=True)
class Found:
    """A re-checked solution and where it came from."""

    assignment: Assignment
    winner: Attempt
    notes: tuple[str, ...]


def objective_bounds(question: TieQuestion, assignment: Assignment, objective: str) -> tuple[Fraction, Fraction]:
    """Two short numbers around the objective of a solution as the query measures it; equal where it is such a number itself.

    The objective is the smallest over the deployments; with hidden layers the Frobenius norms stand for the spectral ones.
    """
    from fpsynth.evaluators.exact import evaluate
    from fpsynth.networks.lowering import lower

    network = symbolic_network(question)
    a, b = points(question)

    def number(name: str) -> Fraction:
        return assignment[name].fraction()

    distance = sum(((number(y.name) - number(x.name)) ** 2 for x, y in zip(a, b, strict=True)), Fraction(0))
    hidden = Fraction(1)
    for layer in network.dense_layers[:-1]:
        hidden *= sum(number(w.name) ** 2 for row in layer.weight.tolist() for w in row)
    squares: list[Fraction] = []
    rows = network.dense_layers[-1].weight.tolist()
    for deployment in question.deployments:
        logits = [v.fraction() for v in evaluate(lower(network, b, deployment), assignment)]  # type: ignore[union-attr]
        for other in range(question.shape[-1]):
            if other == CERTIFIED:
                continue
            margin = (logits[CERTIFIED] - logits[other]) ** 2
            gap = hidden * sum(
                (number(u.name) - number(v.name)) ** 2 for u, v in zip(rows[CERTIFIED], rows[other], strict=True)
            )
            match objective:  # a solution has a margin, so the gap of its weights is not zero
                case "ratio":
                    squares.append(margin / (gap * distance))
                case "radius":
                    squares.append(margin / gap)
                case "margin":
                    squares.append(margin)
                case _:
                    squares.append(distance)
    return root_bounds(min(squares))


def root_bounds(square: Fraction, bits: int = 40) -> tuple[Fraction, Fraction]:
    """Numbers of so many bits around the square root of ``square`` > 0: equal where it is one, else neighbours.

    Few bits keep what solvers are asked small.
    """
    exponent = (square.numerator.bit_length() - square.denominator.bit_length()) // 2 - bits
    scaled = square / power_of_two(2 * exponent)
    root = math.isqrt(scaled.numerator // scaled.denominator)
    unit = power_of_two(exponent)
    return root * unit, (root if root * root == scaled else root + 1) * unit
