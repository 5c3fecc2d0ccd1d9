"""Shifts: a constant of 2**-30 is lost beside an input."""

from __future__ import annotations

from collections.abc import Sequence

from fpsynth.corpus.families.base import FamilyDrawing, InstanceDraft, InstanceFamily, box_of, stack, steps
from fpsynth.corpus.instances.data import REAL, RUNTIME, SAT, UNSAT


def draw(drawing: FamilyDrawing) -> Sequence[InstanceDraft]:
    """Outputs x and x + 2**-30."""
    low = 1 + drawing.rng.randrange(1 << 20) * 2.0**-23
    network = stack(([[1.0], [1.0]], [0.0, 2.0**-30]))
    return [InstanceDraft(network, box_of([(low, steps(low, 99))]), {}, {REAL: UNSAT, RUNTIME: SAT})]


FAMILY = InstanceFamily("shifted", "shifted", "verifiers that bound", "A constant is lost beside an input.", draw)
