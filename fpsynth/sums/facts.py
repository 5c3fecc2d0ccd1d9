"""What can be told of a sum program: what is fused, aligned and rounded, and its parts that are rounded before they join."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from fpsynth.alignment import Alignment
from fpsynth.formats import Format, holds
from fpsynth.orders import Tree
from fpsynth.orders.tree import restrict
from fpsynth.rounding import Rounding
from fpsynth.sums.program import Leaf, Program, Round, Step, StepKind, last_format

T = TypeVar("T")


def changing(fmt: Format, rounds: Sequence[Round]) -> tuple[Round, ...]:
    """The roundings that can change a number of ``fmt``, flushing aside: the others only widen it."""
    formats = (fmt, *(one.format for one in rounds))
    return tuple(one for one, before in zip(rounds, formats, strict=False) if not holds(one.format, before))


def own_format(step: Step) -> Format | None:
    """The format in which a step adds; None for real numbers."""
    return step.rounds[0].format if step.rounds else None


def again(step: Step) -> tuple[Round, ...]:
    """How the sum of a step is rounded after the step itself has rounded it."""
    return changing(step.rounds[0].format, step.rounds[1:]) if step.rounds else ()


def sum_formats(program: Program) -> tuple[Format, ...]:
    """The formats in which steps add, the commonest first; of a sum without steps that of its one number."""
    if program.format is None:
        return ()
    if not program.steps:
        return (program.node_formats[0] or program.format,)
    kinds = Counter(program.steps)
    counts: Counter[Format] = Counter()
    for step, count in kinds.items():
        counts[step.rounds[0].format] += count
    return tuple(fmt for fmt, _ in counts.most_common())


def product_rounds(leaf: Leaf) -> tuple[Round, ...]:
    """How a product is rounded: once, and then wherever that can change it."""
    return leaf.rounds[:1] + changing(leaf.rounds[0].format, leaf.rounds[1:]) if leaf.rounds else ()


def operand_rounds(program: Program) -> tuple[Round, ...]:
    """How weights and inputs are rounded before they are multiplied, other than into a format of the sums; of all products."""
    if program.format is None:
        return ()
    sums = set(sum_formats(program))
    rounds: dict[Round, None] = {}
    for leaf in dict.fromkeys(program.leaves[: program.terms]):
        rounds.update(dict.fromkeys(one for one in changing(program.format, leaf.reads) if one.format not in sums))
    return tuple(rounds)


def exact_products(program: Program) -> frozenset[int]:
    """The products that a step adds as they are."""
    if program.format is None:
        return frozenset()
    return frozenset(k for k, leaf in enumerate(program.leaves[: program.terms]) if leaf.exact)


def aligned_formats(program: Program) -> list[tuple[Alignment, Format]]:
    """How steps align, and in which format each does, the commonest first."""
    counts = Counter((step.alignment, step.rounds[0].format) for step in program.steps if step.alignment is not None)
    return [(alignment, fmt) for (alignment, fmt), _ in counts.most_common() if alignment is not None]


def exact_operands(program: Program) -> list[tuple[Step, int, int]]:
    """Each step that adds exact products: the step, how many of them, and how many other operands."""
    exact = exact_products(program)
    counts = [(step, sum(node in exact for node in nodes), len(nodes)) for nodes, step in _steps(program)]
    return [(step, products, size - products) for step, products, size in counts if products]


def rounded_alone(program: Program) -> tuple[int, ...]:
    """The products that are rounded although the steps that add them might have added them as they are.

    Of two products that meet one must be rounded: the earlier one, where nothing is special.
    """
    exact, terms, alone = exact_products(program), program.terms, []
    for nodes, _ in _steps(program):
        products = [node for node in nodes if node < terms]
        fused = [node for node in products if node in exact]
        late = max(fused) if len(nodes) == 2 and fused else -1
        alone += [node for node in products if node not in exact and node > late]
    return tuple(sorted(alone))


def pairs_reversed(program: Program) -> list[tuple[int, int]]:
    """The pairs of products of which the later one is rounded and the earlier one is fused onto it."""
    exact, terms = exact_products(program), program.terms
    pairs = [(min(nodes), max(nodes)) for nodes, step in _steps(program) if step.kind is StepKind.FMA and max(nodes) < terms]
    return [(low, high) for low, high in pairs if low in exact]


def modes(program: Program) -> tuple[Rounding, ...]:
    """The directions in which products, steps and the result are rounded, the commonest first; steps that align say theirs."""
    counts: Counter[Rounding] = Counter()
    for leaf, count in Counter(program.leaves[: program.terms]).items():
        counts.update({one.mode: count for one in product_rounds(leaf)})
    for step, count in Counter(program.steps).items():
        rounds = again(step) if step.kind is StepKind.ALIGNED else (*step.rounds[:1], *again(step))
        for one in rounds:
            counts[one.mode] += count
    counts.update(one.mode for one in result_rounds(program))
    return tuple(mode for mode, _ in counts.most_common())


def result_rounds(program: Program) -> tuple[Round, ...]:
    """How the last node is rounded into the result, where that can change it."""
    last = program.node_formats[program.tree.root]
    return () if last is None else changing(last, program.result)


def last_mode(program: Program) -> Rounding:
    """The direction of the last rounding that there is; to nearest even where there is none."""
    if program.format is None:
        return Rounding.RNE
    first = program.steps[-1].rounds[:1] if program.steps else program.leaves[0].rounds
    rounds = (*first, *final_rounds(program))
    return rounds[-1].mode if rounds else Rounding.RNE


def products_tree(program: Program) -> Tree:
    """The order of the products, without the bias and addends."""
    return restrict(program.tree, range(program.terms))[0]


@dataclass(frozen=True)
class Part:
    """Steps that add in one format, and between which nothing is rounded again, unless every sum is."""

    root: int
    """The node of its sum."""
    format: Format
    products: tuple[int, ...]
    """Those that its steps add themselves."""
    numbers: tuple[int, ...]
    """The bias and addends that its steps add."""
    parts: tuple[Part, ...]
    """Those whose sums its steps add."""
    rounds: tuple[Round, ...]
    """How its sum is rounded before a step of another part adds it, where that can change it."""

    @property
    def below(self) -> tuple[int, ...]:
        """All products of the sum, in ascending order."""
        found, stack = list[int](), [self]
        while stack:
            part = stack.pop()
            found += part.products
            stack += part.parts
        return tuple(sorted(found))


def every_sum(program: Program) -> tuple[Round, ...]:
    """How every sum but the last is rounded again, if all are; nothing where they are no more than what the last step joins."""
    kinds = {again(step) for step in set(program.steps[:-1])}
    if len(kinds) != 1:
        return ()
    (rounds,) = kinds
    last = program.tree.steps[-1]
    parts = sum(node >= program.tree.leaves for node in last) == len(program.steps) - 1
    return () if parts and min(last) >= program.terms else rounds


def final_rounds(program: Program) -> tuple[Round, ...]:
    """How the last sum, or the one product, is rounded again, and then into the result, where that can change it."""
    return (again(program.steps[-1]) if program.steps else ()) + result_rounds(program)


def whole(program: Program) -> Part | None:
    """The part that holds the last step, and in it the others; None for real numbers and where nothing is added."""
    if program.format is None or not program.steps:
        return None
    leaves, above = program.tree.leaves, program.tree.parents()
    joined = {(), every_sum(program)}
    made: dict[int, Part] = {}
    gathered: dict[int, tuple[list[int], list[Part]]] = {}
    for node, (nodes, step) in enumerate(zip(program.tree.steps, program.steps, strict=True), leaves):
        singles, parts = list[int](), list[Part]()
        for operand in nodes:
            if operand < leaves:
                singles.append(operand)
            elif operand in made:
                parts.append(made.pop(operand))
            else:
                more, others = gathered.pop(operand)
                singles, parts = _longer(singles, more), _longer(parts, others)
        parent = program.steps[above[node] - leaves] if above[node] >= 0 else None
        if parent is not None and again(step) in joined and own_format(step) == own_format(parent):
            gathered[node] = singles, parts
            continue
        products = tuple(sorted(leaf for leaf in singles if leaf < program.terms))
        numbers = tuple(sorted(leaf for leaf in singles if leaf >= program.terms))
        made[node] = Part(node, step.rounds[0].format, products, numbers, tuple(parts), again(step))
    return made[program.tree.root]


def _longer(one: list[T], other: list[T]) -> list[T]:
    """Two lists as one; the longer one grows, so that a long chain costs no more than its length."""
    if len(one) < len(other):
        one, other = other, one
    one.extend(other)
    return one


def _steps(program: Program) -> Iterator[tuple[tuple[int, ...], Step]]:
    return zip(program.tree.steps, program.steps, strict=True)


def products_below(program: Program, nodes: Sequence[int]) -> list[int]:
    """The products of the sums in some nodes."""
    found, stack = list[int](), list(nodes)
    while stack:
        node = stack.pop()
        if node < program.tree.leaves:
            found += [node] if node < program.terms else []
        else:
            stack.extend(program.operands(node))
    return found


def beside(program: Program, leaf: int) -> tuple[int, ...]:
    """What the step that adds a leaf adds to it; nothing where there is no step."""
    above = program.tree.parents()[leaf]
    return tuple(node for node in program.operands(above) if node != leaf) if above >= 0 else ()


def factor_format(program: Program, leaf: int) -> Format | None:
    """The format of the factors of a product as they are read."""
    return None if program.format is None else last_format(program.format, program.leaves[leaf].reads)
