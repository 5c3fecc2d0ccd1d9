"""The engine cvc5: bit-vectors, and the floating-point sorts float32 and float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from fpsynth.solvers.base import Outcome, ScriptEngine, Status, milliseconds

if TYPE_CHECKING:
    from fpsynth.encoders import Script

_QUERIES = frozenset({"check-sat", "get-model", "get-value", "get-info", "exit"})
"""Commands of a script that are asked through the interface instead, where answers come as terms and not as text."""


class Cvc5(ScriptEngine):
    """The solver cvc5 by its Python package."""

    name: ClassVar[str] = "cvc5"
    encodings: ClassVar[tuple[str, ...]] = ("significands", "bitblast", "fp")
    turns: ClassVar[Mapping[str, int]] = {"significands": 40, "bitblast": 80, "fp": 90}
    package: ClassVar[str] = "cvc5"

    def run(self, script: Script, seed: int, seconds: float | None, memory: int | None) -> Outcome:
        """Parse and check; what cvc5 refuses gives ``unknown`` with its own words.

        cvc5 has no memory limit of its own: the process that runs it needs one.
        """
        import cvc5

        terms = cvc5.TermManager()
        solver = cvc5.Solver(terms)
        seeds = {"seed": str(seed), "sat-random-seed": str(seed)}
        # with a time limit, cvc5 1.4.2 leaves CaDiCaL for a slower solver unless it is named
        for option, value in {"produce-models": "true", "bv-sat-solver": "cadical", **seeds}.items():
            solver.setOption(option, value)
        if seconds is not None:
            solver.setOption("tlimit-per", str(milliseconds(seconds)))
        symbols = cvc5.SymbolManager(terms)
        try:
            parser = cvc5.InputParser(solver, symbols)
            parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, script.text, "problem")
            while not (command := parser.nextCommand()).isNull():
                if command.getCommandName() not in _QUERIES:
                    complaint = command.invoke(solver, symbols)
                    if complaint.startswith("(error"):
                        return Outcome(Status.UNKNOWN, reason=" ".join(complaint.split()))
            result = solver.checkSat()
        except RuntimeError as error:  # of which every exception of cvc5 is one
            return Outcome(Status.UNKNOWN, reason=" ".join(str(error).split()))
        if result.isUnsat():
            return Outcome(Status.UNSAT)
        if result.isUnknown():
            return Outcome(Status.UNKNOWN, reason=f"cvc5 gave up: {result.getUnknownExplanation().name.lower()}")
        declared = {term.getSymbol(): term for term in symbols.getDeclaredTerms()}
        return Outcome(
            Status.SAT,
            {u.name: int(solver.getValue(declared[u.name]).getBitVectorValue(2), 2) for u in script.unknowns},
        )
