"""The verified certifier's own arithmetic, bit for bit: exact rationals, cut to 16 decimals where that certifier cuts them.

Source: "A Formally Verified Robustness Certifier for Neural Networks", CAV 2025, extracted from Dafny.  It reads networks
without bias, bounds each hidden layer's spectral norm by Gram iteration and takes square roots by a Babylonian iteration
whose steps are rounded up to 16 decimals.  Both cuts only ever enlarge the bound, which is why they are sound, and why
they inflate the bound of a network whose weights are close together.

Matrices are kept as Python integers over a common denominator.  A Gram matrix is computed exactly from parts of the integers
that are so short that float64 rounds no sum of their products; integers of very many bits are packed, a row of them into one
big integer, so that CPython's multiplication does the inner loops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from operator import mul
from typing import Any

import numpy as np
import numpy.typing as npt

from fpsynth.errors import InputError
from fpsynth.networks.network import Dense, Network
from fpsynth.networks.template import Template
from fpsynth.verifiers.asked import require_stack
from fpsynth.verifiers.margins import (
    Bounds,
    LipschitzCertifier,
    Progress,
    RowsOnDemand,
    check_network,
    no_progress,
    squared_differences,
)
from fpsynth.workers.deadlines import require_time

UNIT = 10**16
"""Numbers are rounded to multiples of 1 / UNIT."""

MAX_INPUTS = 8192
"""Of a hidden layer: the Gram matrix of so many columns takes some gigabytes."""

_STOP = UNIT // 10**11  # the square root ends with the first step shorter than 1e-11, in units of 1 / UNIT
_BLOCK = 128  # rows of a Gram matrix computed from one packing
_MOST_PARTS = 8  # of an entry: beyond that, packing is faster

IntegerMatrix = list[list[int]]


def sqrt_up(number: Fraction) -> Fraction:
    """Return the certifier's upper bound of the square root of ``number`` >= 0, a multiple of 1e-16.

    Babylonian steps r <- (r + x/r)/2 from max(x, 1), each rounded up, until one is shorter than 1e-11 (or goes upward).
    """
    p, q = number.numerator, number.denominator
    if p == 0:
        return Fraction(0)
    # the first step leads to (1 + x)/2 from either start; from there on the iterate is an integer over UNIT
    root = _ceil_div((p + q) * UNIT, 2 * q)
    if max(number, Fraction(1)) * UNIT - root < _STOP:
        return Fraction(root, UNIT)
    while True:
        following = _ceil_div(root * root * q + p * UNIT * UNIT, 2 * root * q)
        if root - following < _STOP:
            return Fraction(following, UNIT)
        root = following


def spectral_norm_up(
    weight: Sequence[Sequence[Fraction | float]], gram: int, progress: Progress = no_progress, stage: str = "spectral norm"
) -> Fraction:
    """Return the certifier's upper bound of the spectral norm of a matrix (rows = outputs) after ``gram`` Gram iterations.

    Each iteration replaces G by its Gram matrix divided by an upper bound r of that one's Frobenius norm, with the
    entries rounded away from zero to 16 decimals (negative ones by up to two units); e bounds the Frobenius norm of what
    the rounding changed.  Afterwards s <- sqrt((s + e) r) undoes the iterations, the latest first.  Raises InputError for
    more than MAX_INPUTS columns, OutOfTimeError where the time is over (see ``deadlines``).
    """
    if len(weight[0]) > MAX_INPUTS:
        raise InputError(
            f"lipschitz-exact computes with a matrix of inputs x inputs: {len(weight[0])} inputs of a layer are more than"
            f" {MAX_INPUTS}; use lipschitz"
        )
    matrix, denominator = _common_denominator(weight)
    undo: list[tuple[Fraction, Fraction]] = []
    for done in range(gram):
        progress(stage, done, gram)
        matrix, denominator = gram_matrix(matrix), denominator * denominator
        scale = _frobenius_up(matrix, denominator) or Fraction(1)
        matrix, error = _normalised(matrix, denominator, scale)
        denominator = UNIT
        undo.append((scale, error))
    norm = _frobenius_up(matrix, denominator)
    for scale, error in reversed(undo):
        norm = sqrt_up((norm + error) * scale)
    progress(stage, gram, gram)
    return norm


def _ceil_div(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


def _common_denominator(weight: Sequence[Sequence[Fraction | float]]) -> tuple[IntegerMatrix, int]:
    rows = [[Fraction(entry) for entry in row] for row in weight]
    denominator = math.lcm(*(entry.denominator for row in rows for entry in row))
    return [[entry.numerator * (denominator // entry.denominator) for entry in row] for row in rows], denominator


def _frobenius_up(matrix: IntegerMatrix, denominator: int) -> Fraction:
    return sqrt_up(Fraction(sum(sum(map(mul, row, row)) for row in matrix), denominator * denominator))


def _normalised(matrix: IntegerMatrix, denominator: int, scale: Fraction) -> tuple[IntegerMatrix, Fraction]:
    """(matrix / denominator) / scale in units of 1 / UNIT, away from zero; and the bound of the rounding's Frobenius norm."""
    # an entry g / denominator / (r / UNIT), in units of 1 / UNIT, is g * UNIT**2 / divisor
    divisor = denominator * (scale * UNIT).numerator
    common = math.gcd(UNIT * UNIT, divisor)
    factor, divisor = UNIT * UNIT // common, divisor // common
    squares = 0
    rounded: IntegerMatrix = [[0] * len(matrix) for _ in matrix]
    for i, row in enumerate(matrix):
        require_time()
        for j in range(i, len(row)):
            exact = row[j] * factor
            entry = _away_from_zero(exact, divisor)
            rounded[i][j] = rounded[j][i] = entry
            change = entry * divisor - exact
            squares += change * change * (1 if i == j else 2)
    return rounded, sqrt_up(Fraction(squares, (divisor * UNIT) ** 2))


def _away_from_zero(numerator: int, denominator: int) -> int:
    """The quotient as the certifier rounds it: up if positive; down, and one further, if negative and not an integer.

    Its RoundDown takes one away before it takes the floor, as its RoundUp adds one.
    """
    if numerator >= 0:
        return _ceil_div(numerator, denominator)
    quotient, rest = divmod(numerator, denominator)
    return quotient - (rest > 0)


def gram_matrix(matrix: IntegerMatrix) -> IntegerMatrix:
    """Return M^T M of an integer matrix M, exactly.  Raises OutOfTimeError where the time is over (see ``deadlines``)."""
    bits = max(max(abs(entry) for entry in row) for row in matrix).bit_length() + 1
    for count in range(1, _MOST_PARTS + 1):
        # float64 holds every sum of the products of two parts: len(matrix) * count of them, each of 2 * width bits
        width = (53 - (len(matrix) * count).bit_length()) // 2
        if width >= 1 and count * width >= bits:
            return _gram_of_parts(matrix, count, width)
    return _gram_of_packed_rows(matrix)


def _gram_of_parts(matrix: IntegerMatrix, count: int, width: int) -> IntegerMatrix:
    """The Gram matrix from ``count`` parts of ``width`` bits of every entry, the last one with its sign."""
    rest = np.array(matrix, dtype=np.int64 if count * width < 63 else object)
    parts = []
    for _ in range(count - 1):
        parts.append((rest & ((1 << width) - 1)).astype(np.float64))
        rest = rest >> width
    parts.append(rest.astype(np.float64))
    product: npt.NDArray[Any] | int = 0
    for place in reversed(range(2 * count - 1)):
        pairs = [(k, place - k) for k in range(count) if 0 <= place - k < count]
        total: npt.NDArray[np.float64] = sum(parts[a].T @ parts[b] for a, b in pairs)  # type: ignore[assignment]
        product = product * (1 << width) + total.astype(np.int64).astype(object)
        require_time()
    entries: IntegerMatrix = product.tolist()  # type: ignore[union-attr]
    return entries


def _gram_of_packed_rows(matrix: IntegerMatrix) -> IntegerMatrix:
    """The Gram matrix: its row i is the sum of M[k][i] times row k of M.

    A row is packed into one integer, an entry to a slot wide enough for any sum, so that each such product is one
    multiplication.
    """
    columns = [list(column) for column in zip(*matrix, strict=True)]
    size = len(columns)
    largest = max(max(abs(entry) for entry in row) for row in matrix)
    slot = (2 * largest.bit_length() + len(matrix).bit_length()) // 8 + 1  # bytes; holds any sum and its sign
    product: IntegerMatrix = [[0] * size for _ in range(size)]
    for start in range(0, size, _BLOCK):
        packed = [_pack(row[start:], slot) for row in matrix]  # the product is symmetric: entries left of the block are known
        for i in range(start, min(start + _BLOCK, size)):
            require_time()
            entries = _unpack(sum(map(mul, columns[i], packed)), slot, size - start)
            for j in range(i, size):
                product[i][j] = product[j][i] = entries[j - start]
    return product


def _pack(row: Sequence[int], slot: int) -> int:
    """The sum of row[j] * 256**(slot * j)."""
    positive = b"".join(max(entry, 0).to_bytes(slot, "little") for entry in row)
    negative = b"".join(max(-entry, 0).to_bytes(slot, "little") for entry in row)
    return int.from_bytes(positive, "little") - int.from_bytes(negative, "little")


def _unpack(packed: int, slot: int, length: int) -> list[int]:
    """The inverse of ``_pack`` for entries of less than half a slot."""
    half = 1 << (8 * slot - 1)
    shifted = packed + int.from_bytes(half.to_bytes(slot, "little") * length, "little")  # no entry is negative now
    data = shifted.to_bytes(slot * length, "little")
    return [int.from_bytes(data[k : k + slot], "little") - half for k in range(0, len(data), slot)]


def margin_bounds(network: Network | Template[Fraction], gram: int = 11, progress: Progress = no_progress) -> Bounds:
    """Return the certifier's matrix: [p][q] bounds the Lipschitz constant of logit q minus logit p, exactly as it prints it.

    Raises InputError for a network with a bias (the certifier knows none), with one output or with entries that are not
    finite.
    """
    check_network(network, gram)
    if any(layer.bias is not None for layer in network.dense_layers):
        raise InputError("lipschitz-exact reads networks without bias only; use lipschitz")
    layers: tuple[Dense, ...] = network.dense_layers
    hidden = Fraction(1)
    for number, layer in enumerate(layers[:-1], start=1):
        stage = f"spectral norm of layer {number} of {len(layers) - 1}"
        hidden *= spectral_norm_up(layer.weight.tolist(), gram, progress, stage)
    squared, count = squared_differences(layers[-1].weight.tolist()), layers[-1].outputs
    return RowsOnDemand(count, lambda p: tuple(sqrt_up(squared(p, q)) * hidden for q in range(count)))


def exact_certifier(
    network: Network | Template[Fraction], gram: int = 11, progress: Progress = no_progress
) -> LipschitzCertifier:
    """Return the certifier ``lipschitz-exact``.

    Raises what ``margin_bounds`` raises, and InputError for other networks than dense ones with ReLU.
    """
    require_stack(network, "lipschitz-exact")
    return LipschitzCertifier("lipschitz-exact", network.widths, margin_bounds(network, gram, progress))
