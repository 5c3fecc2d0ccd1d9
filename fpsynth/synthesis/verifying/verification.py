"""What came of asking a verifier."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from fpsynth.aliases import Json
from fpsynth.verifiers.claims import Claim
from fpsynth.verifiers.external import ToolAnswer, Worth
from fpsynth.verifiers.properties import Case

GIVEN, IMAGE, NETWORK = "given", "image", "network"
"""Where the class that is to be kept comes from: named, the label of the image, or the network's own, whichever it is."""


@dataclass(frozen=True)
class KeptClass:
    """Which class a region is to keep."""

    number: int | None
    """None where it is the network's own: whether it is the same throughout is asked."""
    origin: str
    """GIVEN, IMAGE or NETWORK."""

    def to_json(self) -> Json:
        """As data."""
        return {"class": self.number, "from": self.origin}


@dataclass(frozen=True)
class Verification:
    """What a verifier says of a network and a property."""

    verifier: str
    arithmetic: str
    """What it reasons in, by the name that was asked for."""
    verdict: str
    """unsat: no case reaches what is unsafe; sat: one does; unknown."""
    reason: str
    """Why it is unknown; empty for others."""
    cases: tuple[Case, ...]
    claims: tuple[Claim, ...]
    """Of the cases, in their order, up to the first that is sat."""
    seconds: float
    environment: str = ""
    """Whose revealed arithmetics the claims are of."""
    explained: tuple[int, int] | None = None
    open_question: str = ""
    """What these leave open about the environment."""
    notes: tuple[str, ...] = ()
    settings: Json = field(default_factory=dict)
    answers: tuple[ToolAnswer, ...] = ()
    """Of a real verifier, in place of claims: what it said of each case."""
    worth: tuple[Worth, ...] = ()
    """Of these answers, by exact arithmetic and ONNX Runtime."""
    kept: KeptClass | None = None
    """None where a property file says what is unsafe, or the time was over before."""

    @property
    def versions(self) -> dict[str, str]:
        """Of all that computed a claim."""
        own = {name: version for claim in self.claims for name, version in claim.versions.items()}
        return own | {answer.tool: answer.version for answer in self.answers}

    @property
    def point(self) -> tuple[float, ...]:
        """A point whose outputs are unsafe; empty where none is known."""
        answers = (one for one, worth in zip(self.answers, self.worth, strict=True) if not worth.on_border)
        said = [*((one.verdict, one.point) for one in self.claims), *((one.verdict, one.point) for one in answers)]
        return next((point for verdict, point in said if verdict == "sat"), ())

    @property
    def bounds(self) -> tuple[tuple[Fraction, Fraction], ...]:
        """Of the outputs in all cases together; empty where one has none."""
        if not self.claims or not all(claim.bounds for claim in self.claims):
            return ()
        columns = zip(*(claim.bounds for claim in self.claims), strict=True)
        return tuple((min(low for low, _ in column), max(high for _, high in column)) for column in columns)
