"""How a library computes averages: the order of the sums, guessed or from probes, and whether they are divided or multiplied.

jax has XLA turn the division by a number of taps into a product with its reciprocal, rounded into the format.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fpsynth.evaluators.float_arrays import round_array
from fpsynth.formats import Format
from fpsynth.libraries.geometry import spatial
from fpsynth.networks.layers import AveragePooling, Convolution, Flatten, GlobalAveragePooling, Layer, MultiplyConstant, Sums
from fpsynth.networks.layers.structure import PADDING, moved
from fpsynth.orders import Order, Tree, parse_order
from fpsynth.revealing.bench import Array
from fpsynth.revealing.masks import masks
from fpsynth.revealing.trees import Inconsistent, Probe, find_tree

RECIPROCAL = "average computed as a sum times the rounded reciprocal of the number of taps"
_LANES = (2, 3, 4, 5, 7, 8, 16, 32)


def guessed_orders(terms: int) -> list[Order]:
    """Orders in which averages are summed, the commonest first."""
    orders: list[Order] = [parse_order(name) for name in ("sequential", "pairwise", "reverse")]
    for lanes in _LANES:
        if lanes < terms:
            orders += [parse_order(f"{name}:{lanes}") for name in ("strided", "lanes", "blocked")]
            orders += [parse_order(f"strided:{lanes}/pairwise"), parse_order(f"blocked:{lanes}-of-pairwise")]
    side = round(terms**0.5)
    if side * side == terms and side > 1:
        orders.append(parse_order(f"strided:{side}"))
    return list(dict.fromkeys(orders))


def unpadded(sums: Sums) -> int:
    """The first output that reads no padding; 0 where there is none."""
    places = (place for place in range(sums.positions) if (sums.taps.at(np.array([place])) != PADDING).all())
    return int(sums.flat(0, 0, next(places, 0)))


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


def probed_order(run: Callable[[Array], Array], sums: Sums, output: int, inputs: int, fmt: Format) -> Tree | None:
    """The tree of the sum of an output; None where it reads padding, or where probes are those of no tree.

    ``run``: points (points, ``inputs``) to averages (points, outputs).  The probes are FPRev's (``trees``), their units 1.
    """
    mask, error = (
        next(masks(fmt)),
        sums.terms * 2.0 ** (1 - fmt.precision),
    )  # of a count: a quotient's rounding, and a product's
    group, _, position = sums.place(output)
    read = moved(sums.taps.at(np.array([position]))[0], group * sums.group_stride)
    if mask.unit != 1 or error >= 0.5 or (read == PADDING).any():
        return None
    divisor = 1.0 if sums.divisor is None else float(sums.divisor[position])

    def lost(probes: Sequence[Probe]) -> list[int]:
        points = np.zeros((len(probes), inputs))
        for point, probe in zip(points, probes, strict=True):
            point[read if probe.only is None else read[probe.only]] = 1.0
            point[read[probe.first]], point[read[probe.second]] = mask.big, -mask.big
        units = run(points)[:, output] * divisor
        if not (np.abs(units - np.rint(units)) <= error).all():
            raise Inconsistent("a probe gives what no tree of exact small sums gives")
        return [
            (sums.terms if probe.only is None else 3) - int(seen) for probe, seen in zip(probes, np.rint(units), strict=True)
        ]

    try:
        return find_tree(sums.terms, lost, False)[0]
    except Inconsistent:
        return None
