"""Expression trees of sums: which partial sums are added to which, over numbered leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fpsynth.errors import InputError


@dataclass(frozen=True)
class Tree:
    """A sum of ``leaves`` terms as a list of steps, so that depth 4096 needs no recursion.

    Node k < leaves is leaf k; node ``leaves + s`` is the sum of the nodes in ``steps[s]``, added in one rounding (two of
    them in ordinary arithmetic, more in fused hardware).  The last node is the result.  A single leaf has no steps.
    """

    leaves: int
    steps: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        used = bytearray(max(self.leaves, 0) + len(self.steps))
        for position, step in enumerate(self.steps):
            if len(step) < 2:
                raise InputError("each step of an order must add at least two nodes")
            for node in step:
                if not 0 <= node < self.leaves + position or used[node]:
                    raise InputError(f"node {node} of the order is repeated or used before it is computed")
                used[node] = 1
        if self.leaves < 1 or sum(used) != self.leaves + len(self.steps) - 1:
            raise InputError("an order must use every leaf exactly once")

    @property
    def root(self) -> int:
        """The node that is the result."""
        return self.leaves + len(self.steps) - 1

    def parents(self) -> list[int]:
        """For every node the node of the step that adds it up; -1 for the root."""
        above = [-1] * (self.leaves + len(self.steps))
        for position, step in enumerate(self.steps):
            for node in step:
                above[node] = self.leaves + position
        return above

    def __str__(self) -> str:
        parts: list[str] = []
        stack: list[int | str] = [self.root]
        while stack:
            item = stack.pop()
            if isinstance(item, str):
                parts.append(item)
            elif item < self.leaves:
                parts.append(str(item))
            else:
                step = self.steps[item - self.leaves]
                pieces: list[int | str] = ["("]
                for position, node in enumerate(step):
                    pieces += ["+", node] if position else [node]
                stack += [")", *reversed(pieces)]
        return "".join(parts)


class Builder:
    """Collects steps while a tree is written down."""

    def __init__(self, leaves: int) -> None:
        self.leaves = leaves
        self.steps: list[tuple[int, ...]] = []

    def add(self, *nodes: int) -> int:
        """Add up nodes in one rounding; return the node of the sum (the node itself where there is only one)."""
        if len(nodes) == 1:
            return nodes[0]
        self.steps.append(tuple(nodes))
        return self.leaves + len(self.steps) - 1

    def chain(self, nodes: Sequence[int]) -> int:
        """Add up nodes one after the other."""
        total = nodes[0]
        for node in nodes[1:]:
            total = self.add(total, node)
        return total

    def halves(self, nodes: Sequence[int]) -> int:
        """Join neighbours level by level: ((0+1)+(2+3))+..., an odd one out is carried to the next level."""
        level = list(nodes)
        while len(level) > 1:
            joined = [self.add(level[k], level[k + 1]) for k in range(0, len(level) - 1, 2)]
            level = joined + level[len(level) - len(level) % 2 :]
        return level[0]

    def nested(self, root: int, operands: Callable[[int], Sequence[int]]) -> int:
        """Add up the nodes below ``root`` of another numbering that has the same leaves, operands first.

        ``operands`` gives the nodes that a node which is no leaf adds up.  Returns the node of the sum.
        """
        order, stack = [], [root]
        while stack:
            node = stack.pop()
            if node >= self.leaves:
                order.append(node)
                stack.extend(operands(node))
        renamed: dict[int, int] = {}
        for node in reversed(order):
            renamed[node] = self.add(*(renamed.get(operand, operand) for operand in operands(node)))
        return renamed.get(root, root)

    def tree(self) -> Tree:
        """Return the tree.  Raises InputError where the steps do not use every leaf exactly once."""
        return Tree(self.leaves, tuple(self.steps))


def restrict(tree: Tree, leaves: Iterable[int]) -> tuple[Tree, tuple[int, ...]]:
    """The tree of what is left when only ``leaves`` are not zero: steps with one operand left vanish.

    Returns that tree, whose leaf k stands for the k-th of the returned leaves, which are in ascending order.  Adding a zero
    is exact, so (the sign of a zero result apart) it computes what the whole tree computes.  Raises InputError for no leaf.
    """
    kept = tuple(sorted(set(leaves)))
    if not kept or kept[0] < 0 or kept[-1] >= tree.leaves:
        raise InputError("an order is restricted to at least one of its leaves")
    stands_for = [-1] * (tree.leaves + len(tree.steps))
    for k, leaf in enumerate(kept):
        stands_for[leaf] = k
    build = Builder(len(kept))
    for node, step in enumerate(tree.steps, tree.leaves):
        if len(step) == 2:  # nearly all steps: written out, it halves the time
            left, right = stands_for[step[0]], stands_for[step[1]]
            stands_for[node] = left if right < 0 else right if left < 0 else build.add(left, right)
        else:
            present = [stands_for[operand] for operand in step if stands_for[operand] >= 0]
            stands_for[node] = build.add(*present) if present else -1
    return build.tree(), kept
