"""How long the bounds of a network will take, told from how long their first part took."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from fpsynth.verifiers.margins import Progress

_SPEAKS_FROM = 2.0
"""Seconds below which nothing is said of the time that is left."""


class Estimating:
    """A progress report that adds to each stage about how many seconds are left.

    The stages come in the order of ``costs``, their operations in any unit; what comes after them is passed on as it is.
    """

    def __init__(self, report: Progress, costs: Sequence[float], clock: Callable[[], float] = time.monotonic) -> None:
        self._report = report
        self._costs = costs
        self._clock = clock
        self._start = clock()
        self._stages: list[str] = []

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Pass on what is being done, with an estimate as soon as there is something to tell it from."""
        if not self._stages:
            self._start = self._clock()
        if stage not in self._stages:
            self._stages.append(stage)
        number = len(self._stages) - 1
        left = self._left(number, done / total) if number < len(self._costs) and total else 0.0
        self._report(f"{stage}, about {_words(left)} left" if left >= _SPEAKS_FROM else stage, done, total)

    def _left(self, number: int, share: float) -> float:
        """Seconds, if the rest goes as fast as what is done; 0 where nothing is done yet."""
        done = sum(self._costs[:number]) + share * self._costs[number]
        return (self._clock() - self._start) * (sum(self._costs) - done) / done if done else 0.0


def _words(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.0f} h"
