"""Claims of orders/nested.py: trees as nested lists are read back as they were written, and anything else is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import trees

from fpsynth.errors import InputError
from fpsynth.orders import Tree, equal, parse_order
from fpsynth.orders.nested import MAX_LEAVES, nested_text, parse_tree


@given(st.data(), st.integers(1, 12))
def test_a_tree_is_read_back_from_its_text(data: st.DataObject, leaves: int) -> None:
    tree = data.draw(trees(leaves, most=4))
    for text in (nested_text(tree), str(tree)):
        assert equal(parse_tree(text), tree)
        assert nested_text(parse_tree(text)) == nested_text(tree)


@pytest.mark.parametrize("text", ["[[0,1],[2,3]]", "((0+1)+(2+3))", "(0+1)+(2+3)", " [ [0, 1] ,\n[2+3] ] ", "[0,1],[2,3]"])
def test_ways_to_write_one_tree(text: str) -> None:
    assert parse_tree(text).steps == ((0, 1), (2, 3), (4, 5))


def test_three_in_one_bracket_are_one_fused_step() -> None:
    assert parse_tree("[[0,1,2],3,[4,5]]").steps == ((0, 1, 2), (4, 5), (6, 3, 7))


@pytest.mark.parametrize("family", ["sequential", "pairwise", "reverse", "random:5"])
def test_4096_leaves_and_depth_4095_are_read_without_recursion(family: str) -> None:
    tree = parse_order(family).tree(4096)
    again = parse_order(nested_text(tree)).tree(4096)
    assert equal(again, tree)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[0,1],1]", "leaf 1 of the order is repeated"),
        ("[0,2]", "a leaf 2 but 2 leaves in all"),
        ("1", "a leaf 1 but 1 leaves in all"),
        ("[0,[1,2]", "one is not closed"),
        ("[0,1]]", "unbalanced bracket at character 6"),
        ("[0,1)", "unbalanced bracket at character 5"),
        ("[[0],1]", "group of one at character 4"),
        ("[0]", "group of one at character 3"),
        ("[0,]", "lacks a leaf or a group at character 4"),
        ("[]", "lacks a leaf or a group at character 2"),
        ("[,0]", "lacks a leaf or a group at character 2"),
        ("0+", "lacks a leaf or a group at its end"),
        ("[0 1]", "lacks a comma or a plus sign at character 4"),
        ("[0,1][2,3]", "lacks a comma or a plus sign at character 6"),
        ("0+1+2", "needs brackets that say what is added first"),
        ("[0,x]", "'x' at character 4, which is no leaf"),
        ("[0,-1]", "'-' at character 4"),
        ("[0,1.2]", "'.' at character 5"),
        ("[0," + "9" * 5000 + "]", "has a leaf 99999999999999999999 but 2"),
        ("[0,\u0661]", "which is no leaf"),
        ("[" * 5000, "one is not closed"),
        ("(" + "+".join(map(str, range(MAX_LEAVES + 1))) + ")", "at most 65537 leaves"),
        ("[0,1" + " " * 4_000_000 + "]", "at most 65537 leaves"),
    ],
)
def test_what_is_no_tree_is_refused_in_one_line(text: str, problem: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_order(text)
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 200


@given(st.text(alphabet="[]()0123,+ x\n", max_size=14))
def test_any_text_is_a_tree_or_refused(text: str) -> None:
    try:
        tree = parse_tree(text)
    except InputError as error:
        message = str(error)
        if "\n" in message:
            pytest.fail(message)
    else:
        assert equal(parse_tree(str(tree)), tree)


def test_text_numbers_the_steps_anew_which_moves_the_leaf_that_a_bias_starts() -> None:
    tree = Tree(4, ((3, 2), (0, 1), (5, 4)))
    again = parse_tree(nested_text(tree))
    assert equal(again, tree)
    assert (tree.steps[0], again.steps[0]) == ((3, 2), (0, 1))  # JSON keeps the steps as they are
