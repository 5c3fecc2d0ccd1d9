"""Claims: what a verifier says of a network in a region."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

VERDICTS = ("unsat", "sat", "unknown")
"""No point of the region violates the property; one does; the verifier cannot tell."""


@dataclass(frozen=True)
class Ball:
    """All points within an L2 distance of a point."""

    centre: tuple[float, ...]
    radius: Fraction


@dataclass(frozen=True)
class Box:
    """All points between two, number by number."""

    lower: tuple[float, ...]
    upper: tuple[float, ...]


Region = Ball | Box


@dataclass(frozen=True)
class Claim:
    """That the class is the same in all of a region, or that this is not known."""

    verifier: str
    region: Region
    verdict: str
    """One of VERDICTS."""
    supremum: Fraction | None = None
    """Of balls: exactly the radii below this one would be accepted (0 where none is); None where that is not known."""
    versions: dict[str, str] = field(default_factory=dict, compare=False)
    """Package name to version, of what computed it."""
    bounds: tuple[tuple[Fraction, Fraction], ...] = ()
    """Of boxes: a lower and an upper end of each output, row-major, between which it lies; empty where they are not known."""
    point: tuple[float, ...] = field(default=(), compare=False)
    """Where the verdict is ``sat``: a point of the region whose outputs are unsafe; empty where none is known."""
    reason: str = field(default="", compare=False)
    """Why the verdict is ``unknown``, in one line; empty for others."""

    @property
    def accepted(self) -> bool:
        """Whether the class is said to be the same in all of the region."""
        return self.verdict == "unsat"

    @property
    def radius(self) -> Fraction:
        """Of a ball.  Raises TypeError for other regions."""
        if not isinstance(self.region, Ball):
            raise TypeError("only a ball has a radius")
        return self.region.radius

    @property
    def reach(self) -> Fraction:
        """The supremum, 0 where that is not known."""
        return self.supremum if self.supremum is not None else Fraction(0)
