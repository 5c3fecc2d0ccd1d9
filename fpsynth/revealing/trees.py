"""The tree of a sum from masks: which leaves are swallowed when a huge number and its opposite stand at two of them.

The algorithm is FPRev's (Xie et al., "FPRev: Revealing Floating-Point Accumulation Order", ATC 2025), level by level instead
of recursively, so that the probes of a whole level can go through a kernel together and depth needs no stack.  With the huge
numbers at i and j, l(i, j) counts the leaves that do not reach the result: those below the lowest common ancestor of i and j
where sums of two are rounded.  A step that adds more than two nodes shows in one of two ways: hardware that aligns and
truncates loses all of its leaves, a step that is exact until its one rounding only those of the two children that hold i and j.
Masks tell all trees of the first kind apart, but not all of the second: 0+1+(2+3) loses what (0+1)+2+3 loses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from fpsynth.errors import InputError
from fpsynth.orders import Builder, Tree

Pair = tuple[int, int]
Lost = Callable[[Sequence[Pair]], Sequence[int]]
"""Takes pairs (i, j) of leaves; gives l(i, j) for each."""


class Inconsistent(RuntimeError):
    """The answers to the probes are those of no tree: not a sum in a fixed order, or positions that do not share one."""


@dataclass
class _Step:
    """Nodes that are added in one rounding."""

    operands: list[_Node]


_Node: TypeAlias = "int | _Step"


@dataclass
class _Stage:
    """One step on the way from the pivot up: the groups of leaves that join there."""

    children: list[tuple[_Group, int]] = field(default_factory=list)
    """Pairs (group, how many nodes of this step the group is)."""


@dataclass
class _Group:
    """Leaves below one node of the tree; or below several nodes of one step, which the group's own probes then tell apart."""

    leaves: list[int]
    stages: list[_Stage] = field(default_factory=list)
    beside: list[_Group] = field(default_factory=list)
    """Groups that join in the step above this group, as siblings of what holds the pivot."""


def find_tree(leaves: int, lost: Lost) -> tuple[Tree, int]:
    """The tree of a sum of ``leaves`` >= 1 terms, and the number of probes (pairs) that it took: at most n(n-1)/2.

    The steps of the tree and their operands are in canonical order (see ``canonical``).  Raises Inconsistent.
    """
    top = _Group(list(range(leaves)))
    groups, level, probes = [top], [top], 0
    while level:
        pairs = [(group.leaves[0], j) for group in level for j in group.leaves[1:]]
        counts = iter(lost(pairs))
        probes += len(pairs)
        below: list[_Group] = []
        for group in level:
            below += _decode(group, [next(counts) for _ in group.leaves[1:]], leaves)
        level = [group for group in below if len(group.leaves) > 1]
        groups += below
    nodes: dict[int, list[_Node]] = {}
    for group in reversed(groups):
        nodes[id(group)] = _assemble(group, nodes)
    if len(nodes[id(top)]) != 1:
        raise Inconsistent("the leaves do not come together in one node")
    return canonical(_written(nodes[id(top)][0], leaves)), probes


def _decode(group: _Group, counts: Sequence[int], leaves: int) -> list[_Group]:
    """Sort the leaves of a group into stages by what the probes against its pivot lost; return the smaller groups."""
    size, before = 1, 0  # leaves that have joined the pivot so far; and before the latest step
    by_count: dict[int, list[int]] = {}
    for leaf, count in zip(group.leaves[1:], counts, strict=True):
        if not 2 <= count <= leaves:
            raise Inconsistent(f"a probe lost {count} of {leaves} leaves")
        by_count.setdefault(count, []).append(leaf)
    below: list[_Group] = []
    for count in sorted(by_count):
        part = _Group(by_count[count])
        below.append(part)
        width = len(part.leaves)
        if count > len(group.leaves):  # more is lost than the group holds: the step above it is one with several operands
            group.beside.append(part)
            continue
        if width == count - size:
            group.stages.append(_Stage([(part, 1)]))
            before, size = size, count
        elif before and width % (count - before) == 0:
            group.stages[-1].children.append((part, width // (count - before)))
            size += width
        elif count > size and width % (count - size) == 0:
            group.stages.append(_Stage([(part, width // (count - size))]))
            before, size = size, size + width
        else:
            raise Inconsistent(f"{width} leaves cannot join {size} where {count} are lost")
    if size + sum(len(part.leaves) for part in group.beside) != len(group.leaves):
        raise Inconsistent("a group of leaves is larger than the sum of its parts")
    return below


def _assemble(group: _Group, nodes: dict[int, list[_Node]]) -> list[_Node]:
    """The nodes that a group is, from those of its parts: one, but for the siblings of a step above."""
    current: _Node = group.leaves[0]
    for stage in group.stages:
        operands = [current]
        for part, count in stage.children:
            inner = nodes[id(part)]
            operands += inner if count == 1 else _opened(inner, count)
        current = _Step(operands)
    return [current, *(node for part in group.beside for node in nodes[id(part)])]


def _opened(inner: list[_Node], count: int) -> list[_Node]:
    """The operands of a step that stands for several siblings of the step that is to come."""
    if len(inner) != 1 or not isinstance(inner[0], _Step) or len(inner[0].operands) != count:
        raise Inconsistent("leaves that are lost together do not join together")
    return inner[0].operands


def _written(top: _Node, leaves: int) -> Tree:
    """The nested steps as a tree.  Raises Inconsistent where they do not hold every leaf once."""
    build = Builder(leaves)
    places: dict[int, int] = {}
    stack = [(top, False)]
    while stack:
        node, ready = stack.pop()
        if isinstance(node, int):
            continue
        if ready:
            places[id(node)] = build.add(*(k if isinstance(k, int) else places[id(k)] for k in node.operands))
        else:
            stack.append((node, True))
            stack += [(operand, False) for operand in node.operands]
    try:
        return build.tree()
    except InputError:
        raise Inconsistent("the probes do not put every leaf in one place") from None


def canonical(tree: Tree, first: int | None = None) -> Tree:
    """The same sum with the operands of each step ordered by their lowest leaf, and the steps from there upward.

    Two trees compute the same sums exactly if their canonical forms are equal, since adding is commutative.  ``first``: a leaf
    that is to be taken for the lowest.
    """
    lowest = list(range(tree.leaves))
    if first is not None:
        lowest[first] = -1
    for step in tree.steps:
        lowest.append(min(lowest[node] for node in step))
    build = Builder(tree.leaves)
    place: dict[int, int] = {}
    stack = [(tree.root, False)]
    while stack:
        node, ready = stack.pop()
        if node < tree.leaves:
            place[node] = node
            continue
        operands = sorted(tree.steps[node - tree.leaves], key=lowest.__getitem__)
        if ready:
            place[node] = build.add(*(place[operand] for operand in operands))
        else:
            stack.append((node, True))
            stack += [(operand, False) for operand in reversed(operands)]
    return build.tree()
