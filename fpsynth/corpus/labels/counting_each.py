"""Count unsafe inputs by evaluating each of them."""

from __future__ import annotations

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
class InputCount:
    """How many of how many are unsafe."""

    bad: int
    total: int
    method: str
    """How they were counted, in words."""
    example: tuple[float, ...] = ()
    """One that is unsafe; empty where none is."""


def enumerated(computed: Computed, grid: Grid, unsafe: Property) -> InputCount | None:
    """Every input; None where there are more than MAX_ENUMERATED."""
    if grid.total > MAX_ENUMERATED:
        return None
    bad, example = 0, tuple[float, ...]()
    for points in grid.pieces(_PIECE):
        require_time()
        wrong = violated(unsafe, computed.outputs(points))
        if not example and wrong.any():
            example = tuple(points[int(wrong.argmax())].tolist())
        bad += int(wrong.sum())
    return InputCount(bad, grid.total, "every input was evaluated", example)
