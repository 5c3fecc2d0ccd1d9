"""Count the float32 inputs of a box that are unsafe in one environment, each of them accounted for: the first way that can."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fpsynth.corpus.labels.counting_boxes import by_boxes
from fpsynth.corpus.labels.counting_each import InputCount, enumerated
from fpsynth.corpus.labels.counting_residues import by_residues
from fpsynth.corpus.labels.counting_sums import by_sums
from fpsynth.corpus.labels.environments import Computed
from fpsynth.corpus.labels.points import Grid
from fpsynth.verifiers.properties import Property

__all__ = ["WAYS", "InputCount", "count"]

Way = Callable[[Computed, Grid, Property], InputCount | None]
WAYS: Sequence[Way] = (enumerated, by_sums, by_residues, by_boxes)
"""From the one that trusts nothing to those that trust an argument, which tests hold against the first."""


def count(computed: Computed, grid: Grid, unsafe: Property) -> InputCount | None:
    """All inputs of a grid; None where no way can."""
    return next((counted for way in WAYS if (counted := way(computed, grid, unsafe)) is not None), None)
