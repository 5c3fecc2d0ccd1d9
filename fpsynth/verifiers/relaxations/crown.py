"""CROWN: ends of every number by linear bounds substituted backwards, layer after layer, and rows of the logits last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.networks.graph import INPUT
from fpsynth.verifiers.relaxations.backward import Relaxed, least_values, relaxed, turns
from fpsynth.verifiers.relaxations.ends import Ends, source_ends, step_ends
from fpsynth.verifiers.relaxations.lines import Selecting
from fpsynth.verifiers.relaxations.maps import Matrix, scipy_sparse
from fpsynth.verifiers.relaxations.region import Inputs
from fpsynth.verifiers.relaxations.steps import Step, Steps


@dataclass(frozen=True, eq=False)
class Analysis:
    """What is known of a network over a region."""

    found: Mapping[str, Ends]
    """Of every step's results, and of INPUT."""
    relaxations: Mapping[str, Relaxed]
    """Of every selection."""

    def output(self, steps: Steps) -> Ends:
        """The ends of the logits."""
        return self.found[steps.output]


def analysed(steps: Steps, inputs: Inputs, known: Mapping[str, Ends] | None = None, *, refined: bool = True) -> Analysis:
    """The ends and relaxations of every step over the inputs.

    ``known``: ends that hold as well (of a part of the region, for one, that a split has made smaller).  ``refined``: whether
    inputs of selections that neither of their pieces holds are bounded by substitution, or by intervals alone.
    """
    found: dict[str, Ends] = {INPUT: inputs.box}
    relaxations: dict[str, Relaxed] = {}
    for step in steps.steps:
        if isinstance(step.made, Selecting):
            if refined:
                _refine(steps, step, inputs, found, relaxations)
            relaxations[step.name] = relaxed(step, found)
        own = step_ends(step, found)
        found[step.name] = own if known is None or step.name not in known else own.within(known[step.name])
    return Analysis(found, relaxations)


def _refine(steps: Steps, selection: Step, inputs: Inputs, found: dict[str, Ends], relaxations: Mapping[str, Relaxed]) -> None:
    """Bring the ends of a selection's inputs closer, where that may matter."""
    assert isinstance(selection.made, Selecting)
    given = source_ends(selection, found)
    if not (np.isfinite(given.lower).all() and np.isfinite(given.upper).all()):
        return
    unstable = selection.made.unstable(given.lower, given.upper)
    for source, part in zip(selection.sources, selection.slices, strict=True):
        if source == INPUT or (not relaxations and steps.named[source].sources == (INPUT,)):
            continue  # intervals are exact there
        chosen = unstable[(unstable >= part.start) & (unstable < part.stop)] - part.start
        if len(chosen):
            found[source] = _closer(steps, source, chosen, inputs, found, relaxations)


def _closer(
    steps: Steps,
    node: str,
    chosen: NDArray[np.int64],
    inputs: Inputs,
    found: Mapping[str, Ends],
    relaxations: Mapping[str, Relaxed],
) -> Ends:
    lower, upper = found[node].lower.copy(), found[node].upper.copy()
    widest = max(steps.sizes.values())
    for turn in turns(2 * len(chosen), widest):
        part = chosen[turn.start // 2 : -(-turn.stop // 2)]
        rows = picked(part, steps.sizes[node], steps.reasoning.dtype)
        least = least_values(steps, inputs, found, relaxations, {node: rows})
        lower[part] = np.maximum(lower[part], least[: len(part)])
        upper[part] = np.minimum(upper[part], -least[len(part) :])
    return Ends(lower, upper)


def picked(places: NDArray[np.int64], numbers: int, dtype: np.dtype[np.floating]) -> Matrix:
    """Rows that pick these of so many numbers, and rows that pick them with the other sign."""
    count = len(places)
    signs = np.repeat(np.array([1, -1], dtype), count)
    return scipy_sparse().csr_array((signs, (np.arange(2 * count), np.tile(places, 2))), shape=(2 * count, numbers))


def least_rows(steps: Steps, inputs: Inputs, analysis: Analysis, rows: Floats) -> Floats:
    """A lower bound of each row of A y over the inputs, y being the logits."""
    return least_values(steps, inputs, analysis.found, analysis.relaxations, {steps.output: rows.astype(steps.reasoning.dtype)})
