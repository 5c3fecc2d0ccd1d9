"""The exact re-check: no answer of a solver is believed before it passes here."""

from __future__ import annotations

from fpsynth.evaluators.exact import evaluate
from fpsynth.problems import Assignment, Problem
from fpsynth.rounding import representable


def failures(problem: Problem, assignment: Assignment) -> list[str]:
    """Return what is wrong with a claimed solution, one line each; an empty list means that it is one."""
    wrong: list[str] = []
    for variable in problem.variables:
        value = assignment.get(variable.name)
        if value is None:
            wrong.append(f"{variable.name} has no value")
        elif not value.is_finite or not representable(value, variable.format):
            wrong.append(f"{variable.name} is not a finite {variable.format}")
        elif not variable.lower <= value.fraction() <= variable.upper:
            wrong.append(f"{variable.name} is outside its bounds")
    if wrong:
        return wrong
    results = evaluate(problem.assertions, assignment)
    return [f"assertion {k} is false" for k, result in enumerate(results) if result is not True]
