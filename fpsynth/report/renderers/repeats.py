"""Repeated parts of a tree as one row: of operands that are alike the first two and the last are drawn, the others counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fpsynth.orders import Tree
from fpsynth.wording import counted

_LEAST = 6
"""So many operands in a row that are alike are worth folding."""


@dataclass(frozen=True)
class Rows:
    """A tree as it is drawn, whose leaves may stand for several of another one."""

    tree: Tree
    names: tuple[str, ...]
    """What each leaf is called."""
    held: tuple[tuple[int, ...], ...]
    """The leaves that each stands for."""
    origins: tuple[int, ...]
    """For each step the node of the other tree whose sum it draws."""


def unfolded(tree: Tree, name: Callable[[int], str]) -> Rows:
    """Every leaf for itself."""
    leaves = range(tree.leaves)
    steps = range(tree.leaves, tree.leaves + len(tree.steps))
    return Rows(tree, tuple(map(name, leaves)), tuple((leaf,) for leaf in leaves), tuple(steps))


def folded(tree: Tree, name: Callable[[int], str], mark: Callable[[int], str], room: int) -> Rows:
    """The tree with runs of operands that are alike cut short: chains of additions, and the operands of one fused step.

    Two are alike where they have the same tree of nodes with the same ``mark`` s, and are added by steps that have; in a run
    the leaves go up by one step.
    ``room`` is what a name may take.
    """
    return _Folding(tree, name, mark, room).rows()


class _Folding:
    def __init__(self, tree: Tree, name: Callable[[int], str], mark: Callable[[int], str], room: int) -> None:
        self.tree, self.name, self.room = tree, name, room
        self.low, self.size = list(range(tree.leaves)), [1] * tree.leaves
        shapes: dict[object, int] = {}
        self.above = tree.parents()
        self.shape = [shapes.setdefault(mark(leaf), len(shapes)) for leaf in range(tree.leaves)]
        self.marks = [mark(node) for node in range(tree.leaves, tree.leaves + len(tree.steps))]
        for step, kind in zip(tree.steps, self.marks, strict=True):
            low = min(self.low[node] for node in step)
            key = kind, tuple((self.shape[node], self.low[node] - low) for node in step)
            self.shape.append(shapes.setdefault(key, len(shapes)))
            self.low.append(low)
            self.size.append(sum(self.size[node] for node in step))
        self.names: list[str] = []
        self.held: list[tuple[int, ...]] = []
        self.origins: list[int] = []

    def rows(self) -> Rows:
        """Operands before sums, without recursion: a chain of additions is one job, however long."""
        steps: list[tuple[int, ...]] = []
        made: dict[int, int] = {}  # leaves count up from 0, steps down from -1 until all leaves are known
        stack = [(self.tree.root, False)]
        while stack:
            node, ready = stack.pop()
            if node < self.tree.leaves:
                made[node] = self._leaf(self.name(node), (node,))
                continue
            operands, spine_last = self._operands(node)
            kept = self._kept(operands)
            if not ready:
                stack.append((node, True))
                stack += [(part, False) for part in reversed(kept) if isinstance(part, int)]
                continue
            parts = [made[part] if isinstance(part, int) else self._run(part) for part in kept]
            fused = len(self.tree.steps[node - self.tree.leaves]) > 2
            sums = [node] if fused else [self.above[part if isinstance(part, int) else part[-1]] for part in kept]
            made[node] = self._joined(parts, sums, fused, spine_last, steps)
        count = len(self.names)
        renamed = tuple(tuple(part if part >= 0 else count - 1 - part for part in step) for step in steps)
        return Rows(Tree(count, renamed), tuple(self.names), tuple(self.held), tuple(self.origins))

    def _joined(self, parts: list[int], sums: list[int], fused: bool, spine_last: bool, steps: list[tuple[int, ...]]) -> int:
        """Add up parts in one step, or one after the other: ``sums`` are the nodes that add them in the whole tree."""
        if fused:
            steps.append(tuple(parts))
            self.origins += sums
            return -len(steps)
        order, nodes = (parts[::-1], sums[::-1]) if spine_last else (parts, sums)
        total = order[0]
        for part, node in zip(order[1:], nodes[1:], strict=True):
            steps.append((part, total) if spine_last else (total, part))
            self.origins.append(node)
            total = -len(steps)
        return total

    def _operands(self, node: int) -> tuple[list[int], bool]:
        """What a node adds up, top to bottom; of two the larger sum is followed while it stands on the same side."""
        step = self.tree.steps[node - self.tree.leaves]
        if len(step) > 2:
            return list(step), False
        spine_last = self.size[step[1]] > self.size[step[0]]
        side, found = int(spine_last), []
        while True:
            spine, other = step[side], step[1 - side]
            found.append(other)
            below = self.tree.steps[spine - self.tree.leaves] if spine >= self.tree.leaves else ()
            if len(below) != 2 or self.size[spine] <= self.size[other]:
                break
            if self.size[below[side]] < self.size[below[1 - side]]:
                break
            step = below
        found.append(spine)
        return (found if spine_last else found[::-1]), spine_last

    def _kept(self, operands: Sequence[int]) -> list[int | tuple[int, ...]]:
        """The operands that are drawn, and in their places the runs that are not."""
        kept: list[int | tuple[int, ...]] = []
        start = 0
        while start < len(operands):
            end = self._run_end(operands, start)
            run = operands[start:end]
            if len(run) >= _LEAST:
                kept += [*run[:2], tuple(run[2:-1]), run[-1]]
            else:
                kept += run
            start = end
        return kept

    def _run_end(self, operands: Sequence[int], start: int) -> int:
        """The end of the longest run from ``start`` of operands that are alike, in equal steps."""
        end, places = start + 1, [self.low[operand] for operand in operands[start:]]
        while end < len(operands) and self._likeness(operands[end]) == self._likeness(operands[start]):
            if places[end - start] - places[end - start - 1] != places[1] - places[0]:
                break
            end += 1
        return end

    def _likeness(self, node: int) -> tuple[int, str]:
        """What a node is, and the mark of the step that adds it."""
        above = self.above[node] - self.tree.leaves
        return self.shape[node], self.marks[above] if above >= 0 else ""

    def _leaf(self, name: str, held: tuple[int, ...]) -> int:
        self.names.append(name)
        self.held.append(held)
        return len(self.names) - 1

    def _run(self, run: tuple[int, ...]) -> int:
        leaves = tuple(leaf for node in run for leaf in self._below(node))
        told = "" if len(leaves) == len(run) else f" ({counted(len(leaves), 'leaf', 'leaves')})"
        long = f"... {len(run)} more like this{told}"
        return self._leaf(long if len(long) <= self.room else f"... {counted(len(leaves), 'more leaf', 'more leaves')}", leaves)

    def _below(self, node: int) -> list[int]:
        leaves, stack = [], [node]
        while stack:
            item = stack.pop()
            if item < self.tree.leaves:
                leaves.append(item)
            else:
                stack.extend(self.tree.steps[item - self.tree.leaves])
        return leaves
