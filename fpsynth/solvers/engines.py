"""The engines there are, by name; solvers that are quicker on ties come first, the sampler last."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING

from fpsynth.errors import MissingPackageError, unknown_name

if TYPE_CHECKING:
    from fpsynth.solvers.base import Engine, ScriptEngine

_CLASSES = {
    "z3": "Z3",
    "bitwuzla": "Bitwuzla",
    "cvc5": "Cvc5",
    "sampling": "Sampling",
}
"""The class of each, in the file of its name: whatever else there is to say of an engine, the class says."""

NAMES: tuple[str, ...] = tuple(_CLASSES)
"""Every engine there is a file for."""


class _Engines(Mapping[str, "Engine"]):
    """The engines by name.  Each is imported when it is asked for: the command line reads the names alone."""

    def __getitem__(self, name: str) -> Engine:
        return _engine(name)

    def __contains__(self, name: object) -> bool:
        return name in _CLASSES

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


ENGINES: Mapping[str, Engine] = _Engines()


@cache
def _engine(name: str) -> Engine:
    module = importlib.import_module(f"fpsynth.solvers.{name}") if name in _CLASSES else None
    engine: Engine = getattr(module, _CLASSES[name])()
    return engine


def solvers() -> tuple[ScriptEngine, ...]:
    """The engines that are SMT solvers: those that read the texts of benchmarks, and that can rule something out."""
    from fpsynth.solvers.base import ScriptEngine

    return tuple(engine for engine in ENGINES.values() if isinstance(engine, ScriptEngine))


def packages() -> tuple[str, ...]:
    """The distributions that bring solvers, each once."""
    return tuple(dict.fromkeys(engine.package for engine in solvers()))


def code_of(name: str) -> str:
    """Whose code an engine runs: the distribution that brings it, else its own name.

    What two engines say by the same code is said once: a mistake in it would mislead them both.
    """
    return (ENGINES[name].package if name in ENGINES else "") or name


def independent(names: Iterable[str]) -> int:
    """How many of the engines do not run the same code."""
    return len({code_of(name) for name in names})


def undecided(reason: str) -> str:
    """The reason for an answer ``unknown``; where no solver is installed that could decide it, how to get one is added."""
    if any(engine.available() for engine in solvers()):
        return reason
    return f"{reason}; no solver is installed that could decide it: {solvers()[0].how_to_install()}"


def engines_named(name: str) -> tuple[Engine, ...]:
    """Return the engines that ``name`` asks for: one by its name, or with ``auto`` all that are installed.

    Raises InputError for an unknown name, and MissingPackageError where the engine is not installed.
    """
    if name == "auto":
        return tuple(engine for engine in ENGINES.values() if engine.available())
    if name not in ENGINES:
        raise unknown_name("solver", name, ("auto", *ENGINES))
    engine = ENGINES[name]
    if engine.available() is None:
        raise MissingPackageError(f"the solver {name} is not installed: {engine.how_to_install()}")
    return (engine,)
