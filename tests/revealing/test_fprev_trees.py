"""Trees from masks: equal to those of FPRev as it is published, with no more probes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from simulated import random_tree

from fpsynth.orders import Builder, Tree, parse_order
from fpsynth.revealing.trees import Inconsistent, Lost, Probe, canonical, find_tree


def below(tree: Tree) -> list[set[int]]:
    """The leaves below every node."""
    leaves: list[set[int]] = [{k} for k in range(tree.leaves)]
    for step in tree.steps:
        leaves.append(set().union(*(leaves[node] for node in step)))
    return leaves


def common(tree: Tree, i: int, j: int) -> int:
    """How many leaves are below the lowest common ancestor of two."""
    return min(len(leaves) for leaves in below(tree) if {i, j} <= leaves)


def fprev(tree: Tree) -> tuple[Tree, int]:
    """FPRev's refined algorithm for binary trees (ATC 2025), recursively; and the probes it takes."""
    build, probes = Builder(tree.leaves), 0

    def of(leaves: list[int]) -> int:
        nonlocal probes
        first, *others = leaves
        sizes = {}
        for leaf in others:
            probes += 1
            sizes[leaf] = common(tree, first, leaf)
        node = first
        for size in sorted(set(sizes.values())):
            node = build.add(node, of([leaf for leaf in others if sizes[leaf] == size]))
        return node

    of(list(range(tree.leaves)))
    return build.tree(), probes


@pytest.mark.parametrize("seed", range(20))
def test_the_tree_and_the_probes_are_fprevs(seed):
    rng = np.random.default_rng(seed)
    tree = random_tree(rng, int(rng.integers(1, 24)))
    theirs, most = fprev(tree)
    ours, probes = find_tree(tree.leaves, lambda probes: [common(tree, i, j) for i, j, _ in probes])
    assert canonical(theirs) == ours == canonical(tree)
    assert probes == most <= tree.leaves * (tree.leaves - 1) // 2


Nested = int | tuple[bool, tuple["Nested", ...]]
"""A leaf, or a step: whether it aligns, and its operands."""


def nested_trees(leaves: tuple[int, ...]) -> Iterator[Nested]:
    """Every tree of steps of any number of operands; steps of more than two are of both kinds, those of two are alike."""
    if len(leaves) == 1:
        yield leaves[0]
    for parts in partitions(leaves):
        if len(parts) > 1:
            for operands in itertools.product(*(list(nested_trees(part)) for part in parts)):
                yield from ((aligns, operands) for aligns in ((False, True) if len(parts) > 2 else (True,)))


def partitions(things: tuple[int, ...]) -> Iterator[list[tuple[int, ...]]]:
    """Every way to put things into groups."""
    if not things:
        yield []
        return
    for size in range(len(things)):
        for others in itertools.combinations(things[1:], size):
            for rest in partitions(tuple(thing for thing in things[1:] if thing not in others)):
                yield [(things[0], *others), *rest]


def lost_sets(tree: Nested, lost: dict[tuple[int, int], frozenset[int]]) -> frozenset[int]:
    """Fill in which leaves are lost where huge numbers are at two; return all leaves.

    A step loses all of its leaves where it aligns and truncates, else those of the two operands with huge numbers.
    """
    if isinstance(tree, int):
        return frozenset([tree])
    aligns, operands = tree
    below = [lost_sets(operand, lost) for operand in operands]
    everything = frozenset().union(*below)
    for one, other in itertools.permutations(below, 2):
        lost.update({(i, j): everything if aligns else one | other for i in one for j in other})
    return everything


def answered(tree: Nested) -> Lost:
    """Answers to probes."""
    sets: dict[tuple[int, int], frozenset[int]] = {}
    lost_sets(tree, sets)

    def lost(probes: Sequence[Probe]) -> list[int]:
        gone = [sets[probe.first, probe.second] for probe in probes]
        return [len(own) if probe.only is None else 2 + (probe.only in own) for probe, own in zip(probes, gone, strict=True)]

    return lost


def as_tree(nested: Nested, leaves: int) -> Tree:
    build = Builder(leaves)

    def node(part: Nested) -> int:
        return part if isinstance(part, int) else build.add(*map(node, part[1]))

    node(nested)
    return build.tree()


@pytest.mark.parametrize(("leaves", "trees"), [(1, 1), (2, 1), (3, 5), (4, 37), (5, 387), (6, 5189)])
def test_every_tree_is_found_whatever_its_steps_do(leaves, trees):
    """All trees of up to six leaves, with steps that align and steps that are exact until they round in any mixture."""
    every = list(nested_trees(tuple(range(leaves))))
    assert len(every) == trees
    for nested in every:
        found, probes = find_tree(leaves, answered(nested))
        assert found == canonical(as_tree(nested, leaves)), nested
        assert probes <= leaves * (leaves - 1) // 2


def test_numbers_of_lost_leaves_do_not_tell_all_trees_apart():
    """Counts alone are equal for 0+1+(2+3) and (0+1)+2+3 with exact steps: one probe of one leaf decides."""
    one, other = (False, (0, 1, (True, (2, 3)))), (False, ((True, (0, 1)), 2, 3))
    pairs = [Probe(i, j) for i in range(4) for j in range(i + 1, 4)]
    assert answered(one)(pairs) == answered(other)(pairs)
    asked: list[Probe] = []

    def watched(probes: Sequence[Probe]) -> Sequence[int]:
        asked.extend(probes)
        return answered(one)(probes)

    assert find_tree(4, watched)[0] == canonical(as_tree(one, 4))
    assert sum(probe.only is not None for probe in asked) == 1


def random_nested(rng: np.random.Generator, leaves: int) -> Nested:
    nodes: list[Nested] = list(range(leaves))
    while len(nodes) > 1:
        width = min(len(nodes), int(rng.integers(2, 6)))
        nodes.append((bool(rng.integers(2)), tuple(nodes.pop(int(rng.integers(len(nodes)))) for _ in range(width))))
    return nodes[0]


@pytest.mark.parametrize("seed", range(30))
def test_larger_trees_of_steps_of_both_kinds(seed):
    rng = np.random.default_rng(seed)
    leaves = int(rng.integers(2, 60))
    nested = random_nested(rng, leaves)
    found, probes = find_tree(leaves, answered(nested))
    assert found == canonical(as_tree(nested, leaves))
    assert probes <= leaves * (leaves - 1) // 2


def test_groups_of_products_are_taken_for_flat_on_request():
    """A tensor core's chain of groups takes about 2n probes then, and not n for each product of a group."""
    nested: Nested = (True, tuple(range(16)))
    for start in range(16, 256, 16):
        nested = (True, (nested, *range(start, start + 16)))
    whole, probes = find_tree(256, answered(nested))
    flat, fewer = find_tree(256, answered(nested), flat=True)
    assert whole == flat == canonical(parse_order("groups:16").tree(256))
    assert fewer == 255 + 14 + 15 * 15
    assert probes == 255 + 15 * 14 // 2 + 15 * 16 * 15 // 2


def test_canonical_forms_forget_only_the_order_of_operands():
    assert canonical(Tree(3, ((2, 1), (3, 0)))) == canonical(Tree(3, ((1, 2), (0, 3)))) != canonical(Tree(3, ((0, 1), (2, 3))))


def test_deep_trees_need_no_recursion():
    tree = parse_order("sequential").tree(4096)
    found, probes = find_tree(4096, lambda probes: [max(i, j) + 1 for i, j, _ in probes])
    assert found == canonical(tree)
    assert probes == 4095


@pytest.mark.parametrize("counts", [[2, 2, 7], [1, 1, 1], [5, 5, 5], [3, 3, 3]])
def test_answers_of_no_tree_are_refused(counts):
    """Probes of four leaves, the same for every group."""
    with pytest.raises(Inconsistent):
        find_tree(4, lambda pairs: [counts[k % 3] for k in range(len(pairs))])
