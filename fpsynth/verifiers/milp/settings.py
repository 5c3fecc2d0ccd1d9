"""What a mixed-integer verifier asks, and of which solver: the one place where names such as milp:scip,closest are read."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fpsynth.errors import InputError
from fpsynth.verifiers.milp import highs, scip
from fpsynth.verifiers.milp.model import Solve

NAME = "milp"


@dataclass(frozen=True)
class Solver:
    """A solver of programs."""

    package: str
    """As pip calls it."""
    module: Callable[[], Any]
    """The package itself.  Raises MissingPackageError."""
    solve: Solve
    quadratic: bool
    """Whether it takes a ball as it is; others are given the box around it."""


SOLVERS: dict[str, Solver] = {
    "highs": Solver(highs.PACKAGE, highs.module, highs.solve, False),
    "scip": Solver(scip.PACKAGE, scip.module, scip.solve, True),
}
"""Every solver of programs."""
OBJECTIVES = ("worst margin", "feasibility", "closest")
"""The least that the largest left side, less its bound, of a conjunction's inequalities is; whether all can hold; and where
they do closest to the middle of the region, by the largest of the differences: a point on an edge, which in floating point
lies on either side of it, so that this objective finds fewer points that count than the first."""
TOLERANCES = (1e-10, 1e-3)
"""What both solvers take."""


@dataclass(frozen=True)
class MilpSettings:
    """What decides a claim beside the network."""

    solver: str = "highs"
    objective: str = "worst margin"
    tolerance: float = 1e-7
    """By how much rows, integers and reduced costs may be off."""
    margin: float = 0.0
    """What a left side must be above its bound by, to be excluded."""

    def __post_init__(self) -> None:
        for value, names, what in ((self.solver, SOLVERS, "solver"), (self.objective, OBJECTIVES, "objective")):
            if value not in names:
                raise InputError(f"unknown {what} {value!r} of milp: choose {' or '.join(names)}")
        if not TOLERANCES[0] <= self.tolerance <= TOLERANCES[1]:
            raise InputError(f"the tolerance of milp must be between {TOLERANCES[0]} and {TOLERANCES[1]}, not {self.tolerance}")
        if not (math.isfinite(self.margin) and self.margin >= 0):
            raise InputError(f"the margin of milp must be a number from 0 on, not {self.margin}")


def settings_named(name: str) -> MilpSettings:
    """What a name says: ``milp``, or ``milp:`` and, with commas between them, a solver, an objective, tolerance= and margin=.

    Raises InputError.
    """
    kind, _, options = name.partition(":")
    if kind != NAME or name.endswith(":"):
        raise InputError(f"{name[:40]!r} names no mixed-integer verifier: write milp, or milp:scip,feasibility,tolerance=1e-9")
    said: dict[str, Any] = {}
    for option in options.split(",") if options else ():
        field, value = _option(option.strip())
        if field in said:
            raise InputError(f"{name[:60]!r} says its {field} twice")
        said[field] = value
    return MilpSettings(**said)


def _option(text: str) -> tuple[str, str | float]:
    """The field that an option is of, and its value."""
    field, given, number = text.partition("=")
    if given and field in ("tolerance", "margin"):
        try:
            return field, float(number)
        except ValueError:
            raise InputError(f"the {field} of milp is a number, not {number[:40]!r}") from None
    words = text.replace("-", " ")
    if text in SOLVERS:
        return "solver", text
    if words in OBJECTIVES:
        return "objective", words
    known = [*SOLVERS, *(one.replace(" ", "-") for one in OBJECTIVES), "tolerance=T", "margin=M"]
    raise InputError(f"unknown option {text[:40]!r} of milp: choose {', '.join(known)}")
