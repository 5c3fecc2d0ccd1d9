"""Arithmetics that are one sum program, by hand: what no rule says, from tails in float64 to sums rounded before the bias."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from strategies import trees

from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, TF32, Format
from fpsynth.orders import Tree
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind

EXACT, BIAS, ADDEND = Leaf(LeafKind.PRODUCT), Leaf(LeafKind.BIAS), Leaf(LeafKind.ADDEND)


def product(*formats: Format) -> Leaf:
    """A product that is rounded into one format after the other."""
    return Leaf(LeafKind.PRODUCT, (), tuple(map(Round, formats)))


def add(*formats: Format) -> Step:
    """Two numbers, rounded into one format after the other."""
    return Step(StepKind.ADD, tuple(map(Round, formats)))


def fma(*formats: Format) -> Step:
    """An exact product and a number."""
    return Step(StepKind.FMA, tuple(map(Round, formats)))


def arithmetic(program: Program) -> Arithmetic:
    """The arithmetic that is this program."""
    return Arithmetic(program.format, given=program)


class _Steps:
    """Steps while a program is written down."""

    def __init__(self, leaves: int) -> None:
        self.leaves, self.operands, self.kinds = leaves, list[tuple[int, ...]](), list[Step]()

    def chain(self, nodes: Sequence[int], kind: Step, last: Step | None = None) -> int:
        total = nodes[0]
        for k, node in enumerate(nodes[1:], 2):
            self.operands.append((total, node))
            self.kinds.append(last if last is not None and k == len(nodes) else kind)
            total = self.leaves + len(self.operands) - 1
        return total

    def program(self, fmt: Format, leaves: Sequence[Leaf], result: tuple[Format, ...] = ()) -> Program:
        return Program(
            fmt, Tree(self.leaves, tuple(self.operands)), tuple(leaves), tuple(self.kinds), tuple(map(Round, result))
        )


def tail(terms: int = 8, last: int = 3) -> Program:
    """The last so many products are added in float64, and the rest of the sum, of float32, to their sum at the end."""
    steps = _Steps(terms)
    rest = steps.chain(range(terms - last), add(FLOAT32))
    end = steps.chain(range(terms - last, terms), add(FLOAT64))
    steps.chain([end, rest], add(FLOAT64))
    return steps.program(FLOAT32, [product(FLOAT32)] * (terms - last) + [product(FLOAT64)] * last, (FLOAT32,))


def tail_in_sequence(terms: int = 8, last: int = 3) -> Program:
    """The same, but each product is added to the sum so far."""
    steps = _Steps(terms)
    rest = steps.chain(range(terms - last), add(FLOAT32))
    steps.chain([rest, *range(terms - last, terms)], add(FLOAT64))
    return steps.program(FLOAT32, [product(FLOAT32)] * (terms - last) + [product(FLOAT64)] * last, (FLOAT32,))


def parts(count: int = 4, size: int = 4, bias: bool = False) -> Program:
    """Chains of FMAs in float32, each rounded to float16 before they are added in float32, and then the bias."""
    terms = count * size
    steps = _Steps(terms + bias)
    roots = [steps.chain(range(k * size, (k + 1) * size), fma(FLOAT32), fma(FLOAT32, FLOAT16)) for k in range(count)]
    steps.chain(roots + [terms] * bias, add(FLOAT32))
    leaves = [EXACT if k % size else product(FLOAT32) for k in range(terms)]
    return steps.program(FLOAT16, leaves + [BIAS] * bias, (FLOAT16,))


def rounded_before_bias(terms: int = 6, wide: bool = False) -> Program:
    """A chain of FMAs in float32, rounded to bfloat16 before the bias is added, in bfloat16 or in float32."""
    steps = _Steps(terms + 1)
    total = steps.chain(range(terms), fma(FLOAT32), fma(FLOAT32, BFLOAT16))
    steps.chain([total, terms], add(FLOAT32 if wide else BFLOAT16))
    return steps.program(BFLOAT16, [product(FLOAT32), *[EXACT] * (terms - 1), BIAS], (BFLOAT16,) * wide)


def rounded_twice(terms: int = 5) -> Program:
    """Every product and every sum is rounded to float32, and then to bfloat16."""
    steps = _Steps(terms)
    steps.chain(range(terms), add(FLOAT32, BFLOAT16))
    return steps.program(BFLOAT16, [product(FLOAT32, BFLOAT16)] * terms)


def with_addends(terms: int = 4) -> Program:
    """A sum that is rounded before the bias and an addend are added to it, and again before another addend is."""
    steps = _Steps(terms + 3)
    total = steps.chain(range(terms), fma(FLOAT32), fma(FLOAT32, BFLOAT16))
    total = steps.chain([total, terms, terms + 1], add(FLOAT32), add(FLOAT32, BFLOAT16))
    steps.chain([total, terms + 2], add(BFLOAT16))
    return steps.program(BFLOAT16, [product(FLOAT32), *[EXACT] * (terms - 1), BIAS, ADDEND, ADDEND])


def bias_between(terms: int = 6) -> Program:
    """The bias comes after the first three products, and is read in bfloat16."""
    steps = _Steps(terms + 1)
    steps.chain([0, 1, 2, terms, *range(3, terms)], add(FLOAT32))
    bias = Leaf(LeafKind.BIAS, (Round(BFLOAT16), Round(FLOAT32)))
    return steps.program(FLOAT32, [product(FLOAT32)] * terms + [bias])


def exact_steps() -> Program:
    """Four products and then two more are added as real numbers, and the last one with an FMA."""
    steps = Tree(7, ((0, 1, 2, 3), (7, 4, 5), (8, 6)))
    kinds = (Step(StepKind.EXACT, (Round(FLOAT32),)),) * 2 + (fma(FLOAT32),)
    return Program(FLOAT32, steps, (EXACT,) * 7, kinds)


BY_HAND = {
    "tail": tail(),
    "tail in sequence": tail_in_sequence(),
    "parts": parts(),
    "parts and a bias": parts(bias=True),
    "rounded before the bias": rounded_before_bias(),
    "rounded before the bias, added in float32": rounded_before_bias(wide=True),
    "rounded twice": rounded_twice(),
    "bias between": bias_between(),
    "exact steps": exact_steps(),
}
"""Without addends, which no network has."""

_ROUNDS = st.tuples(st.sampled_from([FLOAT32, FLOAT64]), st.sampled_from([(), (FLOAT16,), (BFLOAT16, FLOAT32), (TF32,)]))


@st.composite
def programs(draw: st.DrawFn, most: int = 12) -> Program:
    """Any program of float16 whose steps all hold what they add: in float64 at the end, and rounded anywhere before."""
    terms, bias, addends = draw(st.integers(1, most)), draw(st.booleans()), draw(st.integers(0, 2))
    total = terms + bias + addends
    tree = draw(trees(total, most=4))
    formats: list[Format | None] = []
    leaves: list[Leaf] = []
    for _ in range(terms):
        wide, more = draw(_ROUNDS)
        leaves.append(EXACT if draw(st.booleans()) and total > 1 else product(wide, *more))
        formats.append(None if leaves[-1].exact else (wide, *more)[-1])
    leaves += [BIAS] * bias + [ADDEND] * addends
    formats += [FLOAT16] * (bias + addends)
    kinds: list[Step] = []
    for nodes in tree.steps:
        wide, more = draw(_ROUNDS)
        wide = FLOAT64 if any(formats[node] is FLOAT64 for node in nodes) else wide
        exact = sum(formats[node] is None for node in nodes)
        mode = draw(st.sampled_from([Rounding.RNE, Rounding.RTZ]))
        kind = StepKind.EXACT if len(nodes) > 2 or exact == 2 else StepKind.FMA if exact else StepKind.ADD
        kinds.append(Step(kind, (Round(wide, mode), *map(Round, more))))
        formats.append((wide, *more)[-1])
    return Program(FLOAT16, tree, tuple(leaves), tuple(kinds), () if formats[-1] is FLOAT16 else (Round(FLOAT16),))
