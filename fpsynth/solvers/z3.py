"""The engine z3: reads every encoding of every format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from fpsynth.solvers.base import Outcome, ScriptEngine, Status, milliseconds

if TYPE_CHECKING:
    from fpsynth.encoders import Script

_OVERHEAD = 200 << 20
"""Address space, in bytes, that Python and z3's code take of a memory limit before z3 allocates anything."""


class Z3(ScriptEngine):
    """The solver z3 by its Python package ``z3-solver``."""

    name: ClassVar[str] = "z3"
    encodings: ClassVar[tuple[str, ...]] = ("significands", "bitblast", "fp")
    turns: ClassVar[Mapping[str, int]] = {"significands": 10, "bitblast": 50, "fp": 70}
    package: ClassVar[str] = "z3-solver"

    def run(self, script: Script, seed: int, seconds: float | None, memory: int | None) -> Outcome:
        """Solve with the tactic that suits the script's encoding."""
        import z3

        for module in ("smt", "sat"):
            z3.set_param(f"{module}.random_seed", seed)
        if memory is not None:
            z3.set_param("memory_max_size", max(memory - _OVERHEAD, memory // 2) >> 20)
        context = z3.Context()  # of its own: what was asked before in this process must not change the answer
        solver = _solver(script, context)
        if seconds is not None:
            solver.set("timeout", milliseconds(seconds))
        try:
            solver.from_string(script.text)
            result = solver.check()
        except z3.Z3Exception as error:
            return Outcome(Status.UNKNOWN, reason=" ".join(str(error).split()))
        if result == z3.unknown:
            return Outcome(Status.UNKNOWN, reason=solver.reason_unknown())
        if result == z3.unsat:
            return Outcome(Status.UNSAT)
        model = solver.model()
        return Outcome(
            Status.SAT,
            {u.name: model.eval(z3.BitVec(u.name, u.width, context), True).as_long() for u in script.unknowns},
        )


def _solver(script: Script, context: Any) -> Any:
    """The quickest of z3's solvers, measured on ties of one input and two outputs, certificate included.

    For significands that is the SMT core, which keeps the products whole: it was 3 to 20 times as fast as bit-blasting at
    once, which in turn is 10 times as fast on texts that are bit-blasted already.
    """
    import z3

    if script.encoding == "significands":
        return z3.Then("simplify", "propagate-values", "solve-eqs", "elim-uncnstr", "simplify", "smt", ctx=context).solver()
    # the tactic for QF_FP knows bit-vectors too; QF_BVFP, the exact name of such a mixture, has none of its own
    return z3.SolverFor("QF_BV" if script.logic == "QF_BV" else "QF_FP", ctx=context)
