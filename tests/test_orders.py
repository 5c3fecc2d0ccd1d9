"""Claims of orders.py: the trees of the named families, what a tree must satisfy, and how orders are read and printed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import orders, trees

from fpsynth.errors import InputError
from fpsynth.orders import SEQUENTIAL, Order, Tree, parse_order


@pytest.mark.parametrize(
    ("text", "terms", "printed"),
    [
        ("sequential", 4, "(((0+1)+2)+3)"),
        ("reverse", 4, "(((3+2)+1)+0)"),
        ("pairwise", 8, "(((0+1)+(2+3))+((4+5)+(6+7)))"),
        ("pairwise", 5, "(((0+1)+(2+3))+4)"),
        ("pairwise", 7, "(((0+1)+(2+3))+((4+5)+6))"),
        ("strided:2", 5, "(((0+2)+4)+(1+3))"),
        ("strided:4", 8, "((((0+4)+(1+5))+(2+6))+(3+7))"),
        ("strided:8", 3, "((0+1)+2)"),
        ("strided:1", 3, "((0+1)+2)"),
        ("sequential", 1, "0"),
        ("strided:3", 1, "0"),
    ],
)
def test_trees_of_the_families_by_hand(text: str, terms: int, printed: str) -> None:
    assert str(parse_order(text).tree(terms)) == printed


@given(orders, st.integers(1, 70))
def test_every_family_uses_every_leaf_once(order: Order, terms: int) -> None:
    tree = order.tree(terms)
    assert sorted(int(leaf) for leaf in re.findall(r"\d+", str(tree))) == list(range(terms))
    assert len(tree.steps) == terms - 1
    assert parse_order(str(order)) == order


@given(st.data(), st.integers(1, 9))
def test_a_printed_tree_shows_what_is_added_to_what(data: st.DataObject, leaves: int) -> None:
    tree = data.draw(trees(leaves))
    powers = [10**k for k in range(leaves)]
    nested = [str(power) for power in powers]
    for left, right in tree.steps:
        nested.append(f"({nested[left]}+{nested[right]})")
    assert re.sub(r"\d+", lambda leaf: str(10 ** int(leaf[0])), str(tree)) == nested[-1]


def test_a_long_sum_needs_no_recursion() -> None:
    assert len(SEQUENTIAL.tree(4096).steps) == 4095


def test_a_fused_step_adds_more_than_two_nodes() -> None:
    assert str(Tree(5, ((0, 1, 2), (5, 3, 4)))) == "((0+1+2)+3+4)"


@pytest.mark.parametrize(
    ("leaves", "steps", "problem"),
    [
        (2, ((0, 0),), "repeated"),
        (3, ((0, 1), (0, 3)), "repeated"),
        (3, ((0, 4), (1, 2)), "before it is computed"),
        (2, ((0, 2),), "before it is computed"),
        (2, ((0, -1),), "before it is computed"),
        (3, ((0, 1),), "every leaf exactly once"),
        (0, (), "every leaf exactly once"),
        (2, ((0,), (1, 2)), "at least two"),
    ],
)
def test_what_is_no_tree_is_refused(leaves: int, steps: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        Tree(leaves, steps)


@pytest.mark.parametrize("text", ["", "Sequential", "strided:", "strided:-1", "strided:1:2", "strided:9999999", "seq uential"])
def test_unknown_orders_are_refused_with_the_list(text: str) -> None:
    with pytest.raises(InputError, match="choose from sequential, reverse, pairwise.:BLOCK., strided:LANES"):
        parse_order(text)


def test_parameters_are_required_and_refused_in_the_right_places() -> None:
    with pytest.raises(InputError, match="strided needs a number, as in strided:4"):
        parse_order("strided")
    with pytest.raises(InputError, match="reverse takes no number"):
        parse_order("reverse:2")
    with pytest.raises(InputError, match="at least 1"):
        parse_order("strided:0")
