"""The errors that fpsynth raises on purpose, each a single line that says what is wrong and what to do."""

from collections.abc import Iterable


class InputError(ValueError):
    """An argument or a file cannot be used; the message is one line fit for a user (exit code 2)."""


class MissingPackageError(InputError):
    """An optional package that the request needs is not installed; the message names the extra that brings it."""


class WorkerLostError(InputError):
    """A process that was to answer was killed, crashed, or took too long: what was asked is not known (exit code 3)."""


class ContradictionError(RuntimeError):
    """Two parts that must agree do not: one of them (a solver, a certifier, fpsynth) has a bug.  The message says which."""


def unknown_name(what: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a ``name`` that is none of the ``known``: it says which is nearest, and all there are."""
    import difflib

    choices = tuple(known)
    near = difflib.get_close_matches(name[:60].lower(), choices, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return InputError(f"unknown {what} {name[:60]!r}{hint}; choose from {', '.join(choices)}")
