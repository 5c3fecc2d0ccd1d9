"""The tree in which a library adds the inputs of an average, by masks, whatever it multiplies or divides the sum by.

jax has XLA turn the division by a number of taps into a product with its reciprocal, rounded into the format.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fpsynth.aliases import Array
from fpsynth.evaluators.float_arrays import round_array
from fpsynth.formats import Format
from fpsynth.libraries.geometry import spatial
from fpsynth.networks.layers import AveragePooling, Convolution, Flatten, GlobalAveragePooling, Layer, MultiplyConstant
from fpsynth.networks.layers.structure import PADDING, Sums
from fpsynth.orders import Tree
from fpsynth.revealing.masks import masks
from fpsynth.revealing.trees import Inconsistent, Probe, find_tree

MOST_TERMS = 1 << 10
"""Inputs of an average whose tree is looked for: a chain takes half their square in runs."""
_AWAY = 2.0**-6
"""How far from a whole number a count may be that a quotient was rounded into."""


RECIPROCAL = "average computed as a sum times the rounded reciprocal of the number of taps"
"""The name of the rewrite into what ``multiplied`` gives."""


def multiplied(layer: Layer, shape: Sequence[int], sums: Sums, fmt: Format) -> list[Layer]:
    """Layers that add what an average pooling reads, and multiply the sums by rounded reciprocals.

    The first adds: a convolution of each channel by itself, whose weights are all one, with the padding that windows which
    reach beyond the input (``ceil``) take, too.  The last multiplies.
    """
    assert isinstance(layer, (AveragePooling, GlobalAveragePooling))
    assert sums.divisor is not None
    channels, whole = shape[0], tuple(shape[1:])
    if isinstance(layer, AveragePooling):
        ones = np.ones((channels, 1, *layer.kernel))
        added = Convolution(ones, None, layer.stride, spatial(layer, tuple(shape)), groups=channels)
    else:
        added = Convolution(np.ones((channels, 1, *whole)), None, groups=channels)
    reciprocals = round_array(1 / sums.divisor, fmt).reshape(1, *added.shape(tuple(shape))[1:])
    if isinstance(layer, GlobalAveragePooling) and not layer.keep_axes:
        return [added, Flatten(), MultiplyConstant(reciprocals.reshape(1))]
    return [added, MultiplyConstant(reciprocals)]


def average_tree(sums: Sums, output: int, run: Callable[[Array], Array], inputs: int, fmt: Format) -> Tree:
    """The tree of the sum at one flat output of a layer that adds its inputs as they are.

    ``run``: from points (points, ``inputs``) to what the library gives, (points, outputs).  Raises Inconsistent where what it
    gives is that of no tree over the output's taps, as where one of them lies in a padding.
    """
    read = sums.addends(output).read
    if (read == PADDING).any() or not 2 <= len(read) <= MOST_TERMS:
        raise Inconsistent(f"an average of {len(read)} inputs, some of them perhaps in a padding, is not probed")
    mask = next(masks(fmt))

    def seen(probes: Sequence[Probe]) -> Array:
        """How many units reach the result of each probe."""
        points = np.zeros((max(1, len(probes)), inputs))
        points[:, read] = mask.unit
        for row, probe in enumerate(probes):
            if probe.only is not None:
                points[row, read] = 0.0
                points[row, read[probe.only]] = mask.unit
            points[row, read[probe.first]], points[row, read[probe.second]] = mask.big, -mask.big
        return np.asarray(run(points)[:, output])

    whole = seen([])[0]  # the average of equal units: what it is of one tells how a count is read from a result
    if not whole > 0:
        raise Inconsistent("the average of units is not above 0")

    def lost(probes: Sequence[Probe]) -> list[int]:
        counts = seen(probes) / whole * len(read)
        if not (np.abs(counts - np.rint(counts)) < _AWAY).all():
            raise Inconsistent("a probe gives what no tree of units gives")
        of = [len(read) if probe.only is None else 3 for probe in probes]
        return [int(total - count) for total, count in zip(of, np.rint(counts), strict=True)]

    return find_tree(len(read), lost)[0]
