"""The engine bitwuzla: bit-vectors, and the floating-point sorts float16, float32 and float64."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from fpsynth.solvers.base import Outcome, ScriptEngine, Status, milliseconds

if TYPE_CHECKING:
    from fpsynth.encoders import Script

_OVERHEAD = 100 << 20
"""Address space, in bytes, that Python and bitwuzla's code take of a memory limit before bitwuzla allocates anything."""


class Bitwuzla(ScriptEngine):
    """The solver bitwuzla by its Python package."""

    name: ClassVar[str] = "bitwuzla"
    encodings: ClassVar[tuple[str, ...]] = ("significands", "bitblast", "fp")
    turns: ClassVar[Mapping[str, int]] = {"significands": 20, "fp": 30, "bitblast": 60}
    package: ClassVar[str] = "bitwuzla"

    def run(self, script: Script, seed: int, seconds: float | None, memory: int | None) -> Outcome:
        """Parse and check; floating-point sorts that bitwuzla refuses give ``unknown`` with its own words."""
        import bitwuzla

        options = bitwuzla.Options()
        options.set(bitwuzla.Option.PRODUCE_MODELS, True)
        options.set(bitwuzla.Option.SEED, seed)
        if seconds is not None:
            options.set(bitwuzla.Option.TIME_LIMIT_PER, milliseconds(seconds))
        if memory is not None:
            options.set(bitwuzla.Option.MEMORY_LIMIT, max(memory - _OVERHEAD, memory // 2) >> 20)
        try:
            parser = bitwuzla.Parser(bitwuzla.TermManager(), options)
            parser.parse(script.text, True, False)
            solver = parser.bitwuzla()
            start = time.monotonic()  # its clock runs for the check alone
            result = solver.check_sat()
        except bitwuzla.BitwuzlaException as error:
            return Outcome(Status.UNKNOWN, reason=" ".join(str(error).split()))
        if result == bitwuzla.Result.UNSAT:
            return Outcome(Status.UNSAT)
        if result == bitwuzla.Result.UNKNOWN:
            overtime = seconds is not None and time.monotonic() - start >= seconds
            return Outcome(Status.UNKNOWN, reason=f"bitwuzla gave up at its {'time' if overtime else 'memory'} limit")
        terms = {term.symbol(): term for term in parser.get_declared_funs()}
        return Outcome(
            Status.SAT,
            {u.name: int(solver.get_value(terms[u.name]).value(2), 2) for u in script.unknowns},
        )
