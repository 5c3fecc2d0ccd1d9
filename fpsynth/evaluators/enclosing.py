"""A known network over a box in exact rationals: an interval for every output, also where exact values are irrational."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from fpsynth.networks.layers.structure import PADDING, Addends, Normalisation, Rearrangement, Selection, Sums, moved
from fpsynth.networks.network import Network, Node
from fpsynth.workers.deadlines import require_time

Ends = tuple[Fraction, Fraction]
_ZERO = Fraction(0), Fraction(0)


def enclosed_logits(network: Network, box: Sequence[tuple[float | Fraction, float | Fraction]]) -> tuple[Ends, ...]:
    """For each logit, ends between which it lies in exact arithmetic, for all points of ``box`` (two ends for each input).

    Layer by layer, as interval arithmetic has it: exact for a point, up to the relative 2**-256 of each square root in a batch
    normalisation, and wider than what is reached where a layer's inputs depend on one another.  Raises OutOfTimeError.
    """
    graph = network.logits

    def step(node: Node, inputs: Sequence[Sequence[Ends]]) -> Sequence[Ends]:
        values, structure = [ends for part in inputs for ends in part], graph.structure(node.name)
        if isinstance(structure, Sums):
            sums = (structure.addends(output) for output in range(structure.outputs))
            return [_summed(addends, structure.normalisation, values) for addends in sums]
        return _selected(structure, values) if isinstance(structure, Selection) else _viewed(structure, values)

    given: Sequence[Ends] = [(Fraction(low), Fraction(high)) for low, high in box]
    worth: Sequence[Ends] = graph.run(given, step)
    return tuple(worth)


def _summed(addends: Addends, normalisation: Normalisation | None, values: Sequence[Ends]) -> Ends:
    require_time()
    weights = [1.0] * len(addends.read) if addends.weights is None else addends.weights.tolist()
    low = high = Fraction(0 if addends.bias is None else float(addends.bias))
    for weight, place in zip(weights, addends.read.tolist(), strict=True):
        ends = _times(_ZERO if place == PADDING else values[place], (Fraction(weight), Fraction(weight)))
        low, high = low + ends[0], high + ends[1]
    if addends.divisor != 1:
        inverse = 1 / Fraction(addends.divisor)
        low, high = _times((low, high), (inverse, inverse))
    if normalisation is None:
        return low, high
    mean, shift = (Fraction(float(a[addends.group])) for a in (normalisation.mean, normalisation.shift))
    low, high = _times((low - mean, high - mean), normalisation.factor(addends.group))
    return low + shift, high + shift


def _times(a: Ends, b: Ends) -> Ends:
    products = [x * y for x in a for y in b]
    return min(products), max(products)


def _selected(selection: Selection, values: Sequence[Ends]) -> list[Ends]:
    result = []
    for group in range(selection.groups):
        for row in moved(selection.taps.at(slice(None)), group * selection.group_stride).tolist():
            given = [values[place] for place in row if place != PADDING]
            result.append((_chosen(selection, [low for low, _ in given]), _chosen(selection, [high for _, high in given])))
    return result


def _chosen(selection: Selection, values: Sequence[Fraction]) -> Fraction:
    """A selection grows with each of its numbers, so that the ends are selected by themselves."""
    result = max(values)
    if selection.floor is not None:
        result = max(result, Fraction(selection.floor))
    if selection.ceiling is not None:
        result = min(result, Fraction(selection.ceiling))
    return result * Fraction(selection.slope) if selection.slope is not None and result < 0 else result


def _viewed(view: Rearrangement, values: Sequence[Ends]) -> Sequence[Ends]:
    if view.read is None:
        return values
    fill = Fraction(view.fill), Fraction(view.fill)
    return [fill if place == PADDING else values[place] for place in view.read.tolist()]
