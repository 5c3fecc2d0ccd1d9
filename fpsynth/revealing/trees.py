"""The tree of a sum from masks: which leaves are swallowed when a huge number and its opposite stand at two of them.

The algorithm is FPRev's (Xie et al., "FPRev: Revealing Floating-Point Accumulation Order", ATC 2025), level by level instead
of recursively, so that the probes of a whole level can go through a kernel together and depth needs no stack.  With the huge
numbers at i and j, l(i, j) counts the leaves that do not reach the result: those below the lowest common ancestor of i and j
where sums of two are rounded.  A step that adds more than two nodes shows in one of two ways: hardware that aligns and
truncates loses all of its leaves, a step that is exact until its one rounding only those of the two children that hold i and j.
Numbers of lost leaves do not tell all trees of the second kind apart (0+1+(2+3) loses as many as (0+1)+2+3 each time): where
two are possible, one more probe asks whether a certain leaf is among those that are lost.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from fpsynth.errors import InputError
from fpsynth.orders import Builder, Tree


class Probe(NamedTuple):
    """Huge numbers of opposite signs at two leaves; the others are units, or, with ``only``, zeros but for that one."""

    first: int
    second: int
    only: int | None = None


Lost = Callable[[Sequence[Probe]], Sequence[int]]
"""For each probe how many leaves are lost; the two huge ones count, and zeros do not."""


class Inconsistent(RuntimeError):
    """The answers to the probes are those of no tree: not a sum in a fixed order, or positions that do not share one."""


@dataclass
class _Step:
    """Nodes that are added in one rounding."""

    operands: list[_Node]


_Node: TypeAlias = "int | _Step"


@dataclass
class _Class:
    """Leaves of a group that join its pivot in one step, with as many leaves lost for each."""

    leaves: list[int]
    count: int
    """Leaves lost when the huge numbers are at the pivot and at one of these."""
    before: int
    """Leaves of the pivot and of the classes with smaller counts."""

    @property
    def sure(self) -> bool:
        """Whether these are one operand of a step that has no other beside the pivot's, or all of an aligning step's."""
        return len(self.leaves) == self.count - self.before


@dataclass
class _Group:
    """Leaves below one node of the tree; or below several operands of one step, which the group's own probes tell apart."""

    leaves: list[int]
    each: int
    """Leaves below each of these operands, where it is known; else those of the group."""
    steps: list[list[_Group]] = field(default_factory=list)
    """On the way up from the pivot the groups that join in each step."""
    beside: _Group | None = None
    """The operands of the step above this group that do not hold the pivot."""


def find_tree(leaves: int, lost: Lost, flat: bool = False) -> tuple[Tree, int]:
    """The tree of a sum of ``leaves`` >= 1 terms, and the number of probes that it took.

    At most n(n-1)/2, and as many again where steps of more than two operands are exact until they round.  ``flat``: leaves
    that join at once, and of which the first is no sibling of any other, are taken for single operands without probing the
    others against one another: the groups of products on tensor cores.  The steps of the tree and their operands are in
    canonical order (see ``canonical``).  Raises Inconsistent.
    """
    top = _Group(list(range(leaves)), leaves)
    groups, level, probes = [top], [top], 0
    while level:
        classes, asked = _classes(level, lost, leaves)
        new_step, more = _starts(level, classes, lost)
        probes += asked + more
        below: list[_Group] = []
        for number, group in enumerate(level):
            below += _joined(group, classes[number], new_step, flat)
        level = [group for group in below if len(group.leaves) > 1]
        groups += below
    nodes: dict[int, list[_Node]] = {}
    for group in reversed(groups):
        nodes[id(group)] = _assemble(group, nodes)
    if len(nodes[id(top)]) != 1:
        raise Inconsistent("the leaves do not come together in one node")
    return canonical(_written(nodes[id(top)][0], leaves)), probes


def _classes(level: Sequence[_Group], lost: Lost, leaves: int) -> tuple[list[list[_Class]], int]:
    """The leaves of each group by what the probes against its pivot lose, fewest first; and the number of probes."""
    asked = [Probe(group.leaves[0], leaf) for group in level for leaf in group.leaves[1:]]
    counts = iter(lost(asked))
    found = []
    for group in level:
        by_count: dict[int, list[int]] = {}
        for leaf, count in zip(group.leaves[1:], counts, strict=False):
            if not 2 <= count <= leaves:
                raise Inconsistent(f"a probe lost {count} of {leaves} leaves")
            by_count.setdefault(count, []).append(leaf)
        before, classes = 1, []
        for count in sorted(by_count):
            classes.append(_Class(by_count[count], count, before))
            before += len(by_count[count])
        found.append(classes)
    return found, len(asked)


def _starts(level: Sequence[_Group], classes: Sequence[Sequence[_Class]], lost: Lost) -> tuple[Callable[[_Class], bool], int]:
    """Whether a class joins in another step than the one before it, where the numbers leave that open; and how many probes.

    In a step that is exact until it rounds, the leaves of a third operand are not lost: those of the class before are then
    another operand of the same step.
    """
    open_ones = [
        (own, Probe(group.leaves[0], own.leaves[0], only=earlier.leaves[0]))
        for group, found in zip(level, classes, strict=True)
        for earlier, own in itertools.pairwise(found)
        if not own.sure and own.count <= group.each
    ]
    if not open_ones:
        return lambda cls: True, 0
    answers = lost([probe for _, probe in open_ones])
    same = {id(own) for (own, _), count in zip(open_ones, answers, strict=True) if count == 2}
    return lambda cls: id(cls) not in same, len(open_ones)


def _joined(group: _Group, classes: Sequence[_Class], new_step: Callable[[_Class], bool], flat: bool) -> list[_Group]:
    """Say which classes of a group's leaves join the pivot in which step; return the groups that are left to look at."""
    inside = [cls for cls in classes if cls.count <= group.each]
    below: list[_Group] = []
    before = 1
    for cls in inside:
        if new_step(cls):
            before = cls.before
            group.steps.append([])
        width = cls.count - before
        if width < 1 or len(cls.leaves) % width:
            raise Inconsistent(f"{len(cls.leaves)} leaves cannot join {before} where {cls.count} are lost")
        part = _Group(cls.leaves, width)
        group.steps[-1].append(part)
        below.append(part)
    beside = [leaf for cls in classes[len(inside) :] for leaf in cls.leaves]
    if group.each < len(group.leaves) and len(group.leaves) - len(beside) != group.each:
        raise Inconsistent("an operand has more leaves, or fewer, than its siblings")
    if beside:
        below += _siblings(group, beside, flat)
    return below


def _siblings(group: _Group, leaves: list[int], flat: bool) -> list[_Group]:
    """The operands beside the one that holds the pivot, as one group; as one for each leaf where that is taken for granted."""
    each = group.each if group.each < len(group.leaves) else len(leaves)
    if not flat or len(leaves) + 1 < len(group.leaves):
        group.beside = _Group(leaves, each)
        return [group.beside]
    chain = [_Group([leaf], 1) for leaf in leaves]
    for left, right in zip([group, *chain], chain, strict=False):
        left.beside = right
    return chain


def _assemble(group: _Group, nodes: dict[int, list[_Node]]) -> list[_Node]:
    """The nodes that a group is, from those of its parts: one, but for the operands of a step above."""
    current: _Node = group.leaves[0]
    for joining in group.steps:
        current = _Step([current, *(node for part in joining for node in nodes[id(part)])])
    return [current] if group.beside is None else [current, *nodes[id(group.beside)]]


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
