"""Rows of weights that detect an order of additions: their exact sum is at most 0, in float above 0 in some orders only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.evaluators.float_arrays import round_array
from fpsynth.formats import FLOAT32, Format

QUADRUPLE = 4
"""Weights of a row that tells orders apart, in one format."""


@dataclass(frozen=True)
class RowFormats:
    """In which formats rows are run."""

    own: Format
    """Of the network's numbers."""
    target: Format
    """In which they are to fire."""
    others: tuple[Format, ...] = ()
    """In which they must not, whatever the order: none of them the target's."""


@dataclass(frozen=True)
class Sizes:
    """The sizes of weights in a row: powers of two, those of its quadruple."""

    large: float
    small: float
    further: tuple[float, ...] = ()
    """Weights beside the quadruple: they add up to 0 in the target's format, and silence others."""

    @property
    def weights(self) -> tuple[float, ...]:
        """In the order of the features that a row names."""
        return (-self.large, self.large, self.small, -self.small, *self.further)


@dataclass(frozen=True)
class ChainSizes:
    """Weights of a chain."""

    large: float
    small: float
    terms: int
    """How many small ones there are."""

    @property
    def weights(self) -> tuple[float, ...]:
        """Those at the features that a chain names: w, -w, and the small ones."""
        return (self.large, -self.large, *[self.small] * self.terms)

    @property
    def total(self) -> float:
        """The exact sum, where everything that is read is 1."""
        return self.small * self.terms


def sizes_within(dtype: Format, limit: float, ratio: float = 1.0) -> Sizes:
    """The largest power of two up to ``limit``, and one that it swallows whatever follows.

    A quarter of half an ulp of the large one, in float32 for narrower formats, whose sums are taken in that: also -w + s,
    whose result lies in the binade below, is -w again.  ``ratio``: how many times larger what s is multiplied by may be.
    """
    large = float(2.0 ** np.floor(np.log2(limit)))
    return Sizes(large, large * 2.0 ** -(_sums(dtype) + 2 + int(np.ceil(np.log2(ratio)))))


def sizes_between(formats: RowFormats, limit: float, ratio: float = 1.0) -> Sizes:
    """Those of ``sizes_within`` in the target's format, and what keeps a row silent in the other formats.

    Raises InputError where the formats have not the numbers.
    """
    found = sizes_within(formats.target, limit, ratio)
    for fmt in (formats.own, formats.target):
        pair = np.array([found.large, found.small])
        if (round_array(pair, fmt) != pair).any():
            raise InputError(f"{fmt} has no numbers as small as {found.small:.3g}: allow larger weights, or no copies")
    parts = dict.fromkeys(_silencing(found.large, formats.target, other) for other in formats.others)
    sizes = replace(found, further=tuple(weight for part in parts for weight in part))
    numbers = np.array(sizes.weights)
    if (round_array(numbers, formats.own) != numbers).any():
        others = " and ".join(dict.fromkeys(map(str, formats.others)))
        raise InputError(
            f"no weights of {formats.own} tell {formats.target} from {others}: the network's own dtype must be wider than one"
        )
    return sizes


def _sums(fmt: Format) -> int:
    """Bits of the significand in which sums of a format are taken: those of float32 for narrower ones."""
    return max(fmt.precision, FLOAT32.precision)


def _silencing(large: float, target: Format, other: Format) -> tuple[float, ...]:
    """Weights beside a quadruple that can make its sum at most 0 in another format, and add up to 0 in the target's.

    Where sums are wider there, those of a quadruple are exact, and 0: none is needed.  Where they are narrower, -v and v do it
    that are swallowed there and not in the target: at some places v is lost, and -v is not.  Where sums of both are taken in
    float32, what differs are the weights, rounded into the formats: -h - h ulp / 4 and h cancel in the narrower one alone;
    -h - 3/4 h ulp, which becomes -h - h ulp in the narrower one, h and 3/4 h ulp cancel in the wider one alone.
    """
    if _sums(other) > _sums(target):
        return ()
    if _sums(other) < _sums(target):
        size = sizes_within(other, large).small
        return -size, size
    half = large / 2  # so that no weight is larger than ``large``
    if other.precision > target.precision:
        return -half * (1 + 2.0 ** -(target.precision + 1)), half
    part = 0.75 * 2.0 ** (1 - other.precision)
    return -half * (1 + part), half, half * part


def detector_row(features: Sequence[int], inputs: int, sizes: Sizes | ChainSizes) -> Floats:
    """The row (inputs,) with these weights at the features, in this order, and 0 elsewhere."""
    row = np.zeros(inputs)
    row[list(features)] = sizes.weights
    return row


def drawn(generator: np.random.Generator, features: NDArray[np.intp], count: int, further: int = 0) -> NDArray[np.intp]:
    """Features of ``count`` quadruples, (count, 4 + ``further``), from ``features`` (channels, positions).

    w and -w stand at one position in two channels, s and -s likewise: wherever channels are copies of each other, all of the
    exact sum cancels, and an input for which a channel is half bright is no input for which only one of them is.  What is
    further stands anywhere else.
    """
    channels, positions = features.shape
    result = np.empty((count, QUADRUPLE + further), np.intp)
    for row in result:
        here, there = generator.choice(positions, 2, replace=positions < 2 or channels > 3)
        first = generator.choice(channels, 2, replace=False)
        second = _others(generator, channels, first) if here == there else generator.choice(channels, 2, replace=False)
        row[:QUADRUPLE] = [*features[first, here], *features[second, there]]
        if further:
            row[QUADRUPLE:] = generator.choice(np.setdiff1d(features, row[:QUADRUPLE]), further, replace=False)
    return result


def _others(generator: np.random.Generator, channels: int, taken: NDArray[np.intp]) -> NDArray[np.intp]:
    left = np.setdiff1d(np.arange(channels), taken)
    return generator.choice(left, 2, replace=False)
