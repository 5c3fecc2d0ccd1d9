"""How a library computes a batch normalisation: measured constants, and the few ways in which they are applied.

With mean and shift 0, x = 1 gives scale / sqrt(variance + epsilon) as the library rounds it, and with scale 1 its inverse root;
with the layer's own numbers, x = 0 gives the shift of those that compute scale x + shift.  A root that is divided by is not
measured but computed: the sum and the root are each rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from fpsynth.aliases import Array
from fpsynth.evaluators.float_arrays import round_array
from fpsynth.formats import Format
from fpsynth.networks.layers import BatchNormalisation, Layer
from fpsynth.networks.rewrites import centred, centred_and_divided, centred_and_over_root, scaled

Run = Callable[[BatchNormalisation, Array], Array]
"""Runs a batch normalisation in the library on points of its input shape, flat: (points, inputs) to (points, outputs)."""


def forms(layer: BatchNormalisation, shape: Sequence[int], run: Run, fmt: Format) -> Iterator[tuple[str, list[Layer]]]:
    """Names of rewrites, and the layers that compute the normalisation so in ``fmt``."""
    channels, axes = shape[0], len(shape)
    plane = int(np.prod(shape[1:]))
    ones, zeros = np.ones((1, channels * plane)), np.zeros((1, channels * plane))
    nothing = np.zeros(channels)

    def first(values: Array) -> Array:
        return values.reshape(channels, plane)[:, 0]

    bare = replace(layer, mean=nothing, shift=nothing)
    factor = first(run(bare, ones))
    inverse = first(run(replace(bare, scale=np.ones(channels)), ones))
    shift = first(run(layer, zeros))
    yield "batch normalisation computed as scale x + shift", scaled(factor, shift)
    yield "batch normalisation computed as scale (x - mean) + shift", centred(layer, axes, factor)
    root = round_array(np.sqrt(round_array(layer.variance + round_array(np.array(layer.epsilon), fmt), fmt)), fmt)
    yield "batch normalisation computed as scale ((x - mean) / root) + shift", centred_and_over_root(layer, axes, root)
    yield "batch normalisation computed as scale ((x - mean) (1 / root)) + shift", centred_and_divided(layer, axes, inverse)
