"""Instance: one network, one box, one property, and what is true of it in each semantics; Corpus: many of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from fpsynth.aliases import Json
from fpsynth.corpus.semantics import ANY, ANY64, REAL, RUNTIME
from fpsynth.errors import unknown_name
from fpsynth.networks.network import Network
from fpsynth.verifiers.properties import ExactBox, Property

__all__ = [
    "ANY",
    "ANY64",
    "BASES",
    "COMPUTED",
    "COUNTED",
    "PROVED",
    "REAL",
    "RUNTIME",
    "SAT",
    "UNSAT",
    "Attacked",
    "Corpus",
    "Density",
    "Instance",
    "Label",
]

SAT, UNSAT = "sat", "unsat"
PROVED, COUNTED, COMPUTED = "proved", "counted", "computed"
"""Of all of the box by exact reasoning; by accounting for every float32 in it; at the witness alone, bit for bit."""
BASES = (PROVED, COUNTED, COMPUTED)


@dataclass(frozen=True)
class Label:
    """The verdict of one semantics: ``sat`` where some input of the box has unsafe outputs."""

    semantics: str
    """REAL, ANY, ANY64, or an environment such as onnxruntime:batch=1."""
    verdict: str
    basis: str
    """One of BASES."""
    proof: str
    """How it is known, in words."""
    order: str = ""
    """Of environments: the arithmetic that was revealed on the machine where the corpus was made, in words."""
    computed: Json | None = None
    """Of environments: the same as data, for ``labels.environments.computed_from``."""
    witness: tuple[float, ...] = ()
    """Where it is ``sat``: an input of the box, of float32, that is unsafe in this semantics."""
    margin: Fraction | None = None
    """At the instance's witness, in this semantics: unsafe where it is at most 0; None where there is none, or no number."""
    replayed: str = ""
    """Of environments: the library and version that was run at the instance's witness, and gave the outputs that this says."""


@dataclass(frozen=True)
class Density:
    """How many of the float32 inputs of the box are unsafe in one environment; both zeros are one input."""

    semantics: str
    total: int
    """Inputs of the box."""
    bad: int | None
    """Exactly; None where they were only sampled."""
    method: str
    """How it was counted, or ``sampled``."""
    samples: int = 0
    hits: int = 0
    at_most: Fraction | None = None
    """Of sampled ones: an upper end for the fraction that is unsafe, wrong with a probability of at most 1 %."""


@dataclass(frozen=True)
class Attacked:
    """What one built-in attack found."""

    attack: str
    found: bool
    evaluations: int
    """Of the network: until it was found, or in all."""
    limit: int
    """How many there might have been."""
    semantics: str
    """In which it evaluated the network; that a point is unsafe is decided in RUNTIME."""


@dataclass(frozen=True)
class Instance:
    """What a verifier is asked, and the answer."""

    name: str
    """Unique in its corpus: letters, digits and underscores."""
    category: str
    family: str
    about: str
    """Why a verifier may be wrong, in one sentence."""
    seed: str
    """What it was drawn from."""
    parameters: dict[str, int | str]
    network: Network
    """All numbers are of float32."""
    box: ExactBox
    unsafe: Property
    labels: tuple[Label, ...]
    least: Fraction | None = None
    """A lower bound of the margin in all of the box over the reals; None where none is proved."""
    attained: bool = False
    """Whether it is reached in the box: the smallest margin."""
    densities: tuple[Density, ...] = ()
    attacks: tuple[Attacked, ...] = ()
    control_of: str = ""
    """The name of the instance that this is a control of; empty for others."""
    controls: str = ""
    """What the control controls, in one sentence."""
    timeout: int = field(default=60)
    """Seconds that instances.csv gives a verifier."""

    def label(self, semantics: str) -> Label | None:
        """What is known in one semantics; None where nothing is."""
        return next((label for label in self.labels if label.semantics == semantics), None)

    def verdict(self, semantics: str) -> str:
        """``sat``, ``unsat``, or ``unknown`` where no label says it."""
        label = self.label(semantics)
        return "unknown" if label is None else label.verdict

    @property
    def witness(self) -> tuple[float, ...]:
        """The witness of RUNTIME, else of the first label that has one; empty where none has."""
        labels = sorted(self.labels, key=lambda label: label.semantics != RUNTIME)
        return next((label.witness for label in labels if label.witness), ())

    @property
    def weights(self) -> int:
        """Parameters that are not zero."""
        return sum(int((array != 0).sum()) for array in self.network.arrays())


@dataclass(frozen=True)
class Corpus:
    """Instances that were made together."""

    instances: tuple[Instance, ...]
    seed: int
    environments: dict[str, str]
    """Environment to the version of its library, where the orders were revealed."""
    version: str
    """Of fpsynth."""

    def named(self, name: str) -> Instance | None:
        """The instance of that name."""
        return next((one for one in self.instances if one.name == name), None)

    def chosen(self, categories: Sequence[str]) -> tuple[Instance, ...]:
        """The instances of some categories, of none named all.  Raises InputError for a category that it has not."""
        for name in categories:
            if name not in self.categories:
                raise unknown_name("category of this corpus", name, self.categories)
        return tuple(one for one in self.instances if not categories or one.category in categories)

    @property
    def categories(self) -> tuple[str, ...]:
        """Each once, in the order in which they come up."""
        return tuple(dict.fromkeys(one.category for one in self.instances))
