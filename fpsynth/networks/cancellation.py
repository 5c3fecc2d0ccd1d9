"""A lint for rows of weights that cancel exactly: what is left of such a sum is decided by the order of its additions.

The summands of a row are its weights and its bias, as they are multiplied by an input of ones.  Sorted by size, they fall into
scales: a new scale begins where the next summand is at most u A, A being the sum of the sizes of its own scale so far and
u = 2^-24, half an ulp of float32.  A sum of A swallows, in some order, what is that small.  A row *cancels* where

* the exact sum of a scale of at least two summands is at most 4 u A in size, or at most the sum of the sizes of all smaller
  ones, and there are smaller ones: whether they count depends on the order (``swallows``); or
* all that is left is one scale of at least three summands, whose exact sum is at most 4 u A, and which no order adds exactly:
  A is more than 2^24 times the power of two that all of them are multiples of (``vanishes``).

Two summands have no order, and rows of small whole numbers (differences, edge filters, ternary weights) are added exactly in
any: neither is an alarm.  The sum of n weights of a trained row is about as near to 0 by chance once in 10^5 rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fpsynth.aliases import Floats, Json
from fpsynth.networks.layers import Convolution, Dense
from fpsynth.networks.network import Network

_U = 2.0**-24
_CLOSE = 4 * _U
SWALLOWS, VANISHES = "swallows", "vanishes"


@dataclass(frozen=True)
class CancellingGroup:
    """Summands of a row that cancel."""

    kind: str
    """SWALLOWS or VANISHES."""
    places: tuple[int, ...]
    """Of the summands in the row, the largest first."""
    total: float
    """Their exact sum, rounded once."""
    size: float
    """The sum of their sizes."""
    smaller: float
    """The sum of the sizes of all summands of smaller scales."""


@dataclass(frozen=True)
class Cancellation:
    """A neuron of a network whose weights cancel."""

    layer: str
    neuron: int
    """The output of a dense layer, the channel of a convolution."""
    group: CancellingGroup
    weights: tuple[float, ...]
    """The summands of the group, the largest first: weights, or products where these are looked at."""
    inputs: tuple[int, ...]
    """Where they stand in the row (of a convolution in its flattened kernel); the row's length stands for the bias."""

    def to_json(self) -> Json:
        """As data; of long groups the first 16 weights."""
        return {
            "layer": self.layer,
            "neuron": self.neuron,
            "kind": self.group.kind,
            "summands": len(self.weights),
            "weights": list(self.weights[:_TOLD]),
            "inputs": list(self.inputs[:_TOLD]),
            "sum": self.group.total,
            "size": self.group.size,
            "smaller": self.group.smaller,
        }


_TOLD = 16


def cancelling(summands: Floats) -> CancellingGroup | None:
    """The first group of a row (summands,) that cancels, from the largest on; None where none does."""
    places = np.argsort(-np.abs(summands), kind="stable")
    places = places[: int(np.count_nonzero(summands))]
    row = summands[places].astype(np.float64)
    sizes = np.abs(row)
    if len(row) < 3 or not np.isfinite(sizes).all():
        return None
    begin = 0
    while begin < len(row):
        sums = np.cumsum(sizes[begin:])
        gaps = np.flatnonzero(sizes[begin + 1 :] <= _U * sums[:-1])
        end = begin + 1 + int(gaps[0]) if len(gaps) else len(row)
        kind = _kind(row, begin, end)
        if kind:
            size, smaller = float(sums[end - begin - 1]), float(sizes[end:].sum())
            return CancellingGroup(kind, tuple(places[begin:end].tolist()), math.fsum(row[begin:end].tolist()), size, smaller)
        begin = end
    return None


def _kind(row: Floats, begin: int, end: int) -> str:
    """How a scale cancels; empty where it does not."""
    scale, smaller = row[begin:end], float(np.abs(row[end:]).sum())
    size = float(np.abs(scale).sum())
    if abs(float(scale.sum())) > max(2 * _CLOSE * size, 2 * smaller):  # float64 is far closer than that
        return ""
    total = abs(math.fsum(scale.tolist()))
    if end < len(row):
        return SWALLOWS if end - begin > 1 and total <= max(_CLOSE * size, smaller) else ""
    vanishes = end - begin > 2 and total <= _CLOSE * size and size * _U > _quantum(scale)
    return VANISHES if vanishes else ""


def _quantum(row: Floats) -> float:
    """The largest power of two of which all numbers are multiples."""
    significands, exponents = np.frexp(row)
    whole = np.abs(np.ldexp(significands, 53)).astype(np.int64)
    lowest = np.log2((whole & -whole).astype(np.float64))
    return float(np.ldexp(1.0, int((exponents - 53 + lowest).min())))


def rows_of(layer: Dense | Convolution) -> Floats:
    """The summands of each neuron: (outputs, weights and, where there is one, the bias)."""
    rows = np.asarray(layer.weight, np.float64).reshape(len(layer.weight), -1)
    return rows if layer.bias is None else np.concatenate([rows, np.asarray(layer.bias, np.float64)[:, None]], axis=1)


def cancellations(network: Network) -> tuple[Cancellation, ...]:
    """The neurons of dense layers and convolutions whose weights cancel, in order; a shared layer counts for each node."""
    return tuple(_found(network))


def _found(network: Network) -> Iterator[Cancellation]:
    for node in network.nodes:
        if not isinstance(node.layer, Dense | Convolution):
            continue
        rows = rows_of(node.layer)
        for neuron, row in enumerate(rows):
            group = cancelling(row)
            if group is not None:
                weights = tuple(row[list(group.places)].tolist())
                yield Cancellation(node.name, neuron, group, weights, group.places)


def cancellation_words(found: Cancellation) -> str:
    """One line: the layer, the neuron, its weights, and what is left to the order."""
    told = ", ".join(f"{weight:.6g}" for weight in found.weights[:4])
    more = f" and {len(found.weights) - 4} more" if len(found.weights) > 4 else ""
    group = found.group
    left = f"; what is left, {group.smaller:.3g} at most, is up to the order" if group.kind == SWALLOWS else ""
    return f"{found.layer}, neuron {found.neuron}: the summands {told}{more} add up to {group.total:.3g}{left}"
