"""The questions position and twin: positions of a layer that a kernel is to treat differently."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from fpsynth.synthesis.options import Options
from fpsynth.synthesis.requests.fields import Option, among, asked

if TYPE_CHECKING:
    from fpsynth.synthesis.checking.findings import Finding
    from fpsynth.witness.data import View, Witness

KINDS = ("permutation", "row")
"""What ``position`` may change."""
_ENVIRONMENT = Option(
    "such as torch:linear:batch=1,outputs=10 (default: look for one)", "ENVIRONMENT", positional=True, environment=True
)
_MORE_TERMS = Option("inputs of the neurons (default %(default)s)", "N", number=int)


@dataclass(frozen=True)
class PositionRequest(Options):
    """Positions of a layer that a kernel is to treat differently."""

    question: ClassVar[str] = "position"
    about: ClassVar[str] = "find a class that changes when neurons are permuted, or with the row of the batch"
    predicates: ClassVar[tuple[str, ...]] = ("argmax",)
    dense: ClassVar[bool] = True

    environment: str | None = asked(None, _ENVIRONMENT)
    _: KW_ONLY
    kind: str = asked(
        "permutation",
        Option("permutation (of neurons) or row (of the batch) (default %(default)s)", check=among(KINDS, "kind")),
    )
    terms: int = asked(64, _MORE_TERMS)

    @classmethod
    def why(cls, a: View, b: View) -> str:
        """What was moved."""
        if b.permutation != a.permutation:
            return "Nothing but the places of the neurons in the last layer was changed, which means nothing over the reals."
        return f"The sample is the same; it only stands in row {b.row} of the batch instead of row {a.row}."


@dataclass(frozen=True)
class TwinRequest(PositionRequest):
    """Two neurons with identical weights whose outputs are to differ."""

    question: ClassVar[str] = "twin"
    about: ClassVar[str] = "find two neurons with identical weights whose outputs differ"
    predicates: ClassVar[tuple[str, ...]] = ("equal",)
    exact: ClassVar[bool] = True

    kind: str = field(default="twin", init=False)

    @classmethod
    def why(cls, a: View, b: View) -> str:
        """Nothing is moved: the kernel itself treats its outputs differently."""
        return "Their weights are the same to the last bit; the kernel sums their products in different orders."

    @classmethod
    def promised(cls, witness: Witness, real: Sequence[Fraction]) -> Iterable[Finding]:
        """That the neurons are twins."""
        from fpsynth.synthesis.positions.twins import twin_findings

        return twin_findings(witness, real)
