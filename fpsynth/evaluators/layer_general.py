"""Layers as ``program_sums`` evaluates them: any sum program, in many passes of float64; what other ways are held to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.evaluators.layer_groups import FloatArray, Group, Indices, LayerSums
from fpsynth.evaluators.programs import program_sums
from fpsynth.workers.deadlines import require_time

_MEMORY = 1 << 22
"""Float64 numbers that one step of the evaluation may hold."""


def general_sums(layer: LayerSums, group: Group, inputs: FloatArray, addends: Sequence[FloatArray]) -> FloatArray:
    """The outputs of a group, (rows, positions, channels), for ``inputs`` (rows, inputs) and addends of all outputs."""
    shape = (len(inputs), len(group.positions), len(group.channels))
    outputs = np.empty(shape, layer.dtype)
    flat = outputs.reshape(-1)
    size = max(1, _MEMORY // len(group.program.leaves))
    for start in range(0, flat.size, size):
        require_time()
        row, position, channel = np.unravel_index(np.arange(start, min(start + size, flat.size)), shape)
        where = (row, group.positions[position], group.channels[channel])
        flat[start : start + size] = element_sums(layer, group, inputs, addends, where)
    return outputs


def element_sums(
    layer: LayerSums,
    group: Group,
    inputs: FloatArray,
    addends: Sequence[FloatArray],
    where: tuple[Indices, Indices, Indices],
) -> FloatArray:
    """Some outputs of a group, one after the other, at (rows, positions, channels) of the layer."""
    rows, positions, channels = where
    taps = slice(None) if group.taps is None else list(group.taps)
    which = layer.gather[positions][:, taps].T
    gathered = inputs[rows, which].astype(np.float64)  # of a tap that is not there any other: it is replaced
    x: Floats = np.where(which < 0, 0.0, gathered)
    numbers = [] if layer.bias is None else [layer.bias[channels].astype(np.float64)]
    numbers += [addend[where].astype(np.float64) for addend in addends]
    weights = layer.weights[channels][:, taps].T.astype(np.float64)
    with np.errstate(all="ignore"):
        return program_sums(group.program, weights, x, numbers).astype(layer.dtype)
