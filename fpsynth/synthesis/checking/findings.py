"""The findings of a re-check: claims, what became of them, and what could not be checked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from fpsynth.formats import Format, holds
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.version import __version__
from fpsynth.witness.data import Provenance


@dataclass(frozen=True)
class Finding:
    """One claim and what became of it."""

    claim: str
    holds: bool
    detail: str


@dataclass(frozen=True)
class NotChecked:
    """Something that the file says and that was not computed again."""

    claim: str
    """The field of the file, or what it says, in a few words."""
    reason: str

    def __str__(self) -> str:
        return f"{self.claim}: {self.reason}"


Findings = Iterator[Finding | NotChecked]
"""What one part of a re-check has to say."""


@dataclass(frozen=True)
class CheckResult:
    """The outcome of a re-check."""

    findings: tuple[Finding, ...]
    radius_ratio: float = math.nan
    """Of a tie: the certified radius of the file divided by the distance of the points."""
    supremum_ratio: float = math.nan
    """The same for the largest radius that the exact Lipschitz bound certifies."""
    not_checked: tuple[NotChecked, ...] = ()
    """Whatever else the file says, and why that was not computed."""

    measured: tuple[str, ...] = ()
    """Views whose logits were measured, or which compute the network by other layers than the file's own, as was found out of a
    library: where there are any, the file rests on runs that only a replay can check."""

    @property
    def confirmed(self) -> bool:
        """Whether every claim that was computed holds, and none rests on what was measured."""
        return not self.measured and all(finding.holds for finding in self.findings)


def origin(provenance: Provenance | None) -> tuple[NotChecked, ...]:
    """What a file says of how it came to be, which nobody can compute."""
    if provenance is None:
        return ()
    return (NotChecked("engine, encoding, seed, seconds, provenance", "how the file came to be is told, not computed"),)


def narrow_accumulators(hows: Iterable[Arithmetic]) -> Iterator[NotChecked]:
    """Accumulators that do not hold the numbers that are multiplied: what is computed then, since hardware may differ."""
    for fmt, wide in dict.fromkeys(pair for how in hows for pair in _accumulators(how)):
        if not holds(wide, fmt):
            reason = f"{wide} does not hold every {fmt}: weights and inputs are rounded into it before they are multiplied"
            yield NotChecked(f"that a machine accumulates {fmt} in {wide} as fpsynth does", reason)


def _accumulators(how: Arithmetic) -> list[tuple[Format, Format]]:
    """The format of the numbers, and those into which they are rounded in order to be multiplied and added there."""
    if how.format is None:
        return []
    if how.given is None:
        return [] if how.accumulator is None else [(how.format, how.accumulator)]
    own = {fmt for fmt, multiplied in how.given.narrowed if fmt == multiplied}
    return [(how.format, fmt) for fmt in sorted(own, key=str)]


def wording(what: str, said: str, expected: str, provenance: Provenance | None) -> Finding | NotChecked | None:
    """What a file says in words that fpsynth writes itself, beside the words of this version; None where it says nothing.

    Another version may have other words for the same: what that one wrote is not held against it.
    """
    if not said:
        return None
    writer = "" if provenance is None else provenance.versions.get("fpsynth", "")
    if said != expected and writer not in ("", __version__):
        return NotChecked(what, f"the words are those of fpsynth {writer}: {said[:200]}")
    detail = f"it is {expected[:200]}" + ("" if said == expected else f", and the file says: {said[:200]}")
    return Finding(f"{what} is right", said == expected, detail)


def short(number: Fraction) -> str:
    """A number in a message: 12 digits, whatever its size."""
    try:
        return f"{float(number):.12g}"
    except OverflowError:
        return "a number beyond float64"
