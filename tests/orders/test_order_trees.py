"""Claims of orders/tree.py: what a tree must satisfy, how it is printed, and what is left of it when leaves are zero."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import trees

from fpsynth.errors import InputError
from fpsynth.orders import SEQUENTIAL, Tree, parse_order, restrict


@given(st.data(), st.integers(1, 9))
def test_a_printed_tree_shows_what_is_added_to_what(data: st.DataObject, leaves: int) -> None:
    tree = data.draw(trees(leaves, most=4))
    nested = [str(10**k) for k in range(leaves)]
    for step in tree.steps:
        nested.append(f"({'+'.join(nested[node] for node in step)})")
    assert re.sub(r"\d+", lambda leaf: str(10 ** int(leaf[0])), str(tree)) == nested[-1]


def test_a_fused_step_adds_more_than_two_nodes() -> None:
    assert str(Tree(5, ((0, 1, 2), (5, 3, 4)))) == "((0+1+2)+3+4)"


def test_a_long_sum_is_printed_without_recursion() -> None:
    text = str(SEQUENTIAL.tree(4096))
    assert text.startswith("(" * 4095 + "0+1)+2)")
    assert text.endswith("+4095)")


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


@pytest.mark.parametrize(
    ("text", "kept", "left"),
    [
        ("[[[0,1],2],3]", (0, 2, 3), "((0+1)+2)"),
        ("[[0,1],[2,3]]", (3, 1), "(0+1)"),
        ("[[0,1,2],[3,4]]", (0, 2, 4), "((0+1)+2)"),
        ("[[0,1,2],3,[4,5]]", (1, 3, 4), "(0+1+2)"),
        ("[3,[1,[2,0]]]", (2,), "0"),
    ],
)
def test_a_tree_without_some_of_its_leaves(text: str, kept: tuple[int, ...], left: str) -> None:
    small, leaves = restrict(parse_order(text).tree(1 + max(map(int, re.findall(r"\d+", text)))), kept)
    assert (str(small), leaves) == (left, tuple(sorted(kept)))


@given(st.data(), st.integers(1, 9))
def test_what_is_left_computes_what_the_whole_tree_computes_when_the_rest_is_zero(data: st.DataObject, leaves: int) -> None:
    tree = data.draw(trees(leaves, most=4))
    kept = data.draw(st.sets(st.integers(0, leaves - 1), min_size=1))
    values = {leaf: data.draw(st.integers(-999, 999)) for leaf in kept}
    small, numbers = restrict(tree, kept)
    whole = _sum(tree, [values.get(leaf, 0) for leaf in range(leaves)])
    assert _sum(small, [values[leaf] for leaf in numbers]) == whole


def _sum(tree: Tree, terms: list[float]) -> float:
    """The sum with terms and steps rounded to six bits, so that adding a zero changes nothing."""
    nodes = list(map(_six_bits, terms))
    for step in tree.steps:
        nodes.append(_six_bits(sum(nodes[node] for node in step)))
    return nodes[-1]


def _six_bits(number: float) -> float:
    significand, exponent = math.frexp(number)
    return math.ldexp(round(significand * 64), exponent - 6)


@pytest.mark.parametrize("leaves", [(), (-1,), (0, 3)])
def test_a_tree_is_restricted_to_leaves_that_it_has(leaves: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="at least one of its leaves"):
        restrict(SEQUENTIAL.tree(3), leaves)
