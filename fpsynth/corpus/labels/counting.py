"""Count the float32 inputs of a box that are unsafe in one environment, each of them accounted for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fpsynth.corpus.labels.environments import Computed
from fpsynth.corpus.labels.margins import violated
from fpsynth.corpus.labels.points import Grid
from fpsynth.verifiers.properties import Property
from fpsynth.workers.deadlines import require_time

MAX_ENUMERATED = 1 << 17
"""Inputs that are evaluated one by one."""
_PIECE = 1 << 14


@dataclass(frozen=True)
class Count:
    """How many of how many are unsafe."""

    bad: int
    total: int
    method: str
    """How they were counted, in words."""
    example: tuple[float, ...] = ()
    """One that is unsafe."""


Way = Callable[[Computed, Grid, Property], Count | None]


def count(computed: Computed, grid: Grid, unsafe: Property) -> Count | None:
    """All inputs of a grid, by the first way that can; None where none can."""
    return next(filter(None, (way(computed, grid, unsafe) for way in WAYS)), None)


def enumerated(computed: Computed, grid: Grid, unsafe: Property) -> Count | None:
    """By evaluating each; None where there are more than MAX_ENUMERATED."""
    if grid.total > MAX_ENUMERATED:
        return None
    bad, example = 0, tuple[float, ...]()
    for points in grid.pieces(_PIECE):
        require_time()
        wrong = violated(unsafe, computed.outputs(points))
        if not example and wrong.any():
            example = tuple(points[int(wrong.argmax())].tolist())
        bad += int(wrong.sum())
    return Count(bad, grid.total, "every input was evaluated", example)


WAYS: Sequence[Way] = (enumerated,)
