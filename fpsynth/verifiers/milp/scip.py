"""SCIP as a solver of programs; it takes the quadratic row of a ball."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fpsynth.errors import MissingPackageError
from fpsynth.packages import how_to_install
from fpsynth.verifiers.milp.model import Model, Solution

PACKAGE = "pyscipopt"
MEMORY = 2048.0
"""Megabytes after which SCIP ends with what it has."""
NONE = 1e20
"""What SCIP takes for infinite."""


def module() -> Any:
    """The package pyscipopt.  Raises MissingPackageError."""
    try:
        import pyscipopt
    except ImportError:
        raise MissingPackageError(f"milp:scip needs the package {PACKAGE}: {how_to_install(PACKAGE)}") from None
    return pyscipopt


def solve(model: Model, tolerance: float, seconds: float) -> Solution:
    """See ``model.Solve``."""
    scip = module()
    solver = scip.Model()
    solver.hideOutput()
    settings = {"limits/time": min(seconds, NONE), "limits/memory": MEMORY, "numerics/feastol": tolerance}
    settings["numerics/dualfeastol"] = tolerance
    for setting, value in settings.items():
        solver.setParam(setting, value)
    variables = [
        solver.addVar(vtype="B" if binary else "C", lb=_end(low), ub=_end(high))
        for low, high, binary in zip(model.lower.tolist(), model.upper.tolist(), model.binary.tolist(), strict=True)
    ]
    if not _add_rows(scip, solver, model, variables):
        return Solution("infeasible", "infeasible", math.inf)
    costs = np.flatnonzero(model.objective).tolist()
    solver.setObjective(scip.quicksum(float(model.objective[k]) * variables[k] for k in costs) + model.constant)
    solver.optimize()
    return _said(solver, variables)


def _end(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _add_rows(scip: Any, solver: Any, model: Model, variables: list[Any]) -> bool:
    """Whether all rows without entries hold: SCIP takes none of these."""
    starts = model.matrix.indptr.tolist()
    columns, values = model.matrix.indices.tolist(), model.matrix.data.tolist()
    for row, (least, most) in enumerate(zip(model.least.tolist(), model.most.tolist(), strict=True)):
        part = range(starts[row], starts[row + 1])
        if not part and not least <= 0 <= most:
            return False
        if not part:
            continue
        total = scip.quicksum(values[k] * variables[columns[k]] for k in part)
        solver.addCons(scip.scip.ExprCons(total, _end(least), _end(most)))
    if (sphere := model.sphere) is not None:
        pairs = zip(sphere.variables.tolist(), sphere.centre.tolist(), strict=True)
        solver.addCons(scip.quicksum((variables[k] - centre) ** 2 for k, centre in pairs) <= sphere.radius**2)
    return True


def _said(solver: Any, variables: list[Any]) -> Solution:
    words = str(solver.getStatus())
    if words in ("infeasible", "inforunbd"):  # nothing is unbounded here
        return Solution("infeasible", words, math.inf)
    name = {"optimal": "optimal", "timelimit": "time"}.get(words, "unclear")
    point, value = None, math.inf
    if solver.getNSols():
        best = solver.getBestSol()
        point, value = np.array([solver.getSolVal(best, one) for one in variables]), float(solver.getSolObjVal(best))
    bound = float(solver.getDualbound()) if name != "unclear" else -math.inf
    return Solution(name, words, bound if abs(bound) < NONE else -math.inf, value, point)
