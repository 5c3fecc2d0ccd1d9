"""What is asked of two sides: the request of the questions order, precision and relu, refused where it makes no sense."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction

from fpsynth.errors import InputError, unknown_name
from fpsynth.formats import Format
from fpsynth.synthesis.detecting.stacking import stage

PREDICATES = ("sign", "argmax", "gap", "relu")
MAX_OUTPUTS = 4096


@dataclass(frozen=True)
class OrderRequest:
    """What is asked of two sides, apart from the options that every question has."""

    question: str
    sides: tuple[str, ...]
    """The reference, the deployed one, then the silent ones, as the user wrote them."""
    terms: int
    outputs: int | None = None
    """Neurons of the layer; None: as many as the question needs."""
    predicate: str = "sign"
    gap: Fraction | None = None
    maximise: bool = False
    camouflage: bool = False
    max_weight: Fraction | None = None
    box: str | None = None
    """LO:HI,LO:HI,... one range per input."""
    threshold: str | None = None
    """FEATURE>VALUE or FEATURE<VALUE, features counted from 0."""
    numbers: Format | None = None
    """Format of weights and inputs; None: of the options."""

    def __post_init__(self) -> None:
        if self.predicate not in PREDICATES:
            raise unknown_name("predicate", self.predicate, PREDICATES)
        if (self.predicate == "gap") != (self.gap is not None) and not (self.gap is not None and self.magnified):
            raise InputError("a gap goes with the predicate gap, and the predicate gap needs one")
        if self.outputs is not None and not 1 <= self.outputs <= MAX_OUTPUTS:
            raise InputError(f"the number of outputs must be from 1 to {MAX_OUTPUTS}, not {self.outputs}")
        if self.gap is not None and self.gap <= 0:
            raise InputError("a gap must be above 0")
        if self.max_weight is not None:
            stage(self.max_weight, None)  # refuses what amplifies nothing before any search
        if self.box is not None and self.threshold is not None:
            raise InputError("choose one of --box and --threshold")
        if self.magnified and self.predicate == "relu":
            raise InputError("further layers amplify the predicates sign, gap and argmax, not relu")
        if self.dependent and self.maximise:
            raise InputError("an input-dependent detector is built, not searched for: it takes a gap, and cannot be maximised")
        if self.dependent and self.camouflage:
            raise InputError("an input-dependent detector has zeros: it cannot be camouflaged")

    @property
    def dependent(self) -> bool:
        """Whether the divergence is to depend on the input."""
        return self.box is not None or self.threshold is not None

    @property
    def magnified(self) -> bool:
        """Whether further layers amplify the difference."""
        return self.max_weight is not None or self.dependent

    def described(self) -> dict[str, object]:
        """The request as a result records it."""
        names = {"gap": self.gap, "max_weight": self.max_weight}
        plain = {k: v for k, v in asdict(self).items() if k not in ("question", "numbers", *names)}
        plain["maximise"] = "gap" if self.maximise else None
        return {**plain, **{k: None if v is None else float(v) for k, v in names.items()}}
