"""From an arithmetic, a rule for sums of any length, to the sum program of so many terms: what its fields mean, said once."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field

from fpsynth.errors import InputError
from fpsynth.formats import Format, holds
from fpsynth.orders import Tree
from fpsynth.rounding import Flush
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind
from fpsynth.sums.restriction import restrict_program


@functools.lru_cache(maxsize=256)
def program_of(arithmetic: Arithmetic, terms: int, bias: bool = False) -> Program:
    """The sum program of ``terms`` >= 1 products and, with ``bias``, of a bias, in an arithmetic.

    Raises InputError where the arithmetic is of another number of terms.
    """
    if arithmetic.given is not None:
        return _fitting(arithmetic.given, terms, bias)
    if arithmetic.format is None:
        return _real(terms, bias)
    return _Building(arithmetic, arithmetic.format, terms, bias).program()


def program_told(arithmetic: Arithmetic, terms: int | None = None) -> Program:
    """The sum program that words and drawings are about: with a bias where the arithmetic says where in the sum it is added.

    ``terms`` None: those of the program or the tree that the arithmetic is.  Raises InputError where it is of another number
    of terms, or of any.
    """
    given, order = arithmetic.given, arithmetic.order
    if given is not None:
        return program_of(arithmetic, given.terms if terms is None else terms, given.bias is not None)
    if terms is None and order.fixed is None:
        raise InputError(f"order {order} gives a tree for any number of terms: say how many to draw")
    if terms is None and order.fixed is not None:
        terms = order.fixed.leaves - arithmetic.bias_leaf
    return program_of(arithmetic, terms or 0, arithmetic.bias_leaf or arithmetic.bias_first)


def restricted(arithmetic: Arithmetic, terms: int, active: Iterable[int], bias: bool = False) -> Arithmetic:
    """The arithmetic of what is left of a sum of ``terms`` products when only the ``active`` ones are not zero.

    ``bias``: whether there is one, which stays.  See ``restrict_program``, which also says what is raised.
    """
    if arithmetic.format is None:
        return arithmetic
    return Arithmetic(arithmetic.format, given=restrict_program(program_of(arithmetic, terms, bias), active, numbers=True))


def _fitting(given: Program, terms: int, bias: bool) -> Program:
    """A program that was given, without its bias where the sum has none."""
    if given.terms != terms:
        raise InputError(f"the arithmetic is that of a sum of {given.terms} terms, not of {terms}")
    if bias and given.bias is None:
        raise InputError("the arithmetic is that of a sum without a bias, but there is one")
    return restrict_program(given, range(terms)) if given.bias is not None and not bias else given


def _real(terms: int, bias: bool) -> Program:
    """Exact arithmetic: from left to right, which does not matter."""
    leaves = (Leaf(LeafKind.PRODUCT),) * terms + (Leaf(LeafKind.BIAS),) * bias
    total = terms + bias
    steps = tuple((0 if k == 1 else total + k - 2, k) for k in range(1, total))
    return Program(None, Tree(total, steps), leaves, (Step(StepKind.EXACT, ()),) * len(steps))


@dataclass
class _Building:
    """One sum while its program is written down."""

    how: Arithmetic
    format: Format
    terms: int
    bias: bool
    steps: list[tuple[int, ...]] = field(default_factory=list)
    kinds: list[Step] = field(default_factory=list)
    exact: set[int] = field(default_factory=set)
    """Products that a step adds as they are."""

    def __post_init__(self) -> None:
        how = self.how
        self.wide = how.sum_format or self.format
        self.leaves = self.terms + self.bias
        self.in_tree = self.bias and how.bias_leaf
        self.tree = (how.order if self.in_tree else how.order.without_bias).tree(self.terms + self.in_tree)
        self.rounded = frozenset(how.rounded)
        self.add = Step(StepKind.ADD, (Round(self.wide, how.rounding, how.flush.of_exact),))
        self.fma = Step(StepKind.FMA, (Round(self.wide, how.rounding, how.flush),))
        self.sum = Step(StepKind.EXACT, (Round(self.wide, how.rounding, how.flush),))
        if how.alignment is not None:
            align = Round(self.wide, how.alignment.rounding, how.flush.of_exact)
            self.align = Step(StepKind.ALIGNED, (align,), how.alignment)

    def program(self) -> Program:
        """The program: the bias that comes first is added to the leaf that the first step begins with."""
        node = list(range(self.terms + self.in_tree))
        first = self.bias and self.how.bias_first and not self.in_tree
        if first:
            start = self.tree.steps[0][0] if self.tree.steps else 0
            node[start] = self._joined((self.terms, start))
        for step in self.tree.steps:
            node.append(self._joined(tuple(node[operand] for operand in step)))
        if self.bias and not first and not self.in_tree:
            self._appended((node[self.tree.root], self.terms), self.add)
        tree = Tree(self.leaves, tuple(self.steps))
        leaves = [self._product(leaf) for leaf in range(self.terms)]
        leaves += [Leaf(LeafKind.BIAS, self._widening())] if self.bias else []
        return Program(self.format, tree, tuple(leaves), tuple(self.kinds), self._result())

    def _appended(self, operands: tuple[int, ...], kind: Step) -> int:
        self.steps.append(operands)
        self.kinds.append(kind)
        return self.leaves + len(self.steps) - 1

    def _joined(self, operands: tuple[int, ...]) -> int:
        """Nodes added in one step: of two products that meet the later one is exact, if it may be, and else the other one."""
        products = sorted((node for node in operands if self._may_be_exact(node)), reverse=True)
        if products and self.how.alignment is not None:
            self.exact.update(products)
            return self._appended(operands, self.align)
        if len(operands) > 2:
            self.exact.update(products)
            return self._appended(operands, self.sum)
        self.exact.update(products[:1])
        return self._appended(operands, self.fma if products else self.add)

    def _may_be_exact(self, node: int) -> bool:
        return self.how.fused and node < self.terms and node not in self.rounded

    def _product(self, leaf: int) -> Leaf:
        """One product: read and rounded as fused hardware, or as a multiplier does."""
        how = self.how
        if leaf in self.exact:
            return _leaf(self._factors() if how.alignment is not None else self._operands(), ())
        products = () if how.products is None else (Round(how.products, how.rounding, how.flush), Round(self.wide))
        return _leaf(self._operands(), (Round(self.wide, how.rounding, self._flush_of_product()), *products))

    def _widening(self) -> tuple[Round, ...]:
        """How a number is read into the accumulator's format."""
        if self.wide == self.format:
            return ()
        flush = self.how.flush.of_exact if holds(self.wide, self.format) else self.how.flush
        return (Round(self.wide, self.how.rounding, flush),)

    def _operands(self) -> tuple[Round, ...]:
        """How a multiplier reads a weight or an input: in the accumulator's format."""
        how = self.how
        if how.operands is None:
            return self._widening()
        return (*self._widening(), Round(how.operands, how.operand_rounding), Round(self.wide))

    def _factors(self) -> tuple[Round, ...]:
        """How hardware that aligns reads one: in its own format, which says what its exponent is."""
        how = self.how
        return () if how.operands is None else (Round(how.operands, how.operand_rounding),)

    def _flush_of_product(self) -> Flush:
        """Products with a bit to spare are no nearer to the least normal number than half the ulp below it."""
        factors = self.how.operands or self.format
        return self.how.flush.of_exact if 2 * factors.precision < self.wide.precision else self.how.flush

    def _result(self) -> tuple[Round, ...]:
        """How the sum is rounded into the format: none of it is tiny there if none is in the accumulator."""
        if self.format == self.wide:
            return ()
        flush = self.how.flush.of_exact if self.format.emin <= self.wide.emin else self.how.flush
        return (Round(self.format, self.how.rounding, flush),)


@functools.lru_cache(maxsize=256)
def _leaf(reads: tuple[Round, ...], rounds: tuple[Round, ...]) -> Leaf:
    """One object for all products that are alike: programs of many terms are compared faster, and take less room."""
    return Leaf(LeafKind.PRODUCT, reads, rounds)
