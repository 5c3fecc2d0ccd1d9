"""Every way to bound rows of logits over a region, by its name, behind one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.networks.graph import INPUT
from fpsynth.verifiers.relaxations import crown, zonotopes
from fpsynth.verifiers.relaxations.alpha import improved
from fpsynth.verifiers.relaxations.backward import Backward
from fpsynth.verifiers.relaxations.ends import Ends, interval_ends
from fpsynth.verifiers.relaxations.maps import AffineMap
from fpsynth.verifiers.relaxations.prepared import PreparedNetwork
from fpsynth.verifiers.relaxations.region import Inputs


@dataclass(frozen=True, eq=False)
class RowBounds:
    """What was found of a region."""

    outputs: Ends
    """Of the logits."""
    least: Floats
    """A lower bound of each row."""


Bounding = Callable[[PreparedNetwork, Inputs, Floats], RowBounds]
"""The network, the inputs, and rows of A y (rows, outputs), y being the logits."""


def by_intervals(network: PreparedNetwork, inputs: Inputs, rows: Floats) -> RowBounds:
    """Interval bound propagation; the rows are put together with the last layer where that is an affine map."""
    found = interval_ends(network, inputs.box)
    return RowBounds(found[network.output], least_by_intervals(network, inputs, found, rows))


def least_by_intervals(network: PreparedNetwork, inputs: Inputs, found: Mapping[str, Ends], rows: Floats) -> Floats:
    """A lower bound of each row, from the ends of the logits, or of what the last layer reads: the larger."""
    matrix, last = rows.astype(network.reasoning.dtype), network.layers[-1]
    nothing = np.zeros(len(rows), network.reasoning.dtype)
    if not isinstance(last.made, AffineMap):
        return Inputs(found[network.output]).least(matrix, network.reasoning)
    joined = last.joined([found[s].lower for s in last.sources]), last.joined([found[s].upper for s in last.sources])
    backward = Backward(network, found, {}, nothing, nothing)
    return backward.ended(
        last, matrix, Inputs(Ends(*joined), *((inputs.centre, inputs.radius) if last.sources == (INPUT,) else ()))
    )


def by_zonotopes(network: PreparedNetwork, inputs: Inputs, rows: Floats) -> RowBounds:
    """Zonotopes."""
    logits, found = zonotopes.zonotopes(network, inputs)
    return RowBounds(found[network.output], zonotopes.least_rows(logits, rows, network.reasoning))


def by_substitution(network: PreparedNetwork, inputs: Inputs, rows: Floats) -> RowBounds:
    """CROWN: intervals first, substitution where they leave a selection open."""
    analysis = crown.analysed(network, inputs)
    return RowBounds(analysis.output(network), crown.least_rows(network, inputs, analysis, rows))


def by_full_substitution(network: PreparedNetwork, inputs: Inputs, rows: Floats) -> RowBounds:
    """DeepPoly: every input of a selection is bounded by substitution."""
    analysis = crown.analysed(network, inputs, everywhere=True)
    return RowBounds(analysis.output(network), crown.least_rows(network, inputs, analysis, rows))


def by_improved_substitution(network: PreparedNetwork, inputs: Inputs, rows: Floats) -> RowBounds:
    """Alpha-CROWN: CROWN, then the slopes of the lower lines are moved to where each row's bound is the best."""
    analysis = crown.analysed(network, inputs)
    return RowBounds(analysis.output(network), improved(network, inputs, analysis, rows))


BOUNDINGS: dict[str, Bounding] = {
    "ibp": by_intervals,
    "zonotope": by_zonotopes,
    "deeppoly": by_full_substitution,
    "crown": by_substitution,
    "alpha-crown": by_improved_substitution,
}
"""Every one of them."""
