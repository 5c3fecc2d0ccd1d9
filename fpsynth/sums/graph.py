"""The graph of a sum program: what it computes as an expression, for exact evaluation, solvers and encoders."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from fpsynth.errors import InputError
from fpsynth.expressions import Expression, add, aligned, cast, fma, mul, real
from fpsynth.formats import holds
from fpsynth.rounding import Flush
from fpsynth.sums.program import Leaf, Program, Round, Step, StepKind
from fpsynth.workers.deadlines import require_time

Factors = tuple[Expression, Expression]
"""A weight and an input."""


def sum_graph(
    program: Program, row: Sequence[Factors], bias: Expression | None = None, addends: Sequence[Expression] = ()
) -> Expression:
    """The sum of the products of pairs (weight, input), of a bias and of addends, as a program evaluates it.

    Numbers of a format that the program's own holds are cast into it, which is exact; raises ValueError for others, and
    InputError where the program has other leaves.
    """
    numbers = [*([] if bias is None else [bias]), *addends]
    if program.terms != len(row) or (program.bias is None) != (bias is None) or len(program.leaves) != len(row) + len(numbers):
        raise InputError(f"the sum program has other leaves than {len(row)} products and {len(numbers)} numbers")
    return _Graph(program, row, numbers).result()


class _Graph:
    """The nodes of a program, one after the other."""

    def __init__(self, program: Program, row: Sequence[Factors], numbers: Sequence[Expression]) -> None:
        self.program = program
        leaves = program.leaves
        self.factors = [(self._read(w, leaf), self._read(x, leaf)) for (w, x), leaf in zip(row, leaves, strict=False)]
        read = [self._read(number, leaf) for number, leaf in zip(numbers, leaves[len(row) :], strict=True)]
        self.nodes: list[Expression | None] = []
        """What each node is worth; None for an exact product."""
        self.nodes += [None if leaf.exact else self._product(k, leaf.rounds) for k, leaf in enumerate(leaves[: len(row)])]
        self.nodes += read

    def result(self) -> Expression:
        """The value of the whole sum."""
        tree = self.program.tree
        for operands, step in zip(tree.steps, self.program.steps, strict=True):
            require_time()
            self.nodes.append(self._step(operands, step))
        if self.program.format is None:
            return self._exact(tree.root, Flush.NEVER)
        return _rounded(self._number(tree.root), self.program.result)

    def _read(self, number: Expression, leaf: Leaf) -> Expression:
        """A factor, a bias or an addend as the leaf reads it: first, exactly, in the program's format."""
        fmt = self.program.format
        if fmt is None:
            return real(number)
        if number.format is None or not holds(fmt, number.format):
            raise ValueError(f"an arithmetic in {fmt} got a number in {number.format or 'the reals'}; cast it first")
        return _rounded(cast(number, fmt), leaf.reads)

    def _product(self, leaf: int, rounds: Sequence[Round]) -> Expression:
        first, *rest = rounds
        w, x = (cast(factor, first.format) for factor in self.factors[leaf])
        return _rounded(mul(w, x, first.mode, first.flush), rest)

    def _number(self, node: int) -> Expression:
        number = self.nodes[node]
        assert number is not None, "an exact product is added by a step that takes it"
        return number

    def _step(self, operands: Sequence[int], step: Step) -> Expression:
        if not step.rounds:
            return reduce(add, [self._exact(node, Flush.NEVER) for node in operands])
        own = step.rounds[0]
        products = [node for node in operands if self.nodes[node] is None]
        numbers = [cast(self._number(node), own.format) for node in operands if self.nodes[node] is not None]
        match step.kind:
            case StepKind.ADD:
                left, right = numbers
                total = add(left, right, own.mode, own.flush)
            case StepKind.FMA:
                w, x = (cast(factor, own.format) for factor in self.factors[products[0]])
                total = fma(w, x, numbers[0], own.mode, own.flush)
            case StepKind.EXACT:
                exact = reduce(add, [self._exact(node, own.flush.of_exact) for node in operands])
                total = cast(exact, own.format, own.mode, own.flush)
            case StepKind.ALIGNED:
                assert step.alignment is not None
                total = aligned(numbers, [self.factors[node] for node in products], own.format, step.alignment, own.flush)
        return _rounded(total, step.rounds[1:])

    def _exact(self, node: int, flush: Flush) -> Expression:
        """A node as a real number; subnormal numbers are read as zeros where the step flushes."""
        number = self.nodes[node]
        if number is None:
            w, x = self.factors[node]
            return mul(_as_real(w, flush), _as_real(x, flush))
        return _as_real(number, flush)


def _as_real(number: Expression, flush: Flush) -> Expression:
    return real(cast(number, number.format, flush=Flush.NEVER if number.format is None else flush))


def _rounded(number: Expression, rounds: Sequence[Round]) -> Expression:
    for one in rounds:
        number = cast(number, one.format, one.mode, one.flush)
    return number
