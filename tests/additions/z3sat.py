"""The engine z3sat: z3's SAT solver by itself, on bits, without the core that keeps products whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from fpsynth.solvers.base import Outcome, ScriptEngine, Status, milliseconds

if TYPE_CHECKING:
    from fpsynth.encoders import Script


class Z3Sat(ScriptEngine):
    """Everything becomes bits first, and then clauses."""

    name: ClassVar[str] = "z3sat"
    encodings: ClassVar[tuple[str, ...]] = ("significands", "bitblast")
    turns: ClassVar[Mapping[str, int]] = {"bitblast": 55, "significands": 75}
    package: ClassVar[str] = "z3-solver"
    module: ClassVar[str] = "z3"

    def run(self, script: Script, seed: int, seconds: float | None, memory: int | None) -> Outcome:
        """Simplify, blast into bits, solve."""
        import z3

        context = z3.Context()
        z3.set_param("sat.random_seed", seed)
        if memory is not None:
            z3.set_param("memory_max_size", memory // 2 >> 20)
        solver = z3.Then("simplify", "propagate-values", "solve-eqs", "bit-blast", "sat", ctx=context).solver()
        if seconds is not None:
            solver.set("timeout", milliseconds(seconds))
        solver.from_string(script.text)
        answer = solver.check()
        if answer != z3.sat:
            return Outcome(Status.UNSAT) if answer == z3.unsat else Outcome(Status.UNKNOWN, reason=solver.reason_unknown())
        model = solver.model()
        numbers = {one.name: model.eval(z3.BitVec(one.name, one.width, context), True).as_long() for one in script.unknowns}
        return Outcome(Status.SAT, numbers)
