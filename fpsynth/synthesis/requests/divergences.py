"""The questions about two ways to evaluate a network: order, precision, relu, interval, twin and position."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from fractions import Fraction
from typing import Any, ClassVar

from fpsynth.errors import InputError
from fpsynth.predicates import RELATIONS, SEARCHED, Relation
from fpsynth.synthesis.options import Options
from fpsynth.synthesis.requests import shared
from fpsynth.synthesis.requests.distinct import require_different_sides
from fpsynth.synthesis.requests.fields import Option, among, asked, between
from fpsynth.synthesis.requests.reading import Number, exact_number, objective

KINDS = ("permutation", "row")
"""What ``position`` may change."""
MADE_UP = ("terms", "outputs", "gap", "maximise", "camouflage", "max_weight", "box", "threshold", "weights", "inputs", "solver")
"""Options of ``order`` that only networks that are made up have."""
MAX_TERMS = 4096
MAX_OUTPUTS = 4096
_TERMS = Option(
    "inputs of the neuron, 1 to 4096 (default %(default)s)",
    "N",
    number=int,
    check=between(1, MAX_TERMS, "the number of terms", told=True),
)
_FEWER_TERMS = replace(_TERMS, help="inputs of the neuron (default %(default)s)")


def _exact(number: Number | None, what: str) -> Fraction | None:
    return None if number is None else exact_number(number, what)


def _decimal(number: Fraction | None) -> float | None:
    """An exact number as records have it."""
    return None if number is None else float(number)


@dataclass(frozen=True)
class OrderRequest(Options):
    """Two orders or environments that are to disagree, and how."""

    question: ClassVar[str] = "order"
    about: ClassVar[str] = "find a network on which two orders, or two environments, disagree"

    a: str = asked("sequential", shared.side(f"the reference: {shared.SIDES} (default %(default)s)"))
    b: str | None = asked(
        None, shared.side("what departs from it, such as groups:16,fused,align=25,accumulator=float32 (default pairwise)")
    )
    _: KW_ONLY
    silent: Sequence[str] = asked((), shared.side("what must not depart from it (may be repeated)", several=True))
    only_in: str | None = asked(
        None, shared.side("the same as --b: it departs in this one from all of --a and --silent, and from --b if given")
    )
    outputs: int | None = asked(
        None,
        Option(
            "neurons of the layer (default 1, or 2 classes)",
            "N",
            number=int,
            check=between(1, MAX_OUTPUTS, "the number of outputs", told=True),
        ),
    )
    terms: int = asked(8, _TERMS)
    predicate: str | None = asked(
        None,
        Option(
            f"{', '.join(SEARCHED[:-1])} or {SEARCHED[-1]} (default sign, with --gap gap)",
            check=among(SEARCHED, "predicate"),
            record=lambda request: request.kind,
        ),
    )
    gap: Number | None = asked(None, Option("differ by at least G", "G", record=lambda request: _decimal(request.least)))
    maximise: str | bool | None = asked(None, shared.maximise("gap: how far apart the sides are"))
    camouflage: bool = asked(False, Option("no zeros, no product that stands out more than needed"))
    max_weight: Number | None = asked(
        None,
        Option(
            "no weight or bias above W; further ReLU layers amplify the difference",
            "W",
            record=lambda request: _decimal(request.bound),
        ),
    )
    box: str | None = asked(None, Option("a range per input: depart inside this box and nowhere else", "LO:HI,..."))
    threshold: str | None = asked(
        None, Option("depart where this input is at least (or, with <, at most) the value", "FEATURE>VALUE")
    )
    network: str | os.PathLike[str] | None = asked(None, shared.NETWORK)
    points: str | os.PathLike[str] | None = asked(None, shared.POINTS)

    def __post_init__(self) -> None:
        super().__post_init__()
        shared.require_given(self, MADE_UP)
        if self.network is not None and self.predicate not in (None, "argmax"):
            raise InputError(f"of a network that is given the class is looked at, argmax, not {self.predicate}")
        least, bound, sought = self.least, self.bound, self.sought
        if self.relation.bounded != (least is not None) and not (least is not None and self.magnified):
            raise InputError("a gap goes with the predicate gap, and the predicate gap needs one")
        if least is not None and least <= 0:
            raise InputError("a gap must be above 0")
        if bound is not None:
            from fpsynth.synthesis.detecting.stacking import stage

            stage(bound, None)  # refuses what amplifies nothing before any search
        if self.box is not None and self.threshold is not None:
            raise InputError("choose one of --box and --threshold")
        if self.magnified and not self.relation.amplified:
            raise InputError("further layers amplify the predicates sign, gap and argmax, not " + self.kind)
        if self.dependent and sought:
            raise InputError("an input-dependent detector is built, not searched for: it takes a gap, and cannot be maximised")
        if self.dependent and self.camouflage:
            raise InputError("an input-dependent detector has zeros: it cannot be camouflaged")
        require_different_sides(self.sides, whole_network=self.network is not None)

    @property
    def sides(self) -> tuple[str, ...]:
        """The reference, the deployed one, then the silent ones, as the user wrote them."""
        if self.only_in is not None:
            return (self.a, self.only_in, *self.silent, *([] if self.b is None else [self.b]))
        return (self.a, "pairwise" if self.b is None else self.b, *self.silent)

    @property
    def kind(self) -> str:
        """The predicate; where nobody names one that which goes with ``gap``."""
        if self.network is not None:
            return "argmax"
        if self.predicate is None:
            return "sign" if self.gap is None else "gap"
        return self.predicate

    @property
    def relation(self) -> Relation:
        """What the predicate reads, and what else its row in the table of predicates says."""
        return RELATIONS[self.kind]

    @property
    def least(self) -> Fraction | None:
        """The gap that is asked for, exactly."""
        return _exact(self.gap, "the gap")

    @property
    def bound(self) -> Fraction | None:
        """The largest weight that is allowed, exactly."""
        return _exact(self.max_weight, "the largest weight")

    @property
    def sought(self) -> str | None:
        """What is to be as large as can be found."""
        return objective(self.maximise, ("gap",))

    @property
    def improves(self) -> bool:
        """Whether a larger one is looked for."""
        return self.sought is not None

    @property
    def dependent(self) -> bool:
        """Whether the divergence is to depend on the input."""
        return self.box is not None or self.threshold is not None

    @property
    def magnified(self) -> bool:
        """Whether further layers amplify the difference."""
        return self.max_weight is not None or self.dependent

    def described(self) -> dict[str, Any]:
        """The request as a result records it."""
        return {"sides": self.sides, **super().described(), **shared.given(self)}


@dataclass(frozen=True)
class PrecisionRequest(OrderRequest):
    """Two formats that are to disagree, sums being taken in one order; the numbers are those that both formats hold."""

    question: ClassVar[str] = "precision"
    about: ClassVar[str] = "find a network on which two formats disagree"

    a: str = asked("float32", Option("the reference (default %(default)s)", "FORMAT", record=False))
    b: str = asked("float64", Option("what departs from it (default %(default)s)", "FORMAT", record=False))
    _: KW_ONLY
    order: str = asked("sequential", Option("of the sums (default %(default)s)", record=False))
    silent: Sequence[str] = field(default=(), init=False)
    only_in: str | None = field(default=None, init=False)
    outputs: int | None = field(default=None, init=False)
    box: str | None = field(default=None, init=False)
    threshold: str | None = field(default=None, init=False)
    network: str | os.PathLike[str] | None = field(default=None, init=False)
    points: str | os.PathLike[str] | None = field(default=None, init=False)
    dtype: str = "float32"
    """Without a meaning: whatever is given, the numbers are those of ``a`` and ``b``."""

    def __post_init__(self) -> None:
        from fpsynth.formats import format_named
        from fpsynth.synthesis.flips.question import common_format
        from fpsynth.synthesis.sides import is_environment

        a, b = format_named(self.a), format_named(self.b)
        if a == b:
            raise InputError(f"both sides are {a}: choose two formats")
        if is_environment(self.order) or self.order.endswith(".json") or "format=" in self.order:
            raise InputError(f"the order {self.order[:40]!r} must be a family or a tree: the formats are those of --a and --b")
        object.__setattr__(self, "dtype", common_format(a, b).name)
        super().__post_init__()

    @property
    def sides(self) -> tuple[str, ...]:
        """The order in each of the formats."""
        from fpsynth.formats import format_named

        return tuple(f"{self.order},format={format_named(name)}" for name in (self.a, self.b))


@dataclass(frozen=True)
class ReluRequest(OrderRequest):
    """A pre-activation that is to be below zero here and above zero there."""

    question: ClassVar[str] = "relu"
    about: ClassVar[str] = "find a pre-activation that is negative in one arithmetic and positive in another"

    a: str = asked("real", shared.side(f"where it is below zero: {shared.SIDES} (default %(default)s)"))
    b: str = asked("tensorflow:matmul", shared.side("where it is above zero (default %(default)s)"))
    _: KW_ONLY
    terms: int = asked(8, _FEWER_TERMS)
    silent: Sequence[str] = field(default=(), init=False)
    only_in: str | None = field(default=None, init=False)
    outputs: int | None = field(default=None, init=False)
    predicate: str | None = field(default="relu", init=False)
    gap: Number | None = field(default=None, init=False)
    maximise: str | bool | None = field(default=True, init=False)
    camouflage: bool = field(default=False, init=False)
    max_weight: Number | None = field(default=None, init=False)
    box: str | None = field(default=None, init=False)
    threshold: str | None = field(default=None, init=False)
    network: str | os.PathLike[str] | None = field(default=None, init=False)
    points: str | os.PathLike[str] | None = field(default=None, init=False)


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

    a: str = asked("sequential", shared.side(f"interval arithmetic in this order: {shared.SIDES} (default %(default)s)"))
    b: str = asked("pairwise", shared.side("the value in this order (default %(default)s)"))
    _: KW_ONLY
    terms: int = asked(8, _FEWER_TERMS)
    widening: str = asked("", Option("elina: widen as ELINA does (default: round outward)", "NAME"))
    radius: Number = asked(0, Option(_RADIUS, "R", record=lambda request: float(request.wanted)))
    maximise: str | bool | None = asked(None, shared.maximise("excess: how far outside the value is"))

    def __post_init__(self) -> None:
        super().__post_init__()
        objective(self.maximise, ("excess",))
        self.used_radius()

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


_ENVIRONMENT = Option(
    "such as torch:linear:batch=1,outputs=10 (default: look for one)", "ENVIRONMENT", positional=True, environment=True
)
_MORE_TERMS = Option("inputs of the neurons (default %(default)s)", "N", number=int)


@dataclass(frozen=True)
class PositionRequest(Options):
    """Positions of a layer that a kernel is to treat differently."""

    question: ClassVar[str] = "position"
    about: ClassVar[str] = "find a class that changes when neurons are permuted, or with the row of the batch"

    environment: str | None = asked(None, _ENVIRONMENT)
    _: KW_ONLY
    kind: str = asked(
        "permutation",
        Option("permutation (of neurons) or row (of the batch) (default %(default)s)", check=among(KINDS, "kind")),
    )
    terms: int = asked(64, _MORE_TERMS)


@dataclass(frozen=True)
class TwinRequest(PositionRequest):
    """Two neurons with identical weights whose outputs are to differ."""

    question: ClassVar[str] = "twin"
    about: ClassVar[str] = "find two neurons with identical weights whose outputs differ"

    kind: str = field(default="twin", init=False)
