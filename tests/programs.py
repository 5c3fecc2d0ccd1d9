"""Random sum programs: mixed formats, several roundings in a row, tails in another format, sums rounded on the way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from sums import wide_trees

from fpsynth.alignment import Alignment
from fpsynth.evaluators.bit_patterns import from_index
from fpsynth.evaluators.exact import evaluate
from fpsynth.expressions import variable
from fpsynth.formats import Format, holds
from fpsynth.orders import Tree
from fpsynth.rounding import Flush, Rounding, Value, from_float, index_range
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.graph import sum_graph
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind, last_format
from fpsynth.synthesis.domain import Interval

MODES = (Rounding.RNE, Rounding.RNE, Rounding.RNE, *Rounding)
NARROW, MIDDLE, LONG, WIDE = Format("narrow", 3, 3), Format("middle", 4, 4), Format("long", 5, 11), Format("wide", 7, 24)
SHORT = Format("short", 3, 2, has_infinity=False)
FORMATS = (NARROW, MIDDLE, LONG, WIDE)
"""Each holds those before it; SHORT is none of them."""


@st.composite
def programs(
    draw: st.DrawFn,
    fmt: Format,
    terms: int,
    formats: Sequence[Format] = FORMATS,
    *,
    leaves: Sequence[Leaf] = (),
    tree: Tree | None = None,
    flush: bool = True,
    aligned: bool = True,
    bias: bool = False,
    coarse: float = 0.3,
) -> Program:
    """Any program of ``terms`` products of numbers of ``fmt`` that rounds into ``formats``, the last of which holds them all.

    ``leaves`` and ``tree`` are kept where they are given; ``coarse`` is the share of roundings that are more than a step needs.
    """
    one = _Drawing(draw, fmt, formats, flush, aligned, coarse)
    own = list(leaves) or [one.product() for _ in range(terms)]
    if bias:
        own.append(Leaf(LeafKind.BIAS, one.chain(fmt, 0)))
    whole = tree or draw(wide_trees(len(own), 3))
    nodes: list[Format | None] = [None if leaf.exact else last_format(fmt, (*leaf.reads, *leaf.rounds)) for leaf in own]
    steps = list[Step]()
    for operands in whole.steps:
        exact = [operand for operand in operands if nodes[operand] is None]
        factors = {last_format(fmt, own[leaf].reads) for leaf in exact}
        numbers = {of for operand in operands if (of := nodes[operand]) is not None}
        steps.append(one.step(len(operands), len(exact), factors, numbers))
        nodes.append(steps[-1].rounds[-1].format)
    if nodes[-1] is None:  # a single product
        own[-1] = Leaf(LeafKind.PRODUCT, own[-1].reads, one.chain(last_format(fmt, own[-1].reads), 1))
        nodes[-1] = own[-1].rounds[-1].format
    result = one.chain(nodes[-1] or fmt, 0)
    last = last_format(nodes[-1] or fmt, result)
    return Program(fmt, whole, tuple(own), tuple(steps), result if last == fmt else (*result, one.round(fmt)))


class _Drawing:
    """What one program is drawn from."""

    def __init__(
        self, draw: st.DrawFn, fmt: Format, formats: Sequence[Format], flush: bool, aligned: bool, coarse: float
    ) -> None:
        self.draw, self.fmt, self.formats, self.coarse = draw, fmt, formats, coarse
        self.flushes = draw(st.sampled_from([(Flush.NEVER,), (Flush.NEVER,), tuple(Flush)])) if flush else (Flush.NEVER,)
        self.aligned = aligned
        self.modes = draw(st.sampled_from([(Rounding.RNE,), MODES]))

    def round(self, fmt: Format) -> Round:
        return Round(fmt, self.draw(st.sampled_from(self.modes)), self.draw(st.sampled_from(self.flushes)))

    def some(self) -> bool:
        return self.draw(st.floats(0, 1)) < self.coarse

    def above(self, *numbers: Format) -> Format:
        """Any of the formats that hold all of these, the widest more often than others."""
        fitting = [fmt for fmt in self.formats if all(holds(fmt, number) for number in numbers)]
        return self.draw(st.sampled_from([*fitting, fitting[-1]]))

    def chain(self, source: Format, least: int) -> tuple[Round, ...]:
        """Roundings in a row, the first, where there must be one, into a format that holds the source."""
        rounds = [self.round(self.above(source)) for _ in range(least)]
        while len(rounds) < 3 and self.some():
            rounds.append(self.round(self.draw(st.sampled_from(self.formats))))
        return tuple(rounds)

    def product(self) -> Leaf:
        reads = self.chain(self.fmt, 0)
        exact = self.draw(st.booleans())
        return Leaf(LeafKind.PRODUCT, reads, () if exact else self.chain(last_format(self.fmt, reads), 1))

    def step(self, count: int, exact: int, factors: set[Format], numbers: set[Format]) -> Step:
        kinds = [StepKind.EXACT]
        kinds += [StepKind.ADD] * 2 * (count == 2 and not exact) + [StepKind.FMA] * 2 * (count == 2 and exact == 1)
        kinds += [StepKind.ALIGNED] * (self.aligned and bool(exact) and len(factors) == 1)
        kind = self.draw(st.sampled_from(kinds))
        own = self.round(self.above(*numbers, *(factors if kind is not StepKind.EXACT else ())))
        align = None
        if kind is StepKind.ALIGNED:
            mode, cut = (self.draw(st.sampled_from([Rounding.RTZ, *Rounding])) for _ in range(2))
            align = Alignment(
                self.draw(st.one_of(st.integers(2, 5), st.integers(2, 30))),
                mode,
                cut,
                self.draw(st.sampled_from([None, None, -9, 0])),
            )
            own = Round(own.format, mode, own.flush.of_exact)
        more = self.chain(own.format, 0)
        return Step(kind, (own, *more), align)


def arithmetic(program: Program) -> Arithmetic:
    """The arithmetic that is one program."""
    return Arithmetic(program.format, given=program)


def computed(program: Program, weights: Sequence[float], inputs: Sequence[float], bias: float | None = None) -> Value:
    """What the exact interpreter makes of one sum."""
    assert program.format is not None
    fmt = program.format
    row = [(variable(f"w{k}", fmt), variable(f"x{k}", fmt)) for k in range(len(weights))]
    worth = {f"w{k}": from_float(w) for k, w in enumerate(weights)} | {f"x{k}": from_float(x) for k, x in enumerate(inputs)}
    if bias is not None:
        worth["b"] = from_float(bias)
    (value,) = evaluate([sum_graph(program, row, None if bias is None else variable("b", fmt))], worth)
    assert isinstance(value, Value)
    return value


def everything(terms: int, weights: Sequence[float], inputs: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Every choice of weights and inputs among these: two arrays, a row for each."""
    grids = np.meshgrid(*[np.array(weights)] * terms, *[np.array(inputs)] * terms, indexing="ij")
    rows = np.stack([grid.ravel() for grid in grids], axis=1)
    return rows[:, :terms], rows[:, terms:]


def numbers_in(interval: Interval) -> list[float]:
    """All numbers of NARROW in an interval, from the least."""
    low, high = index_range(interval.lower, interval.upper, NARROW)
    return from_index(np.arange(low, high + 1), NARROW).tolist()
