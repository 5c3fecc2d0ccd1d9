"""Options that every question about divergences shares, each written down once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field, replace

from fpsynth.aliases import Progress
from fpsynth.formats import Format, format_named
from fpsynth.synthesis.domain import UNIT, Interval, check_interval, parse_interval
from fpsynth.synthesis.requests import shared
from fpsynth.synthesis.requests.fields import Request, asked
from fpsynth.synthesis.requests.reading import Batches, Libraries, batches_of, check_batches, libraries_of

__all__ = ["Options", "Progress"]

VECTORS = 10_000
"""Hostile vectors that a reveal is checked on, where nobody says how many."""


@dataclass(frozen=True)
class Options(Request):
    """What every question about divergences takes.  Raises InputError for values that cannot be used."""

    _: KW_ONLY
    dtype: str = asked(
        "float32", replace(shared.DTYPE, help="format of numbers and of arithmetics that name none (default %(default)s)")
    )
    weights: str | None = asked(None, shared.WEIGHTS)
    inputs: str | None = asked(None, shared.INPUTS)
    solver: str = asked("auto", shared.SOLVER)
    seed: int = asked(0, shared.SEED)
    timeout: float = asked(60.0, shared.TIMEOUT)
    jobs: int | None = asked(None, shared.JOBS)
    vectors: int | None = asked(
        None,
        replace(
            shared.VECTORS,
            help=f"hostile vectors that check a reveal (default {VECTORS})",
            record=lambda request: request.vectors_used,
        ),
    )
    replay: bool = asked(True, shared.REPLAY)
    library: Libraries = asked(None, shared.LIBRARY)
    batch: Batches = asked(None, shared.BATCH)
    device: str = asked("cpu", shared.DEVICE)
    progress: Progress | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "dtype", format_named(self.dtype).name)  # by its own name, whatever it was called
        check_batches(self.batches)
        for name in ("weights", "inputs"):
            check_interval(self.interval(name, UNIT), self.format, f"the range of the {name}")
        if self.replay:  # refused before any time is spent on what should be replayed
            from fpsynth.libraries.pool import LibraryPool

            LibraryPool(self.libraries, self.device)

    @property
    def format(self) -> Format:
        """Format of numbers, and of an arithmetic that names none."""
        return format_named(self.dtype)

    @property
    def vectors_used(self) -> int:
        """Hostile vectors that a reveal is checked on."""
        return VECTORS if self.vectors is None else self.vectors

    @property
    def libraries(self) -> Sequence[str]:
        """The libraries of a replay."""
        return libraries_of(self.library, self.device)

    @property
    def batches(self) -> Sequence[int]:
        """The batch sizes of a replay."""
        return batches_of(self.batch, self.device)

    def interval(self, name: str, default: Interval) -> Interval:
        """The range of ``weights`` or ``inputs``.  Raises InputError for a text that is no range."""
        text: str | None = getattr(self, name)
        return default if text is None else parse_interval(text, f"the range of the {name}")
