"""Settings of a search, and the clock that counts its time down; the same for every question."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from fpsynth.libraries.machine import cores
from fpsynth.solvers.base import Engine


@dataclass(frozen=True)
class Settings:
    """Limits and choices of a search, the same for every question."""

    engines: tuple[Engine, ...]
    seed: int = 0
    seconds: float = 60.0
    improvement: float = 3.0
    """Seconds that may be spent on a larger objective once a solution is there."""
    jobs: int = field(default_factory=cores)
    memory: int = 1 << 30
    """Bytes of address space for each solver process."""


class Clock:
    """Counts down the time limit of one request."""

    def __init__(self, seconds: float) -> None:
        self.started = time.monotonic()
        self.deadline = self.started + seconds

    @property
    def left(self) -> float:
        """Seconds until the limit, at least 0."""
        return max(0.0, self.deadline - time.monotonic())

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started
