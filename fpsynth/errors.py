"""The errors that fpsynth raises on purpose, each a single line that says what is wrong and what to do."""


class InputError(ValueError):
    """An argument or a file cannot be used; the message is one line fit for a user (exit code 2)."""


class MissingPackageError(InputError):
    """An optional package that the request needs is not installed; the message names the extra that brings it."""


class ContradictionError(RuntimeError):
    """Two parts that must agree do not: one of them (a solver, a certifier, fpsynth) has a bug.  The message says which."""
