"""Sum programs over whole arrays: many sums at once, with the bits that the exact interpreter gives to the program's graph.

The rows of one array, terms first, are the leaves of the program's tree.  Equal steps that do not wait for one another are one
operation on several rows, and each sum takes the row of one of its operands.  Widening a number changes no float64.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.evaluators.aligned_sums import Factor, aligned_sum_arrays, factor
from fpsynth.evaluators.float_arrays import add_arrays, flush_array, fma_arrays, mul_arrays, quiet, round_array
from fpsynth.evaluators.fused_sums import sum_arrays
from fpsynth.formats import Format, holds
from fpsynth.rounding import Flush
from fpsynth.sums.program import Leaf, Program, Round, Step, StepKind, last_format

Rows = slice | NDArray[np.intp]
Reads = tuple[Round, ...]


@quiet
def program_sums(program: Program, weights: Floats, inputs: Floats, numbers: Sequence[Floats] = ()) -> Floats:
    """The sums of ``weights * inputs`` over the first axis, and of ``numbers``, as a program evaluates them.

    ``weights`` and ``inputs`` are float64 arrays of shapes (terms, ...) that broadcast; each of ``numbers`` (the bias, if there
    is one, then the addends) is of a shape (...) that broadcasts with theirs after the first axis.  All hold values of the
    program's format, which is not checked; so does the result, of the common shape (...).
    """
    return _Evaluation(program, weights, inputs, numbers).result()


@dataclass(frozen=True)
class _Level:
    """Equal steps that wait for none of one another; each column holds one operand's row for every step."""

    step: Step
    exact: tuple[Rows, ...]
    """Leaves whose products are exact."""
    reads: tuple[Reads, ...]
    """How the factors of each of these columns are read."""
    others: tuple[Rows, ...]
    """Rows of numbers."""
    formats: tuple[Format, ...]
    """Of these numbers."""
    result: Rows
    """Rows into which the sums go: those of an operand."""


@dataclass(frozen=True)
class _Plan:
    levels: tuple[_Level, ...]
    rounded: tuple[tuple[Leaf, Rows], ...]
    """Products that are rounded, by what is done with them."""
    root: int


@functools.lru_cache(maxsize=64)
def _plan(program: Program) -> _Plan:
    """The program as operations on rows."""
    tree, leaves, formats = program.tree, program.leaves, program.node_formats
    row, depth = list(range(tree.leaves)), [0] * tree.leaves
    groups: dict[tuple[Any, ...], list[tuple[list[int], list[int]]]] = {}
    for operands, step in zip(tree.steps, program.steps, strict=True):
        exact = [node for node in operands if node < tree.leaves and leaves[node].exact]
        others = [node for node in operands if node not in exact]
        depth.append(1 + max(depth[node] for node in operands))
        rows = [row[node] for node in others]
        reads, numbers = tuple(leaves[node].reads for node in exact), tuple(formats[node] for node in others)
        groups.setdefault((depth[-1], step, reads, numbers), []).append((exact, rows))
        row.append((rows or exact)[0])
    levels = [_level(key, groups[key]) for key in sorted(groups, key=lambda key: int(key[0]))]
    kinds: dict[Leaf, list[int]] = {}
    for number, leaf in enumerate(leaves[: program.terms]):
        if not leaf.exact:
            kinds.setdefault(leaf, []).append(number)
    return _Plan(tuple(levels), tuple((leaf, _rows(which)) for leaf, which in kinds.items()), row[tree.root])


def _level(key: tuple[Any, ...], steps: Sequence[tuple[list[int], list[int]]]) -> _Level:
    _, step, reads, formats = key
    exact, others = ([_rows(column) for column in zip(*side, strict=True)] for side in zip(*steps, strict=True))
    return _Level(step, tuple(exact), reads, tuple(others), formats, (others or exact)[0])


def _rows(rows: Sequence[int]) -> Rows:
    """Indices as a slice where they are evenly spaced upwards, which needs no copies."""
    if not rows:
        return slice(0, 0)
    stride = rows[1] - rows[0] if len(rows) > 1 else 1
    if stride > 0 and list(rows) == list(range(rows[0], rows[0] + stride * len(rows), stride)):
        return slice(rows[0], rows[-1] + 1, stride)
    return np.array(rows, np.intp)


class _Evaluation:
    """The rows of one call."""

    def __init__(self, program: Program, weights: Floats, inputs: Floats, numbers: Sequence[Floats]) -> None:
        assert program.format is not None, "exact arithmetic is not evaluated over arrays"
        self.program, self.format, self.plan = program, program.format, _plan(program)
        self.operands, self.numbers = (weights, inputs), numbers
        self._read: dict[Reads, tuple[Floats, Floats]] = {}
        self._factors: dict[tuple[Reads, bool], tuple[Factor, Factor]] = {}

    def result(self) -> Floats:
        """The sums."""
        program, (weights, inputs) = self.program, self.operands
        shape = np.broadcast_shapes(weights.shape, inputs.shape)
        lead = np.broadcast_shapes(shape[1:], *(number.shape for number in self.numbers))
        worth = np.empty((len(program.leaves), *lead))
        for leaf, rows in self.plan.rounded:
            worth[rows] = self._product(leaf, rows)
        for position, number in enumerate(self.numbers, program.terms):
            worth[position] = rounded(number, self.format, program.leaves[position].reads)
        for level in self.plan.levels:
            own, *rest = level.step.rounds
            worth[level.result] = rounded(self._joined(level, own, worth), own.format, rest)
        root = program.node_formats[program.tree.root]
        assert root is not None
        return rounded(worth[self.plan.root], root, program.result)

    def _factors_of(self, reads: Reads) -> tuple[Floats, Floats]:
        """Weights and inputs as leaves read them."""
        if reads not in self._read:
            weights, inputs = (rounded(numbers, self.format, reads) for numbers in self.operands)
            self._read[reads] = weights, inputs
        return self._read[reads]

    def _aligned_factors(self, reads: Reads, flush: bool) -> tuple[Factor, Factor]:
        """The same, made ready for steps that align."""
        if (reads, flush) not in self._factors:
            fmt = last_format(self.format, reads)
            numbers = (flush_array(x, fmt) if flush else x for x in self._factors_of(reads))
            weights, inputs = (factor(x, fmt) for x in numbers)
            self._factors[reads, flush] = weights, inputs
        return self._factors[reads, flush]

    def _product(self, leaf: Leaf, rows: Any) -> Floats:
        first, *rest = leaf.rounds
        weights, inputs = (numbers[rows] for numbers in self._factors_of(leaf.reads))
        return rounded(_applied(mul_arrays, first, weights, inputs), first.format, rest)

    def _joined(self, level: _Level, own: Round, worth: Floats) -> Floats:
        """The sums of equal steps, in the format of their first rounding."""
        others = [worth[rows] for rows in level.others]
        if level.step.kind is StepKind.ALIGNED:
            return self._aligned(level, own, others)
        pairs = []
        for rows, reads in zip(level.exact, level.reads, strict=True):
            weights, inputs = self._factors_of(reads)
            pairs.append((weights[rows], inputs[rows]))
        if level.step.kind is StepKind.EXACT:
            return self._exact(level, own, others, pairs)
        if level.step.kind is StepKind.ADD:
            return _applied(add_arrays, own, *others)
        return _applied(fma_arrays, own, *pairs[0], *others)

    def _exact(self, level: _Level, own: Round, others: list[Floats], pairs: list[tuple[Floats, Floats]]) -> Floats:
        """Numbers and products as one sum of reals, rounded once; subnormal ones are zeros where the step flushes."""
        if own.flush:
            formats = [last_format(self.format, reads) for reads in level.reads]
            pairs = [(flush_array(w, fmt), flush_array(x, fmt)) for (w, x), fmt in zip(pairs, formats, strict=True)]
            others = [flush_array(x, fmt) for x, fmt in zip(others, level.formats, strict=True)]
        return sum_arrays(others, pairs, own.format, own.mode, own.flush)

    def _aligned(self, level: _Level, own: Round, others: list[Floats]) -> Floats:
        assert level.step.alignment is not None
        if own.flush:
            others = [flush_array(x, own.format) for x in others]
        pairs = []
        for rows, reads in zip(level.exact, level.reads, strict=True):
            weights, inputs = self._aligned_factors(reads, bool(own.flush))
            pairs.append((weights.take(rows), inputs.take(rows)))
        factors = last_format(self.format, level.reads[0]) if level.reads else own.format
        total = aligned_sum_arrays(others, pairs, factors, own.format, level.step.alignment)
        return flush_array(total, own.format) if own.flush else total


def _applied(operation: Callable[..., Floats], into: Round, *operands: Floats) -> Floats:
    """An operation on numbers that are widened into its format."""
    if into.flush:
        operands = tuple(flush_array(x, into.format) for x in operands)
    return operation(*operands, into.format, into.mode, into.flush)


def rounded(x: Floats, source: Format, rounds: Sequence[Round]) -> Floats:
    """Numbers of a format rounded, one rounding after the other."""
    for one in rounds:
        if one.flush:
            x = flush_array(x, source)
        if one.flush is not Flush.NEVER or not holds(one.format, source):
            x = round_array(x, one.format, one.mode, one.flush)
        source = one.format
    return x
