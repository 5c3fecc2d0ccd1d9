"""Numbers of many points gathered for the taps of a layer, a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.networks.layers.structure import PADDING, Indices, Rearrangement, Sums
from fpsynth.networks.network import Network

_PIECE = 1 << 21
"""Numbers that are gathered at a time."""


def flat_points(network: Network, points: NDArray[np.float64]) -> Floats:
    """Points of shape (..., *input shape) as (points, inputs).  Raises InputError for other shapes."""
    values = np.asarray(points, np.float64)
    shape = network.input_shape
    if values.shape[values.ndim - len(shape) :] != shape or values.ndim < len(shape):
        wanted = str(shape[0]) if len(shape) == 1 else str(shape)
        raise InputError(f"the network has {wanted} inputs, but the points are of shape {values.shape}")
    return values.reshape(-1, int(np.prod(shape)))


def gathered(values: Floats, read: Indices, padding: float) -> Floats:
    """``values`` (points, inputs) at flat positions of any shape: (points, *shape); ``padding`` for PADDING."""
    result = np.take(values, read, axis=1)  # by rows, unlike values[:, read], whose points would lie next to each other
    outside = read == PADDING
    if outside.any():
        result[:, outside] = padding
    return result


def viewed(view: Rearrangement, values: Floats) -> Floats:
    """The numbers where a view puts them."""
    return values if view.read is None else gathered(values, view.read, view.fill)


def blocks(sums: Sums, points: int) -> Iterator[tuple[slice, slice, slice]]:
    """(points, groups, positions) in pieces that together cover all sums, each of which gathers about _PIECE numbers."""
    for chosen in pieces(points, sums.terms):
        each = sums.terms * (chosen.stop - chosen.start)
        for groups in pieces(sums.groups, each * sums.positions):
            for places in pieces(sums.positions, each * (groups.stop - groups.start)):
                yield chosen, groups, places


def read_by(sums: Sums, groups: slice, places: slice) -> Indices:
    """The flat positions that a block reads: (groups, positions, terms)."""
    first = sums.taps.at(places)
    offsets = np.arange(groups.start, groups.stop, dtype=np.int32) * np.int32(sums.group_stride)
    read = first[None] + offsets[:, None, None]
    return np.where(first[None] == PADDING, np.int32(PADDING), read) if sums.taps.padded else read


def pieces(count: int, numbers: int) -> Iterator[slice]:
    """Slices of 0 to ``count`` such that those with ``numbers`` for each hold about _PIECE in all."""
    step = max(1, _PIECE // max(1, numbers))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))
