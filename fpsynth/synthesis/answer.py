"""The answer to a tie question: found, impossible or unknown; what is proved about it; and which runs led there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from fpsynth.problems import Assignment
from fpsynth.solvers.race import Attempt, Race
from fpsynth.synthesis import ratio_bound
from fpsynth.synthesis.exhaustive import Enumeration, contradiction, enumerate_ties, feasible
from fpsynth.synthesis.result import Proof, Verdict
from fpsynth.synthesis.search import Clock, Found, Progress, Settings, find, objective_value, refute
from fpsynth.synthesis.tie import Bound, TieQuestion, build

Judge = Callable[[Assignment], str]
"""Says why the certifier itself rejects a solution; empty if it accepts."""

MAX_REJECTIONS = 12
"""After so many solutions that the certifier itself rejects, the answer is unknown."""


@dataclass
class Answer:
    """Grows while a question is worked on."""

    verdict: Verdict = Verdict.UNKNOWN
    found: Found | None = None
    proof: Proof | None = None
    upper_bound: Fraction | None = None
    reason: str = ""
    attempts: list[Attempt] = field(default_factory=list)

    def conclude(self, verdict: Verdict, reason: str, proof: Proof | None = None) -> Answer:
        """Set the verdict and return the answer."""
        self.verdict, self.reason = verdict, reason
        self.proof = proof or self.proof
        return self


def answer(
    question: TieQuestion, settings: Settings, judge: Judge, *, prove: bool = False, progress: Progress | None = None
) -> Answer:
    """Answer the question within ``settings.seconds``.

    With ``prove`` the time that is left goes into a proof that no solution has a larger objective.
    """
    clock = Clock(settings.seconds)
    result = Answer()
    why = contradiction(question)
    if why:
        return result.conclude(Verdict.IMPOSSIBLE, why, Proof(why, "contradictory domain", {}))
    limit = ratio_bound.bound(question)
    if limit is not None and question.min_ratio > limit:
        proof = _enumerated_proof(question) if feasible(question) else _theorem(question, settings, clock, result, progress)
        if proof is None:
            return result.conclude(Verdict.UNKNOWN, f"no ratio above {limit} is known, but its proof did not end in time")
        result.upper_bound = limit
        return result.conclude(Verdict.IMPOSSIBLE, f"no tie has a ratio above {limit}", proof)
    if feasible(question) and prove:
        return _by_enumeration(question, result, judge)
    _search(question, settings, judge, limit, clock, result, progress)
    if result.found is not None and prove:
        _prove_optimal(question, settings, judge, limit, clock, result, progress)
    return result


def _enumeration_proof(question: TieQuestion, outcome: Enumeration) -> Proof:
    if outcome.value is None:
        ratio = f" of ratio {float(question.min_ratio):.17g} or more" if question.min_ratio > 1 else ""
        statement = (
            f"no weights in {question.weights} and inputs in {question.inputs} give a certified {question.format} tie{ratio}"
        )
    else:
        statement = f"the largest {question.objective} is {float(outcome.value):.17g}"
    details = {"weight_pairs": outcome.weight_pairs, "inputs": outcome.inputs, "largest": str(outcome.value)}
    return Proof(statement, "exhaustive", details)


def _enumerated_proof(question: TieQuestion) -> Proof | None:
    outcome = enumerate_ties(question)
    return _enumeration_proof(question, outcome) if outcome.value is None else None


def _by_enumeration(question: TieQuestion, result: Answer, judge: Judge) -> Answer:
    clock = Clock(0)
    outcome = enumerate_ties(question)
    proof = _enumeration_proof(question, outcome)
    status = "unsat" if outcome.best is None else "sat"
    run = Attempt("exhaustive", "numbers", 0, "tie", True, status, "", clock.spent, None)
    result.attempts.append(run)
    if outcome.best is None:
        return result.conclude(Verdict.IMPOSSIBLE, proof.statement, proof)
    rejection = judge(outcome.best)
    if rejection:
        return result.conclude(Verdict.UNKNOWN, f"the best solution is rejected by the certifier itself: {rejection}")
    result.found = Found(outcome.best, run, ("found by enumerating the whole domain",))
    result.upper_bound = outcome.value
    return result.conclude(Verdict.FOUND, proof.statement, proof)


def _search(
    question: TieQuestion,
    settings: Settings,
    judge: Judge,
    limit: Fraction | None,
    clock: Clock,
    result: Answer,
    progress: Progress | None,
) -> None:
    """Find a solution: at the conjectured optimum if there is one, else anywhere and then larger ones for a while."""
    wants_optimum = question.objective == "ratio" and limit is not None
    if wants_optimum and limit is not None:
        _accepted(question, [Bound("ratio", limit)], settings, judge, clock.left / 2, result, progress)
    if result.found is None:
        _accepted(question, [], settings, judge, clock.left, result, progress)
        if result.found is not None:
            _improve(question, settings, judge, clock, result, progress)
    if result.found is not None:
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
    for attempt in range(MAX_REJECTIONS):
        if clock.left <= 0:
            break
        shifted = replace(settings, seed=settings.seed + 1000 * attempt)
        outcome = find(question, bounds, shifted, clock.left, progress)
        result.attempts += outcome.attempts
        if outcome.status == "unsat" and not bounds:
            proof = _refutation(f"no certified {question.format} tie exists on this domain", outcome)
            result.conclude(Verdict.IMPOSSIBLE, proof.statement, proof)
            return
        if outcome.assignment is None or outcome.winner is None:
            result.reason = outcome.reason
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
        result.reason = f"the certifier itself rejects what the query allows: {rejection}"
        if progress:
            progress(result.reason)


def _improve(
    question: TieQuestion, settings: Settings, judge: Judge, clock: Clock, result: Answer, progress: Progress | None
) -> None:
    """Ask for more and more until a short budget is used up; steps shrink where a solution is not found at once."""
    budget = Clock(min(clock.left, settings.improvement))
    factor = Fraction(2)
    while budget.left > 0 and factor > Fraction(101, 100):
        assert result.found is not None
        before = result.found
        value = Fraction(objective_value(question, before.assignment, question.objective))
        demand = Bound(question.objective, value * factor)
        result.found = None
        patience = min(budget.left, max(1.0, budget.spent))
        _accepted(question, [demand], settings, judge, patience, result, progress)
        if result.found is None:
            result.found = before
            factor = 1 + (factor - 1) / 2
    assert result.found is not None
    result.reason = ""


def _refutation(statement: str, outcome: Race) -> Proof:
    """A proof by two engines that say unsat, as the race recorded it."""
    engines = [
        {"engine": run.engine, "encoding": run.encoding, "seconds": round(run.seconds, 3)} for run in outcome.refutations
    ]
    return Proof(statement, "refutation", {"unsat": engines})


def _theorem(
    question: TieQuestion, settings: Settings, clock: Clock, result: Answer, progress: Progress | None
) -> Proof | None:
    """Prove the bound on the ratio (see ratio_bound.py) with two engines."""
    mode = question.deployments[0].at(0, 0).rounding
    outcome = refute(ratio_bound.theorem(question.format, mode), settings, clock.left, progress)
    result.attempts += outcome.attempts
    if outcome.status != "unsat":
        return None
    proof = _refutation(
        f"no one-input, two-output {question.format} tie has a ratio above 2^{question.format.precision}", outcome
    )
    return replace(proof, method="ratio-bound")


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
        proof = _theorem(question, settings, clock, result, progress)
        if proof is not None:
            result.proof, result.upper_bound = proof, limit
            return
    while clock.left > 0 and result.found is not None:
        value = Fraction(objective_value(question, result.found.assignment, question.objective))
        larger = Bound(question.objective, value * (1 + Fraction(1, 10**11)), strict=True)
        outcome = refute(build(question, [larger]), settings, clock.left, progress)
        result.attempts += outcome.attempts
        if outcome.status == "unsat":
            statement = f"the largest {question.objective} is {float(value):.10g}, up to a relative 1e-11"
            result.proof, result.upper_bound = _refutation(statement, outcome), larger.value
            return
        if outcome.assignment is None or outcome.winner is None or judge(outcome.assignment):
            return
        result.found = Found(outcome.assignment, outcome.winner, ())
