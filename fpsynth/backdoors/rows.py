"""Rows of weights that detect an order of additions: their exact sum is 0, and in float it is above 0 in some orders only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.formats import FLOAT32, Format


@dataclass(frozen=True)
class Sizes:
    """The two sizes of weights in a quadruple: powers of two."""

    large: float
    small: float

    @property
    def weights(self) -> tuple[float, float, float, float]:
        """In the order of the features that a quadruple names."""
        return (-self.large, self.large, self.small, -self.small)


def sizes_within(dtype: Format, limit: float, ratio: float = 1.0) -> Sizes:
    """The largest power of two up to ``limit``, and one that it swallows whatever follows.

    A quarter of half an ulp of the large one, in float32 for narrower formats, whose sums are taken in that: also -w + s,
    whose result lies in the binade below, is -w again.  ``ratio``: how many times larger what s is multiplied by may be.
    """
    large = float(2.0 ** np.floor(np.log2(limit)))
    return Sizes(large, large * 2.0 ** -(max(dtype.precision, FLOAT32.precision) + 2 + np.ceil(np.log2(ratio))))


def quadruple(features: Sequence[int], inputs: int, sizes: Sizes) -> Floats:
    """The row (inputs,) whose weights stand at four features, -w, w, s and -s in this order, and 0 elsewhere."""
    row = np.zeros(inputs)
    row[list(features)] = sizes.weights
    return row


def drawn(generator: np.random.Generator, features: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Features of ``count`` quadruples, (count, 4), from ``features`` (channels, positions).

    w and -w stand at one position in two channels, s and -s likewise: wherever channels are copies of each other, all of the
    exact sum cancels, and an input for which a channel is half bright is no input for which only one of them is.
    """
    channels, positions = features.shape
    result = np.empty((count, 4), np.intp)
    for row in result:
        here, there = generator.choice(positions, 2, replace=positions < 2 or channels > 3)
        first = generator.choice(channels, 2, replace=False)
        second = _others(generator, channels, first) if here == there else generator.choice(channels, 2, replace=False)
        row[:] = [features[first[0], here], features[first[1], here], features[second[0], there], features[second[1], there]]
    return result


def _others(generator: np.random.Generator, channels: int, taken: NDArray[np.intp]) -> NDArray[np.intp]:
    left = np.setdiff1d(np.arange(channels), taken)
    return generator.choice(left, 2, replace=False)
