"""The answer to a tie question: found, impossible or unknown; what is proved about it; and which runs led there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from fpsynth.aliases import Progress
from fpsynth.errors import ContradictionError
from fpsynth.problems import Assignment
from fpsynth.solvers.race import Attempt, Race
from fpsynth.synthesis.proofs import refutations, refuted
from fpsynth.synthesis.settings import Clock, Settings
from fpsynth.synthesis.ties import ratio_bound
from fpsynth.synthesis.ties.exhaustive import Enumeration, contradiction, enumerate_ties, feasible
from fpsynth.synthesis.ties.question import Bound, TieQuestion, build
from fpsynth.synthesis.ties.search import GLANCE, Found, find, objective_bounds, refute
from fpsynth.synthesis.verdicts import Proof, Verdict
from fpsynth.workers.deadlines import OutOfTimeError, within

Judge = Callable[[Assignment], str]
"""Says why the certifier itself rejects a solution; empty if it accepts."""

MAX_REJECTIONS = 12
"""After so many solutions that the certifier itself rejects, the answer is unknown."""


TINY = 1 << 18
"""Pairs of a weight and an input up to which a domain is enumerated before any solver is started."""
SECOND_SECONDS = 20.0
"""So long an engine may take to confirm that what an enumeration excludes is unsatisfiable."""
RACE_SECONDS = 2.0
"""So long the engines may look for the largest conceivable ratio before a small domain is enumerated instead."""
OPTIMUM_SECONDS = 15.0
"""So long, and at most half the time, a solution at the largest conceivable ratio is looked for before any is."""


@dataclass
class Answer:
    """Grows while a question is worked on."""

    verdict: Verdict = Verdict.UNKNOWN
    found: Found | None = None
    proof: Proof | None = None
    upper_bound: Fraction | None = None
    """Of the objective as a witness says it; while the question is worked on, as the query measures it."""
    optimal: bool = False
    """Whether the proof is that nothing has a larger objective than what was found; else it is of an upper bound only."""
    reason: str = ""
    attempts: list[Attempt] = field(default_factory=list)

    def conclude(self, verdict: Verdict, reason: str, proof: Proof | None = None) -> Answer:
        """Set the verdict and return the answer."""
        self.verdict, self.reason = verdict, reason
        self.proof = proof or self.proof
        return self


def answer(
    question: TieQuestion,
    settings: Settings,
    judge: Judge,
    *,
    prove: bool = False,
    vary: bool = False,
    progress: Progress | None = None,
) -> Answer:
    """Answer the question within ``settings.seconds``.

    With ``prove`` the time that is left goes into a proof that no solution has a larger objective.  With ``vary`` the answer
    depends on the seed even where enumerating a tiny domain is quicker, and would give the same solution every time.
    """
    clock, result = Clock(settings.seconds), Answer()
    try:
        with within(settings.seconds):
            _answer(question, settings, judge, clock, prove, vary, progress, result)
    except OutOfTimeError as over:
        if result.verdict is Verdict.UNKNOWN:
            result.conclude(Verdict.UNKNOWN if result.found is None else Verdict.FOUND, result.reason or str(over))
    if result.verdict is Verdict.IMPOSSIBLE and result.proof is not None and result.proof.method == "exhaustive":
        _second(question, result.proof, settings, clock, result, progress)
    result.optimal = _optimal(question, result)
    if not _as_certified(question):
        result.upper_bound = None
    return result


def _as_certified(question: TieQuestion) -> bool:
    """Whether a query measures as a witness says, so that a bound of the one is a bound of the other.

    With hidden layers its Frobenius norms stand for spectral ones, which give larger ratios and more ties; of several
    deployments it takes the least, and a witness is of the first.
    """
    return len(question.shape) == 2 and len(question.deployments) == 1


def _optimal(question: TieQuestion, result: Answer) -> bool:
    """Whether what was found reaches what is proved: a step that finds nothing larger leaves a mere bound."""
    if result.found is None or result.proof is None or not _as_certified(question):
        return False
    if result.proof.method == "exhaustive":
        return True
    _, above = objective_bounds(question, result.found.assignment, question.objective)
    return result.upper_bound is not None and above >= result.upper_bound


def _answer(
    question: TieQuestion,
    settings: Settings,
    judge: Judge,
    clock: Clock,
    prove: bool,
    vary: bool,
    progress: Progress | None,
    result: Answer,
) -> Answer:
    why = contradiction(question)
    if why:
        return result.conclude(Verdict.IMPOSSIBLE, why, Proof(why, "contradictory domain", {}))
    limit = ratio_bound.bound(question)
    beyond = limit is not None and question.min_ratio > limit
    tiny = feasible(question, TINY) and len(settings.engines) > 1 and not vary
    if feasible(question) and (prove or beyond or tiny):
        _by_enumeration(question, judge, clock, result)
        if result.verdict is not Verdict.UNKNOWN:
            return result
    elif limit is not None and beyond:
        proof = _theorem(question, limit, settings, clock, result, progress)
        if proof is None:
            return result.conclude(Verdict.UNKNOWN, f"the proof that no ratio exceeds {limit} did not end in time")
        result.upper_bound = limit
        return result.conclude(Verdict.IMPOSSIBLE, proof.statement, proof)
    _search(question, settings, judge, limit, clock, result, progress, vary)
    if result.found is not None and prove:
        _prove_optimal(question, settings, judge, limit, clock, result, progress)
    return result


def _second(
    question: TieQuestion, proof: Proof, settings: Settings, clock: Clock, result: Answer, progress: Progress | None
) -> None:
    """Have an engine refute what an enumeration excludes, for as long as ``SECOND_SECONDS``: the proof names it.

    An enumeration is this program's word alone, so without an engine that agrees the verdict becomes unknown.  Raises
    ContradictionError where one finds a solution instead.
    """
    limit = ratio_bound.bound(question)
    if limit is not None and question.min_ratio > limit:
        problem = ratio_bound.theorem(question.format, ratio_bound.magnitude_rounding(question))
    else:
        problem = build(question)
    outcome = refute(problem, settings, min(clock.left, SECOND_SECONDS), progress, needed=1)
    result.attempts += outcome.attempts
    if outcome.status == "sat":
        raise ContradictionError(f"an engine solves {problem.name}, which the enumeration of the domain excludes")
    if outcome.status == "unsat":
        result.proof = replace(proof, engines=refutations(outcome))
        return
    result.proof = None
    result.conclude(Verdict.UNKNOWN, "the enumeration finds no solution, but no engine confirmed that there is none")


def _nothing(question: TieQuestion, demand: str = "") -> str:
    """The statement that there is no solution (with a further demand), with all that it depends on."""
    ratio = f" of ratio {float(question.min_ratio):.17g} or more" if question.min_ratio > 1 else ""
    where = " and ".join(map(str, question.deployments))
    shape = ",".join(map(str, question.shape))
    return (
        f"no weights in {question.weights} and inputs in {question.inputs} give a certified tie{ratio}{demand} "
        f"of shape {shape} in {where}{_measure(question)}"
    )


def _measure(question: TieQuestion) -> str:
    """What a statement about hidden layers is relative to: the query knows no spectral norms."""
    return ", where Frobenius norms bound the Lipschitz constants of hidden layers" if len(question.shape) > 2 else ""


def _by_enumeration(question: TieQuestion, judge: Judge, clock: Clock, result: Answer) -> None:
    """Look at the whole domain: the answer is found or impossible, but unknown where time runs out or the certifier objects."""
    began = clock.spent
    outcome = enumerate_ties(question, clock.left)
    status = "sat" if outcome.best is not None else "unsat" if outcome.complete else "unknown"
    run = Attempt("exhaustive", "numbers", 0, "tie", True, status, "", clock.spent - began, None)
    result.attempts.append(run)
    proof = _enumeration_proof(question, outcome) if outcome.complete else None
    if outcome.complete:
        result.upper_bound = outcome.value
    if outcome.best is None:
        if proof is None:
            result.reason = "the enumeration of the domain did not end in time"
        else:
            result.conclude(Verdict.IMPOSSIBLE, proof.statement, proof)
        return
    rejection = judge(outcome.best)
    if rejection:
        result.reason = f"the certifier itself rejects the best solution: {rejection}"
        return
    result.found = Found(outcome.best, run, ("found by enumerating the domain",))
    if proof is None:
        result.conclude(Verdict.FOUND, "the best tie until time ran out: the enumeration of the domain did not end")
    else:
        result.conclude(Verdict.FOUND, proof.statement, proof)


def _enumeration_proof(question: TieQuestion, outcome: Enumeration) -> Proof:
    if outcome.value is None:
        statement = _nothing(question)
    else:
        statement = f"the largest {question.objective} is {float(outcome.value):.17g}"
    details = {
        "weight_pairs": outcome.weight_pairs,
        "inputs": outcome.inputs,
        "largest": None if outcome.value is None else str(outcome.value),
    }
    return Proof(statement, "exhaustive", details)


def _search(
    question: TieQuestion,
    settings: Settings,
    judge: Judge,
    limit: Fraction | None,
    clock: Clock,
    result: Answer,
    progress: Progress | None,
    vary: bool,
) -> None:
    """Find a solution: at the conjectured optimum if there is one, else anywhere and then larger ones for a while.

    Where the domain can be enumerated that is done (unless a single engine was asked for) once the race has had its chance.
    """
    enumerable = feasible(question) and len(settings.engines) > 1 and not vary
    patience = min(clock.left / 2, RACE_SECONDS if enumerable else OPTIMUM_SECONDS)
    if question.objective == "ratio" and limit is not None:
        _accepted(question, [Bound("ratio", limit)], settings, judge, patience, result, progress)
    if result.found is None and enumerable:
        _by_enumeration(question, judge, clock, result)
    if result.found is None and result.verdict is Verdict.UNKNOWN:
        _accepted(question, [], settings, judge, clock.left, result, progress)
        if result.found is not None:
            _improve(question, settings, judge, clock, result, progress)
    if result.found is not None and result.verdict is Verdict.UNKNOWN:
        result.conclude(Verdict.FOUND, "a tie within the certified radius")


def _accepted(
    question: TieQuestion,
    bounds: list[Bound],
    settings: Settings,
    judge: Judge,
    seconds: float,
    result: Answer,
    progress: Progress | None,
) -> None:
    """Race until a solution passes the certifier itself; store it in ``result``."""
    clock = Clock(seconds)
    rejected = ""
    for attempt in range(MAX_REJECTIONS):
        if clock.left <= 0:
            break
        shifted = replace(settings, seed=settings.seed + 1000 * attempt)
        outcome = find(question, bounds, shifted, clock.left, progress)
        result.attempts += outcome.attempts
        if outcome.status == "unsat":
            _refuted(question, bounds, outcome, result)
            return
        if outcome.assignment is None or outcome.winner is None:
            result.reason = rejected or outcome.reason
            return
        rejection = judge(outcome.assignment)
        if not rejection:
            notes = (
                ()
                if outcome.winner.problem == "tie"
                else ("weights and the inputs' high bits were fixed at random before solving",)
            )
            result.found = Found(outcome.assignment, outcome.winner, notes)
            return
        result.reason = rejected = f"the certifier itself rejects what the query allows: {rejection}"
        if progress:
            progress(rejected)


def _refuted(question: TieQuestion, bounds: list[Bound], outcome: Race, result: Answer) -> None:
    """Two engines say that there is no solution: none at all, or none that is so large."""
    if not bounds:
        proof = refuted(_nothing(question), outcome)
        result.conclude(Verdict.IMPOSSIBLE, proof.statement, proof)
        return
    (bound,) = bounds
    if result.upper_bound is None or bound.value < result.upper_bound:
        demand = f" with a {bound.objective} of {float(bound.value):.17g} or more"
        result.proof, result.upper_bound = refuted(_nothing(question, demand), outcome), bound.value


def _improve(
    question: TieQuestion, settings: Settings, judge: Judge, clock: Clock, result: Answer, progress: Progress | None
) -> None:
    """Ask for more and more until a short budget is used up; steps shrink where a solution is not found at once."""
    budget = Clock(min(clock.left, settings.improvement))
    factor = Fraction(2)
    while budget.left > (0 if factor < 2 else GLANCE / 2) and factor > Fraction(101, 100):  # no first step without time for it
        assert result.found is not None
        before = result.found
        value, _ = objective_bounds(question, before.assignment, question.objective)
        demand = Bound(question.objective, value * factor)
        result.found = None
        patience = min(budget.left, max(1.0, budget.spent))
        _accepted(question, [demand], settings, judge, patience, result, progress)
        if result.found is None:
            result.found = before
            factor = 1 + (factor - 1) / 2
    assert result.found is not None
    result.reason = ""


def _theorem(
    question: TieQuestion, limit: Fraction, settings: Settings, clock: Clock, result: Answer, progress: Progress | None
) -> Proof | None:
    """Prove the bound on the ratio (see ratio_bound.py) with two engines."""
    mode = ratio_bound.magnitude_rounding(question)
    outcome = refute(ratio_bound.theorem(question.format, mode), settings, clock.left, progress)
    result.attempts += outcome.attempts
    if outcome.status != "unsat":
        return None
    statement = f"no tie of shape 1,2 in {question.deployments[0]} with normal products has a ratio above {limit}"
    return refuted(statement, outcome, "ratio-bound")


def _prove_optimal(
    question: TieQuestion,
    settings: Settings,
    judge: Judge,
    limit: Fraction | None,
    clock: Clock,
    result: Answer,
    progress: Progress | None,
) -> None:
    """Use the time that is left to prove that nothing is larger, or to find what is."""
    if question.objective == "ratio" and limit is not None:
        proof = _theorem(question, limit, settings, clock, result, progress)
        if proof is not None:
            result.proof, result.upper_bound = proof, limit
    while clock.left > 0 and result.found is not None:
        below, above = objective_bounds(question, result.found.assignment, question.objective)
        if result.upper_bound is not None and below >= result.upper_bound:
            return
        larger = Bound(question.objective, above, strict=True)
        outcome = refute(build(question, [larger]), settings, clock.left, progress)
        result.attempts += outcome.attempts
        if outcome.status == "unsat":
            statement = _nothing(question, f" with a {question.objective} above {float(above):.17g}")
            result.proof, result.upper_bound = refuted(statement, outcome), above
            return
        if outcome.assignment is None or outcome.winner is None or judge(outcome.assignment):
            return
        result.found = Found(outcome.assignment, outcome.winner, ())
