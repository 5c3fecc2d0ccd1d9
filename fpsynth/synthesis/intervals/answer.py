"""The answer to an interval question: a value outside its interval, the proof that there is none, or unknown."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

from fpsynth.aliases import Progress
from fpsynth.encoders import ENCODINGS
from fpsynth.errors import InputError
from fpsynth.orders.comparing import differences
from fpsynth.problems import Problem
from fpsynth.solvers.race import Attempt, Race, Task, race
from fpsynth.solvers.schedule import runners
from fpsynth.sums.building import program_of
from fpsynth.synthesis.intervals.absorption import candidates
from fpsynth.synthesis.intervals.containment import containment
from fpsynth.synthesis.intervals.question import IntervalQuestion, IntervalResult, build, divergence, filled
from fpsynth.synthesis.proofs import refuted, versions_used
from fpsynth.synthesis.settings import Clock, Settings
from fpsynth.synthesis.ties.search import glance
from fpsynth.synthesis.verdicts import Proof, Verdict
from fpsynth.witness.data import Provenance, Witness
from fpsynth.workers.deadlines import OutOfTimeError, within

__all__ = ["IntervalQuestion", "IntervalResult", "find_outside"]

MAX_WHOLE = 64
"""So many terms may all be unknown at once."""
MAX_PROVED = 6
"""Up to so many terms a solver's ``unsat`` is waited for."""
CHOICES = 6
"""Choices of active terms that are searched."""
FIRST_SLICE = 4.0
"""Seconds that a solver may spend on one of them at first; each further round doubles it."""
_ABSORPTION = "absorption"

Active = tuple[int, ...]


def find_outside(question: IntervalQuestion, settings: Settings, progress: Progress | None = None) -> IntervalResult:
    """Answer the question within ``settings.seconds``; a solution is evaluated exactly before it is believed.

    Impossible comes with a proof: the theorem of ``interval_containment``, or ``unsat`` from two engines on all terms.
    """
    clock = Clock(settings.seconds)
    search = _Search(question, settings, clock, progress)
    try:
        with within(settings.seconds):
            proof = containment(question) or search.run()
    except OutOfTimeError:
        proof, search.interrupted = None, True
    if proof is not None:
        return IntervalResult(Verdict.IMPOSSIBLE, None, proof, proof.statement, tuple(search.attempts), clock.spent)
    return search.result()


class _Search:
    """The best divergence so far, and where it came from."""

    def __init__(self, question: IntervalQuestion, settings: Settings, clock: Clock, progress: Progress | None) -> None:
        self.question, self.settings, self.clock, self.progress = question, settings, clock, progress
        self.best: Witness | None = None
        self.attempts: list[Attempt] = []
        self.interrupted = False
        """Whether the time was over in the middle of something."""
        self.rejected = 0
        """Solutions for the active terms that are none for all terms."""

    def run(self) -> Proof | None:
        """Search; return the proof where two engines say that there is nothing."""
        self.absorb()
        if self.best is None:
            refuted = self.solve(Fraction(0), self.clock.left)
            if refuted is not None and self.best is None:
                return refuted
        if self.best is not None and self.question.maximise:
            self.improve()
        return None

    def absorb(self) -> None:
        """Try what ``interval_absorption`` constructs; the first that holds, or with ``maximise`` the best."""
        limit = self.settings.improvement if self.question.maximise else self.clock.left / 2
        end = Clock(min(limit, self.clock.left))
        for weights, point in candidates(self.question, self.settings.seed):
            found = divergence(self.question, weights, point)
            if found is not None:
                self._keep(found, _ABSORPTION, "exact", self.settings.seed)
            if not end.left or (self.best is not None and not self.question.maximise):
                return

    def solve(self, beyond: Fraction, seconds: float) -> Proof | None:
        """Look for a divergence by sampling and solving; return the proof where two engines say that there is none."""
        end = Clock(seconds)
        problems: dict[str, tuple[Active, Problem]] = {}
        for active in _choices(self.question, self.settings.seed):
            name = f"interval, {len(active)} of {self.question.terms} terms, choice {len(problems) + 1}"
            with suppress(InputError):  # these terms alone are summed otherwise than among zeros
                problems[name] = active, build(self.question, active, beyond, name)
        for active, problem in list(problems.values()):
            if not self.clock.left:
                return None
            glanced = glance(problem, self.settings, self.progress)
            if glanced is not None and self._take(active, glanced):
                return None
        while end.left and problems:
            outcome = race(
                self._tasks(list(problems.values())),
                jobs=self.settings.jobs,
                seconds=end.left,
                memory=self.settings.memory,
                progress=self.progress,
            )
            if outcome.winner_problem is None:
                self.attempts += outcome.attempts
                return self._refuted(outcome)
            active, _ = problems[outcome.winner_problem.name]
            if self._take(active, outcome):
                return None
            del problems[outcome.winner_problem.name]  # zeros made the interval wider than the problem says
        return None

    def improve(self) -> None:
        """Ask for twice the distance, again and again, while ``settings.improvement`` lasts."""
        end = Clock(min(self.settings.improvement, self.clock.left))
        while end.left and self.best is not None:
            before = self.best
            self.solve(2 * before.measure, end.left)
            if self.best is before:
                return

    def result(self) -> IntervalResult:
        """What was found, or why nothing was."""
        attempts, spent = tuple(self.attempts), self.clock.spent
        if self.best is not None:
            reason = f"the value lies {float(self.best.measure):.6g} outside the interval"
            return IntervalResult(Verdict.FOUND, self.best, None, reason, attempts, spent)
        reason = (
            "the time limit is over" if self.interrupted or not self.clock.left else "every attempt ended without an answer"
        )
        reach, radius = self.question.reach, self.question.radius
        if reach is not None and radius > reach:
            reason += (
                f"; a box of radius {float(radius):.6g} is wider than the rounding errors of {self.question.terms} terms, about"
                f" {float(reach):.2g}: but for underflow, a value outside its interval is practically out of reach"
            )
        if self.rejected:
            reason += f"; {self.rejected} solutions for some terms fail for all of them, as zeros widen the interval"
        return IntervalResult(Verdict.UNKNOWN, None, None, reason, attempts, spent)

    def _tasks(self, problems: Sequence[tuple[Active, Problem]]) -> Iterator[Task]:
        """Endless rounds of every engine and encoding on every problem; small ones on all terms may be refuted."""
        every = runners(self.settings.engines)
        for round_ in itertools.count():
            for active, problem in problems:
                whole = len(active) == self.question.terms
                for engine, encoding in every:
                    solver = encoding in ENCODINGS
                    if solver and len(active) > MAX_PROVED:
                        continue
                    seconds = None if whole and solver else FIRST_SLICE * 2**round_
                    yield Task(
                        engine, encoding, self.settings.seed + round_, problem, complete=whole and solver, seconds=seconds
                    )

    def _take(self, active: Active, outcome: Race) -> bool:
        """Lift a solution to all terms and keep it if it holds there."""
        self.attempts += outcome.attempts
        assert outcome.assignment is not None
        assert outcome.winner is not None
        layer = filled(self.question, active, outcome.assignment)
        found = None if layer is None else divergence(self.question, *layer)
        if found is None:
            self.rejected += 1
            return False
        self._keep(found, outcome.winner.engine, outcome.winner.encoding, outcome.winner.seed)
        return True

    def _keep(self, found: Witness, engine: str, encoding: str, seed: int) -> None:
        if self.best is not None and found.measure <= self.best.measure:
            return
        spent = round(self.clock.spent, 3)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        notes = (
            () if not self.question.radius else (f"the interval is that of a box of radius {float(self.question.radius)!r}",)
        )
        versions = versions_used([engine])
        self.best = replace(found, provenance=Provenance(engine, encoding, seed, created, versions, spent, spent, notes))

    def _refuted(self, outcome: Race) -> Proof | None:
        if outcome.status != "unsat":
            return None
        question = self.question
        box = f" for the box of radius {float(question.radius)!r}" if question.radius else ""
        statement = (
            f"no {question.format} weights in {question.weights} and inputs in {question.inputs} put the value of "
            f"{question.b.label} outside the interval of {question.a.label}{box} ({question.terms} terms)"
        )
        return refuted(statement, outcome)


def _choices(question: IntervalQuestion, seed: int) -> list[Active]:
    """Sets of active terms: all of them where they are few, else such as the two orders join differently."""
    everything = tuple(range(question.terms))
    if question.terms <= 3 or question.zero_term is None:
        return [everything] if question.terms <= MAX_WHOLE else []
    rng = random.Random(seed)
    found: list[Active] = []
    reference, deployed = question.reference, question.deployed
    if deployed.format is not None:
        a, b = (program_of(how, question.terms).tree for how in (reference, deployed))
        for number, triple in enumerate(differences(a, b, CHOICES, seed)):
            more = rng.sample(everything, min(number // 2, question.terms))
            found.append(tuple(sorted({*triple.leaves, *more})))
    found.append(everything if question.terms <= MAX_PROVED else tuple(sorted(rng.sample(everything, 3))))
    if question.widening and MAX_PROVED < question.terms <= MAX_WHOLE:
        found.append(everything)
    return list(dict.fromkeys(found))
