"""The question what remedies do to a suspect network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import ClassVar

from fpsynth.aliases import Progress
from fpsynth.formats import Format, format_named
from fpsynth.synthesis.requests import shared
from fpsynth.synthesis.requests.fields import Option, Request, asked, between, needed
from fpsynth.synthesis.requests.reading import Batches, Libraries, batches_of, check_batches

MOST_DRAWS = 1000
MOST_IMAGES = 1_000_000


@dataclass(frozen=True)
class DefendRequest(Request):
    """The known remedies applied to a network, and measured."""

    question: ClassVar[str] = "defend"
    about: ClassVar[str] = "apply the known remedies against backdoors of rounding to a network, and measure what each does"

    network: str | os.PathLike[str] = field(
        metadata=needed(
            Option(
                "the suspect: an ONNX, .keras or .npz file, or a network in the verified certifier's text",
                "NETWORK",
                positional=True,
            )
        )
    )
    images: str | os.PathLike[str] = field(
        metadata=needed(
            Option(
                "images (uint8 is divided by 255) and perhaps labels, or inputs: with the trigger, where one is known", "X.npz"
            )
        )
    )
    _: KW_ONLY
    host: str | os.PathLike[str] | None = asked(
        None, Option("the network that it should be: its classes are right (default the suspect's own in float64)", "HOST")
    )
    library: Libraries = asked(None, shared.ENVIRONMENTS)
    batch: Batches = asked(None, replace(shared.BATCH, help="batch sizes (default 1,10)"))
    threads: Sequence[int] | int | None = asked(None, shared.THREADS)
    remedy: str | Sequence[str] = asked(
        (),
        Option(
            "noise:SIZE, permuted, float64 or grid:BITS (may be repeated; default noise:1e-7, noise:1e-6, noise:1e-5, permuted,"
            " float64 and grid:10)",
            "NAME",
            several=True,
        ),
    )
    draws: int = asked(
        3,
        Option(
            "networks that each random remedy makes (default %(default)s)",
            "N",
            number=int,
            check=between(1, MOST_DRAWS, "the number of draws"),
        ),
    )
    limit: int | None = asked(
        None, Option("only the first N images", "N", number=int, check=between(1, MOST_IMAGES, "the number of images"))
    )
    dtype: str = asked("float32", replace(shared.DTYPE, help="format of weights, inputs and results (default %(default)s)"))
    seed: int = asked(0, shared.SEED)
    progress: Progress | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_batches(self.batches)
        super().__post_init__()

    @property
    def format(self) -> Format:
        """Format of weights, inputs and results."""
        return format_named(self.dtype)

    @property
    def remedies(self) -> tuple[str, ...]:
        """The names of the remedies; none: those by default."""
        return (self.remedy,) if isinstance(self.remedy, str) else tuple(self.remedy)

    @property
    def batches(self) -> Sequence[int]:
        """The batch sizes at which the network is run, where an environment names none itself."""
        return (1, 10) if self.batch is None else batches_of(self.batch, "cpu")

    @property
    def thread_counts(self) -> tuple[int | None, ...]:
        """The numbers of threads that are tried; None: as many as a library takes."""
        if self.threads is None:
            return (None,)
        return (self.threads,) if isinstance(self.threads, int) else tuple(self.threads)
