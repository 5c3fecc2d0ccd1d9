"""A sum program in words: its order by name, what is fused, the parts that are rounded before they join, bias and addends."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Sequence

from fpsynth.orders.naming import name_of
from fpsynth.orders.nested import nested_text
from fpsynth.orders.tree import Tree, restrict
from fpsynth.rounding import Flush, Rounding
from fpsynth.sums import facts
from fpsynth.sums.facts import Part
from fpsynth.sums.program import Leaf, LeafKind, Program, Round
from fpsynth.wording import counted, noun

_LONGEST = 80
"""Characters of a tree that is written out."""
_NAMED_LEAVES = 4
"""Products that are named one by one."""


@functools.lru_cache(maxsize=256)
def program_in_words(program: Program) -> str:
    """One line: the format and that of the sums, and then the order, what is fused, and whatever is rounded where."""
    if program.format is None:
        return "real"
    return f"{program.format}{_accumulated(program)}: {', '.join(_told(program))}"


def order_in_words(program: Program) -> str:
    """The order of all terms, and the parts that are rounded before they join; without what is said of products."""
    order, more = _order_and_more(program)
    return ", ".join([*order, *more])


def _order_and_more(program: Program) -> tuple[list[str], list[str]]:
    """The order of the products, if the parts do not tell it; and then parts, and where the bias and addends are added."""
    whole = facts.whole(program)
    if whole is None:
        return [counted(program.terms, "product")], []
    top, later = _without_numbers(program, whole)
    return _order(program, top), [*_parts(program, top), *later, *_numbers(program, bool(later))]


def but_for(leaves: Sequence[int]) -> str:
    """Which products are not fused, in words: by number where they are few."""
    if not leaves:
        return ""
    few = f"{noun(len(leaves), 'product')} {', '.join(map(str, leaves))}"
    return f" but for {few if len(leaves) <= _NAMED_LEAVES else counted(len(leaves), 'product')}"


def rounds_in_words(rounds: Sequence[Round]) -> str:
    """``rounded to float16, then to float32``."""
    return "rounded to " + ", then to ".join(map(_round_words, rounds))


def _round_words(one: Round) -> str:
    return str(one.format) if one.mode is Rounding.RNE else f"{one.format} {one.mode.value}"


def _accumulated(program: Program) -> str:
    """The format of the sums, where all are added in one other than the program's."""
    formats = set(facts.sum_formats(program))
    top = facts.whole(program)
    if top is not None:
        stack, formats = [_without_numbers(program, top)[0]], set()
        while stack:
            part = stack.pop()
            formats.add(part.format)
            stack += part.parts
    return f" accumulated in {formats.pop()}" if len(formats) == 1 and formats != {program.format} else ""


def _told(program: Program) -> Iterator[str]:
    order, more = _order_and_more(program)
    yield from order
    yield from _operands(program)
    yield from _fused(program)
    yield from _products(program)
    every = facts.every_sum(program)
    final = facts.final_rounds(program)
    if every:
        yield f"each sum{'' if final == every else ' but the last'} then {rounds_in_words(every)}"
    yield from more
    if len(final) > 1 and final != every:
        yield f"the result {rounds_in_words(final)}"
    yield from _modes_and_flush(program)


def _without_numbers(program: Program, top: Part) -> tuple[Part, tuple[str, ...]]:
    """The part that adds the products, and in words how what other parts add to its sum is added: the bias, or an addend."""
    words: list[str] = []
    while not top.products and len(top.parts) == 1:
        (inner,) = top.parts
        name = _named(program, top.numbers)
        if inner.rounds:
            where = "" if top.format == inner.rounds[-1].format else f" in {top.format}"
            words.append(f"the sum {rounds_in_words(inner.rounds)} before {name} added{where}")
        else:
            words.append(f"{name} added to the sum in {top.format}")
        top = inner
    words.reverse()
    return top, (*words[:1], *(text.replace("the sum ", "that sum ", 1) for text in words[1:]))


def _named(program: Program, numbers: Sequence[int]) -> str:
    """``the bias is``, ``an addend is``, ``the bias and 2 addends are``."""
    bias = [leaf for leaf in numbers if leaf == program.bias]
    addends = len(numbers) - len(bias)
    names = ["the bias"] * len(bias) + (["an addend" if addends == 1 else f"{addends} addends"] if addends else [])
    return f"{' and '.join(names)} {'is' if len(numbers) == 1 else 'are'}"


def _order(program: Program, top: Part) -> list[str]:
    """The name of the order of all products; where it has none, of each of the parts, or the tree."""
    if program.terms == 1:
        return [counted(1, "product")]
    named = order_name(program)
    if named is not None:
        return [named]
    if top.parts and all(len(part.below) > 1 for part in top.parts) and _told_of_parts(program, top):
        return []
    return [_tree_text(facts.products_tree(program))]


@functools.lru_cache(maxsize=256)
def order_name(program: Program) -> str | None:
    """The name of the order of the products; None where it has none."""
    named = name_of(facts.products_tree(program))
    return None if named is None else str(named)


def _tree_text(tree: Tree) -> str:
    text = nested_text(tree)
    return text if len(text) <= _LONGEST else f"a tree of {counted(tree.leaves, 'leaf', 'leaves')}"


def _told_of_parts(program: Program, top: Part) -> bool:
    """Whether the words for the parts say the whole order."""
    named = {_name_of_part(program, part) for part in top.parts}
    flat = not any(part.parts for part in top.parts)
    if not flat or None in named or len(named) != 1:
        return False
    if top.products:
        return len(top.parts) == 1 and _tail(program, top) is not None
    return name_of(restrict(facts.products_tree(program), [part.below[0] for part in top.parts])[0]) is not None


@functools.lru_cache(maxsize=64)
def _name_below(program: Program, leaves: tuple[int, ...]) -> str | None:
    named = name_of(restrict(program.tree, leaves)[0])
    return None if named is None else str(named)


def _name_of_part(program: Program, part: Part) -> str | None:
    return _name_below(program, part.below)


def _parts(program: Program, top: Part) -> Iterator[str]:
    """What is rounded before it is added to the rest."""
    if not top.parts:
        return
    kinds = Counter((part.format, part.rounds) for part in top.parts)
    spelt = _order(program, top) == []
    some = all(part.below for part in top.parts)  # a part may add nothing but the bias and addends
    if some and not top.products and len(kinds) == 1:
        yield _alike(program, top, spelt)
    elif some and len(top.parts) == 1:
        yield _with_rest(program, top, spelt)
    else:
        products = counted(len(top.products), "product")
        start = f"{products} and {counted(len(top.parts), 'part')}" if top.products else counted(len(top.parts), "part")
        told = [f"{count} of the parts{_how_added(fmt, top.format, rounds)}" for (fmt, rounds), count in kinds.items()]
        yield f"{start} added in {top.format}, {', '.join(told)}"
    if any(part.parts for part in top.parts):
        deeper = counted(sum(len(part.parts) for part in top.parts), "part")
        yield f"which has {deeper} of its own" if len(top.parts) == 1 else f"which have {deeper} of their own"


def _how_added(fmt: object, top: object, rounds: Sequence[Round]) -> str:
    added = "" if fmt == top else f" added in {fmt}"
    return added + (f"{' and' if added else ''} {rounds_in_words(rounds)}" if rounds else "")


def _alike(program: Program, top: Part, spelt: bool) -> str:
    """``4 parts of 16 products, each rounded to float16 before they are added in float32``."""
    part = top.parts[0]
    sizes = {len(one.below) for one in top.parts}
    size = f" of {counted(sizes.pop(), 'product')}" if len(sizes) == 1 else ""
    name = f" {_name_of_part(program, part)}" if spelt and len(part.below) > 1 else ""
    order = restrict(facts.products_tree(program), [one.below[0] for one in top.parts])[0]
    across = name_of(order) if spelt and order.leaves > 2 else None
    joined = "" if across is None or str(across) == "sequential" else f" {across}"
    how = _how_added(part.format, top.format, part.rounds)
    verb = f" each{name}{how} before they are added{joined} in {top.format}"
    return f"{len(top.parts)} parts{size},{verb}"


def _tail(program: Program, top: Part) -> str | None:
    """Which products a part adds itself beside the sum of another one: the first or the last so many, else their number."""
    count, products = len(top.products), top.products
    if products == tuple(range(program.terms - count, program.terms)):
        return "the last product" if count == 1 else f"the last {count} products"
    if products == tuple(range(count)):
        return "the first product" if count == 1 else f"the first {count} products"
    return None


def _with_rest(program: Program, top: Part, spelt: bool) -> str:
    """``the last 3 products added in float64, the rest of the sum to them at the end``."""
    (part,) = top.parts
    which = _tail(program, top) or counted(len(top.products), "product")
    name = _name_of_part(program, part) if spelt else None
    how = "" if part.format in (program.format, top.format) else f"added in {part.format}"
    told = filter(None, [name, how, rounds_in_words(part.rounds) if part.rounds else ""])
    rest = " ".join(["the rest of the sum", *(f"({text})" for text in [", ".join(told)] if text)])
    where = "" if top.format == part.format else f" in {top.format}"
    above = program.tree.parents()[part.root]
    others = facts.products_below(program, [node for node in program.operands(above) if node != part.root])
    them = "them" if len(top.products) > 1 else "it"
    if len(others) == len(top.products) > 1:
        return f"{which} added{where}, {rest} to {them} at the end"
    if len(others) <= 1:
        return f"{which} added{where} to {rest}"
    return f"{which} added{where}, {rest} among {them}"


def _operands(program: Program) -> Iterator[str]:
    """How weights and inputs are read, where all are read alike; how many are not."""
    rounds = facts.operand_rounds(program)
    if not rounds:
        return
    kinds = Counter(facts.changing(program.format, leaf.reads) for leaf in program.leaves[: program.terms] if program.format)
    for reads, count in kinds.items():
        if any(one in rounds for one in reads):
            whose = "" if len(kinds) == 1 else f" of {counted(count, 'product')}"
            yield f"operands{whose} {rounds_in_words(reads)}"


def _fused(program: Program) -> Iterator[str]:
    """What is fused, and how steps align."""
    if not facts.exact_products(program):
        return
    how = "".join(f" ({alignment})" for alignment in sorted(program.alignments, key=str))
    yield f"fused{but_for(facts.rounded_alone(program))}{how}"


def _products(program: Program) -> Iterator[str]:
    """How products are rounded, where that is not simply into the format in which they are added."""
    formats, above = program.node_formats, program.tree.parents()
    kinds: Counter[tuple[Round, ...]] = Counter()
    for k, leaf in enumerate(program.leaves[: program.terms]):
        rounds = facts.product_rounds(leaf)
        parent = program.steps[above[k] - program.tree.leaves] if above[k] >= 0 else None
        own = formats[k] if parent is None else facts.own_format(parent)
        if rounds and [one.format for one in rounds] != [own]:
            kinds[rounds] += 1
    for rounds, count in kinds.items():
        whose = noun(count, "the product", "products") if count == program.terms else counted(count, "product")
        yield f"{whose} {rounds_in_words(rounds)}"


def _numbers(program: Program, told: bool) -> Iterator[str]:
    """Where the bias is added, unless last, and the addends, unless it is ``told`` what comes last; and how they are read."""
    places: Counter[tuple[str, str]] = Counter()
    for leaf in range(program.terms, len(program.leaves)):
        read, place = _read(program, program.leaves[leaf]), _place(program, leaf)
        if program.leaves[leaf].kind is LeafKind.ADDEND:
            places[place, read] += 1
        elif place or read:
            yield " ".join(filter(None, ["the bias", read, f"added {place}" if place else ""]))
    for (place, read), count in places.items():
        name = "an addend" if count == 1 else counted(count, "addend")
        if place or read or not told:
            yield " ".join(filter(None, [name, read, f"added {place or 'last'}" if place or not told else ""]))


def _read(program: Program, leaf: Leaf) -> str:
    rounds = facts.changing(program.format, leaf.reads) if program.format is not None else ()
    return rounds_in_words(rounds) if rounds else ""


def _place(program: Program, leaf: int) -> str:
    """Where in the sum a number is added; empty where that is after all products."""
    nodes = facts.beside(program, leaf)
    below = facts.products_below(program, nodes)
    if len(nodes) > 1 and below:
        return f"in one step with {', '.join(_what(program, nodes))}"
    if len(below) in (0, program.terms):
        return ""
    if len(below) == 1:
        return "first" if below == [0] else f"to product {below[0]} first"
    return f"to the sum of {len(below)} products"


def _what(program: Program, nodes: Sequence[int]) -> list[str]:
    """``4 products``, ``1 sum``: what a step adds."""
    products = sum(node < program.terms for node in nodes)
    sums = sum(node >= program.tree.leaves for node in nodes)
    return [counted(count, name) for count, name in ((products, "product"), (sums, "sum")) if count]


def _modes_and_flush(program: Program) -> Iterator[str]:
    modes = facts.modes(program)
    if modes not in ((), (Rounding.RNE,)):
        yield " and ".join(mode.value for mode in modes)
    if program.flush:
        yield "flushed (unbounded exponent)" if program.flush is Flush.UNBOUNDED else "flushed"
