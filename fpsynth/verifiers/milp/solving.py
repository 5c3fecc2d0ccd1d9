"""Programs solved in a process of its own, which is killed where the time or its memory is over."""

from __future__ import annotations

import math

from fpsynth.verifiers.milp.model import LARGEST_ENTRY, Model, Solution
from fpsynth.verifiers.milp.worker import request_of, solution_of
from fpsynth.workers.deadlines import time_left
from fpsynth.workers.pool import Pool
from fpsynth.workers.process import NoAnswer, Worker

MODULE = "fpsynth.verifiers.milp.worker"
MEMORY = 4 << 30
"""Bytes of address space that a solver may take: HiGHS has no limit of its own."""
REST = 60.0
"""Seconds that a process waits for the next program."""
VARIABLES = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
"""Threads take address space each."""
_workers: Pool[str] = Pool(lambda _: Worker(MODULE, memory=MEMORY, variables=VARIABLES, rest=REST), most=2, rest=REST)


def solved(model: Model, solver: str, tolerance: float) -> Solution:
    """What a solver says of a program in the time that there is; ``unclear`` where its process ends without an
    answer, and where numbers are too large for any.

    Raises OutOfTimeError where the solver does not keep its own limit, which is a little less than that time.
    """
    if not model.takeable:
        return Solution("unclear", f"numbers from {LARGEST_ENTRY:g} on in its rows are too large", -math.inf)
    left = time_left(math.inf)
    request = request_of(model, solver, tolerance, left - min(1.0, left / 4))
    try:
        return solution_of(_workers.ask(solver, request, math.inf))
    except NoAnswer as error:
        return Solution("unclear", error.cause.value, -math.inf)
