"""What every engine is: the one protocol behind which SMT solvers and the sampler stand, and what each says of itself."""

from __future__ import annotations

import enum
import importlib
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from fpsynth.errors import InputError
from fpsynth.packages import how_to_install, package_version
from fpsynth.problems import Assignment, Problem

if TYPE_CHECKING:
    from fpsynth.encoders import Script


NOT_ENCODED = "not encoded: "
"""How the reason begins where an encoding cannot say a problem: no engine and no seed will change that."""


class Status(enum.Enum):
    """What an engine says about a problem, in SMT-LIB's words."""

    SAT = "sat"
    UNSAT = "unsat"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class EngineAnswer:
    """What one engine found out; an ``assignment`` comes with ``sat`` only, a ``reason`` with ``unknown``."""

    status: Status
    assignment: Assignment | None = None
    reason: str = ""
    encode_seconds: float = 0.0
    solve_seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What one engine says about a script; ``model`` gives each of its bit-vector unknowns as an unsigned integer."""

    status: Status
    model: Mapping[str, int] | None = None
    reason: str = ""


class Engine(Protocol):
    """Something that answers problems.  It runs in the caller's process; the race gives each run a process of its own."""

    @property
    def name(self) -> str:
        """What the user calls it."""
        ...

    @property
    def encodings(self) -> tuple[str, ...]:
        """The encodings that it reads, the usually fastest first."""
        ...

    @property
    def turns(self) -> Mapping[str, int]:
        """Encoding to its turn in a race among those of all engines, the lowest first; what is not in it comes last."""
        ...

    @property
    def package(self) -> str:
        """The distribution that brings its code; empty where that is fpsynth itself."""
        ...

    def available(self) -> str | None:
        """The version that is installed here, or None.  Imports nothing heavy."""
        ...

    def how_to_install(self) -> str:
        """The command that installs it."""
        ...

    def load(self) -> None:
        """Import what it needs, as far as that is installed: what ``solve`` allocates after that, it should free again."""
        ...

    def solve(self, problem: Problem, encoding: str, seed: int, seconds: float | None, memory: int | None) -> EngineAnswer:
        """Answer the problem within ``seconds`` and ``memory`` bytes (None: no limit), else ``unknown`` with a reason.

        The same arguments give the same answer, unless a limit cuts it short.  Raises InputError for an encoding that the
        engine does not read.
        """
        ...


class ScriptEngine(ABC):
    """An SMT solver: reads the encoded problem as SMT-LIB text and gives back a model in integers."""

    name: ClassVar[str]
    encodings: ClassVar[tuple[str, ...]]
    turns: ClassVar[Mapping[str, int]] = {}
    """By the measurements in ``schedule.py``."""
    package: ClassVar[str]
    module: ClassVar[str] = ""
    """What Python calls the package, where that is not the engine's name."""
    extra: ClassVar[str] = "solvers"
    """The extra of fpsynth that brings the package."""

    def available(self) -> str | None:
        """The version of the solver's package, or None where it is not installed."""
        return package_version(self.package)

    def how_to_install(self) -> str:
        """The command that installs the solver's package."""
        return how_to_install(self.package, self.extra)

    def solve(self, problem: Problem, encoding: str, seed: int, seconds: float | None, memory: int | None) -> EngineAnswer:
        """Encode, solve and decode (see ``Engine.solve``); the time for encoding counts towards ``seconds``."""
        from fpsynth.encoders import encode

        check_encoding(self, encoding)
        start = time.monotonic()
        try:
            script = encode(problem, encoding)
        except InputError as refusal:
            return EngineAnswer(Status.UNKNOWN, reason=f"{NOT_ENCODED}{refusal}", encode_seconds=time.monotonic() - start)
        encoded = time.monotonic()
        left = None if seconds is None else max(seconds - (encoded - start), 0.001)
        outcome = self.run(script, seed, left, memory)
        assignment = None if outcome.model is None else script.decode(outcome.model)
        return EngineAnswer(outcome.status, assignment, outcome.reason, encoded - start, time.monotonic() - encoded)

    def load(self) -> None:
        """Import the solver's package, if it is there."""
        with suppress(ImportError):
            importlib.import_module(self.module or self.name)

    @abstractmethod
    def run(self, script: Script, seed: int, seconds: float | None, memory: int | None) -> Outcome:
        """Solve the script's text."""


def check_encoding(engine: Engine, encoding: str) -> None:
    """Raise InputError for an encoding that the engine does not read."""
    if encoding not in engine.encodings:
        raise InputError(f"{engine.name} does not read the encoding {encoding!r}; choose from {', '.join(engine.encodings)}")


def milliseconds(seconds: float) -> int:
    """A time limit as solvers want it: whole milliseconds, at least one (zero means no limit to them)."""
    return max(int(seconds * 1000), 1)
