"""How much farther apart a layer can move two inputs than they are: a bound of its Lipschitz constant (L2), whatever it is.

Sums are linear maps, but for a constant: the bound is one of a spectral norm.  In order of preference: that of the weight of a
dense layer, in ball arithmetic; of the matrix itself, a block for each group, where that is small enough; else the smaller of
two that need no matrix.  With W the weight (classes, terms) of a group and r the largest number of windows that read one input,

    |M x|^2 = sum_p |W x_p|^2 <= |W|^2 sum_p |x_p|^2 <= |W|^2 r |x|^2

(Tsuzuku et al., "Lipschitz-Margin Training", NeurIPS 2018); and |M|^2 is at most the largest row sum of magnitudes times the
largest column sum.  What sums are divided by counts with the least of them.  A selection moves no output farther than the
farthest of its inputs, so that r bounds its square; a view likewise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from fpsynth.networks.layers.structure import PADDING, Rearrangement, Selection, Structure, Sums, Taps
from fpsynth.verifiers.bounds import round_up, sqrt_upper
from fpsynth.verifiers.lipschitz_ball import spectral_norm_upper
from fpsynth.verifiers.spectral import Matrix, norm_upper, row_and_column_upper
from fpsynth.workers.deadlines import require_time

MAX_COST = 1 << 38
"""Products of the Gram iterations of one layer, which take some ten seconds."""
MAX_ENTRIES = 1 << 26
"""Of the matrix of a group: half a gigabyte."""
_PIECE = 1 << 22
"""Taps that are looked at together."""


def layer_norm_upper(structure: Structure, inputs: int, gram: int) -> Fraction:
    """Return a bound of the Lipschitz constant of a layer that reads ``inputs`` numbers.

    Raises MissingPackageError for a dense layer where python-flint is not installed, and OutOfTimeError.
    """
    if isinstance(structure, Rearrangement):
        return Fraction(1) if structure.read is None else sqrt_upper(Fraction(_most_reads(structure.read, inputs)))
    if isinstance(structure, Selection):
        counts = _reads(structure.taps, inputs)
        return sqrt_upper(Fraction(int(_over_groups(counts, structure.groups, structure.group_stride).max())))
    return _sums_norm(structure, inputs, gram)


def _most_reads(read: npt.NDArray[np.integer], inputs: int) -> int:
    return int(np.bincount(read[read != PADDING].astype(np.int64), minlength=inputs).max())


def _pieces(taps: Taps) -> Iterator[slice]:
    step = max(1, _PIECE // max(1, taps.terms))
    return (slice(start, min(start + step, taps.positions)) for start in range(0, taps.positions, step))


def _reads(taps: Taps, inputs: int) -> npt.NDArray[np.int64]:
    """How often each input is read by the taps of the first group, (inputs,)."""
    counts = np.zeros(inputs, np.int64)
    for piece in _pieces(taps):
        require_time()
        read = taps.at(piece)
        counts += np.bincount(read[read != PADDING].astype(np.int64), minlength=inputs)
    return counts


def _over_groups(counts: npt.NDArray[np.int64], groups: int, stride: int) -> npt.NDArray[np.int64]:
    """How often each input is read by all groups; those of one group where groups read different inputs."""
    if groups == 1 or not counts[stride:].any():
        return counts
    total = np.zeros_like(counts)
    for group in range(groups):
        offset = group * stride
        total[offset:] += counts[: len(counts) - offset]
    return total


def _sums_norm(sums: Sums, inputs: int, gram: int) -> Fraction:
    if sums.classes_last and sums.weight is not None:  # dense: every row of inputs by itself
        return spectral_norm_upper(sums.weight[0].tolist(), gram)
    counts = _reads(sums.taps, inputs)
    most, apart = int(counts.max(initial=0)), sums.groups == 1 or not counts[sums.group_stride :].any()
    if not most:
        return Fraction(0)
    distinct = range(sums.groups if sums.weight is not None else 1)
    if sums.terms == sums.classes == most == 1:
        norms = [abs(Fraction(w)) for w in sums.weight.reshape(-1).tolist()] if sums.weight is not None else [Fraction(1)]
    elif _small(sums, counts, gram, len(distinct)) and not _repeats(sums.taps):
        norms = [_matrix_norm(sums, group, counts, gram) for group in distinct]
    else:
        norms = [_kernel_norm(sums, group, inputs, most, gram) for group in distinct]
    norms = [norm / _least_divisor(sums) for norm in norms]
    if sums.weight is None:
        norms = norms * sums.groups
    if sums.normalisation is not None:
        factors = (sums.normalisation.factor(group) for group in range(sums.groups))
        norms = [norm * max(map(abs, factor)) for norm, factor in zip(norms, factors, strict=True)]
    return round_up(max(norms) if apart else sqrt_upper(sum((norm * norm for norm in norms), Fraction(0))))


def _least_divisor(sums: Sums) -> Fraction:
    return Fraction(1) if sums.divisor is None else Fraction(float(np.abs(sums.divisor).min()))


def _small(sums: Sums, counts: npt.NDArray[np.int64], gram: int, groups: int) -> bool:
    """Whether Gram iterations of the matrix of each group take little time and memory."""
    short, long = sorted((sums.classes * sums.positions, int(np.count_nonzero(counts))))
    return groups * short**2 * (long + gram * short) <= MAX_COST and short * long <= MAX_ENTRIES


def _repeats(taps: Taps) -> bool:
    """Whether any position reads an input twice."""
    for piece in _pieces(taps):
        read = np.sort(taps.at(piece), axis=1)
        if ((read[:, 1:] == read[:, :-1]) & (read[:, 1:] != PADDING)).any():
            return True
    return False


def _weight(sums: Sums, group: int) -> Matrix:
    """(classes, terms)."""
    return np.ones((1, sums.terms)) if sums.weight is None else sums.weight[group].astype(np.float64)


def _matrix_norm(sums: Sums, group: int, counts: npt.NDArray[np.int64], gram: int) -> Fraction:
    """Of the matrix (classes * positions, inputs that are read)."""
    read, weight = sums.taps.at(slice(None)), _weight(sums, group)
    columns = np.cumsum(counts > 0) - 1  # where each input that is read stands
    matrix = np.zeros((sums.classes, sums.positions, int(columns[-1]) + 1))
    places, taps = np.nonzero(read != PADDING)
    matrix[:, places, columns[read[places, taps]]] = weight[:, taps]
    return norm_upper(matrix.reshape(-1, matrix.shape[2]), gram)


def _kernel_norm(sums: Sums, group: int, inputs: int, most: int, gram: int) -> Fraction:
    """The smaller of the two bounds that need no matrix."""
    weight = _weight(sums, group)
    by_windows = norm_upper(weight, gram) * sqrt_upper(Fraction(most))
    magnitudes = np.abs(weight)
    each, columns = magnitudes.sum(axis=0), np.zeros(inputs)
    for piece in _pieces(sums.taps):
        require_time()
        read = sums.taps.at(piece)
        inside = read != PADDING
        spread = np.broadcast_to(each, read.shape)
        columns += np.bincount(read[inside].astype(np.int64), weights=spread[inside], minlength=inputs)
    with np.errstate(over="ignore"):
        ends = float(magnitudes.sum(axis=1).max()), float(columns.max())
    if not all(map(math.isfinite, ends)):
        return by_windows
    return min(by_windows, row_and_column_upper(*ends, sums.terms + sums.classes + most))
