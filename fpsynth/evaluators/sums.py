"""Sums of products of whole arrays in any arithmetic but exact ones, with the bits that the exact interpreter gives to lower().

The rows of one array, terms first, are the leaves of the order's tree.  Steps that do not wait for one another are one
operation on several rows, and each sum takes the row of one of its operands.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.arithmetic import Arithmetic, holds
from fpsynth.errors import InputError
from fpsynth.evaluators.aligned_sums import Factor, aligned_sum_arrays, factor
from fpsynth.evaluators.bit_patterns import Floats
from fpsynth.evaluators.float_arrays import add_arrays, flush_array, fma_arrays, mul_arrays, round_array
from fpsynth.evaluators.fused_sums import sum_arrays
from fpsynth.formats import Format

_PIECE = 1 << 22
"""Products that are held at a time: enough vectors of 4096 terms for each operation to be worth its call."""

Rows = slice | NDArray[np.intp]


def sum_of_products(how: Arithmetic, weights: Floats, inputs: Floats, bias: Floats | None = None) -> Floats:
    """Return the sums of ``weights * inputs`` over the last axis, and of ``bias``, evaluated in ``how``.

    ``weights`` and ``inputs`` are float64 arrays of shapes (..., terms) that broadcast against each other, ``bias`` one of
    shape (...) that broadcasts against theirs without the last axis; they hold values of ``how.format``, which is not checked.
    The result has their common shape (...) and holds values of ``how.format``: bit for bit those of the exact interpreter on
    the lowered neuron, NaN payloads aside.

    Raises InputError for exact arithmetic, for other numbers of terms than the order's, and for formats that arrays cannot
    hold (see ``round_array``).
    """
    fmt = _required(how)
    if weights.shape[-1] != inputs.shape[-1] or not weights.shape[-1]:
        raise InputError(f"a sum needs as many weights as inputs, at least one: got {weights.shape[-1]} and {inputs.shape[-1]}")
    shape = np.broadcast_shapes(weights.shape[:-1], inputs.shape[:-1], () if bias is None else bias.shape)
    plan = _plan(how, weights.shape[-1], bias is not None)
    result = np.empty(shape)
    with np.errstate(all="ignore"):
        for piece in _pieces(shape, weights.shape[-1]):
            w, x = (np.ascontiguousarray(np.moveaxis(_part(a, piece, 1), -1, 0)) for a in (weights, inputs))
            total = _Evaluation(how, w, x, None if bias is None else _part(bias, piece, 0)).run(plan)
            result[piece] = _final(total, how, fmt)
    return result


def _required(how: Arithmetic) -> Format:
    if how.format is None:
        raise InputError("arrays are not evaluated in exact arithmetic; use the exact interpreter")
    return how.format


def _final(total: Floats, how: Arithmetic, fmt: Format) -> Floats:
    """The sum, rounded from the accumulator's format into the arithmetic's."""
    if how.sum_format == fmt:
        return total
    return _cast(total, how, how.sum_format, fmt)


def _cast(x: Floats, how: Arithmetic, source: Format | None, target: Format) -> Floats:
    """Values of one format rounded into another."""
    if how.flush and source is not None:
        x = flush_array(x, source)
    return round_array(x, target, how.rounding, how.flush)


def _pieces(shape: tuple[int, ...], terms: int) -> list[tuple[slice, ...]]:
    """Slices along the axes of a shape that cut it into pieces of at most _PIECE products."""
    pieces = [tuple(slice(0, length) for length in shape)]
    done: list[tuple[slice, ...]] = []
    while pieces:
        piece = pieces.pop()
        lengths = [part.stop - part.start for part in piece]
        if max(lengths, default=1) <= 1 or terms * int(np.prod(lengths)) <= _PIECE:
            done.append(piece)
            continue
        axis = int(np.argmax(lengths))
        start, stop = piece[axis].start, piece[axis].stop
        middle = (start + stop) // 2
        pieces += [(*piece[:axis], half, *piece[axis + 1 :]) for half in (slice(start, middle), slice(middle, stop))]
    return done


def _part(array: Floats, piece: tuple[slice, ...], after: int) -> Floats:
    """The piece of an array that broadcasts against the cut shape and has ``after`` axes more; as many axes as that."""
    missing = len(piece) + after - array.ndim
    array = array.reshape((1,) * missing + array.shape)
    return array[tuple(part if length > 1 else slice(None) for part, length in zip(piece, array.shape, strict=False))]


@dataclass(frozen=True)
class _Level:
    """Steps of one shape that wait for none of one another; each column holds one operand's row for every step."""

    exact: tuple[Rows, ...]
    """Leaves whose products are not rounded."""
    others: tuple[Rows, ...]
    """Rows of partial sums, of rounded products and of the bias."""
    result: Rows
    """Rows into which the sums go: those of an operand."""
    kind: str
    """``two`` operands, added or fused; ``exact``: more than two, rounded once; ``aligned``."""


@dataclass(frozen=True)
class _Plan:
    levels: tuple[_Level, ...]
    rounded: Rows
    """Leaves whose products are rounded."""
    start: int | None
    """The leaf that is added to the bias before it is read."""
    root: int
    bias_leaf: bool
    bias_last: bool


@functools.lru_cache(maxsize=64)
def _plan(how: Arithmetic, terms: int, bias: bool) -> _Plan:
    """What ``fpsynth.networks.lowering`` says of one neuron, as operations on rows."""
    bias_leaf = how.bias_leaf and bias
    tree = (how.order if bias_leaf else how.order.without_bias).tree(terms + bias_leaf)
    first = bias and how.bias_first and not bias_leaf
    start = (tree.steps[0][0] if tree.steps else 0) if first else None
    exact = set(range(terms)) - set(how.rounded) - {start} if how.fused else set()
    row, depth, rounded = list(range(tree.leaves)), [0] * tree.leaves, set(range(terms))
    groups: dict[tuple[int, int, int], list[tuple[list[int], list[int]]]] = {}
    for step in tree.steps:
        products = sorted((node for node in step if node in exact), reverse=True)
        products = products[:1] if len(step) == 2 and how.alignment is None else products
        rounded.difference_update(products)
        others = [row[node] for node in step if node not in products]
        depth.append(1 + max(depth[node] for node in step))
        row.append((others or products)[0])
        groups.setdefault((depth[-1], len(products), len(others)), []).append((products, others))
    levels = tuple(_level(groups[key], how) for key in sorted(groups))
    return _Plan(levels, _rows(sorted(rounded)), start, row[tree.root], bias_leaf, bias and not first and not bias_leaf)


def _level(steps: Sequence[tuple[list[int], list[int]]], how: Arithmetic) -> _Level:
    exact, others = ([_rows(column) for column in zip(*side, strict=True)] for side in zip(*steps, strict=True))
    kind = "aligned" if exact and how.alignment is not None else "two" if len(exact) + len(others) == 2 else "exact"
    return _Level(tuple(exact), tuple(others), (others or exact)[0], kind)


def _rows(rows: Sequence[int]) -> Rows:
    """Indices as a slice where they are evenly spaced upwards, which needs no copies."""
    if not rows:
        return slice(0, 0)
    stride = rows[1] - rows[0] if len(rows) > 1 else 1
    if stride > 0 and list(rows) == list(range(rows[0], rows[0] + stride * len(rows), stride)):
        return slice(rows[0], rows[-1] + 1, stride)
    return np.array(rows, np.intp)


class _Evaluation:
    """The rows of one piece."""

    def __init__(self, how: Arithmetic, weights: Floats, inputs: Floats, bias: Floats | None) -> None:
        """Weights and inputs have the terms on their first axis, then what broadcasts."""
        fmt = how.sum_format
        assert fmt is not None
        self.how, self.fmt = how, fmt
        self.weights, self.inputs = self._operands(weights), self._operands(inputs)
        if how.alignment is not None:
            self.factors = [self._factors(x) for x in (weights, inputs)]
        self.bias = None if bias is None else self._widened(bias)

    def _widened(self, x: Floats) -> Floats:
        return x if self.how.format == self.fmt else _cast(x, self.how, self.how.format, self.fmt)

    def _operands(self, x: Floats) -> Floats:
        wide = self._widened(x)
        if self.how.operands is None:
            return wide
        return round_array(round_array(wide, self.how.operands, self.how.operand_rounding), self.fmt)

    def _factors(self, x: Floats) -> Factor:
        """Weights or inputs as hardware that aligns reads them: in their own format, which says what their exponents are."""
        fmt = self.how.operands or self.how.format
        assert fmt is not None
        own = x if self.how.operands is None else round_array(x, fmt, self.how.operand_rounding)
        return factor(flush_array(own, fmt) if self.how.flush else own, fmt)

    def _flushed(self, operands: Sequence[Floats]) -> list[Floats]:
        return [flush_array(x, self.fmt) if self.how.flush else x for x in operands]

    def _apply(self, operation: Callable[..., Floats], *operands: Floats) -> Floats:
        return operation(*self._flushed(operands), self.fmt, self.how.rounding, self.how.flush)

    def _product(self, rows: Any) -> Floats:
        product = self._apply(mul_arrays, self.weights[rows], self.inputs[rows])
        if self.how.products is None:
            return product
        rounded = _cast(product, self.how, self.fmt, self.how.products)
        return rounded if holds(self.fmt, self.how.products) else round_array(rounded, self.fmt)

    def run(self, plan: _Plan) -> Floats:
        """The sum in the accumulator's format."""
        shape = np.broadcast_shapes(self.weights.shape, self.inputs.shape)
        lead = np.broadcast_shapes(shape[1:], () if self.bias is None else self.bias.shape)
        worth = np.empty((shape[0] + plan.bias_leaf, *lead))
        worth[plan.rounded] = self._product(plan.rounded)
        if plan.bias_leaf:
            worth[-1] = self.bias
        if plan.start is not None:
            worth[plan.start] = self._onto_bias(plan.start)
        for level in plan.levels:
            worth[level.result] = self._joined(level, worth)
        total: Floats = worth[plan.root]
        return self._apply(add_arrays, total, self._given_bias()) if plan.bias_last else total

    def _given_bias(self) -> Floats:
        assert self.bias is not None
        return self.bias

    def _onto_bias(self, leaf: int) -> Floats:
        if self.how.fused and leaf not in self.how.rounded:
            if self.how.alignment is not None:
                return self._aligned([leaf], [self._given_bias()])
            return self._apply(fma_arrays, self.weights[leaf], self.inputs[leaf], self._given_bias())
        return self._apply(add_arrays, self._given_bias(), self._product(leaf))

    def _joined(self, level: _Level, worth: Floats) -> Floats:
        others = [worth[rows] for rows in level.others]
        if level.kind == "aligned":
            return self._aligned(level.exact, others)
        pairs = [(self.weights[rows], self.inputs[rows]) for rows in level.exact]
        if level.kind == "exact":
            pairs = [(w, x) for w, x in (self._flushed(pair) for pair in pairs)]
            return sum_arrays(self._flushed(others), pairs, self.fmt, self.how.rounding, self.how.flush)
        if not pairs:
            return self._apply(add_arrays, *others)
        return self._apply(fma_arrays, *pairs[0], *others)

    def _aligned(self, exact: Sequence[Any], others: Sequence[Floats]) -> Floats:
        """Products of leaves and other rows as one aligned sum."""
        how, fmt = self.how, self.how.operands or self.how.format
        assert how.alignment is not None
        assert fmt is not None
        weights, inputs = self.factors
        pairs = [(weights.take(rows), inputs.take(rows)) for rows in exact]
        total = aligned_sum_arrays(self._flushed(others), pairs, fmt, self.fmt, how.alignment)
        return flush_array(total, self.fmt) if how.flush else total
