"""A sum program: typed leaves, typed steps along a tree, and every rounding on the way; what all readers of arithmetics read.

A leaf says what it is (a product, exact or rounded; the bias; an addend) and how it is read.  A step says what it does with
nodes that are there already (add, fma, exact, aligned) and how often it rounds what comes out.  Nothing is implied: whatever an
arithmetic means for so many terms is written out here, once, and read by the expression graph (``sums.graph``), the array
evaluator (``evaluators.sums``), words (``sums.words``), JSON (``sums.program_json``) and the restriction to some products
(``sums.restriction``).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from fpsynth.alignment import Alignment
from fpsynth.errors import InputError
from fpsynth.formats import Format, holds
from fpsynth.orders import Tree
from fpsynth.rounding import Flush, Rounding

_Part = TypeVar("_Part")


@dataclass(frozen=True)
class Round:
    """One rounding into a format."""

    format: Format
    mode: Rounding = Rounding.RNE
    flush: Flush = Flush.NEVER
    """Whether the operation that rounds reads subnormal operands, and writes tiny results, as zeros of the same sign."""


class LeafKind(enum.Enum):
    """What a leaf is; the value is its name in files."""

    PRODUCT = "product"
    BIAS = "bias"
    ADDEND = "addend"


class StepKind(enum.Enum):
    """What a step does; the value is its name in files."""

    ADD = "add"
    """Two numbers, as IEEE 754 adds them."""
    FMA = "fma"
    """An exact product and a number, as IEEE 754's fusedMultiplyAdd adds them."""
    EXACT = "exact"
    """Numbers and exact products, two or more in all, as real numbers: an exact zero is +0, an infinity makes NaN."""
    ALIGNED = "aligned"
    """Numbers and exact products in one aligned sum (``fpsynth.alignment``)."""


@dataclass(frozen=True)
class Leaf:
    """A term of the sum.  Leaf k < terms is the product of weight k and input k; the bias and addends come after them."""

    kind: LeafKind
    reads: tuple[Round, ...] = ()
    """How each factor of a product, or the bias or the addend, is rounded when it is read, one rounding after the other."""
    rounds: tuple[Round, ...] = ()
    """How a product is rounded, first into the format that its factors are in then; none: it is exact until it is added."""

    @property
    def exact(self) -> bool:
        """Whether it is a product that is not rounded before it is added."""
        return self.kind is LeafKind.PRODUCT and not self.rounds


@dataclass(frozen=True)
class Step:
    """What is done with the operands of one step of the tree: numbers among them are widened exactly into its format first."""

    kind: StepKind
    rounds: tuple[Round, ...]
    """The operation's own rounding, and further ones, one after the other; none in exact arithmetic."""
    alignment: Alignment | None = None
    """Of an aligned step; its first rounding then says the format and whether it flushes, and the alignment the rest."""


@dataclass(frozen=True)
class Program:
    """How one sum of ``terms`` products, of a bias if there is one, and of addends is evaluated."""

    format: Format | None
    """Of weights, inputs, bias, addends and of the result; None: real numbers, which nothing rounds."""
    tree: Tree
    leaves: tuple[Leaf, ...]
    steps: tuple[Step, ...]
    """Of each step of the tree."""
    result: tuple[Round, ...] = ()
    """How the last node is rounded into the format of the result."""

    def __post_init__(self) -> None:
        if len(self.leaves) != self.tree.leaves or len(self.steps) != len(self.tree.steps):
            raise InputError("a sum program needs one leaf for each leaf of its tree, and one step for each of its steps")
        kinds = [leaf.kind for leaf in self.leaves]
        order = [LeafKind.PRODUCT] * kinds.count(LeafKind.PRODUCT) + [LeafKind.BIAS] * kinds.count(LeafKind.BIAS)
        if kinds != order + [LeafKind.ADDEND] * (len(kinds) - len(order)) or kinds.count(LeafKind.BIAS) > 1:
            raise InputError("the leaves of a sum program are products, then at most one bias, then addends")
        if self.format is not None:
            self._require_formats(self.format)

    def _require_formats(self, fmt: Format) -> None:
        for leaf in _different(self.leaves):
            if leaf.kind is not LeafKind.PRODUCT and leaf.rounds:
                raise InputError("only products are rounded after they are read; a bias and an addend are read")
            if leaf.rounds and not holds(leaf.rounds[0].format, last_format(fmt, leaf.reads)):
                raise InputError("a product is first rounded into a format that its factors have")
        formats = list(self.node_formats)
        for node, (operands, step) in enumerate(zip(self.tree.steps, self.steps, strict=True), self.tree.leaves):
            exact = sum(map(self.exact, operands))
            if not step.rounds:
                raise InputError("a step of a sum program says what it rounds its sum into")
            if (step.kind is StepKind.ALIGNED) != (step.alignment is not None):
                raise InputError("a step that aligns, and no other, says how")
            if (step.kind is StepKind.ADD and (len(operands) != 2 or exact)) or (
                step.kind is StepKind.FMA and (len(operands) != 2 or exact != 1)
            ):
                raise InputError("add takes two numbers, and fma an exact product and a number")
            own = step.rounds[0].format
            factors = {self.factor_format(operand) for operand in operands if self.exact(operand)}
            if step.kind is StepKind.FMA and not all(holds(own, factor) for factor in factors):
                raise InputError(f"step {node - self.tree.leaves} fuses a product in {own}, which does not hold its factors")
            if step.kind is StepKind.ALIGNED and len(factors) > 1:
                raise InputError(f"step {node - self.tree.leaves} aligns products whose factors are of several formats")
            for operand in operands:
                number = formats[operand]
                if number is not None and not holds(own, number):
                    raise InputError(
                        f"step {node - self.tree.leaves} adds a number of {number} in {own}, which does not hold it"
                    )
        if formats[self.tree.root] is None:
            raise InputError("a sum program must round its only product before that is the result")
        if self.result_format != fmt:
            raise InputError(f"a sum program in {fmt} must round its result into {fmt}, not {self.result_format}")

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.format, self.tree, self.leaves, self.steps, self.result))

    @cached_property
    def terms(self) -> int:
        """How many products there are."""
        return sum(leaf.kind is LeafKind.PRODUCT for leaf in self.leaves)

    @property
    def bias(self) -> int | None:
        """The leaf that is the bias."""
        terms = self.terms
        return terms if terms < len(self.leaves) and self.leaves[terms].kind is LeafKind.BIAS else None

    @cached_property
    def node_formats(self) -> tuple[Format | None, ...]:
        """Of every node the format that it is a number of; None for exact products, and for all in exact arithmetic."""
        if self.format is None:
            return (None,) * (self.tree.leaves + len(self.steps))
        leaves = [None if leaf.exact else last_format(self.format, (*leaf.reads, *leaf.rounds)) for leaf in self.leaves]
        return (*leaves, *(last_format(self.format, step.rounds) for step in self.steps))

    @property
    def result_format(self) -> Format | None:
        """The format of the result."""
        root = self.tree.root
        if self.format is None:
            return None
        if self.result:
            return self.result[-1].format
        return self.node_formats[root]

    @property
    def flush(self) -> Flush:
        """How the operation that gives the result flushes; ReLU after it flushes likewise."""
        kinds = [one.flush for one in self.roundings]
        return max(kinds, default=Flush.NEVER)

    @cached_property
    def roundings(self) -> frozenset[Round]:
        """Every different rounding there is."""
        seen: set[Round] = set(self.result)
        for leaf in _different(self.leaves):
            seen.update(leaf.reads, leaf.rounds)
        for step in _different(self.steps):
            seen.update(step.rounds)
        return frozenset(seen)

    @cached_property
    def formats(self) -> frozenset[Format]:
        """Every format that something is rounded into, and the program's own."""
        return frozenset(one.format for one in self.roundings) | ({self.format} if self.format is not None else set())

    @cached_property
    def sum_formats(self) -> frozenset[Format]:
        """Every format that a product or the sum of a step is rounded into: those of operands and of the result apart."""
        rounds = [one for leaf in _different(self.leaves) for one in leaf.rounds]
        rounds += [one for step in _different(self.steps) for one in step.rounds]
        return frozenset(one.format for one in rounds)

    @cached_property
    def multipliers(self) -> tuple[Format | None, ...]:
        """Of every leaf the format in which its factors are multiplied: exactly in their own for some; None: it has none."""
        formats: list[Format | None] = []
        for leaf, taker in zip(self.leaves, self.takers, strict=False):
            if leaf.kind is not LeafKind.PRODUCT or self.format is None:
                formats.append(None)
            elif leaf.rounds:
                formats.append(leaf.rounds[0].format)
            else:
                formats.append(taker.rounds[0].format if taker is not None else last_format(self.format, leaf.reads))
        return tuple(formats)

    @property
    def narrowed(self) -> set[tuple[Format, Format]]:
        """Formats that factors are rounded into although they do not hold the numbers, with that in which they multiply."""
        found: set[tuple[Format, Format]] = set()
        for leaf, own in set(zip(self.leaves, self.multipliers, strict=True)):
            source = self.format
            for one in leaf.reads if own is not None else ():
                if source is not None and own is not None and not holds(one.format, source):
                    found.add((one.format, own))
                source = one.format
        return found

    @cached_property
    def takers(self) -> tuple[Step | None, ...]:
        """Of every node the step that adds it; None for the last one."""
        found: list[Step | None] = [None] * (self.tree.leaves + len(self.steps))
        for operands, step in zip(self.tree.steps, self.steps, strict=True):
            for operand in operands:
                found[operand] = step
        return tuple(found)

    def factor_format(self, leaf: int) -> Format:
        """The format of the factors of a product, once they are read.  Not for exact arithmetic."""
        assert self.format is not None
        return last_format(self.format, self.leaves[leaf].reads)

    def exact(self, node: int) -> bool:
        """Whether a node is a product that is not rounded before it is added."""
        return node < self.tree.leaves and self.leaves[node].exact

    @cached_property
    def alignments(self) -> frozenset[Alignment]:
        """How its steps align, those that do."""
        return frozenset(step.alignment for step in _different(self.steps) if step.alignment is not None)

    def operands(self, node: int) -> tuple[int, ...]:
        """The nodes that a step adds, given by the node of its sum."""
        return self.tree.steps[node - self.tree.leaves]


def _different(parts: Sequence[_Part]) -> Iterable[_Part]:
    """Each once, and few of them twice: thousands are one object, which need not be compared."""
    return {id(one): one for one in parts}.values()


def last_format(fmt: Format, rounds: tuple[Round, ...]) -> Format:
    """The format of a number of ``fmt`` after some roundings."""
    return rounds[-1].format if rounds else fmt


def held_format(fmt: Format, rounds: tuple[Round, ...]) -> Format:
    """A format of which a number of ``fmt`` is one after some roundings: the narrowest known, since widening is exact."""
    for one in rounds:
        if not holds(one.format, fmt):
            fmt = one.format
    return fmt


def inexact(source: Format | None, rounds: Sequence[Round]) -> list[Round]:
    """The roundings that may change a number of ``source``, or, where that is None, an exact one: flushing apart."""
    kept = []
    for one in rounds:
        if source is None or not holds(one.format, source):
            kept.append(one)
            source = one.format  # else it is still a number of the narrower one
    return kept
