"""In what the arithmetics of two views differ: their sum programs compared, leaf by leaf and step by step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from fpsynth.alignment import Alignment
from fpsynth.formats import Format
from fpsynth.networks.layers import Sums
from fpsynth.orders.comparing import equal
from fpsynth.report.text import listed
from fpsynth.rounding import Rounding
from fpsynth.sums import facts
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_of
from fpsynth.sums.program import Program, Round, Step
from fpsynth.sums.words import rounds_in_words
from fpsynth.witness.data import Witness


def differences(divergence: Witness) -> list[str]:
    """In what the arithmetics of the two views differ, for the first neuron of which they do; nothing that is not so."""
    views = (divergence.reference, divergence.deployed)
    computed, other_computed = (view.network or divergence.network for view in views)
    if computed != other_computed:
        return ["the layers that compute the network"]
    a, b = (view.deployment for view in views)
    graph = computed.logits
    for index, structure in enumerate(map(graph.structure, graph.sums)):
        assert isinstance(structure, Sums)
        for output in range(structure.outputs):
            one, other = a.at(index, output), b.at(index, output)
            if one != other:
                return list(_differences(one, other, structure.terms, structure.bias is not None))
    return []


def _differences(a: Arithmetic, b: Arithmetic, terms: int, bias: bool) -> Iterator[str]:
    """In what two sums of so many terms differ."""
    if None in (a.format, b.format):
        if a.format != b.format:
            yield f"the format of everything ({a.format or 'the reals'}; {b.format or 'the reals'})"
        return
    yield from program_differences(program_of(a, terms, bias), program_of(b, terms, bias))


def program_differences(a: Program, b: Program) -> Iterator[str]:
    """In what two sum programs with the same leaves differ, as far as it can change a result."""
    ordered = equal(facts.products_tree(a), facts.products_tree(b))
    if not ordered:
        yield "the order of the sum"
    if a.alignments != b.alignments:
        yield f"how products are added ({_adding(a)}; {_adding(b)})"
    elif _fusing(a) != _fusing(b):
        yield "which products are fused into the addition"
    yield from _formats_apart(a, b)
    if facts.final_rounds(a)[:-1] != facts.final_rounds(b)[:-1]:
        yield "what the sum is rounded to before it becomes the result"
    if _products(a) != _products(b):
        yield "the format that products are rounded into"
    if facts.operand_rounds(a) != facts.operand_rounds(b):
        yield f"what weights and inputs are rounded to first ({_operands(a)}; {_operands(b)})"
    modes = [facts.modes(program) for program in (a, b)]
    if all(modes) and set(modes[0]) != set(modes[1]):
        yield f"the rounding ({_directions(modes[0])}; {_directions(modes[1])})"
    if a.flush != b.flush:
        both = a.flush and b.flush
        yield "which results are tiny enough to be flushed to zero" if both else "whether subnormals are flushed to zero"
    if _numbers_apart(a, b, ordered):
        yield "when the bias is added" if a.bias is not None else "when addends are added"
    if [leaf.reads for leaf in a.leaves[a.terms :]] != [leaf.reads for leaf in b.leaves[b.terms :]]:
        yield from _read_apart(a, b)


def _fusing(program: Program) -> tuple[bool, tuple[int, ...]]:
    """Whether anything is fused, and what is not although it could be."""
    fused = bool(facts.exact_products(program))
    return fused, facts.rounded_alone(program) if fused else ()


def _formats_apart(a: Program, b: Program) -> Iterator[str]:
    """The formats of partial sums, and which of these are rounded again before they are added."""
    of_a, of_b = facts.sum_formats(a), facts.sum_formats(b)
    if set(of_a) != set(of_b):
        yield f"the format of partial sums ({listed([str(fmt) for fmt in of_a])}; {listed([str(fmt) for fmt in of_b])})"
    parts_a, parts_b = _parts(a), _parts(b)
    if parts_a != parts_b:
        yield f"which partial sums are rounded before they are added ({_parts_words(a)}; {_parts_words(b)})"
    elif len(of_a) > 1 and set(of_a) == set(of_b) and _added_in(a, of_a[0]) != _added_in(b, of_a[0]):
        yield "which partial sums are added in which format"


def _sums(program: Program) -> Iterator[tuple[int, Step]]:
    """Each step, and the leaves of its sum as the bits of a number, which is found whatever the numbers of nodes."""
    below = {leaf: 1 << leaf for leaf in range(program.tree.leaves)}
    for node, (nodes, step) in enumerate(zip(program.tree.steps, program.steps, strict=True), program.tree.leaves):
        below[node] = sum(below.pop(operand) for operand in nodes)
        yield below[node], step


def _parts(program: Program) -> frozenset[tuple[int, tuple[Round, ...]]]:
    """The sums, by their leaves, that are rounded again before they are added, and how."""
    if not any(map(facts.again, set(program.steps[:-1]))):
        return frozenset()
    every = (1 << program.tree.leaves) - 1
    return frozenset((leaves, facts.again(step)) for leaves, step in _sums(program) if facts.again(step) and leaves != every)


def _parts_words(program: Program) -> str:
    """How many sums are rounded again, and into what."""
    counts = Counter(facts.again(step) for step in program.steps[:-1] if facts.again(step))
    return listed([f"{count} {rounds_in_words(rounds)}" for rounds, count in counts.items()]) or "none"


def _added_in(program: Program, rule: Format) -> frozenset[tuple[int, Format | None]]:
    """The sums, by their leaves, that are not added in the format that is the ``rule``."""
    kinds = ((leaves, facts.own_format(step)) for leaves, step in _sums(program))
    return frozenset(kind for kind in kinds if kind[1] != rule)


def _products(program: Program) -> set[tuple[Format, ...]]:
    """The formats that products are rounded into, after the one that they are added in."""
    sums, kinds = set(facts.sum_formats(program)), set(program.leaves[: program.terms])
    rounds = (facts.product_rounds(leaf) for leaf in kinds)
    formats = {tuple(one.format for one in some if one.format not in sums) for some in rounds}
    return {some for some in formats if some}


def _numbers_apart(a: Program, b: Program, ordered: bool) -> bool:
    """Whether the bias, or an addend, comes elsewhere: after so many products, or among others where the order is the same."""
    return any(_after(a, leaf, ordered) != _after(b, leaf, ordered) for leaf in range(a.terms, len(a.leaves)))


def _after(program: Program, leaf: int, exactly: bool) -> object:
    products = facts.products_below(program, facts.beside(program, leaf))
    if exactly:
        return frozenset(products)
    return "last" if len(products) == program.terms else "first" if len(products) == 1 else "between"


def _read_apart(a: Program, b: Program) -> Iterator[str]:
    of_a, of_b = ([facts.changing(p.format, leaf.reads) for leaf in p.leaves[p.terms :] if p.format] for p in (a, b))
    sums = set(facts.sum_formats(a)) ^ set(facts.sum_formats(b))
    if of_a != of_b and not any(one.format in sums for rounds in (*of_a, *of_b) for one in rounds):
        yield f"what the {'bias' if a.bias is not None else 'addends'} is rounded to first"


def _directions(modes: Sequence[Rounding]) -> str:
    return listed([mode.value for mode in modes])


def _adding(program: Program) -> str:
    """How products are added, in short."""
    if not program.alignments:
        return "fused, each sum rounded" if facts.exact_products(program) else "each product and sum rounded"
    return listed([_aligning(align, wide) for align, wide in facts.aligned_formats(program)])


def _aligning(align: Alignment, wide: Format) -> str:
    extra = align.extra_bits(wide)
    kept = f"{align.fraction_bits} bits below the largest exponent, {extra} more than {wide} has"
    return f"many at a time, cut {kept}" if extra >= 0 else f"many at a time, cut {align.fraction_bits} bits below the largest"


def _operands(program: Program) -> str:
    rounds = facts.operand_rounds(program)
    return "; then ".join(f"{one.format}, {one.mode.value}" for one in rounds) if rounds else "nothing"
