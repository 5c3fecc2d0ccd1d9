"""The engines there are, by name; solvers that are quicker on ties come first, the sampler last."""

from __future__ import annotations

from collections.abc import Mapping

from fpsynth.errors import InputError, MissingPackageError
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
    return f"{reason}; no solver is installed that could decide it: pip install 'fpsynth[solvers]'"


def engines_named(name: str) -> tuple[Engine, ...]:
    """Return the engines that ``name`` asks for: one by its name, or with ``auto`` all that are installed.

    Raises InputError for an unknown name, and MissingPackageError where the engine is not installed.
    """
    if name == "auto":
        return tuple(engine for engine in ENGINES.values() if engine.available())
    if name not in ENGINES:
        raise InputError(f"unknown solver {name!r}; choose from auto, {', '.join(ENGINES)}")
    if ENGINES[name].available() is None:
        raise MissingPackageError(f"the solver {name} is not installed: pip install 'fpsynth[solvers]'")
    return (ENGINES[name],)
