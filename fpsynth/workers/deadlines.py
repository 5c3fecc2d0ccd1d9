"""The time that a request may take: said once, and looked at by every loop that may run long.

Whoever answers a request opens ``within``; whatever works for it, however deep, calls ``require_time`` between its steps.
Where nobody has said anything, there is time without end.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

FILE_TIME = 600.0
"""Seconds for what is asked of one file, where nobody says how many."""
_END: ContextVar[float | None] = ContextVar("fpsynth_end", default=None)


class OutOfTimeError(RuntimeError):
    """The time that was given is over; nothing is known of what was not finished."""

    def __init__(self) -> None:
        super().__init__("the time limit is over")


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give what follows so many seconds, or what is left of the time already given where that is less."""
    end, outer = time.monotonic() + seconds, _END.get()
    token = _END.set(end if outer is None else min(end, outer))
    try:
        yield
    finally:
        _END.reset(token)


def time_left(otherwise: float) -> float:
    """Seconds until the end, at least 0; ``otherwise`` where there is none, and never more than that."""
    end = _END.get()
    return otherwise if end is None else min(otherwise, max(0.0, end - time.monotonic()))


def require_time() -> None:
    """Raise OutOfTimeError where the time is over."""
    end = _END.get()
    if end is not None and time.monotonic() >= end:
        raise OutOfTimeError
