"""The findings of a re-check: claims, and what became of them."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One claim and what became of it."""

    claim: str
    holds: bool
    detail: str


@dataclass(frozen=True)
class CheckResult:
    """The outcome of a re-check."""

    findings: tuple[Finding, ...]
    radius_ratio: float = math.nan
    """Of a tie: the certified radius of the file divided by the distance of the points."""
    supremum_ratio: float = math.nan
    """The same for the largest radius that the exact Lipschitz bound certifies."""
    skipped: tuple[str, ...] = ()
    """Claims that could not be computed here, and why."""

    measured: tuple[str, ...] = ()
    """Views whose logits were measured: where there are any, the file rests on runs that only a replay can check."""

    @property
    def confirmed(self) -> bool:
        """Whether every claim holds, and none rests on what was measured."""
        return not self.measured and all(finding.holds for finding in self.findings)
