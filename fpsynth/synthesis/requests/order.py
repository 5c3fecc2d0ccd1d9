"""The question order: two orders or environments that are to disagree."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from fractions import Fraction
from typing import Any, ClassVar

from fpsynth.errors import InputError
from fpsynth.predicates import KINDS, RELATIONS, SEARCHED, Relation
from fpsynth.synthesis.options import Options
from fpsynth.synthesis.requests import shared
from fpsynth.synthesis.requests.applying import given_files, require_given
from fpsynth.synthesis.requests.distinct import require_different_sides
from fpsynth.synthesis.requests.fields import Option, among, asked, between
from fpsynth.synthesis.requests.reading import Number, exact_number, objective

MAX_OUTPUTS = 4096
LAYER_VECTORS = 1000
"""Hostile vectors that check a layer of a given network, which has many, where nobody says how many."""


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
    predicates: ClassVar[tuple[str, ...]] = KINDS
    given: ClassVar[bool] = True

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
            given=False,
        ),
    )
    terms: int = asked(8, shared.TERMS)
    predicate: str | None = asked(
        None,
        Option(
            f"{', '.join(SEARCHED[:-1])} or {SEARCHED[-1]} (default sign, with --gap gap)",
            check=among(SEARCHED, "predicate"),
            record=lambda request: request.kind,
            given=True,
        ),
    )
    gap: Number | None = asked(
        None, Option("differ by at least G", "G", record=lambda request: _decimal(request.least), given=False)
    )
    maximise: str | bool | None = asked(None, shared.maximise("gap: how far apart the sides are"))
    camouflage: bool = asked(False, Option("no zeros, no product that stands out more than needed", given=False))
    max_weight: Number | None = asked(
        None,
        Option(
            "no weight or bias above W; further ReLU layers amplify the difference",
            "W",
            record=lambda request: _decimal(request.bound),
            given=False,
        ),
    )
    box: str | None = asked(
        None, Option("a range per input: depart inside this box and nowhere else", "LO:HI,...", given=False)
    )
    threshold: str | None = asked(
        None,
        Option("depart where this input is at least (or, with <, at most) the value", "FEATURE>VALUE", given=False),
    )
    network: str | os.PathLike[str] | None = asked(None, shared.NETWORK)
    images: str | os.PathLike[str] | None = asked(None, shared.IMAGES)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_given(self)
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
            raise InputError("choose one of box and threshold")
        if self.magnified and not self.relation.amplified:
            raise InputError("further layers amplify the predicates sign, gap and argmax, not " + self.kind)
        if self.dependent and sought:
            raise InputError("an input-dependent detector is built, not searched for: it takes a gap, and cannot be maximised")
        if self.dependent and self.camouflage:
            raise InputError("an input-dependent detector has zeros: it cannot be camouflaged")
        require_different_sides(self.sides, whole_network=self.network is not None)

    @property
    def vectors_used(self) -> int:
        """Hostile vectors that a reveal is checked on: of each layer of a given network fewer where nobody says how many."""
        return LAYER_VECTORS if self.of_given and self.vectors is None else super().vectors_used

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
        return {"sides": self.sides, **super().described(), **given_files(self)}
