"""HiGHS as a solver of programs, in one thread and without gaps that it may leave."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fpsynth.errors import MissingPackageError
from fpsynth.packages import how_to_install
from fpsynth.verifiers.milp.model import Model, Solution

PACKAGE = "highspy"


def module() -> Any:
    """The package highspy.  Raises MissingPackageError."""
    try:
        import highspy
    except ImportError:
        raise MissingPackageError(f"milp needs the package {PACKAGE}: {how_to_install(PACKAGE)}") from None
    return highspy


def solve(model: Model, tolerance: float, seconds: float) -> Solution:
    """See ``model.Solve``.  What HiGHS takes for memory nothing limits."""
    highspy = module()
    solver = highspy.Highs()
    for option, value in _options(tolerance, seconds).items():
        solver.setOptionValue(option, value)
    solver.passModel(_program(highspy, model))
    solver.run()
    return _said(highspy, solver, bool(model.binary.any()))


def _options(tolerance: float, seconds: float) -> dict[str, Any]:
    tolerances = ("primal_feasibility_tolerance", "dual_feasibility_tolerance", "mip_feasibility_tolerance")
    gaps = {"mip_rel_gap": 0.0, "mip_abs_gap": 0.0}
    return {"output_flag": False, "threads": 1, "time_limit": seconds, **gaps, **dict.fromkeys(tolerances, tolerance)}


def _program(highspy: Any, model: Model) -> Any:
    program = highspy.HighsLp()
    program.num_row_, program.num_col_ = model.matrix.shape
    program.col_cost_, program.offset_ = model.objective, model.constant
    program.col_lower_, program.col_upper_ = model.lower, model.upper
    program.row_lower_, program.row_upper_ = model.least, model.most
    program.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    program.a_matrix_.start_ = model.matrix.indptr.astype(np.int32)
    program.a_matrix_.index_ = model.matrix.indices.astype(np.int32)
    program.a_matrix_.value_ = model.matrix.data
    if model.binary.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        program.integrality_ = [kinds[int(one)] for one in model.binary]
    return program


def _said(highspy: Any, solver: Any, integers: bool) -> Solution:
    status, info = solver.getModelStatus(), solver.getInfo()
    words = solver.modelStatusToString(status).lower()
    kinds = highspy.HighsModelStatus
    if status in (kinds.kInfeasible, kinds.kUnboundedOrInfeasible):  # nothing is unbounded here
        return Solution("infeasible", words, math.inf)
    name = {kinds.kOptimal: "optimal", kinds.kTimeLimit: "time"}.get(status, "unclear")
    point, value = None, math.inf
    if info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible:
        point, value = np.array(solver.getSolution().col_value), float(info.objective_function_value)
    if name == "unclear" or not (integers or name == "optimal"):
        bound = -math.inf
    else:
        bound = float(info.mip_dual_bound) if integers else value
    return Solution(name, words, bound if not math.isnan(bound) else -math.inf, value, point)
