"""Claims of orders/comparing.py, against brute force over all triples of leaves."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from strategies import trees

from fpsynth.errors import InputError
from fpsynth.orders import Tree, all_trees, compared, difference, differences, equal, parse_order
from fpsynth.orders.comparing import Triple, joined_last


def _triples(a: Tree, b: Tree) -> set[Triple]:
    """All the triples that the trees join differently."""
    every = (compared(a, b, leaves) for leaves in itertools.combinations(range(a.leaves), 3))
    return {triple for triple in every if triple is not None}


@pytest.mark.parametrize(
    ("triple", "in_a", "in_b"),
    [
        (Triple(0, 1, 2), "(0+1)+2", "0+(1+2)"),
        (Triple(7, 6, 0), "0+(6+7)", "(0+6)+7"),
        (Triple(2, 0, 1), "(0+2)+1", "(0+1)+2"),
        (Triple(5, 3, 4, a_fused=True), "3+4+5 in one rounding", "(3+4)+5"),
    ],
)
def test_terms_are_written_in_ascending_order(triple: Triple, in_a: str, in_b: str) -> None:
    assert (triple.in_a, triple.in_b) == (in_a, in_b)
    assert triple.swapped.in_a == in_b


@pytest.mark.parametrize("leaves", range(1, 6))
def test_all_pairs_of_binary_trees_of_up_to_five_leaves(leaves: int) -> None:
    every = list(all_trees(leaves))
    for a, b in itertools.product(every, repeat=2):
        triple = difference(a, b)
        assert (triple is None) == (a == b) == equal(a, b)
        if triple is not None:
            assert compared(a, b, triple.leaves) == triple
            assert compared(b, a, triple.leaves) == triple.swapped


@settings(max_examples=examples(300))
@given(st.data(), st.integers(1, 9))
def test_random_trees_with_fused_steps_against_all_triples(data: st.DataObject, leaves: int) -> None:
    a, b = data.draw(trees(leaves, most=4)), data.draw(trees(leaves, most=4))
    true, first = _triples(a, b), difference(a, b)
    assert (first is None) == (not true) == equal(a, b)
    drawn = list(differences(a, b, 10**6, 3))
    assert drawn[:1] == ([] if first is None else [first])
    assert len(set(drawn)) == len(drawn)
    assert set(drawn) <= true
    for triple in drawn:
        assert compared(b, a, triple.leaves) == triple.swapped
        assert triple.swapped.swapped == triple


@given(st.data(), st.integers(1, 9))
def test_a_tree_equals_itself_with_operands_swapped(data: st.DataObject, leaves: int) -> None:
    tree = data.draw(trees(leaves, most=4))
    swapped = Tree(leaves, tuple(tuple(data.draw(st.permutations(step))) for step in tree.steps))
    assert equal(tree, swapped)
    assert difference(tree, swapped) is None
    assert not list(differences(tree, swapped, 9, 0))


@pytest.mark.parametrize(
    ("a", "b", "leaves", "text"),
    [
        ("[[0,1],2]", "[0,[1,2]]", (0, 1, 2), "(0+1)+2 against 0+(1+2)"),
        ("[0,1,2]", "[0,[1,2]]", (0, 1, 2), "0+1+2 in one rounding against 0+(1+2)"),
        ("[[0,1],2]", "[0,1,2]", (2, 0, 1), "(0+1)+2 against 0+1+2 in one rounding"),
    ],
)
def test_triples_by_hand(a: str, b: str, leaves: tuple[int, int, int], text: str) -> None:
    assert str(compared(parse_order(a).tree(3), parse_order(b).tree(3), leaves)) == text


def test_which_of_three_leaves_is_added_last() -> None:
    tree = parse_order("[[3,[0,1]],2]").tree(4)
    assert [joined_last(tree, leaves) for leaves in [(0, 1, 2), (0, 1, 3), (2, 3, 0)]] == [2, 3, 2]
    assert joined_last(parse_order("[0,1,2]").tree(3), (0, 1, 2)) is None
    with pytest.raises(InputError, match="not three different leaves"):
        joined_last(tree, (0, 0, 1))


NAMES = ["sequential", "reverse", "pairwise", "numpy", "lanes:8", "strided:8", "blocked:64", "random:1", "random:2"]


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(NAMES, 2)))
def test_two_trees_of_4096_leaves(one: str, other: str) -> None:
    a, b = parse_order(one).tree(4096), parse_order(other).tree(4096)
    triple = difference(a, b)
    assert triple is not None
    assert compared(a, b, triple.leaves) == triple


def test_many_triples_of_large_trees_are_different_and_from_all_over() -> None:
    a, b = parse_order("random:1").tree(4096), parse_order("pairwise").tree(4096)
    drawn = list(differences(a, b, 30, 1))
    assert len(set(drawn)) == 30
    assert all(compared(a, b, triple.leaves) == triple for triple in drawn)
    assert drawn == list(differences(a, b, 30, 1)) != list(differences(a, b, 30, 2))
    assert len({triple.leaves[0] // 1024 for triple in drawn}) > 1


def test_a_single_difference_among_4096_leaves_is_found() -> None:
    a = parse_order("sequential").tree(4096)
    b = Tree(4096, (*a.steps[:3000], (3001, 3002), (7095, 7096), *((4094 + k, k) for k in range(3003, 4096))))
    triple = difference(a, b)
    assert triple is not None
    assert set(triple.leaves) >= {3001, 3002}
    assert compared(a, b, triple.leaves) == triple


def test_orders_of_unlike_numbers_of_terms_cannot_be_compared() -> None:
    a, b = parse_order("sequential").tree(3), parse_order("sequential").tree(4)
    assert not equal(a, b)
    for call in (lambda: difference(a, b), lambda: differences(a, b, 1, 0), lambda: compared(a, b, (0, 1, 2))):
        with pytest.raises(InputError, match="orders of 3 and of 4 terms"):
            call()
