"""Two orders compared: whether they are equal, and triples of leaves that they join differently."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from fpsynth.errors import InputError
from fpsynth.orders.splitmix import SplitMix
from fpsynth.orders.tree import Tree, restrict

_Pick = Callable[[Sequence[int]], int]


@dataclass(frozen=True)
class Triple:
    """Three leaves that two trees join differently: a as (i+j)+k and b as i+(j+k), as far as they do not fuse them.

    That is what remains of the two trees when every other leaf is zero (``restrict``), commutativity aside.
    """

    i: int
    j: int
    k: int
    a_fused: bool = False
    """Tree a adds the three up in one rounding; then b joins j and k first."""
    b_fused: bool = False
    """Tree b adds the three up in one rounding; then a joins i and j first."""

    @property
    def leaves(self) -> tuple[int, int, int]:
        """The leaves in ascending order."""
        first, second, third = sorted((self.i, self.j, self.k))
        return first, second, third

    @property
    def swapped(self) -> Triple:
        """The same triple of tree b against tree a."""
        if self.a_fused or self.b_fused:  # joined first are i and j in the one case, j and k in the other
            i, j, k = (self.j, self.k, self.i) if self.a_fused else (self.k, self.i, self.j)
            return Triple(i, j, k, self.b_fused, self.a_fused)
        return Triple(self.k, self.j, self.i)

    @property
    def in_a(self) -> str:
        """How tree a joins them, as text, ascending: operands of one addition are exchangeable."""
        return self._fused if self.a_fused else _joined(self.i, self.j, self.k)

    @property
    def in_b(self) -> str:
        """How tree b joins them, as text, ascending."""
        return self._fused if self.b_fused else _joined(self.j, self.k, self.i)

    @property
    def _fused(self) -> str:
        return f"{'+'.join(map(str, self.leaves))} in one rounding"

    def __str__(self) -> str:
        return f"{self.in_a} against {self.in_b}"


def _joined(one: int, other: int, last: int) -> str:
    """Two leaves that are added first and the one that joins them, the smaller operand before the larger."""
    pair = f"({min(one, other)}+{max(one, other)})"
    return f"{last}+{pair}" if last < min(one, other) else f"{pair}+{last}"


def equal(a: Tree, b: Tree) -> bool:
    """Whether the trees give the same bits for all terms: a+b is b+a, and the operands of a fused step have no order."""
    names: dict[tuple[int, ...], int] = {}
    return a.leaves == b.leaves and subtree_names(a, names)[-1] == subtree_names(b, names)[-1]


def joined_last(tree: Tree, leaves: tuple[int, int, int]) -> int | None:
    """Of three leaves the one that is added to the sum of the other two; None where one step adds all three up."""
    small, kept = restrict(tree, leaves)
    if len(kept) != 3:
        raise InputError(f"{leaves} are not three different leaves")
    if len(small.steps) == 1:
        return None
    return kept[next(node for node in small.steps[1] if node < 3)]


def compared(a: Tree, b: Tree, leaves: tuple[int, int, int]) -> Triple | None:
    """How the trees join three given leaves; None where they do it alike.  Raises InputError for unlike numbers of leaves."""
    _must_match(a, b)
    return _triple(joined_last(a, leaves), joined_last(b, leaves), leaves)


def difference(a: Tree, b: Tree) -> Triple | None:
    """Three leaves that the trees join differently, in linear time; None if and only if the trees are equal.

    Some node of a adds up subtrees that b has as well, though b does not add up just these.  Where b's least subtree around
    its leaves has others too, one of those and two of these differ; else b adds up the same subtrees in another way, in more
    steps or fewer.  Raises InputError for unlike numbers of leaves.
    """
    _must_match(a, b)
    names: dict[tuple[int, ...], int] = {}
    in_a, in_b = subtree_names(a, names), subtree_names(b, names)
    if in_a[-1] == in_b[-1]:
        return None
    known = set(in_b)
    node = next(node for node in range(a.leaves, len(in_a)) if in_a[node] not in known)
    return _around(_Layout(a), _Layout(b), node, None)


def differences(a: Tree, b: Tree, limit: int, seed: int) -> Iterator[Triple]:
    """Up to ``limit`` different triples that the trees join differently, from all over both trees, drawn by ``seed``.

    The first is that of ``difference``.  There are fewer, and perhaps not all there are, where trees differ in few places; none
    for equal trees.  Each takes a time linear in the depth and the size of the subtrees.  Raises InputError for unlike
    numbers of leaves.
    """
    _must_match(a, b)
    first = difference(a, b)
    return iter(()) if first is None else _drawn(a, b, first, limit, SplitMix(seed))


def _drawn(a: Tree, b: Tree, first: Triple, limit: int, draw: SplitMix) -> Iterator[Triple]:
    names: dict[tuple[int, ...], int] = {}
    in_a, in_b = subtree_names(a, names), subtree_names(b, names)
    layouts = _Layout(a), _Layout(b)
    places = [(False, node) for node in _unknown(a, in_a, in_b)] + [(True, node) for node in _unknown(b, in_b, in_a)]
    found = {first}
    if limit > 0:
        yield first
    fruitless = 0
    while len(found) < limit and fruitless < 4 * len(places) + 64:
        swapped, node = places[draw.below(len(places))]
        one, other = layouts[::-1] if swapped else layouts
        triple = _around(one, other, node, draw)
        if triple is not None and swapped:
            triple = triple.swapped
        if triple is None or triple in found:
            fruitless += 1
            continue
        fruitless = 0
        found.add(triple)
        yield triple


def _must_match(a: Tree, b: Tree) -> None:
    if a.leaves != b.leaves:
        raise InputError(f"orders of {a.leaves} and of {b.leaves} terms cannot be compared")


def subtree_names(tree: Tree, names: dict[tuple[int, ...], int]) -> list[int]:
    """A number for every node, the same for equal subtrees: of all the trees that share ``names``, exactly."""
    numbers = list(range(tree.leaves))
    for step in tree.steps:
        key = tuple(sorted([numbers[node] for node in step]))
        numbers.append(names.setdefault(key, tree.leaves + len(names)))
    return numbers


def _unknown(tree: Tree, names: list[int], others: list[int]) -> list[int]:
    """The nodes whose subtrees the other tree does not have."""
    known = set(others)
    return [node for node in range(tree.leaves, len(names)) if names[node] not in known]


class _Layout:
    """The leaves of a tree from left to right, so that the leaves below a node are an interval."""

    def __init__(self, tree: Tree) -> None:
        self.tree, self.above = tree, tree.parents()
        nodes = tree.leaves + len(tree.steps)
        self.size = [1] * nodes
        for position, step in enumerate(tree.steps):
            self.size[tree.leaves + position] = sum([self.size[node] for node in step])
        self.start = [0] * nodes
        for position in reversed(range(len(tree.steps))):
            start = self.start[tree.leaves + position]
            for node in tree.steps[position]:
                self.start[node] = start
                start += self.size[node]
        self.leaf_at = [0] * tree.leaves
        for leaf in range(tree.leaves):
            self.leaf_at[self.start[leaf]] = leaf

    def operands(self, node: int) -> tuple[int, ...]:
        return self.tree.steps[node - self.tree.leaves]

    def leaves(self, node: int) -> list[int]:
        return self.leaf_at[self.start[node] : self.start[node] + self.size[node]]

    def holds(self, node: int, leaf: int) -> bool:
        return self.start[node] <= self.start[leaf] < self.start[node] + self.size[node]

    def least_around(self, leaves: Sequence[int]) -> int:
        """The lowest common ancestor."""
        first = min(leaves, key=self.start.__getitem__)
        last = max(leaves, key=self.start.__getitem__)
        node = first
        while not self.holds(node, last):
            node = self.above[node]
        return node


def _around(one: _Layout, other: _Layout, node: int, draw: SplitMix | None) -> Triple | None:
    """A triple with two leaves below ``node`` of the one tree that the other tree joins differently.

    Found for every node whose leaves are no subtree of the other tree, or whose operands the other tree has all but the
    node itself not; None for some other nodes.  In the triple the one tree is a.  ``draw`` chooses among the possible ones.
    """

    def pick(items: Sequence[int]) -> int:
        return items[draw.below(len(items)) if draw else 0]

    inside = one.leaves(node)
    top = other.least_around(inside)
    if other.size[top] == len(inside):
        return _regrouped(one, other, node, top, pick)
    mixed: list[int] = []
    within: list[int] = []
    without: list[int] = []
    for operand in other.operands(top):
        held = sum([one.holds(node, leaf) for leaf in other.leaves(operand)])
        (without if not held else within if held == other.size[operand] else mixed).append(operand)
    if not mixed:
        y_from = pick(within)
        y, z = pick(other.leaves(y_from)), pick(other.leaves(pick([operand for operand in within if operand != y_from])))
        x = pick(other.leaves(pick(without)))
        return _triple(x, None, (x, y, z))
    meeting = pick(mixed)
    below = other.leaves(meeting)
    x = pick([leaf for leaf in below if not one.holds(node, leaf)])
    y = pick([leaf for leaf in below if one.holds(node, leaf)])
    z = pick([leaf for leaf in inside if not other.holds(meeting, leaf)])
    return _triple(x, z, (x, y, z))


def _regrouped(one: _Layout, other: _Layout, node: int, top: int, pick: _Pick) -> Triple | None:
    """``_around`` where ``node`` and ``top`` have the same leaves: a fused step that the other joins in two."""
    for operand in other.operands(top):
        parts = [part for part in one.operands(node) if other.holds(operand, one.leaves(part)[0])]
        rest = [part for part in one.operands(node) if part not in parts]
        if len(parts) > 1 and rest:
            first = pick(parts)
            second = pick([part for part in parts if part != first])
            y, z = (pick([leaf for leaf in one.leaves(part) if other.holds(operand, leaf)]) for part in (first, second))
            x = pick([leaf for leaf in one.leaves(pick(rest)) if not other.holds(operand, leaf)])
            return _triple(None, x, (x, y, z))
    return None


def _triple(last_in_a: int | None, last_in_b: int | None, leaves: tuple[int, int, int]) -> Triple | None:
    """The triple by the leaf that each tree adds last (None: fused); of leaves alike the smaller is first."""
    if last_in_a == last_in_b:
        return None
    others = sorted(leaf for leaf in leaves if leaf not in (last_in_a, last_in_b))
    i = others.pop(0) if last_in_b is None else last_in_b
    k = others.pop() if last_in_a is None else last_in_a
    return Triple(i, others[0], k, last_in_a is None, last_in_b is None)
