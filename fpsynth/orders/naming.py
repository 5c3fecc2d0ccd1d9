"""The name of a tree: families are tried against it with the parameters that its own subtrees suggest."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from fpsynth.errors import InputError
from fpsynth.orders.comparing import equal
from fpsynth.orders.order import MAX_DEPTH, Order, fixed_order
from fpsynth.orders.tree import Tree, restrict

_ALIKE = 4
"""So many names of one block are tried."""
_SPELT = 16
"""Lanes or blocks whose order is written out where it has no name."""
_PLAIN = ("sequential", "pairwise", "reverse", "halves")


def name_of(tree: Tree, depth: int = MAX_DEPTH) -> Order | None:
    """The named order with the same sums, operands of one step being exchangeable; None where none is known.

    Whatever is returned is compared with the whole tree.  The work is linear in the leaves for each of a few candidates.
    """
    if tree.leaves < 2:
        return Order()
    return next(names_of(tree, depth), None)


def names_of(tree: Tree, depth: int = MAX_DEPTH) -> Iterator[Order]:
    """All that are known, of a tree of at least two leaves."""
    return (order for order in _candidates(tree, depth) if _fits(order, tree))


def name_with_bias(tree: Tree) -> Order | None:
    """The same of a sum whose last leaf is a bias, where that is added behind some of the terms, blocks or lanes."""
    bias = tree.leaves - 1
    rest, _ = restrict(tree, range(bias)) if bias else (tree, ())
    plain = name_of(rest) if bias > 1 else None
    if plain is None or plain.across is not None or plain.family not in ("sequential", "blocked", "strided"):
        return None
    before = _beside(tree, bias)
    if plain.family == "strided":  # so many lanes have all of their terms before it
        parts = sum(leaf < plain.parameter for leaf in before)
    else:
        parts = -(-len(before) // (plain.parameter or 1))
    order = replace(plain, bias=max(parts, 1))
    return order if _fits(order, tree) else None


def _fits(order: Order, tree: Tree) -> bool:
    try:
        return equal(order.tree(tree.leaves), tree)
    except InputError:  # an order of lanes for another number of them
        return False


def _candidates(tree: Tree, depth: int) -> Iterator[Order]:
    """The simplest first."""
    widest = max(map(len, tree.steps))
    if widest > 2:
        yield from (Order("groups", size) for size in (widest - 1, widest))  # a group and the sum so far; or the only one
        return
    yield from map(Order, _PLAIN)
    sizes = _sizes(tree)
    stride = min(_beside(tree, 0))
    for family in ("lanes", "strided"):
        if stride > 1:
            yield Order(family, stride)
    if stride > 1:
        yield Order("interleaved", stride)
    yield from (Order(family, size) for size in sizes for family in ("blocked", "pairwise"))
    head, lanes = _head(tree)
    if lanes:
        yield from (Order(family, lanes, head=head) for family in ("lanes", "strided"))
    yield Order("numpy")
    if depth < 2:
        return
    if 1 < stride < tree.leaves:
        across = _quotient(tree, range(stride), depth)
        if across is not None:
            yield from _lanes(tree, stride, across, depth)
    if lanes and head + lanes <= tree.leaves:
        across = _quotient(tree, range(head, head + lanes), depth)
        yield from (Order(family, lanes, across=across, head=head) for family in ("lanes", "strided") if across is not None)
    for size in sizes:
        yield from _blocks(tree, size, depth)


def _head(tree: Tree) -> tuple[int, int]:
    """How many terms come before the lanes, and how many lanes there are, read off the chain that leaf 0 starts; or zeros."""
    above, node, last = tree.parents(), 0, 0
    while above[node] >= 0:
        (*others,) = (operand for operand in tree.steps[above[node] - tree.leaves] if operand != node)
        if len(others) != 1 or others[0] >= tree.leaves:
            break
        if others[0] != last + 1:
            return (last, others[0] - last) if last and others[0] > last else (0, 0)
        node, last = above[node], others[0]
    return 0, 0


def _lanes(tree: Tree, size: int, across: Order, depth: int) -> Iterator[Order]:
    """So many lanes, named by the first of them."""
    for family, default in (("strided", Order()), ("lanes", Order("halves"))):
        last = tree.leaves - (tree.leaves % size if family == "lanes" else 0)
        outer = None if across == default else across
        yield Order(family, size, across=outer)
        within = name_of(restrict(tree, range(0, last, size))[0], depth - 1)
        if within is not None and within != Order():
            yield Order(family, size, across=outer, within=within)


def _blocks(tree: Tree, size: int, depth: int) -> Iterator[Order]:
    """Blocks of so many terms: named by the first of them, and by one leaf of each."""
    across = _quotient(tree, range(0, tree.leaves, size), depth)
    if across is None:
        return
    family = "pairwise" if across == Order("pairwise") else "blocked"
    outer = None if across in (Order(), Order("pairwise")) else across
    # names that are equal for a whole block may differ for the last one, which is shorter
    for within in itertools.islice(names_of(restrict(tree, range(size))[0], depth - 1), _ALIKE):
        yield Order(family, size, across=outer, within=None if within == Order() else within)


def _quotient(tree: Tree, leaves: range, depth: int) -> Order | None:
    """How the parts are added up that one leaf each stands for: a named order, or the tree of a few."""
    small, _ = restrict(tree, leaves)
    if small.leaves < 2:
        return Order()
    named = name_of(small, depth - 1)
    if named is not None:
        return named
    return fixed_order(small) if small.leaves <= _SPELT else None


def _sizes(tree: Tree) -> list[int]:
    """Sizes of the subtrees around leaf 0 that hold the first leaves and no others, the least that is joined by a sum first."""
    above = tree.parents()
    size, high = [1] * tree.leaves, list(range(tree.leaves))
    for step in tree.steps:
        size.append(sum(size[node] for node in step))
        high.append(max(high[node] for node in step))
    found, node = [], 0
    while above[node] >= 0:
        parent = above[node]
        others = [operand for operand in tree.steps[parent - tree.leaves] if operand != node]
        if 1 < size[node] == high[node] + 1 and (size[others[0]] > 1 or size[node] == tree.leaves - 1):
            found.append(size[node])
        node = parent
    return found[:8]


def _beside(tree: Tree, leaf: int) -> list[int]:
    """The leaves below what a leaf is added to."""
    step = next(step for step in tree.steps if leaf in step)
    leaves, stack = [], [node for node in step if node != leaf]
    while stack:
        node = stack.pop()
        if node < tree.leaves:
            leaves.append(node)
        else:
            stack.extend(tree.steps[node - tree.leaves])
    return leaves
