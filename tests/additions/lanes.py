"""The question lanes: a sum in one lane of a vector register and in several that are to disagree."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, ClassVar

from fpsynth.predicates import SEARCHED
from fpsynth.synthesis.requests.fields import Option, asked, between
from fpsynth.synthesis.requests.order import OrderRequest

if TYPE_CHECKING:
    from fpsynth.witness.data import View


@dataclass(frozen=True)
class LanesRequest(OrderRequest):
    """One lane and several that are to disagree."""

    question: ClassVar[str] = "lanes"
    about: ClassVar[str] = "find a network on which sums in one lane and in several disagree"
    predicates: ClassVar[tuple[str, ...]] = SEARCHED

    a: str = field(default="sequential", init=False)
    b: str | None = field(default=None, init=False)
    _: KW_ONLY
    lanes: int = asked(
        8,
        Option(
            "of the register (default %(default)s)", "N", number=int, check=between(2, 64, "the number of lanes", told=True)
        ),
    )
    silent: Sequence[str] = field(default=(), init=False)
    only_in: str | None = field(default=None, init=False)
    network: str | os.PathLike[str] | None = field(default=None, init=False)
    points: str | os.PathLike[str] | None = field(default=None, init=False)

    @classmethod
    def why(cls, a: View, b: View) -> str:
        """That it is the lanes."""
        return "Each lane of a register sums for itself, and the lanes are added at the end."

    @property
    def sides(self) -> tuple[str, ...]:
        """One lane, and as many as are asked for."""
        return ("sequential", f"strided:{self.lanes}")
