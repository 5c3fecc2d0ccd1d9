"""Exhaustive enumeration of a problem with few assignments, without a solver and without any theory of ties."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from fpsynth import rounding as r
from fpsynth.encoders.ranges import analyse, variable_range
from fpsynth.errors import InputError
from fpsynth.evaluators.arrays import evaluate_arrays
from fpsynth.evaluators.recheck import failures
from fpsynth.expressions import topological
from fpsynth.problems import Assignment, Problem

MAX_ASSIGNMENTS = 1 << 25
_CHUNK = 1 << 18
_EXACT_BITS = 53
_EXACT_EXPONENTS = range(-1000, 1000)


@dataclass(frozen=True)
class Count:
    """What was looked at, and the first solution."""

    assignments: int
    solution: Assignment | None


def enumerate_problem(problem: Problem) -> Count:
    """Evaluate the assertions on every assignment (zeros as +0, which no comparison tells from -0).

    Raises InputError where there are too many assignments, or where float64 does not hold every real number of the problem.
    """
    _require_exact(problem)
    axes = []
    for v in problem.variables:
        low, high = r.index_range(v.lower, v.upper, v.format)
        axes.append([float(r.from_index(k, v.format)) for k in range(low, high + 1)])
    total = math.prod(map(len, axes))
    if total > MAX_ASSIGNMENTS:
        raise InputError(f"{total} assignments are too many to enumerate")
    cut = len(axes)  # the axes from here on are evaluated at once
    while cut > 0 and math.prod(map(len, axes[cut - 1 :])) <= _CHUNK:
        cut -= 1
    names = [v.name for v in problem.variables]
    inner = dict(zip(names[cut:], (grid.ravel() for grid in np.meshgrid(*axes[cut:], indexing="ij")), strict=True))
    for outer in itertools.product(*axes[:cut]):
        values = {**{name: np.array([x]) for name, x in zip(names, outer, strict=False)}, **inner}
        holds = np.logical_and.reduce([np.asarray(truth) for truth in evaluate_arrays(problem.assertions, values)])
        for column in np.flatnonzero(holds)[:1]:
            found = {name: r.from_float(float(x[column] if len(x) > 1 else x[0])) for name, x in values.items()}
            wrong = failures(problem, found)
            if wrong:
                raise AssertionError(f"the arrays' solution fails the exact re-check: {wrong[0]}")
            return Count(total, found)
    return Count(total, None)


def _require_exact(problem: Problem) -> None:
    """Real numbers are evaluated in float64: that is exact where the range analysis says that each fits."""
    ranges = analyse(problem.assertions, {v.name: variable_range(v) for v in problem.variables})
    for node in topological(problem.assertions):
        if not node.op.boolean and node.format is None:
            known = ranges[id(node)].value
            if known.bits > _EXACT_BITS or known.lsb not in _EXACT_EXPONENTS or known.top not in _EXACT_EXPONENTS:
                raise InputError("the problem has real numbers that float64 does not hold: it cannot be enumerated in arrays")
