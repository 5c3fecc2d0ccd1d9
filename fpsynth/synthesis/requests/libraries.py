"""The questions about libraries: reveal, matrix and compare."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from fpsynth.aliases import Progress
from fpsynth.errors import InputError
from fpsynth.formats import Format, format_named
from fpsynth.synthesis.requests import shared
from fpsynth.synthesis.requests.fields import Option, Request, asked, needed
from fpsynth.synthesis.requests.reading import (
    MAX_VECTORS,
    Batches,
    Libraries,
    batches_of,
    check_batches,
    libraries_of,
)

if TYPE_CHECKING:
    from fpsynth.witness.data import View

MAX_OUTPUTS = 4096
MAX_THREADS = 99_999


def require_layer(terms: int, outputs: int, vectors: int) -> None:
    """Raise InputError for a layer, or a number of vectors to check it on, that cannot be revealed."""
    from fpsynth.libraries.kernels import MAX_TERMS

    if not 1 <= terms <= MAX_TERMS or not 1 <= outputs <= MAX_OUTPUTS or not 1 <= vectors <= MAX_VECTORS:
        raise InputError(f"terms and outputs must be from 1 to {MAX_TERMS}, vectors from 1 to {MAX_VECTORS}")


_ONCE = {"batch": "the batch size", "outputs": "the number of outputs", "threads": "the number of threads"}


def require_once(environment: str, **options: object) -> None:
    """Raise InputError where an environment says itself what one of the options, that is not None, says again."""
    for name, value in options.items():
        if value is not None and f"{name}=" in environment.partition(":")[2]:
            raise InputError(f"say {_ONCE[name]} once: as {name}=N of the environment, or as the option {name}")


@dataclass(frozen=True)
class RevealRequest(Request):
    """The arithmetic in which an environment sums, at each batch size."""

    question: ClassVar[str] = "reveal"
    about: ClassVar[str] = "find out in which order and arithmetic a library sums, and check it on hostile vectors"
    given: ClassVar[bool] = True

    environment: str = field(
        metadata=needed(
            Option(
                "such as torch:linear, numpy:dot:layout=NN, torch:linear:MKL_CBWR=COMPATIBLE or"
                " torch:linear:device=cuda,tf32=on",
                "LIBRARY:OPERATION[:OPTIONS]",
                positional=True,
                environment=True,
                given=True,
            )
        )
    )
    _: KW_ONLY
    terms: int = asked(8, Option("products in each sum, 1 to 65536 (default %(default)s)", "N", number=int, given=False))
    outputs: int | None = asked(None, Option("neurons of the layer (default 1)", "N", number=int, given=False))
    batch: Batches = asked(None, replace(shared.BATCH, help="batch sizes, with commas between them (default 1)"))
    dtype: str = asked("float32", replace(shared.DTYPE, help="format of operands and result (default %(default)s)"))
    bias: bool = asked(False, Option("of a layer with biases", given=False))
    threads: int | None = asked(None, Option("threads that the library may use", "N", number=int, given=True))
    vectors: int = asked(
        10_000, Option("hostile random vectors of the check (default %(default)s)", "N", number=int, given=True)
    )
    seed: int = asked(0, replace(shared.SEED, help="of those vectors (default %(default)s)"))
    progress: Progress | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        require_once(self.environment, batch=self.batch, outputs=self.outputs, threads=self.threads)
        if self.threads is not None and not 1 <= self.threads <= MAX_THREADS:
            raise InputError(f"the number of threads must be from 1 to {MAX_THREADS}")
        super().__post_init__()

    @property
    def format(self) -> Format:
        """Format of operands and result."""
        return format_named(self.dtype)


@dataclass(frozen=True)
class MatrixRequest(Request):
    """Every environment of this machine, and a detector for each pair of different arithmetics."""

    question: ClassVar[str] = "matrix"
    about: ClassVar[str] = "reveal every environment here and find a detector for each pair of arithmetics"

    _: KW_ONLY
    terms: int = asked(64, Option("products in each sum (default %(default)s)", "N", number=int))
    outputs: int = asked(2, Option("neurons of the layer (default %(default)s)", "N", number=int))
    dtype: str = asked("float32", shared.DTYPE)
    batch: Batches = asked(None, replace(shared.BATCH, help=f"batch sizes (default {shared.SIZES})"))
    library: Libraries = asked(None, replace(shared.LIBRARY, help="libraries, with commas between them (default all)"))
    device: str = asked("cpu", shared.DEVICE)
    settings: bool = asked(True, Option("leave out the variables and switches that choose other kernels"))
    vectors: int = asked(10_000, Option("hostile random vectors per arithmetic (default %(default)s)", "N", number=int))
    seed: int = asked(0, replace(shared.SEED, help="(default %(default)s)"))
    timeout: float = asked(
        20.0,
        replace(shared.TIMEOUT, help="for the search of each detector; reveals and runs come on top (default %(default)g)"),
    )
    reveals: Sequence[str | os.PathLike[str]] = asked(
        (), Option("environments of a reveal file as further members", "FILE.json", several=True)
    )
    progress: Progress | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_batches(self.batches)
        super().__post_init__()
        require_layer(self.terms, self.outputs, self.vectors)

    @property
    def format(self) -> Format:
        """Format of operands and result."""
        return format_named(self.dtype)

    @property
    def libraries(self) -> Sequence[str]:
        """The libraries that are revealed."""
        return libraries_of(self.library, self.device)

    @property
    def batches(self) -> Sequence[int]:
        """The batch sizes at which they are revealed."""
        return batches_of(self.batch, self.device)


@dataclass(frozen=True)
class CompareRequest(Request):
    """A network on the same inputs in several environments."""

    question: ClassVar[str] = "compare"
    about: ClassVar[str] = "run a network in several environments, and say which classes change, and which could"
    predicates: ClassVar[tuple[str, ...]] = ("argmax",)
    since: ClassVar[int] = 3

    network: str | os.PathLike[str] = field(
        metadata=needed(
            Option("an ONNX, .keras or .npz file, or a network in the verified certifier's text", "MODEL", positional=True)
        )
    )
    images: str | os.PathLike[str] = field(
        metadata=needed(
            Option("images (uint8 is divided by 255) and perhaps labels, or inputs: arrays of shape (count, ...)", "X.npz")
        )
    )
    _: KW_ONLY
    library: Libraries = asked(None, shared.ENVIRONMENTS)
    batch: Batches = asked(None, replace(shared.BATCH, help="batch sizes (default 1,64)"))
    threads: Sequence[int] | int | None = asked(None, shared.THREADS)
    dtype: str = asked("float32", replace(shared.DTYPE, help="format of weights, inputs and results (default %(default)s)"))
    vectors: int = asked(1000, Option("hostile vectors that check each layer (default %(default)s)", "N", number=int))
    seed: int = asked(0, replace(shared.SEED, help="of those vectors (default %(default)s)"))
    progress: Progress | None = field(default=None, compare=False)

    @property
    def format(self) -> Format:
        """Format of weights, inputs and results."""
        return format_named(self.dtype)

    @classmethod
    def why(cls, a: View, b: View) -> str:
        """Whatever the environments are, the network is the same."""
        return "Over the reals both compute the same; rounded, their layers add up in different orders."

    @property
    def batches(self) -> Sequence[int]:
        """The batch sizes at which the network is run, where an environment names none itself."""
        return (1, 64) if self.batch is None else batches_of(self.batch, "cpu")

    @property
    def thread_counts(self) -> tuple[int | None, ...]:
        """The numbers of threads that are tried; None: as many as a library takes."""
        if self.threads is None:
            return (None,)
        return (self.threads,) if isinstance(self.threads, int) else tuple(self.threads)
