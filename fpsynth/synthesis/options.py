"""Options that every question about divergences shares, and the limits of what may be asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypedDict

from fpsynth.errors import InputError
from fpsynth.formats import Format, format_named
from fpsynth.libraries.pool import LibraryPool
from fpsynth.libraries.registry import NAMES
from fpsynth.solvers.engines import engines_named
from fpsynth.synthesis.domain import UNIT, Interval, check_interval, parse_interval, parse_number

Progress = Callable[[str], None]
Number = Fraction | float | int | str
BATCHES = (1, 4, 64)
"""The batch sizes of a replay."""
MAX_SECONDS = 1_000_000
MAX_JOBS = 1024
MAX_VECTORS = 10_000_000


def exact_number(number: Number, what: str) -> Fraction:
    """A number exactly.  Raises InputError that names ``what`` for NaN, infinities and texts that are no number."""
    if isinstance(number, str):
        exact = parse_number(number, what)
    else:
        try:
            exact = Fraction(number)
        except (ValueError, OverflowError):
            raise InputError(f"{what} must be a finite number, not {number}") from None
    if abs(exact) > 1 << 1023:
        raise InputError(f"{what} must be at most 2**1023 in size")
    return exact


def check_limits(timeout: float, seed: int, jobs: int | None) -> None:
    """Raise InputError for a time limit, a seed or a number of processes that cannot be used."""
    if not 0 < timeout <= MAX_SECONDS:
        raise InputError(f"the time limit must be above 0 and at most {MAX_SECONDS} seconds")
    if jobs is not None and not 1 <= jobs <= MAX_JOBS:
        raise InputError(f"the number of jobs must be from 1 to {MAX_JOBS}")
    if not 0 <= seed < 1 << 31:
        raise InputError("the seed must be from 0 to 2147483647")


def check_batches(batches: Sequence[int]) -> None:
    """Raise InputError for no batch size, or one that cannot be used."""
    if not batches or any(batch < 1 or batch > 1 << 20 for batch in batches):
        raise InputError("batch sizes must be from 1 to 1048576")


class OptionFields(TypedDict, total=False):
    """The fields of ``Options`` as keyword arguments, by the names of the command line's options."""

    dtype: str
    weights: str | None
    inputs: str | None
    seed: int
    timeout: float
    jobs: int | None
    solver: str
    replay: bool
    library: Sequence[str] | str | None
    batch: Sequence[int] | int | None
    device: str
    vectors: int
    progress: Progress | None


@dataclass(frozen=True)
class Options:
    """What every question about divergences takes.  Raises InputError for values that cannot be used."""

    dtype: str = "float32"
    """Format of an arithmetic that names none."""
    weights: str | None = None
    """Range LO:HI of weights, both ends included; None: a default for the question."""
    inputs: str | None = None
    """Range LO:HI of inputs."""
    seed: int = 0
    timeout: float = 60.0
    """Seconds for reveals, search and exact evaluation together; a replay takes as long as it needs."""
    jobs: int | None = None
    solver: str = "auto"
    replay: bool = True
    libraries: Sequence[str] = NAMES
    batches: Sequence[int] = BATCHES
    device: str = "cpu"
    vectors: int = 10_000
    """Hostile random vectors that a revealed arithmetic is checked on."""
    progress: Progress | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", format_named(self.dtype).name)  # by its own name, whatever it was called
        check_limits(self.timeout, self.seed, self.jobs)
        check_batches(self.batches)
        if self.solver != "auto":
            engines_named(self.solver)
        for name in ("weights", "inputs"):
            check_interval(self.interval(name, UNIT), self.format, f"the range of the {name}")
        if not 1 <= self.vectors <= MAX_VECTORS:
            raise InputError(f"the number of vectors must be from 1 to {MAX_VECTORS}")
        if self.replay:  # refused before any time is spent on what should be replayed
            LibraryPool(self.libraries, self.device)

    @property
    def format(self) -> Format:
        """Format of an arithmetic that names none."""
        return format_named(self.dtype)

    def interval(self, name: str, default: Interval) -> Interval:
        """The range of ``weights`` or ``inputs``.  Raises InputError for a text that is no range."""
        text: str | None = getattr(self, name)
        return default if text is None else parse_interval(text, f"the range of the {name}")

    def described(self) -> dict[str, Any]:
        """The options as a result records them."""
        names = ("dtype", "weights", "inputs", "seed", "timeout", "jobs", "solver", "vectors")
        return {name: getattr(self, name) for name in names}
