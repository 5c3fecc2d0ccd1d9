"""How texts and other values that users give become numbers, sizes, names and objectives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from fpsynth.errors import InputError, unknown_name
from fpsynth.synthesis.domain import parse_number

Number = Fraction | float | int | str
Libraries = Sequence[str] | str | None
"""Names of libraries, or one text with commas between them; None: all that know the device."""
Batches = Sequence[int] | int | None
"""Batch sizes, or one; None: those worth trying on the device."""
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


def integers(what: str) -> Callable[[str], tuple[int, ...]]:
    """What reads whole numbers with commas between them.  It raises InputError that names ``what`` for anything else."""

    def read(text: str) -> tuple[int, ...]:
        parts = text.split(",")
        if not all(part.strip().isascii() and part.strip().isdigit() and len(part) < 10 for part in parts):
            raise InputError(f"{what} {text!r} must be whole numbers with commas between them, for example 1,2")
        return tuple(int(part) for part in parts)

    return read


def check_seconds(timeout: float) -> None:
    """Raise InputError for a time limit that cannot be used."""
    if not 0 < timeout <= MAX_SECONDS:
        raise InputError(f"the time limit must be above 0 and at most {MAX_SECONDS} seconds")


def check_batches(batches: Sequence[int]) -> None:
    """Raise InputError for no batch size, or one that cannot be used."""
    if not batches or any(batch < 1 or batch > 1 << 20 for batch in batches):
        raise InputError("batch sizes must be from 1 to 1048576")


def check_solver(name: str) -> None:
    """Raise InputError for a solver that is not known, or not installed."""
    if name != "auto":
        from fpsynth.solvers.engines import engines_named

        engines_named(name)


def libraries_of(library: Libraries, device: str) -> tuple[str, ...]:
    """The libraries that a keyword ``library`` names, each once; where it names none, all that know the device."""
    if library is None:
        from fpsynth.libraries.registry import names_for

        return names_for(device)
    texts = [library] if isinstance(library, str) else library
    return tuple(dict.fromkeys(name.strip() for text in texts for name in text.split(",")))


def batches_of(batch: Batches, device: str) -> tuple[int, ...]:
    """The sizes that a keyword ``batch`` names, each once.  Raises InputError for what is no number."""
    if batch is None:
        from fpsynth.libraries.runs import batches_for

        return batches_for(device)
    sizes = (batch,) if isinstance(batch, int) else tuple(dict.fromkeys(batch))
    if not all(isinstance(size, int) for size in sizes):
        raise InputError("batch sizes must be whole numbers, for example (1, 4)")
    return sizes


def objective(maximise: str | bool | None, choices: Sequence[str]) -> str | None:
    """What ``maximise`` says is to be as large as can be found; the first choice for True, None for nothing.

    Raises InputError for what the question cannot maximise.
    """
    if maximise is None or maximise is False:
        return None
    if maximise is True:
        return choices[0]
    if maximise not in choices:
        raise unknown_name("objective", maximise, choices)
    return maximise
