"""What a layer of sums or a view is as an affine map of its flat inputs: a matrix, dense or sparse, and a bias."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.errors import InputError, MissingPackageError
from fpsynth.networks.layers.structure import PADDING, Rearrangement, Sums
from fpsynth.packages import how_to_install
from fpsynth.verifiers.relaxations.reasoning import UNIT

Matrix: TypeAlias = Any
"""A numpy array, or a csr_array of scipy."""
MAX_ENTRIES = 1 << 27
"""Weights of a layer that are written out, one for each product."""


@dataclass(frozen=True, eq=False)
class AffineMap:
    """z = (W + D) h + b + d with |D| <= doubt |W| and |d| <= off, entry by entry: all in float64."""

    weight: Matrix
    """(outputs, inputs)."""
    bias: Floats
    """(outputs,)."""
    doubt: float = 0.0
    """How far entries may be from the layer's own numbers, relatively; those of most layers are held exactly."""
    off: Floats | None = None
    """(outputs,): how far the bias may be from the layer's; None for exactly held ones."""

    @cached_property
    def magnitude(self) -> Matrix:
        """Of every weight."""
        return abs(self.weight)

    @cached_property
    def terms(self) -> int:
        """The longest sum that a product with the matrix, from the left or from the right, adds up."""
        return int(max(self.weight.shape)) + 1

    def cast(self, dtype: np.dtype[np.floating]) -> AffineMap:
        """The same in another type, every number rounded to nearest."""
        if self.weight.dtype == dtype:
            return self
        return AffineMap(self.weight.astype(dtype), self.bias.astype(dtype), self.doubt, self.off)


def scipy_sparse() -> Any:
    """The module scipy.sparse.  Raises MissingPackageError."""
    try:
        import scipy.sparse  # type: ignore[import-untyped]
    except ImportError:
        raise MissingPackageError(f"bounds by relaxation need the package scipy: {how_to_install('scipy')}") from None
    return scipy.sparse


def affine_map(structure: Sums | Rearrangement, inputs: int) -> AffineMap | None:
    """The map of a layer with so many flat inputs; None for a view that leaves all as they are.

    Raises InputError for a layer of more than MAX_ENTRIES products; MissingPackageError where scipy is needed and absent.
    """
    if isinstance(structure, Rearrangement):
        return None if structure.read is None else _view(structure.read, structure.fill, inputs)
    if structure.outputs * structure.terms > MAX_ENTRIES:
        raise InputError(f"a layer of {structure.outputs * structure.terms} products is too large for bounds by relaxation")
    return _normalised(structure, _divided(structure, _weights(structure, inputs)))


def _view(read: NDArray[np.int32], fill: float, inputs: int) -> AffineMap:
    inside = np.flatnonzero(read != PADDING)
    matrix = scipy_sparse().csr_array((np.ones(len(inside)), (inside, read[inside])), shape=(len(read), inputs))
    return AffineMap(matrix, np.where(read == PADDING, fill, 0.0))


def _weights(sums: Sums, inputs: int) -> AffineMap:
    """The map of the products and the bias."""
    bias = np.zeros(sums.outputs)
    outputs = np.arange(sums.outputs)
    groups, classes, positions = _places(sums, outputs)
    if sums.bias is not None:
        bias = np.asarray(sums.bias[groups, classes], np.float64)
    if sums.classes_last and sums.positions == 1 and sums.weight is not None:
        read = sums.taps.at(slice(None))[0]
        if len(read) == inputs and (read == np.arange(inputs)).all():
            return AffineMap(np.asarray(sums.weight[0], np.float64), bias)
    read = sums.taps.at(positions)
    columns = np.where(read == PADDING, 0, read + (groups * sums.group_stride)[:, None])
    weights = np.ones(read.shape) if sums.weight is None else np.asarray(sums.weight[groups, classes], np.float64)
    inside = (read != PADDING) & (weights != 0)
    rows = np.broadcast_to(outputs[:, None], read.shape)[inside]
    # an input that is read twice has its weights added, which may round: no layer reads one twice but Add of the same node
    matrix = scipy_sparse().csr_array((weights[inside], (rows, columns[inside])), shape=(sums.outputs, inputs))
    matrix.sum_duplicates()
    return AffineMap(matrix, bias, 0.0 if len(matrix.data) == int(inside.sum()) else 4 * sums.terms * UNIT)


def _places(sums: Sums, outputs: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(group, class, position) of flat outputs."""
    if sums.classes_last:
        return np.zeros_like(outputs), outputs % sums.classes, outputs // sums.classes
    rows, positions = np.divmod(outputs, sums.positions)
    return rows // sums.classes, rows % sums.classes, positions


def _scaled(map: AffineMap, factors: Floats) -> Matrix:
    """Raises InputError where a product of float64 underflows, whose relative error nothing bounds."""
    dense = isinstance(map.weight, np.ndarray)
    result = map.weight * factors[:, None] if dense else map.weight.multiply(factors[:, None]).tocsr()
    before, after = (map.weight, result) if dense else (map.weight.data, result.data)
    zero = factors == 0
    lost = (before != 0) & (np.abs(after) < _SMALLEST) & (~zero[:, None] if dense else True)
    if (not zero.any() and lost.any()) or (np.abs(factors[~zero]) < _SMALLEST).any() or (dense and lost.any()):
        raise InputError("a quotient of a weight is too small for bounds in float64")
    return result


_SMALLEST = 2.0**-1000


def _divided(sums: Sums, map: AffineMap) -> AffineMap:
    """With every sum divided."""
    if sums.divisor is None:
        return map
    factors = 1 / np.asarray(sums.divisor, np.float64)[_places(sums, np.arange(sums.outputs))[2]]
    bias = map.bias * factors
    return AffineMap(_scaled(map, factors), bias, map.doubt + 4 * UNIT, 4 * UNIT * np.abs(bias))


def _normalised(sums: Sums, map: AffineMap) -> AffineMap:
    """With the normalisation behind."""
    if (own := sums.normalisation) is None:
        return map
    groups = _places(sums, np.arange(sums.outputs))[0]
    factors = own.factors()[groups]
    if (factors[np.asarray(own.scale)[groups] != 0] == 0).any():
        raise InputError("a factor of a batch normalisation is too small for bounds in float64")
    mean, shift = (np.asarray(numbers, np.float64)[groups] for numbers in (own.mean, own.shift))
    bias = (map.bias - mean) * factors + shift
    off = 16 * UNIT * (np.abs(factors) * (np.abs(map.bias) + np.abs(mean)) + np.abs(shift))
    before = 0.0 if map.off is None else 2 * np.abs(factors) * map.off
    return AffineMap(_scaled(map, factors), bias, map.doubt + 16 * UNIT, off + before)
