"""Networks as stacks of dense layers: as they are, or, of convolutions and the like that stand in a row, written out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.networks.graph import INPUT
from fpsynth.networks.layers.structure import PADDING, Rearrangement, Selection, Sums, moved
from fpsynth.networks.network import Network, dense_relu

Arrays = list[tuple[Floats, Floats]]
"""Weight and bias of each layer, as float64."""
MAX_NUMBERS = 1 << 18
"""Of all layers that are written out."""


def arrays_of(network: Network) -> Arrays | None:
    """Of a stack of dense layers with ReLU between them, or of what can be written as one; None of anything else."""
    try:
        layers = network.dense_layers
    except InputError:
        return _written_out(network)
    return [
        (np.array(one.weight, np.float64), np.zeros(one.outputs) if one.bias is None else np.array(one.bias, np.float64))
        for one in layers
    ]


def stack_of(layers: Sequence[tuple[Any, Any]]) -> Network | None:
    """The stack, its numbers rounded to float32; None where one is not finite, or a layer is empty."""
    with np.errstate(all="ignore"):
        made = [(np.asarray(weight).astype(np.float32), np.asarray(bias).astype(np.float32)) for weight, bias in layers]
    if not all(array.size and np.isfinite(array).all() for pair in made for array in pair):
        return None
    return dense_relu(made)


def _written_out(network: Network) -> Arrays | None:
    """Sums with a ReLU between them, and rearrangements anywhere, one behind the other."""
    layers: Arrays = []
    before, read, active, numbers = INPUT, None, True, 0
    for node in network.nodes:
        if node.inputs != (before,):
            return None
        before, structure = node.name, network.structure(node.name)
        if isinstance(structure, Rearrangement):
            read = _rearranged(read, structure)
            if read is None and structure.read is not None:
                return None
        elif isinstance(structure, Selection):
            if active or not _is_relu(structure):
                return None
            active = True
        else:
            inputs = math.prod(network.shapes[node.inputs[0]])
            numbers += structure.outputs * inputs
            if not active or numbers > MAX_NUMBERS or structure.normalisation is not None:
                return None
            weight, bias = _dense(structure, inputs)
            sources = len(layers[-1][1]) if layers else math.prod(network.input_shape)
            layers.append((weight if read is None else _unmoved(weight, read, sources), bias))
            read, active = None, False
    return None if active or read is not None else layers


def _rearranged(read: NDArray[np.int64] | None, structure: Rearrangement) -> NDArray[np.int64] | None:
    """Where each number comes from after one more rearrangement; None where all stay, or where something is filled in."""
    if structure.read is None:
        return read
    then = np.asarray(structure.read, np.int64)
    if (then == PADDING).any():
        return None
    return then if read is None else read[then]


def _is_relu(structure: Selection) -> bool:
    plain = structure.ceiling is None and structure.slope is None and structure.rule == "maximum"
    if not (plain and structure.floor == 0 and structure.taps.terms == 1):
        return False
    first = structure.taps.at(slice(None))[:, 0]
    places = np.concatenate([moved(first, group * structure.group_stride) for group in range(structure.groups)])
    return bool(np.array_equal(places, np.arange(structure.outputs)))


def _dense(sums: Sums, inputs: int) -> tuple[Floats, Floats]:
    """A row for each output, about as it is: a divisor is divided by in float64."""
    weight, bias = np.zeros((sums.outputs, inputs)), np.zeros(sums.outputs)
    for output in range(sums.outputs):
        addends = sums.addends(output)
        read = np.asarray(addends.read)
        factors = np.ones(len(read)) if addends.weights is None else np.asarray(addends.weights, np.float64)
        there = read != PADDING
        np.add.at(weight[output], read[there], factors[there] / addends.divisor)
        bias[output] = (0.0 if addends.bias is None else float(addends.bias)) / addends.divisor
    return weight, bias


def _unmoved(weight: Floats, read: NDArray[np.int64], sources: int) -> Floats:
    """The weight for numbers as they stood before they were rearranged."""
    whole = np.zeros((len(weight), sources))
    np.add.at(whole.T, read, weight.T)
    return whole
