"""Evidence: how the status of a question is known, found once, written into the manifest, and checked again at any time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from fpsynth.corpus.smtlib.enumeration import enumerate_problem
from fpsynth.corpus.smtlib.question import Evidence, Question
from fpsynth.encoders.script import Script, Unknown
from fpsynth.encoders.smtlib import literal
from fpsynth.evaluators.recheck import failures
from fpsynth.formats import power_of_two
from fpsynth.problems import Assignment
from fpsynth.rounding import Value, from_float, to_bits
from fpsynth.solvers.engines import ENGINES, engines_named, independent
from fpsynth.solvers.race import Attempt, Race, Task, race
from fpsynth.synthesis.settings import Settings
from fpsynth.synthesis.ties import ratio_bound
from fpsynth.synthesis.ties.exhaustive import enumerate_ties
from fpsynth.synthesis.ties.search import find

Record = dict[str, Any]
"""Evidence as the manifest holds it."""


class NoEvidence(RuntimeError):
    """The status that the table states could not be confirmed; the message says why."""


def establish(question: Question, seconds: float) -> Record:
    """Find the evidence for a question's status.  ``seconds`` limits what solvers may take.  Raises NoEvidence."""
    match question.known_by:
        case Evidence.MODEL:
            return _by_model(question, seconds)
        case Evidence.REFUTATION:
            return _by_refutation(question, seconds)
        case Evidence.ENUMERATION:
            return _by_enumeration(question)
        case Evidence.MONOTONE_ENUMERATION:
            return _by_monotone_enumeration(question)
        case Evidence.THEOREM:
            return _by_theorem(question)


def problems_with(question: Question, record: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with recorded evidence, as far as that can be told at once and without a solver; empty if nothing."""
    if record.get("by") != question.known_by.value:
        return [f"{question.key}: the manifest knows its status by {record.get('by')}, the table by {question.known_by.value}"]
    if question.known_by is Evidence.MODEL:
        return [f"{question.key}: {line}" for line in failures(question.problem, model(record))]
    if question.known_by is Evidence.REFUTATION:
        engines = {run["engine"] for run in record["unsat"]}
        alone = f"{question.key}: only {', '.join(engines)} refutes it, and two engines must agree"
        return [] if independent(engines) > 1 else [alone]
    if question.known_by is Evidence.THEOREM:
        return [] if record == _by_theorem(question) else [f"{question.key}: the theorem does not speak of it"]
    return []


def model(record: Mapping[str, Any]) -> dict[str, Value]:
    """The solution that a record of a sat question holds."""
    return {name: from_float(float.fromhex(number)) for name, number in record["model"].items()}


def bits_of(unknown: Unknown, value: Value) -> int:
    """The unsigned integer of a bit-vector constant that stands for ``value``: the inverse of ``Unknown.value``."""
    if unknown.kind == "bits":
        return to_bits(value, unknown.format)
    integer = value.fraction() * power_of_two(-unknown.lsb) - unknown.offset
    if integer.denominator != 1:
        raise ValueError(f"{unknown.variable} is no multiple of 2**{unknown.lsb}")
    return int(integer) % (1 << unknown.width)


def with_model(script: Script, assignment: Assignment) -> str:
    """The script's text with every bit-vector constant fixed to the assignment, before its check-sat."""
    lines = []
    for unknown in script.unknowns:
        bits = bits_of(unknown, assignment[unknown.variable])
        lines.append(f"(assert (= {unknown.name} {literal(bits, unknown.width)}))\n")
    before, check, after = script.text.partition("(check-sat)")
    return before + "".join(lines) + check + after


def _by_model(question: Question, seconds: float) -> Record:
    outcome = _solved(question, seconds)
    if outcome.assignment is None or outcome.winner is None:
        raise NoEvidence(f"{question.key}: no solution found ({outcome.reason})")
    found = {name: float(value).hex() for name, value in outcome.assignment.items()}
    return {"by": Evidence.MODEL.value, "model": found, "found_by": _run(outcome.winner)}


def _solved(question: Question, seconds: float) -> Race:
    engines = engines_named("auto")
    if question.tie is not None:  # the search knows easier parts of such questions
        return find(question.tie, question.bounds, Settings(engines), seconds)
    tasks = [Task(engine.name, encoding, 0, question.problem) for engine in engines for encoding in engine.encodings[:2]]
    return race(sorted(tasks, key=lambda task: bool(ENGINES[task.engine].package)), seconds=seconds)


def _by_refutation(question: Question, seconds: float) -> Record:
    engines = engines_named("auto")
    tasks = [
        Task(engine.name, encoding, 0, question.problem)
        for encoding in ("significands", "fp")
        for engine in engines
        if encoding in engine.encodings
    ]
    outcome = race(tasks, seconds=seconds)
    if outcome.status != "unsat":
        raise NoEvidence(f"{question.key}: {outcome.status} ({outcome.reason})")
    return {"by": Evidence.REFUTATION.value, "unsat": [_run(attempt) for attempt in outcome.refutations]}


def _run(attempt: Attempt) -> Record:
    version = engines_named(attempt.engine)[0].available()
    return {"engine": attempt.engine, "version": version, "encoding": attempt.encoding, "seconds": round(attempt.seconds, 2)}


def _by_enumeration(question: Question) -> Record:
    count = enumerate_problem(question.problem)
    if count.solution is not None:
        raise NoEvidence(f"{question.key}: the enumeration found a solution")
    return {"by": Evidence.ENUMERATION.value, "assignments": count.assignments}


def _by_monotone_enumeration(question: Question) -> Record:
    assert question.tie is not None
    (bound,) = question.bounds
    assert bound.strict
    outcome = enumerate_ties(replace(question.tie, objective=bound.objective))
    if outcome.value is not None and outcome.value > bound.value:
        raise NoEvidence(f"{question.key}: the enumeration found a {bound.objective} of {outcome.value}")
    return {
        "by": Evidence.MONOTONE_ENUMERATION.value,
        "weight_pairs": outcome.weight_pairs,
        "inputs": outcome.inputs,
        f"largest_{bound.objective}": str(outcome.value),
    }


def _by_theorem(question: Question) -> Record:
    assert question.tie is not None
    limit = ratio_bound.bound(question.tie)
    (bound,) = question.bounds
    demanded: Fraction = bound.value
    if limit is None or bound.objective != "ratio" or not bound.strict or demanded < limit:
        raise NoEvidence(f"{question.key}: the theorem does not speak of it")
    return {"by": Evidence.THEOREM.value, "theorem": question.theorem, "largest_ratio": str(limit)}
