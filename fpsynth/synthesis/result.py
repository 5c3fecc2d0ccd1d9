"""Results of a synthesis: a verdict that is found, impossible or unknown, and what stands behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from fpsynth.revealing.result import Reveal
from fpsynth.solvers.race import Attempt
from fpsynth.synthesis.contest import Comparison
from fpsynth.synthesis.grounds import Ground
from fpsynth.synthesis.verdicts import Proof, Verdict
from fpsynth.witness import Witness


@dataclass(frozen=True)
class Result:
    """The answer to a question."""

    question: str
    verdict: Verdict
    witnesses: tuple[Witness, ...]
    reason: str
    """Why the verdict is what it is, in one line."""
    proof: Proof | None
    """Of impossibility, of an upper bound on the objective, or None."""
    attempts: tuple[Attempt, ...]
    seconds_solve: float
    """Of the search, reveals not included."""
    seconds_total: float
    settings: dict[str, Any]
    """What was asked: dtype, shape, ranges, orders, objective, solver, seed, limits."""
    upper_bound: Fraction | None = None
    """The best proved upper bound on the objective, if any."""
    optimal: bool = False
    """Whether the proof is that the first witness has the largest objective."""
    reveals: tuple[Reveal, ...] = ()
    """Of the environments among the views."""
    grounds: tuple[Ground, ...] = ()
    """What the views have of these reveals: the classes of positions that the answer rests on."""
    comparison: Comparison | None = None
    """Of the libraries themselves, where nothing was found otherwise."""
    versions: dict[str, str] = field(default_factory=dict)
    """Of fpsynth, Python, the engines that were asked and the libraries that were revealed or run."""
    notes: tuple[str, ...] = ()
    """What was made of a network and inputs that were given: an ending left out, numbers rounded."""

    @property
    def confirmed(self) -> bool:
        """Whether there is a witness and every one was confirmed by a library."""
        return bool(self.witnesses) and all(witness.confirmed_by for witness in self.witnesses)
