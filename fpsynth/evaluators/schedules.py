"""Sum programs of ordinary operations as postfix lists: what the fast evaluators of whole layers run.

Ordinary are additions, multiplications and fused multiply-adds in one format, float32 or float64, to nearest even, each rounded
once.  How operands are read before, and how the sum is rounded into the result, may be anything: that is done outside.
"""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsynth.formats import FLOAT32, FLOAT64, Format, holds
from fpsynth.rounding import Flush, Rounding
from fpsynth.sums.program import LeafKind, Program, Round, Step, StepKind, last_format

Reads = tuple[Round, ...]
Operations = NDArray[np.int32]
WORKING = (FLOAT32, FLOAT64)
"""Formats in which processors add and multiply, as IEEE 754 says."""


class Code(enum.IntEnum):
    """What one operation does with the stack of partial sums."""

    PRODUCT = 0
    """Push a product, rounded."""
    NUMBER = 1
    """Push the bias or an addend."""
    ADD = 2
    """Replace the two sums on top by their sum."""
    FMA = 3
    """Add a product to the sum on top, rounded once."""
    MULTIPLY_ADD = 4
    """Add a product that is rounded first to the sum on top."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """A program as operations in the order of their evaluation."""

    format: Format
    """In which all of them work."""
    operations: Operations
    """(operations, 2): a code, and the tap or the number that it takes."""
    depth: int
    """Partial sums that wait at the same time, at most."""
    flush: Flush
    """Whether every operation flushes, and how multiplications do."""
    reads: Reads
    """How weights and inputs are read."""
    numbers: tuple[Reads, ...]
    """How the bias, if there is one, and each addend is read."""
    result: Reads
    """How the last sum is rounded."""

    @property
    def fused(self) -> bool:
        """Whether there is a fused multiply-add."""
        return bool((self.operations[:, 0] == Code.FMA).any())


@functools.lru_cache(maxsize=256)
def why_not(program: Program) -> str:
    """Why a program has no schedule, in words; empty where it has one."""
    if program.format is None:
        return "real numbers are not evaluated over arrays"
    if not program.terms:
        return "it has no products"
    own = program.node_formats[program.tree.root]
    if own not in WORKING or any(fmt not in (own, None) for fmt in program.node_formats[program.tree.leaves :]):
        return f"its partial sums are not all in one of {' and '.join(fmt.name for fmt in WORKING)}"
    for step in set(program.steps):
        if step.kind not in (StepKind.ADD, StepKind.FMA):
            return f"it has steps that are {step.kind.value}"
    products = {leaf for leaf in program.leaves if leaf.kind is LeafKind.PRODUCT}
    if len({leaf.reads for leaf in products}) > 1:
        return "its products read their factors in different ways"
    if any(not holds(own, last_format(program.format, leaf.reads)) for leaf in products):
        return "its factors are wider than its partial sums"
    roundings = [leaf.rounds for leaf in products if leaf.rounds] + [step.rounds for step in set(program.steps)]
    if any(len(rounds) != 1 or rounds[0].mode is not Rounding.RNE or rounds[0].format != own for rounds in roundings):
        return "an operation rounds more than once, or not to nearest even"
    if len({bool(rounds[0].flush) for rounds in roundings}) > 1 or len(_flushes(program)) > 1:
        return "only some of its operations flush"
    return ""


def _flushes(program: Program) -> set[Flush]:
    """How those of its operations flush in which that makes a difference: tiny sums of two numbers are exact."""
    own = {leaf.rounds[0].flush for leaf in set(program.leaves) if leaf.rounds}
    return own | {step.rounds[0].flush for step in set(program.steps) if step.kind is StepKind.FMA}


def schedule_of(program: Program, taps: tuple[int, ...] | None = None) -> Schedule:
    """The schedule of a program for which ``why_not`` says nothing; product k takes tap ``taps[k]``, or k."""
    assert not why_not(program)
    return _schedule(program, taps)


@functools.lru_cache(maxsize=256)
def _schedule(program: Program, taps: tuple[int, ...] | None) -> Schedule:
    operations, depth = _Postfix(program, range(program.terms) if taps is None else taps).written()
    own = program.node_formats[program.tree.root]
    assert own is not None
    adds = {step.rounds[0].flush for step in set(program.steps)}
    numbers = tuple(leaf.reads for leaf in program.leaves[program.terms :])
    flush = max(_flushes(program) | adds)
    return Schedule(own, operations, depth, flush, program.leaves[0].reads, numbers, program.result)


class _Postfix:
    """One program while it is written down, the operand that needs more room first (Sethi and Ullman 1970)."""

    def __init__(self, program: Program, taps: range | tuple[int, ...]) -> None:
        self.program, self.taps, self.leaves = program, taps, program.tree.leaves
        self.room = self._rooms()

    def _rooms(self) -> list[int]:
        """Of every node how many sums wait while it is evaluated."""
        room = [1] * self.leaves
        for operands, step in zip(self.program.tree.steps, self.program.steps, strict=True):
            first, second = self._sides(operands, step)
            alone = self._joins(second, step)
            room.append(room[first] if alone else max(max(room[first], room[second]), min(room[first], room[second]) + 1))
        return room

    def _product(self, node: int) -> bool:
        return node < self.program.terms

    def _sides(self, operands: tuple[int, ...], step: Step) -> tuple[int, int]:
        """The two operands, a product that is added as it is evaluated last."""
        first, second = operands
        exact = step.kind is StepKind.FMA and self._product(first) and self.program.leaves[first].exact
        plain = step.kind is StepKind.ADD and self._product(first) and not self._product(second)
        return (second, first) if exact or plain else (first, second)

    def _joins(self, second: int, step: Step) -> bool:
        """Whether the second operand is a product that one operation multiplies and adds."""
        return step.kind is StepKind.FMA or self._product(second)

    def written(self) -> tuple[Operations, int]:
        """The operations, and how many sums wait at most."""
        backwards: list[tuple[int, int]] = []
        stack = [self.program.tree.root]
        while stack:
            node = stack.pop()
            if node < self.leaves:
                backwards.append(self._leaf(node))
                continue
            step = self.program.steps[node - self.leaves]
            first, second = self._sides(self.program.operands(node), step)
            if self._joins(second, step):
                code = Code.FMA if step.kind is StepKind.FMA else Code.MULTIPLY_ADD
                backwards.append((code, self.taps[second]))
                stack.append(first)
            else:
                backwards.append((Code.ADD, 0))
                stack += (first, second) if self.room[first] >= self.room[second] else (second, first)
        return np.array(backwards[::-1], np.int32).reshape(-1, 2), self.room[self.program.tree.root]

    def _leaf(self, leaf: int) -> tuple[int, int]:
        if self._product(leaf):
            return Code.PRODUCT, self.taps[leaf]
        return Code.NUMBER, leaf - self.program.terms
