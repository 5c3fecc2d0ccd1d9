"""The questions about certificates: tie and certify."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from fpsynth.aliases import Progress
from fpsynth.errors import InputError
from fpsynth.formats import Format, format_named
from fpsynth.synthesis.domain import DEFAULT_INPUTS, Interval, default_weights, parse_interval
from fpsynth.synthesis.requests import shared
from fpsynth.synthesis.requests.applying import given_files, require_given
from fpsynth.synthesis.requests.fields import Option, Request, asked, between, needed
from fpsynth.synthesis.requests.reading import (
    Batches,
    Libraries,
    Number,
    batches_of,
    check_batches,
    check_seconds,
    exact_number,
    integers,
    libraries_of,
    objective,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fpsynth.orders import Order

OBJECTIVES = ("ratio", "radius", "distance", "margin")
MAX_COUNT = 10_000
"""Witnesses of one corpus."""


@dataclass(frozen=True)
class TieRequest(Request):
    """A tie: weights and inputs that a certifier accepts although the class changes within the certified radius."""

    question: ClassVar[str] = "tie"
    predicates: ClassVar[tuple[str, ...]] = ("argmax",)
    since: ClassVar[int] = 3
    given: ClassVar[bool] = True
    about: ClassVar[str] = "find a network and two points: certified alike, classified differently because logits tie"

    dtype: str = asked(
        "float32",
        Option(
            "float16, bfloat16, float32, float64, tf32, float8_e4m3fn or float8_e5m2 (default %(default)s)",
            record=lambda request: request.format.name,
            given=True,
        ),
    )
    _: KW_ONLY
    shape: Sequence[int] | None = asked(
        None,
        Option(
            "inputs, hidden widths (ReLU), outputs (default 1,2)",
            "N,...,M",
            reads=integers("the shape"),
            record=lambda request: list(request.sizes),
            given=False,
        ),
    )
    order: str = asked(
        "sequential",
        Option(
            "of sums: sequential, reverse, pairwise or strided:K (default %(default)s); with --network also an environment,"
            " such as torch:batch=1",
            given=True,
        ),
    )
    rounding: str = asked("RNE", Option("RNE, RNA, RTP, RTN or RTZ (default %(default)s)", given=False))
    weights: str | None = asked(
        None,
        Option(
            "range of the weights, ends included (default 0.1:1; scaled by 2^26 for float64)",
            "LO:HI",
            record=lambda request: str(request.weights_range),
            given=False,
        ),
    )
    inputs: str | None = asked(
        None,
        Option(
            "range of the inputs, ends included (default 0.1:1)",
            "LO:HI",
            record=lambda request: str(request.inputs_range),
            given=False,
        ),
    )
    maximise: str | bool | None = asked(
        None,
        replace(shared.maximise("ratio, radius, distance or margin"), record=lambda request: request.sought or OBJECTIVES[0]),
    )
    min_ratio: Number = asked(
        1,
        Option(
            "least ratio of certified radius and distance (default above 1)",
            "R",
            record=lambda request: float(request.least),
            given=True,
        ),
    )
    prove: bool = asked(False, Option("spend the time that is left on a proof that nothing is larger", given=False))
    certifier: str | None = asked(
        None,
        Option(
            "lipschitz-exact (the verified certifier's own arithmetic; the default) or lipschitz (ball arithmetic; the default"
            " with --network)",
            record=lambda request: request.certifier_used,
            given=True,
        ),
    )
    solver: str = asked(
        "auto",
        replace(shared.SOLVER, help=f"{shared.SOLVERS} (default %(default)s: a race of all)", check=None),
    )
    seed: int = asked(0, shared.SEED)
    timeout: float = asked(
        60.0, replace(shared.TIMEOUT, help="for the search; a replay takes as long as it needs (default %(default)g)")
    )
    jobs: int | None = asked(None, replace(shared.JOBS, record=lambda request: request.processes))
    count: int = asked(
        1,
        Option(
            "so many different witnesses, which vary in inputs, depth, outputs, signs and classes as far as --shape, --weights"
            " and --inputs do not fix them (no biases: the verified certifier knows none); with --out they are written as a"
            " corpus",
            "N",
            number=int,
            check=between(1, MAX_COUNT, "the number of witnesses"),
            given=False,
        ),
    )
    replay: bool = asked(True, shared.REPLAY)
    library: Libraries = asked(
        None, replace(shared.LIBRARY, help=f"libraries, with commas between them (default {shared.KNOWN})")
    )
    batch: Batches = asked(None, replace(shared.BATCH, help=f"batch sizes (default {shared.SIZES})"))
    device: str = asked("cpu", shared.DEVICE)
    network: str | os.PathLike[str] | None = asked(None, shared.NETWORK)
    images: str | os.PathLike[str] | None = asked(None, shared.IMAGES)
    progress: Progress | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        format_named(self.dtype)
        require_given(self)
        if self.network is None and self.tree.bias:
            raise InputError(
                f"order {self.order} places a bias, and networks of ties have none: the verified certifier knows no biases"
            )
        super().__post_init__()
        if not all(isinstance(size, int) for size in self.sizes):
            raise InputError("a shape holds whole numbers, for example (1, 2)")
        if self.prove and self.count > 1:
            raise InputError("a proof is about the largest witness: ask for it without count, or for the corpus without prove")
        objective(self.maximise, OBJECTIVES)
        if self.replay:
            check_batches(self.batches)

    @property
    def certifier_used(self) -> str:
        """The certifier: of a network that is given ``lipschitz``, which takes all layers, where nobody names another."""
        if self.certifier is not None:
            return self.certifier
        return "lipschitz-exact" if self.network is None else "lipschitz"

    @property
    def format(self) -> Format:
        """Format of weights, inputs and sums."""
        return format_named(self.dtype)

    @property
    def tree(self) -> Order:
        """The order of the sums."""
        from fpsynth.orders import parse_order

        return parse_order(self.order)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs, hidden widths, outputs."""
        return (1, 2) if self.shape is None else tuple(self.shape)

    @property
    def weights_range(self) -> Interval:
        """The range of the weights.  Raises InputError for a text that is no range."""
        return default_weights(self.format) if self.weights is None else parse_interval(self.weights, "the weights' range")

    @property
    def inputs_range(self) -> Interval:
        """The range of the inputs.  Raises InputError for a text that is no range."""
        return DEFAULT_INPUTS if self.inputs is None else parse_interval(self.inputs, "the inputs' range")

    @property
    def least(self) -> Fraction:
        """The least ratio, exactly."""
        return exact_number(self.min_ratio, "the ratio")

    @property
    def sought(self) -> str | None:
        """What is to be as large as can be found, if anything is."""
        return objective(self.maximise, OBJECTIVES)

    @property
    def processes(self) -> int:
        """Solver processes at a time."""
        from fpsynth.libraries.machine import cores

        return cores() if self.jobs is None else self.jobs

    @property
    def free(self) -> set[str]:
        """What may vary from witness to witness, as nobody has fixed it."""
        return {name for name in ("shape", "weights", "inputs") if getattr(self, name) is None}

    @property
    def libraries(self) -> Sequence[str]:
        """The libraries of a replay."""
        return libraries_of(self.library, self.device)

    @property
    def batches(self) -> Sequence[int]:
        """The batch sizes of a replay."""
        return batches_of(self.batch, self.device)

    def described(self) -> dict[str, Any]:
        """The request as a result records it; of a corpus also what varies."""
        varied = {"varied": [*sorted(self.free), "classes"]} if self.count > 1 else {}
        return {**super().described(), **varied, **given_files(self)}


@dataclass(frozen=True)
class CertifyRequest(Request):
    """The images of a data set that a certifier certifies at a radius."""

    question: ClassVar[str] = "certify"
    about: ClassVar[str] = "count the images of a data set that a certifier, or any other verifier, certifies"

    network: str | os.PathLike[str] = field(
        metadata=needed(
            Option(
                "an ONNX, .keras or .npz file, or the verified certifier's text.  In an .npz file: what fpsynth wrote, layers"
                " as torch names them, or weights W0, W1, ..., each (inputs, outputs) as in x @ W0, and, where there are any,"
                " biases b0, b1, ..., each (outputs,); ReLU in between.  torch stores (outputs, inputs): save weight.T",
                "FILE",
            )
        )
    )
    images: str | os.PathLike[str] = field(
        metadata=needed(
            Option("images (count, ...), uint8 (divided by 255) or floats (as they are), and labels (count,)", "FILE.npz")
        )
    )
    eps: Number = field(metadata=needed(Option("radius, in L2 unless --norm says otherwise", "RADIUS")))
    _: KW_ONLY
    certifier: str = asked(
        "lipschitz",
        Option("lipschitz, lipschitz-exact, lipschitz-sound, or another verifier, such as crown (default %(default)s)"),
    )
    norm: str = asked("l2", Option("l2, or linf: a box, which images do not leave (default %(default)s)"))
    arithmetic: str = asked(
        "real", Option("of other verifiers than lipschitz ones: see verify (default %(default)s)", "ARITHMETIC")
    )
    classes: Sequence[int] | None = asked(
        None, Option("only images with these labels (default all)", "NUMBERS", reads=integers("the classes"))
    )
    image_timeout: float = asked(
        60.0, Option("for each image (default %(default)g)", "SECONDS", number=float, check=check_seconds)
    )
    out: str | os.PathLike[str] | None = asked(
        None,
        Option(
            "keep what is said of each image there, a JSON object per line; what it holds is not computed again", "FILE.jsonl"
        ),
    )
    gram: int = asked(11, Option("Gram iterations for each spectral norm (default %(default)s)", "N", number=int))
    dtype: str = asked("float32", replace(shared.DTYPE, help="format in which the logits are computed (default %(default)s)"))
    limit: int | None = asked(None, Option("only the first N images", "N", number=int))
    timeout: float | None = asked(
        None,
        Option(
            "for all of it; what is not done by then is unknown, exit code 3 (default: no limit)",
            "SECONDS",
            number=float,
            check=check_seconds,
        ),
    )
    progress: Callable[[str, int, int], None] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.radius <= 0:
            raise InputError("the radius must be above 0")
        if self.norm not in ("l2", "linf"):
            raise InputError(f"unknown norm {self.norm!r}: choose l2 or linf")
        super().__post_init__()

    @property
    def radius(self) -> Fraction:
        """The radius, exactly."""
        return exact_number(self.eps, "the radius")

    @property
    def format(self) -> Format:
        """Of the network that runs."""
        return format_named(self.dtype)

    @property
    def by_counts(self) -> bool:
        """Whether all images are judged together by a Lipschitz certifier, and nothing of each is kept."""
        new = self.norm != "l2" or self.arithmetic != "real" or self.classes is not None or self.out is not None
        return not new and self.certifier.startswith("lipschitz")

    @property
    def only_classes(self) -> tuple[int, ...] | None:
        """The labels of the images that are judged; None: all."""
        if self.classes is None:
            return None
        return (self.classes,) if isinstance(self.classes, int) else tuple(self.classes)
