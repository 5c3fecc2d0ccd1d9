"""The three answers to a question, and what a proof is: of an impossibility, or that nothing is larger."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any


class Verdict(enum.Enum):
    """The three answers.  Impossible only with a proof; unknown is never dressed up as either."""

    FOUND = "found"
    IMPOSSIBLE = "impossible"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Refutation:
    """One engine's word that something has no solution: what it takes to ask it again."""

    engine: str
    version: str
    """Of the engine's package; empty if it is not known."""
    encoding: str
    seed: int
    seconds: float


@dataclass(frozen=True)
class Proof:
    """Why something is impossible, or an optimum one."""

    statement: str
    """The claim, in words."""
    method: str
    """exhaustive, contradictory domain, refutation (unsat from two engines) or ratio-bound (a theorem that two engines refute
    every exception of)."""
    details: dict[str, Any]
    """What was counted."""
    engines: tuple[Refutation, ...] = ()
    """The engines that refuted the negation of the statement (its exceptions, for ratio-bound); none where none was asked."""
