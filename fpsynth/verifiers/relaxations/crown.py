"""CROWN: ends of every number by linear bounds substituted backwards, layer after layer, and rows of the logits last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.networks.graph import INPUT
from fpsynth.verifiers.relaxations.backward import Relaxed, least_values, relaxed, turns
from fpsynth.verifiers.relaxations.ends import Ends, layer_ends, source_ends
from fpsynth.verifiers.relaxations.lines import Selecting
from fpsynth.verifiers.relaxations.maps import Matrix, scipy_sparse
from fpsynth.verifiers.relaxations.prepared import PreparedLayer, PreparedNetwork
from fpsynth.verifiers.relaxations.region import Inputs


@dataclass(frozen=True, eq=False)
class Analysis:
    """What is known of a network over a region."""

    found: Mapping[str, Ends]
    """Of every layer's results, and of INPUT."""
    relaxations: Mapping[str, Relaxed]
    """Of every selection."""

    def output(self, network: PreparedNetwork) -> Ends:
        """The ends of the logits."""
        return self.found[network.output]


def analysed(
    network: PreparedNetwork,
    inputs: Inputs,
    known: Mapping[str, Ends] | None = None,
    *,
    refined: bool = True,
    everywhere: bool = False,
) -> Analysis:
    """The ends and relaxations of every layer over the inputs.

    ``known``: ends that hold as well (of a part of the region, for one, that a split has made smaller).  ``refined``: whether
    inputs of selections that neither of their pieces holds are bounded by substitution, or by intervals alone;
    ``everywhere``: all inputs of selections are.
    """
    found: dict[str, Ends] = {INPUT: inputs.box}
    relaxations: dict[str, Relaxed] = {}
    for layer in network.layers:
        if isinstance(layer.made, Selecting):
            if refined:
                _refine(network, layer, inputs, found, relaxations, everywhere)
            relaxations[layer.name] = relaxed(layer, found)
        own = layer_ends(layer, found)
        found[layer.name] = own if known is None or layer.name not in known else own.within(known[layer.name])
    return Analysis(found, relaxations)


def _refine(
    network: PreparedNetwork,
    selection: PreparedLayer,
    inputs: Inputs,
    found: dict[str, Ends],
    relaxations: Mapping[str, Relaxed],
    everywhere: bool,
) -> None:
    """Bring the ends of a selection's inputs closer, where that may matter."""
    assert isinstance(selection.made, Selecting)
    given = source_ends(selection, found)
    if not (np.isfinite(given.lower).all() and np.isfinite(given.upper).all()):
        return
    unstable = np.arange(len(given.lower)) if everywhere else selection.made.unstable(given.lower, given.upper)
    for source, part in zip(selection.sources, selection.slices, strict=True):
        first = not relaxations and source != INPUT and network.named[source].sources == (INPUT,)
        if source == INPUT or (first and inputs.centre is None):
            continue  # intervals are exact there
        chosen = unstable[(unstable >= part.start) & (unstable < part.stop)] - part.start
        if len(chosen):
            found[source] = _closer(network, source, chosen, inputs, found, relaxations)


def _closer(
    network: PreparedNetwork,
    node: str,
    chosen: NDArray[np.int64],
    inputs: Inputs,
    found: Mapping[str, Ends],
    relaxations: Mapping[str, Relaxed],
) -> Ends:
    lower, upper = found[node].lower.copy(), found[node].upper.copy()
    widest = max(network.sizes.values())
    for turn in turns(2 * len(chosen), widest):
        part = chosen[turn.start // 2 : -(-turn.stop // 2)]
        rows = picked(part, network.sizes[node], network.reasoning.dtype)
        least = least_values(network, inputs, found, relaxations, {node: rows})
        lower[part] = np.maximum(lower[part], least[: len(part)])
        upper[part] = np.minimum(upper[part], -least[len(part) :])
    return Ends(lower, upper, found[node].units)


def picked(places: NDArray[np.int64], numbers: int, dtype: np.dtype[np.floating]) -> Matrix:
    """Rows that pick these of so many numbers, and rows that pick them with the other sign."""
    count = len(places)
    signs = np.repeat(np.array([1, -1], dtype), count)
    return scipy_sparse().csr_array((signs, (np.arange(2 * count), np.tile(places, 2))), shape=(2 * count, numbers))


def least_rows(network: PreparedNetwork, inputs: Inputs, analysis: Analysis, rows: Floats) -> Floats:
    """A lower bound of each row of A y over the inputs, y being the logits."""
    return least_values(
        network, inputs, analysis.found, analysis.relaxations, {network.output: rows.astype(network.reasoning.dtype)}
    )
