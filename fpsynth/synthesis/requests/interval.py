"""The question interval: a value that is to lie outside the interval that interval arithmetic gives for it."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from fpsynth.synthesis.options import Options
from fpsynth.synthesis.requests import shared
from fpsynth.synthesis.requests.fields import Option, asked
from fpsynth.synthesis.requests.reading import Number, exact_number, objective

if TYPE_CHECKING:
    from fpsynth.witness.data import View

_RADIUS = (
    "of the box around the point (default %(default)s: the point), rounded up to a number of the format; a box that is wider"
    " than the rounding errors of the sum, about terms * 2^-23 in float32, has an interval that holds practically every value,"
    " however many the inputs: the answer is then unknown, after all of the time"
)


@dataclass(frozen=True)
class IntervalRequest(Options):
    """A value that is to lie outside the interval that interval arithmetic gives for it."""

    question: ClassVar[str] = "interval"
    about: ClassVar[str] = (
        "find a value outside the interval that interval arithmetic (interval bound propagation, IBP) gives for it"
    )
    predicates: ClassVar[tuple[str, ...]] = ("outside",)

    a: str = asked("sequential", shared.side(f"interval arithmetic in this order: {shared.SIDES} (default %(default)s)"))
    b: str = asked("pairwise", shared.side("the value in this order (default %(default)s)"))
    _: KW_ONLY
    terms: int = asked(8, shared.FEWER_TERMS)
    widening: str = asked("", Option("elina: widen as ELINA does (default: round outward)", "NAME"))
    radius: Number = asked(0, Option(_RADIUS, "R", record=lambda request: float(request.wanted)))
    maximise: str | bool | None = asked(None, shared.maximise("excess: how far outside the value is"))

    def __post_init__(self) -> None:
        super().__post_init__()
        objective(self.maximise, ("excess",))
        self.used_radius()

    @classmethod
    def why(cls, a: View, b: View) -> str:
        """Whatever the views are, the interval holds for its own order alone."""
        return "Outward rounding covers the order that the interval was computed in, and no other one."

    @property
    def sides(self) -> tuple[str, str]:
        """The one of the interval and that of the value, as the user wrote them."""
        return self.a, self.b

    @property
    def wanted(self) -> Fraction:
        """The radius that was asked for, exactly."""
        return exact_number(self.radius, "the radius")

    def used_radius(self) -> Fraction:
        """The radius that is used: a number of the format.  Raises InputError where there is none."""
        from fpsynth.synthesis.intervals.question import radius_within

        return radius_within(self.wanted, self.format)

    @property
    def sought(self) -> str | None:
        """What is to be as large as can be found."""
        return objective(self.maximise, ("excess",))

    @property
    def improves(self) -> bool:
        """Whether a larger one is looked for."""
        return self.sought is not None

    def described(self) -> dict[str, Any]:
        """The request as a result records it, with the radius that was used instead, if that is another one."""
        used = self.used_radius()
        return {"sides": self.sides, **super().described(), "radius_rounded_up": float(used) if used != self.wanted else None}
