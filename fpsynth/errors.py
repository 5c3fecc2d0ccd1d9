"""The errors that fpsynth raises on purpose, each a single line that says what is wrong and what to do."""

from collections.abc import Iterable

from fpsynth.wording import printable

LONGEST = 2000
"""The longest message of an InputError: what is longer is cut."""


class InputError(ValueError):
    """An argument or a file cannot be used; the message is one printable line fit for a user (exit code 2).

    Whatever a file or an argument put into the message, its line breaks and escape sequences are written as escapes.
    """

    def __init__(self, message: object = "") -> None:
        text = printable(str(message))
        super().__init__(text if len(text) <= LONGEST else text[: LONGEST - 3] + "...")


class MissingPackageError(InputError):
    """An optional package that the request needs is not installed; the message names the extra that brings it."""


class BeyondReachError(InputError):
    """What was asked takes far more time or memory than there is: it is not begun (exit code 2)."""


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
