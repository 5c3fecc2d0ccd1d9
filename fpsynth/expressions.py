"""The expression graph: one description of a computation that every interpreter and encoder reads."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from fpsynth.alignment import Alignment
from fpsynth.formats import Format
from fpsynth.rounding import Flush, Rounding
from fpsynth.workers.deadlines import require_time


class Op(enum.Enum):
    """Every operation there is.  The value is the name used in files and messages."""

    __hash__ = object.__hash__  # a member is itself alone; Enum's own is a function of Python, called for every node

    # numeric leaves
    VARIABLE = "variable"
    CONSTANT = "constant"
    # numeric operations; each rounds once into the node's format (format None: exactly, into the reals)
    NEG = "neg"
    ADD = "add"
    MUL = "mul"
    FMA = "fma"  # args a, b, c: a*b + c
    MAX = "max"  # IEEE 754-2019 maximum: NaN if any argument is NaN; +0 above -0
    CAST = "cast"  # into the node's format; into the reals it is exact
    ALIGNED = "aligned"  # args: numbers of the node's format, then the factors of products, two by two, all of one format
    # comparisons of two numeric nodes of the same format; false if any argument is NaN; -0 equals +0
    LT = "lt"
    LE = "le"
    EQ = "eq"
    # propositional operations
    AND = "and"
    OR = "or"
    NOT = "not"

    @property
    def boolean(self) -> bool:
        """Whether a node with this operation is true or false rather than a number."""
        return self in _BOOLEAN


_BOOLEAN = frozenset({Op.LT, Op.LE, Op.EQ, Op.AND, Op.OR, Op.NOT})

ARITY: dict[Op, int | None] = {
    Op.VARIABLE: 0,
    Op.CONSTANT: 0,
    Op.NEG: 1,
    Op.ADD: 2,
    Op.MUL: 2,
    Op.FMA: 3,
    Op.MAX: 2,
    Op.CAST: 1,
    Op.ALIGNED: None,
    Op.LT: 2,
    Op.LE: 2,
    Op.EQ: 2,
    Op.AND: None,
    Op.OR: None,
    Op.NOT: 1,
}
"""Number of arguments of each operation; None: any number."""


@dataclass(frozen=True, eq=False)
class Expression:
    """A node of the graph.  Nodes are compared by identity: share a node to say that it is computed once."""

    op: Op
    args: tuple[Expression, ...] = ()
    format: Format | None = None
    """Format of a numeric node; None means a real number (or a truth value, for boolean operations)."""
    rounding: Rounding = Rounding.RNE
    flush: Flush = Flush.NEVER
    """Whether subnormal operands are read, and tiny results written, as zeros of the same sign."""
    name: str = ""
    """Of a variable: unique in its graph, matching [a-z][a-z0-9_]*."""
    value: Fraction | None = None
    """Of a constant: exact; a floating-point constant must be representable in its format (it is +0 when zero)."""
    alignment: Alignment | None = None
    """Of an aligned sum: how it is lined up, cut and rounded (``rounding`` plays no part there)."""
    products: int = 0
    """Of an aligned sum: how many products there are, hence pairs of factors at the end of ``args``."""

    def __post_init__(self) -> None:
        op, args, fmt = self.op, self.args, self.format
        arity = ARITY[op]
        if arity is not None and len(args) != arity:
            raise ValueError(f"{op.value} takes {arity} arguments, got {len(args)}")
        if op in _BOOLEAN:
            self._require_operands()
            return
        for arg in args:
            if arg.op in _BOOLEAN:
                raise ValueError(f"{op.value} got an argument of the wrong kind")
            if arg.format is not fmt and arg.format != fmt and op not in (Op.CAST, Op.ALIGNED):
                raise ValueError(f"the arguments of {op.value} must have the node's own format; cast them first")
        if op is Op.ALIGNED:
            self._require_aligned()

    def _require_operands(self) -> None:
        numeric = self.op in (Op.LT, Op.LE, Op.EQ)
        if any(arg.op.boolean is numeric for arg in self.args):
            raise ValueError(f"{self.op.value} got an argument of the wrong kind")
        if numeric and self.args[0].format != self.args[1].format:
            raise ValueError("cast both sides of a comparison to one format first")

    def _require_aligned(self) -> None:
        if self.alignment is None or self.format is None or not 0 <= 2 * self.products <= len(self.args):
            raise ValueError("an aligned sum needs an alignment, a format and whole pairs of factors")
        if any(number.format != self.format for number in self.numbers):
            raise ValueError("the numbers in an aligned sum must have its own format; cast them first")
        if not self.args or any(factor.format is None or factor.format != self.args[-1].format for factor in self.factors):
            raise ValueError("the factors in an aligned sum must have one floating-point format; cast them first")
        if self.flush == Flush.UNBOUNDED:
            raise ValueError("an aligned sum is flushed after it has been rounded into its format")

    @property
    def numbers(self) -> tuple[Expression, ...]:
        """Of an aligned sum: the addends that are no products."""
        return self.args[: len(self.args) - 2 * self.products]

    @property
    def factors(self) -> tuple[Expression, ...]:
        """Of an aligned sum: the factors of its products, two by two."""
        return self.args[len(self.args) - 2 * self.products :]

    def __neg__(self) -> Expression:
        """The same as ``neg``: arrays of a template's unknowns are negated as arrays of numbers are."""
        return neg(self)


def variable(name: str, format: Format) -> Expression:
    """A floating-point unknown."""
    return Expression(Op.VARIABLE, format=format, name=name)


def constant(value: Fraction | int | float, format: Format | None) -> Expression:
    """A known number, in the reals (format None: any rational) or in a format that represents it exactly."""
    return Expression(Op.CONSTANT, format=format, value=Fraction(value))


def real(node: Expression) -> Expression:
    """The exact value of a floating-point node, as a real number."""
    return node if node.format is None else Expression(Op.CAST, (node,), None)


def neg(a: Expression) -> Expression:
    """-a, exact in every format."""
    return Expression(Op.NEG, (a,), a.format)


def add(a: Expression, b: Expression, rounding: Rounding = Rounding.RNE, flush: Flush = Flush.NEVER) -> Expression:
    """a + b rounded once into their common format."""
    return Expression(Op.ADD, (a, b), a.format, rounding, flush)


def sub(a: Expression, b: Expression, rounding: Rounding = Rounding.RNE, flush: Flush = Flush.NEVER) -> Expression:
    """a - b, which IEEE 754 defines as a + (-b)."""
    return add(a, neg(b), rounding, flush)


def mul(a: Expression, b: Expression, rounding: Rounding = Rounding.RNE, flush: Flush = Flush.NEVER) -> Expression:
    """a * b rounded once into their common format."""
    return Expression(Op.MUL, (a, b), a.format, rounding, flush)


def fma(
    a: Expression, b: Expression, c: Expression, rounding: Rounding = Rounding.RNE, flush: Flush = Flush.NEVER
) -> Expression:
    """a * b + c rounded once into their common format."""
    return Expression(Op.FMA, (a, b, c), a.format, rounding, flush)


def aligned(
    numbers: Sequence[Expression],
    products: Sequence[tuple[Expression, Expression]],
    format: Format,
    alignment: Alignment,
    flush: Flush = Flush.NEVER,
) -> Expression:
    """What ``fpsynth.alignment.aligned_sum`` gives for numbers of ``format`` and products of pairs of factors of one format.

    With ``flush`` (not UNBOUNDED) subnormal numbers, factors and results are zeros.
    """
    args = (*numbers, *(factor for pair in products for factor in pair))
    return Expression(Op.ALIGNED, args, format, flush=flush, alignment=alignment, products=len(products))


def maximum(a: Expression, b: Expression, flush: Flush = Flush.NEVER) -> Expression:
    """The larger of a and b (IEEE 754-2019 maximum)."""
    return Expression(Op.MAX, (a, b), a.format, flush=flush)


def cast(a: Expression, format: Format | None, rounding: Rounding = Rounding.RNE, flush: Flush = Flush.NEVER) -> Expression:
    """a rounded into another format; the node itself where the format is its own already and nothing is flushed."""
    same = a.format is format or a.format == format
    return a if same and not flush else Expression(Op.CAST, (a,), format, rounding, flush)


def lt(a: Expression, b: Expression) -> Expression:
    """a < b."""
    return Expression(Op.LT, (a, b))


def le(a: Expression, b: Expression) -> Expression:
    """a <= b."""
    return Expression(Op.LE, (a, b))


def eq(a: Expression, b: Expression) -> Expression:
    """a = b as numbers (-0 equals +0, NaN equals nothing)."""
    return Expression(Op.EQ, (a, b))


def conjunction(args: Iterable[Expression]) -> Expression:
    """All of them; true when there are none."""
    return Expression(Op.AND, tuple(args))


def disjunction(args: Iterable[Expression]) -> Expression:
    """Any of them; false when there are none."""
    return Expression(Op.OR, tuple(args))


def negation(arg: Expression) -> Expression:
    """Not."""
    return Expression(Op.NOT, (arg,))


def topological(roots: Sequence[Expression]) -> Iterator[Expression]:
    """Every node below ``roots`` once, arguments before users, without recursion.

    Raises OutOfTimeError between two nodes: whatever is done with each of them ends in time.
    """
    done: set[int] = set()
    stack: list[tuple[Expression, bool]] = [(root, False) for root in reversed(roots)]
    while stack:
        node, expanded = stack.pop()
        if id(node) in done:
            continue
        if expanded or not node.args:
            done.add(id(node))
            require_time()
            yield node
        else:
            stack.append((node, True))
            stack.extend([(arg, False) for arg in reversed(node.args) if id(arg) not in done])
