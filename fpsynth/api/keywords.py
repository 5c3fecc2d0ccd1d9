"""Keyword arguments by the names of the command line's options, and what they were called before."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from fpsynth.errors import InputError, unknown_name
from fpsynth.libraries.registry import NAMES
from fpsynth.libraries.runs import batches_for
from fpsynth.synthesis.options import OptionFields, Options

P = ParamSpec("P")
R = TypeVar("R")
Libraries = Sequence[str] | str | None
"""Names of libraries, or one text with commas between them; None: all that know the device."""
Batches = Sequence[int] | int | None
"""Batch sizes, or one; None: those worth trying on the device."""


def formerly(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function take some keywords by older names, too: ``formerly(old="new")``."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def renamed(*args: P.args, **kwargs: P.kwargs) -> R:
            for old, new in names.items():
                if old in kwargs:
                    if new in kwargs:
                        raise InputError(f"{old} is the older name of {new}: say one of them")
                    kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return renamed

    return decorate


OLDER = {"libraries": "library", "batches": "batch"}


def libraries_of(library: Libraries) -> tuple[str, ...]:
    """The libraries that a keyword ``library`` names."""
    if library is None:
        return NAMES
    return tuple(name.strip() for text in ([library] if isinstance(library, str) else library) for name in text.split(","))


def batches_of(batch: Batches, device: str) -> tuple[int, ...]:
    """The sizes that a keyword ``batch`` names.  Raises InputError for what is no number."""
    if batch is None:
        return batches_for(device)
    sizes = (batch,) if isinstance(batch, int) else tuple(batch)
    if not all(isinstance(size, int) for size in sizes):
        raise InputError("batch sizes must be whole numbers, for example (1, 4)")
    return sizes


def options_of(fields: OptionFields) -> Options:
    """The options that the keywords stand for.  Raises InputError for values that cannot be used."""
    rest = {name: value for name, value in fields.items() if name not in ("library", "batch")}
    device = fields.get("device", "cpu")
    return Options(
        **rest,  # type: ignore[arg-type]  # every field but these two has the same name and type
        libraries=libraries_of(fields.get("library")),
        batches=batches_of(fields.get("batch"), device),
    )


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
