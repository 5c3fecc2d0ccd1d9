"""Claims of orders/families.py: the trees of every family by hand, for any number of terms, and numpy's against np.sum."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import every_order

from fpsynth.errors import InputError
from fpsynth.orders import Order, Tree, joined_last, parse_order
from fpsynth.orders.families import FAMILIES


@pytest.mark.parametrize(
    ("text", "terms", "printed"),
    [
        ("sequential", 4, "(((0+1)+2)+3)"),
        ("sequential", 1, "0"),
        ("reverse", 4, "(((3+2)+1)+0)"),
        ("pairwise", 8, "(((0+1)+(2+3))+((4+5)+(6+7)))"),
        ("pairwise", 5, "(((0+1)+(2+3))+4)"),
        ("pairwise", 7, "(((0+1)+(2+3))+((4+5)+6))"),
        ("pairwise:3", 8, "((((0+1)+2)+((3+4)+5))+(6+7))"),
        ("interleaved:3", 7, "((((((0+3)+6)+1)+4)+2)+5)"),
        ("halves", 5, "(((0+3)+2)+(1+4))"),
        ("strided:2", 5, "(((0+2)+4)+(1+3))"),
        ("strided:4", 8, "((((0+4)+(1+5))+(2+6))+(3+7))"),
        ("strided:8", 3, "((0+1)+2)"),
        ("strided:3", 1, "0"),
        ("blocked:2", 5, "(((0+1)+(2+3))+4)"),
        ("blocked:3", 8, "((((0+1)+2)+((3+4)+5))+(6+7))"),
        ("blocked:9", 3, "((0+1)+2)"),
        ("lanes:4", 10, "(((((0+4)+(2+6))+((1+5)+(3+7)))+8)+9)"),
        ("lanes:3", 3, "((0+2)+1)"),
        ("lanes:4", 3, "((0+1)+2)"),
        ("groups:3", 8, "(((0+1+2)+3+4+5)+6+7)"),
        ("groups:3", 7, "(((0+1+2)+3+4+5)+6)"),
        ("groups:16", 1, "0"),
        ("groups:16", 3, "(0+1+2)"),
        ("numpy", 7, "((((((0+1)+2)+3)+4)+5)+6)"),
        ("numpy", 9, "((((0+1)+(2+3))+((4+5)+(6+7)))+8)"),
        ("random:0", 1, "0"),
        ("random:7", 2, "(0+1)"),
    ],
)
def test_trees_of_the_families_by_hand(text: str, terms: int, printed: str) -> None:
    assert str(parse_order(text).tree(terms)) == printed


def test_every_family_has_a_tree_by_hand_above() -> None:
    (mark,) = test_trees_of_the_families_by_hand.pytestmark  # type: ignore[attr-defined]
    assert {text.partition(":")[0] for text, _, _ in mark.args[1]} == set(FAMILIES)


@given(every_order, st.integers(1, 70))
def test_every_family_uses_every_leaf_once_and_reads_back(order: Order, terms: int) -> None:
    tree = order.tree(terms)
    assert sorted(int(leaf) for leaf in re.findall(r"\d+", str(tree))) == list(range(terms))
    assert sum(len(step) - 1 for step in tree.steps) == terms - 1
    assert order.family == "groups" or all(len(step) == 2 for step in tree.steps)
    assert parse_order(str(order)) == order


@pytest.mark.parametrize("name", FAMILIES)
def test_4096_terms_need_no_recursion(name: str) -> None:
    family = FAMILIES[name]
    tree = Order(name, 3 if family.parameter else 0).tree(4096)
    assert sum(len(step) - 1 for step in tree.steps) == 4095
    assert parse_order(str(tree)).fixed is not None


@pytest.mark.parametrize(
    ("seed", "printed"),
    [(0, "((((0+5)+(3+6))+4)+(1+(2+7)))"), (1, "((((0+1)+2)+(((3+5)+7)+4))+6)"), (999999, "((((((0+6)+7)+1)+5)+3)+(2+4))")],
)
def test_a_random_tree_is_the_same_on_every_machine(seed: int, printed: str) -> None:
    assert str(parse_order(f"random:{seed}").tree(8)) == printed


def test_random_trees_are_drawn_from_all_alike() -> None:
    shapes = [str(parse_order(f"random:{seed}").tree(3)) for seed in range(3000)]
    last = [joined_last(parse_order(shape).tree(3), (0, 1, 2)) for shape in shapes]
    assert all(900 < last.count(leaf) < 1100 for leaf in range(3))


@pytest.mark.parametrize("terms", [3, 8, 9, 15, 16, 17, 31])
def test_numpys_tree_joins_three_leaves_as_np_sum_does(terms: int) -> None:
    """A large number, its opposite and ones (FPRev, ATC 2025): how many ones survive is how many leaves meet the pair late."""
    tree = parse_order("numpy").tree(terms)
    for i in range(terms):
        for j in range(i + 1, terms):
            mask = np.ones(terms, np.float32)
            mask[i], mask[j] = 2.0**30, -(2.0**30)
            late = sum(joined_last(tree, (i, j, k)) == k for k in range(terms) if k not in (i, j))
            assert float(np.sum(mask)) == late


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numpys_tree_gives_the_bits_of_np_sum(dtype: type[np.floating]) -> None:
    generator = np.random.default_rng(2)
    for terms in [*range(1, 301), 1000, 4096]:
        numbers = (generator.standard_normal((2, terms)) * 2.0 ** generator.integers(-8, 8, (2, terms))).astype(dtype)
        expected = [np.sum(row) for row in numbers]  # row by row: an axis is summed in another order
        assert _added(parse_order("numpy").tree(terms), numbers).tobytes() == np.array(expected, dtype).tobytes()


def test_the_sequential_tree_does_not_give_the_bits_of_np_sum() -> None:
    numbers = np.random.default_rng(2).standard_normal((1, 1000)).astype(np.float32)
    assert _added(parse_order("sequential").tree(1000), numbers)[0] != np.sum(numbers[0])


def _added(tree: Tree, numbers: np.ndarray) -> np.ndarray:
    """The rows' sums in the tree's order."""
    nodes: list[np.ndarray] = list(numbers.T)
    for left, right in tree.steps:
        nodes.append(nodes[left] + nodes[right])
    return nodes[-1]


@pytest.mark.parametrize("text", ["", "Sequential", "strided:", "strided:-1", "strided:1:2", "strided:9999999", "seq uential"])
def test_unknown_orders_are_refused_with_the_list(text: str) -> None:
    with pytest.raises(InputError, match=r"choose from sequential, reverse, pairwise.:BLOCK., strided:LANES"):
        parse_order(text)


def test_parameters_are_required_and_refused_in_the_right_places() -> None:
    with pytest.raises(InputError, match="strided needs a number, as in strided:4"):
        parse_order("strided")
    for name in ("sequential", "reverse", "numpy"):
        with pytest.raises(InputError, match=f"{name} takes no number"):
            parse_order(f"{name}:2")
    for name in ("strided", "blocked", "lanes", "pairwise"):
        with pytest.raises(InputError, match="at least 1"):
            parse_order(f"{name}:0")


def test_a_sum_has_a_term_and_a_tree_its_own_number_of_them() -> None:
    with pytest.raises(InputError, match="at least one term"):
        parse_order("sequential").tree(0)
    with pytest.raises(InputError, match="tree of 3 leaves, but the sum has 4"):
        parse_order("[[0,1],2]").tree(4)
