"""All binary trees over a few leaves, commutative duplicates once."""

from __future__ import annotations

from collections.abc import Iterator

from fpsynth.errors import InputError
from fpsynth.orders.tree import Builder, Tree

MAX_LEAVES = 8
_Nested = int | tuple["_Nested", "_Nested"]


def all_trees(leaves: int) -> Iterator[Tree]:
    """Every binary tree over 1 to 8 leaves, a+b and b+a counted as one: (2n-3)!! of them, 135135 for 8.

    Each tree over n-1 leaves gives 2n-3 trees: the last leaf is added to any one of its nodes.  The operand with the smallest
    leaf comes first.  Raises InputError for another number of leaves.
    """
    if not 1 <= leaves <= MAX_LEAVES:
        raise InputError(f"all trees can be listed for 1 to {MAX_LEAVES} leaves, not for {leaves}")
    return (_tree(nested, leaves) for nested in _all_nested(leaves))


def _all_nested(leaves: int) -> Iterator[_Nested]:
    if leaves == 1:
        yield 0
        return
    for smaller in _all_nested(leaves - 1):
        yield from _grown(smaller, leaves - 1)


def _grown(nested: _Nested, leaf: int) -> Iterator[_Nested]:
    """The leaf added to each node in turn."""
    yield nested, leaf
    if not isinstance(nested, int):
        left, right = nested
        for grown in _grown(left, leaf):
            yield grown, right
        for grown in _grown(right, leaf):
            yield left, grown


def _tree(nested: _Nested, leaves: int) -> Tree:
    build = Builder(leaves)

    def add(part: _Nested) -> int:
        return part if isinstance(part, int) else build.add(add(part[0]), add(part[1]))

    add(nested)
    return build.tree()
