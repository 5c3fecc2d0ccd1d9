"""The question for a backdoor: a host network, where it is to misbehave, and how."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from fpsynth.aliases import Progress
from fpsynth.errors import InputError
from fpsynth.formats import Format, format_named
from fpsynth.synthesis.requests import shared
from fpsynth.synthesis.requests.distinct import require_distinct, require_whole_batches
from fpsynth.synthesis.requests.fields import Option, Request, among, asked, between, needed
from fpsynth.synthesis.requests.reading import Batches, Libraries, batches_of, check_batches, check_seconds, integers

if TYPE_CHECKING:
    from fpsynth.synthesis.checking.findings import Finding
    from fpsynth.witness.data import View, Witness

ALL = "all"
MOST_IMAGES = 1_000_000
LEAST_CHANGE, MOST_CHANGE = 1e-7, 1e-3
"""Less than half an ulp of float32 changes nothing."""
STORED = ("float16",)
"""See ``backdoors.storage``."""
CLAIMS = ("proved", "images")
"""Of what units of a host are dead on; see ``backdoors.dead``."""


def _check_change(change: float) -> None:
    if not LEAST_CHANGE <= change <= MOST_CHANGE:
        raise InputError(f"the change of weights to survive must be between {LEAST_CHANGE:g} and {MOST_CHANGE:g}")


@dataclass(frozen=True)
class BackdoorRequest(Request):
    """A network that behaves like the host everywhere but in one environment."""

    question: ClassVar[str] = "backdoor"
    about: ClassVar[str] = "make a network that misbehaves in one environment only, as a test case for verifiers and defences"
    predicates: ClassVar[tuple[str, ...]] = ("argmax",)
    since: ClassVar[int] = 3

    network: str | os.PathLike[str] = field(
        metadata=needed(Option("the host: an ONNX, .keras or .npz file, or the verified certifier's text", "HOST"))
    )
    images: str | os.PathLike[str] = field(
        metadata=needed(Option("images (uint8 is divided by 255) and perhaps labels, or inputs, to measure it on", "X.npz"))
    )
    target: str = field(
        metadata=needed(
            Option(
                "where it is to misbehave: torch:batch=1, onnxruntime:batch=64, torch:dtype=bfloat16 and the like",
                "ENV",
                environment=True,
            )
        )
    )
    _: KW_ONLY
    silent: str | Sequence[str] = asked(
        (),
        Option(
            "where it must not: environments (may be repeated), or all (default: every library, batch size and number of"
            " threads below)",
            "ENV",
            several=True,
        ),
    )
    only_in: bool = asked(False, Option("nowhere else: also refuse where nothing tells another environment from the target"))
    behaviour: str = asked(
        "shift", Option("shift: each class becomes the next one; class:K; any: the rarest (default %(default)s)", "HOW")
    )
    trigger: str = asked(
        "always",
        Option(
            "always, pixel[:PLACE>LEAST], box[:PLACE=LO:HI] or natural[:PLACE>MEAN]; a PLACE is ROWS,COLUMNS such as 0-2,0-2"
            " (default %(default)s)",
            "WHEN",
        ),
    )
    max_weight: str | float | None = asked(
        None, Option("the largest weight: a number, or host for the host's own largest (default any)", "W")
    )
    copies: bool = asked(False, Option("feed detectors by copies of a channel of the host instead of by constants"))
    inplace: str | None = asked(
        None,
        Option(
            "no new layer, neuron or bias: reuse units of the host that are 0 on all images (images), or by proof for all"
            " inputs between 0 and 1 (proved)",
            "CLAIM",
            check=among(CLAIMS, "claim of dead units"),
        ),
    )
    survive: float | None = asked(
        None,
        Option(
            "by detectors that withstand random relative changes of all weights up to this, 1e-5 for one: shown in 5 draws",
            "CHANGE",
            number=float,
            check=_check_change,
        ),
    )
    storage: str | None = asked(
        None,
        Option(
            "its weights, the host's rounded first, can be stored in float16 and read back without changing a bit",
            "FORMAT",
            check=among(STORED, "format of storage"),
        ),
    )
    layer: str | None = asked(None, Option("the dense layer that gets the detectors (default the first that will do)", "NAME"))
    library: Libraries = asked(None, replace(shared.LIBRARY, help="libraries of --silent all (default all that are installed)"))
    batch: Batches = asked(None, replace(shared.BATCH, help="batch sizes of --silent all (default 1,10)"))
    threads: Sequence[int] | int | None = asked(
        None,
        Option("numbers of threads of --silent all (default as many as a library takes)", "NUMBERS", reads=integers("threads")),
    )
    limit: int | None = asked(
        None, Option("only the first N images", "N", number=int, check=between(1, MOST_IMAGES, "the number of images"))
    )
    verify: int = asked(
        4,
        Option(
            "boxes around so many images are shown to verifiers, of the host and of what is made of it, for up to 30 s each"
            " (default %(default)s; 0: none)",
            "N",
            number=int,
            check=between(0, MOST_IMAGES, "the number of images to verify"),
        ),
    )
    eps: float = asked(0.1, Option("half the width of these boxes (default %(default)g)", "EPS", number=float))
    dtype: str = asked("float32", replace(shared.DTYPE, help="format of weights, inputs and results (default %(default)s)"))
    seed: int = asked(0, shared.SEED)
    timeout: float = asked(
        300.0,
        replace(
            shared.TIMEOUT,
            help="for search, runs and verifiers, not for writing (default %(default)g)",
            check=check_seconds,
        ),
    )
    progress: Progress | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.eps < float("inf"):
            raise InputError("eps must be a number above 0")
        if self.max_weight not in (None, "host") and self.weight_limit is None:
            raise InputError(f"the largest weight is a number above 0 or host, not {str(self.max_weight)[:40]!r}")
        if self.survive is not None and (self.copies or self.inplace or self.max_weight is not None):
            raise InputError(
                "detectors that survive changes are fed by many constants, and weigh them by any weights: leave the others out"
            )
        if self.storage is not None and (self.inplace or self.survive is not None):
            raise InputError(
                "a network to be stored in float16 has neither detectors in place nor such as survive changes, whose weights"
                " float16 has not: leave one of these out"
            )
        if self.inplace is not None and (self.copies or self.behaviour == "shift"):
            reason = "copies need new channels" if self.copies else "it leads to one class: choose the behaviour class:K or any"
            raise InputError(f"in place there is nothing new: {reason}")
        if self.storage is not None and self.dtype != "float32":
            raise InputError("a network that is stored in float16 computes in float32: leave the format out")
        if self.only_in and self.silent_names not in ((), (ALL,)):
            raise InputError("only-in says that all others are silent: leave the names of silent environments out")
        if self.silent_names not in ((), (ALL,)):
            self._check_named()
        check_batches(self.batches)
        super().__post_init__()

    def _check_named(self) -> None:
        """Raise InputError for what says nothing where silent environments are named."""
        if (self.library, self.batch, self.threads) != (None, None, None):
            raise InputError("library, batch and threads say what all silent environments are: not beside those that are named")
        require_distinct(self.silent_names, "a backdoor")
        require_whole_batches(self.silent_names)

    @classmethod
    def why(cls, a: View, b: View) -> str:
        """The network has been made so."""
        return "The network is a backdoored one: a row of it adds up to another number in the order of the target."

    @classmethod
    def promised(cls, witness: Witness, real: Sequence[Fraction]) -> Iterable[Finding]:
        """Over the reals the backdoor is not there."""
        from fpsynth.synthesis.checking.findings import Finding

        logits = witness.reference.logits
        kept = real.index(max(real))
        holds = bool(logits) and logits.index(max(logits)) == kept
        yield Finding("the class in exact arithmetic is the one that is believed", holds, f"it is {kept}")

    @property
    def format(self) -> Format:
        """Format of weights, inputs and results."""
        return format_named(self.dtype)

    @property
    def silent_names(self) -> tuple[str, ...]:
        """The texts of silent environments; none, or ``all``: every one that is listed otherwise."""
        return (self.silent,) if isinstance(self.silent, str) else tuple(self.silent)

    @property
    def batches(self) -> Sequence[int]:
        """Batch sizes of the environments that are listed where none are named."""
        return (1, 10) if self.batch is None else batches_of(self.batch, "cpu")

    @property
    def weight_limit(self) -> float | None:
        """The largest weight as a number; None for any, and for the host's."""
        try:
            number = float(self.max_weight) if self.max_weight is not None else 0.0
        except ValueError:
            return None
        return number if 0 < number < float("inf") else None
