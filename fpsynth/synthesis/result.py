"""Results of a synthesis: a verdict that is found, impossible or unknown, and what stands behind it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from fpsynth.revealing.result import Reveal
from fpsynth.solvers.race import Attempt
from fpsynth.witness import Witness
from fpsynth.witness.divergence import Divergence


class Verdict(enum.Enum):
    """The three answers.  Impossible only with a proof; unknown is never dressed up as either."""

    FOUND = "found"
    IMPOSSIBLE = "impossible"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Proof:
    """Why something is impossible, or an optimum one."""

    statement: str
    """The claim, in words."""
    method: str
    """exhaustive, contradictory domain, refutation (unsat from two engines) or ratio-bound (a theorem that two engines refute
    every exception of)."""
    details: dict[str, Any]
    """What was counted, and which engines answered in what time."""


@dataclass(frozen=True)
class TieResult:
    """The answer to a tie question."""

    verdict: Verdict
    witnesses: tuple[Witness, ...]
    reason: str
    """Why the verdict is what it is, in one line."""
    proof: Proof | None
    """Of impossibility, or that the first witness is optimal, or None."""
    upper_bound: Fraction | None
    """The best proved upper bound on the objective, if any."""
    attempts: tuple[Attempt, ...]
    seconds_solve: float
    seconds_total: float
    settings: dict[str, Any]
    """What was asked: dtype, shape, ranges, orders, objective, solver, seed, limits."""


@dataclass(frozen=True)
class DivergenceResult:
    """The answer to a question about two ways to evaluate a network."""

    question: str
    verdict: Verdict
    divergences: tuple[Divergence, ...]
    reason: str
    """Why the verdict is what it is, in one line."""
    proof: Proof | None
    attempts: tuple[Attempt, ...]
    seconds_solve: float
    """Of the search, reveals not included."""
    seconds_total: float
    settings: dict[str, Any]
    """What was asked."""
    reveals: tuple[Reveal, ...] = ()
    """Of the environments among the views."""

    @property
    def confirmed(self) -> bool:
        """Whether there is a divergence and every one was confirmed by a library."""
        return bool(self.divergences) and all(divergence.confirmed_by for divergence in self.divergences)
