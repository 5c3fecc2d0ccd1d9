"""The engines there are, by name; solvers that are quicker on ties come first, the sampler last."""

from __future__ import annotations

from collections.abc import Mapping

from fpsynth.errors import MissingPackageError, unknown_name
from fpsynth.packages import how_to_install
from fpsynth.solvers.base import Engine, ScriptEngine
from fpsynth.solvers.bitwuzla import Bitwuzla
from fpsynth.solvers.cvc5 import Cvc5
from fpsynth.solvers.sampling import Sampling
from fpsynth.solvers.z3 import Z3

ENGINES: Mapping[str, Engine] = {engine.name: engine for engine in (Z3(), Bitwuzla(), Cvc5(), Sampling())}


def undecided(reason: str) -> str:
    """The reason for an answer ``unknown``; where no solver is installed that could decide it, how to get one is added."""
    if any(engine.available() for engine in ENGINES.values() if isinstance(engine, ScriptEngine)):
        return reason
    return f"{reason}; no solver is installed that could decide it: {how_to_install('z3')}"


def engines_named(name: str) -> tuple[Engine, ...]:
    """Return the engines that ``name`` asks for: one by its name, or with ``auto`` all that are installed.

    Raises InputError for an unknown name, and MissingPackageError where the engine is not installed.
    """
    if name == "auto":
        return tuple(engine for engine in ENGINES.values() if engine.available())
    if name not in ENGINES:
        raise unknown_name("solver", name, ("auto", *ENGINES))
    if ENGINES[name].available() is None:
        raise MissingPackageError(f"the solver {name} is not installed: {how_to_install(name)}")
    return (ENGINES[name],)
