"""Trees get back the names they were made from, or another name of the same sums; whatever is printed can be typed again."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import every_order, trees

from fpsynth import tie
from fpsynth.errors import InputError
from fpsynth.evaluators.networks import network_logits
from fpsynth.formats import FLOAT32
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import Order, equal, fixed_order, name_of, name_with_bias, parse_order
from fpsynth.revealing.properties import named
from fpsynth.revealing.trees import canonical
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.sums.arithmetic_json import arithmetic_from_json, arithmetic_to_json


@pytest.mark.parametrize(
    ("text", "terms", "printed"),
    [
        ("strided:4/pairwise", 8, "(((0+4)+(1+5))+((2+6)+(3+7)))"),
        ("strided:4/halves", 5, "(((0+4)+2)+(1+3))"),
        ("lanes:4/pairwise", 5, "(((0+1)+(2+3))+4)"),
        ("lanes:4/[[0,3],[1,2]]", 9, "((((0+4)+(3+7))+((1+5)+(2+6)))+8)"),
        ("blocked:4-of-lanes:2", 6, "(((0+2)+(1+3))+(4+5))"),
        ("pairwise:2-of-reverse", 4, "((1+0)+(3+2))"),
        ("blocked:2/reverse", 6, "(((4+5)+(2+3))+(0+1))"),
        ("blocked:4-of-blocked:2-of-reverse", 6, "(((1+0)+(3+2))+(5+4))"),
        ("blocked:2+bias:1", 5, "(((0+1)+4)+(2+3))"),
        ("blocked:2+bias:9", 5, "(((0+1)+(2+3))+4)"),
        ("strided:2+bias:1", 5, "(((0+2)+4)+(1+3))"),
        ("sequential+bias:2", 4, "(((0+1)+3)+2)"),
        ("lanes:8", 3, "((0+1)+2)"),
        ("head:2-then-lanes:2", 7, "(((((0+1)+2)+4)+(3+5))+6)"),
        ("head:2-then-strided:2/reverse", 7, "((3+5)+((((0+1)+2)+4)+6))"),
        ("head:4-then-lanes:8", 3, "((0+1)+2)"),
        ("halves", 5, "(((0+3)+2)+(1+4))"),
        ("interleaved:3", 7, "((((((0+3)+6)+1)+4)+2)+5)"),
        ("strided:2-of-pairwise", 8, "(((0+2)+(4+6))+((1+3)+(5+7)))"),
        ("lanes:4/(strided:2-of-reverse)", 8, "(((2+6)+(0+4))+((3+7)+(1+5)))"),
    ],
)
def test_composed_orders_by_hand(text, terms, printed):
    order = parse_order(text)
    assert str(order.tree(terms)) == printed
    assert str(order) == text


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("blocked:256", 784),
        ("lanes:16", 784),
        ("lanes:3", 100),
        ("strided:12", 100),
        ("pairwise:48", 784),
        ("strided:16/pairwise", 784),
        ("strided:16/halves", 790),
        ("strided:8/(blocked:2/halves)", 64),
        ("strided:8/[[[0,5],[1,4]],[[2,6],[3,7]]]", 64),
        ("blocked:256-of-lanes:8", 784),
        ("pairwise:64-of-strided:4/pairwise", 1000),
        ("numpy", 784),
        ("blocked:64-of-interleaved:4", 784),
        ("blocked:768-of-lanes:64/(strided:8/[[[0,4],[1,5]],[[2,6],[3,7]]]-of-pairwise)", 784),
        ("strided:8-of-pairwise:4", 640),
        ("head:4-then-lanes:8", 784),
        ("head:1-then-lanes:16/pairwise", 100),
        ("head:3-then-strided:4/pairwise", 104),
        ("reverse", 99),
        ("sequential", 4096),
        ("groups:16", 100),
    ],
)
def test_a_tree_gets_its_name_back_whatever_the_order_of_its_operands(text, terms):
    tree = canonical(parse_order(text).tree(terms))
    assert str(name_of(tree)) == text
    how = named(Arithmetic(FLOAT32, order=fixed_order(tree)), terms)
    assert str(how) == f"float32 {text}"


@pytest.mark.parametrize("text", ["blocked:256+bias:1", "blocked:256+bias:3", "sequential+bias:5", "strided:16+bias:4"])
def test_a_bias_within_the_sum_is_named(text):
    tree = canonical(parse_order(text).tree(785))
    assert str(name_with_bias(tree)) == text
    how = named(Arithmetic(FLOAT32, order=fixed_order(tree), bias_leaf=True), 784)
    part, number = {"b": "block", "s": "term"}[text[0]], text.rpartition(":")[2]
    part = "lane" if text.startswith("strided") else part
    assert str(how) == f"float32 {text} (bias after {part} {number})"


def test_the_tree_of_onnx_runtimes_gemm_with_784_terms_is_blocked_256():
    """Four chains, 256 terms each but for the last, added in sequence: as revealed, nested lists."""
    tree = parse_order(str(fixed_order(parse_order("blocked:256").tree(784)))).tree(784)
    assert str(named(Arithmetic(FLOAT32, order=fixed_order(tree)), 784).order) == "blocked:256"


@settings(deadline=None)
@given(every_order, st.integers(2, 90))
def test_a_name_is_that_of_the_whole_tree(order, terms):
    tree = order.tree(terms)
    found = name_of(tree)
    if order.family != "random":
        assert found is not None
    assert found is None or equal(found.tree(terms), tree)
    assert found is None or parse_order(str(found)) == found


@settings(deadline=None)
@given(st.data(), st.integers(2, 24))
def test_any_tree_is_named_rightly_or_not_at_all(data, leaves):
    tree = data.draw(trees(leaves, most=4))
    for found in (name_of(tree), name_with_bias(tree)):
        assert found is None or equal(found.tree(leaves), tree)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pairwise/halves", "no parts to be added up"),
        ("sequential-of-lanes:2", "no parts to be summed"),
        ("pairwise-of-lanes:2", "no parts to be summed"),
        ("blocked:4-of-", "unknown order ''"),
        ("blocked:4/nonsense", "unknown order 'nonsense'"),
        ("lanes:4+bias:1", "goes with sequential"),
        ("blocked:4+bias:0", "at least 1"),
        ("blocked:4+bias:x", "at least 1"),
        ("head:4-then-blocked:4", "no lanes that a head could start"),
        ("head:0-then-lanes:4", "unknown order 'head:0"),
        ("blocked:9" + "-of-blocked:9" * 4, "at most 4 orders"),
        ("head:2-then-lanes:4-of-pairwise", "a head starts a lane"),
        ("lanes:4/(lanes:2-of-nonsense)", "unknown order 'nonsense'"),
        ("lanes:4/(lanes:2", "order"),
        ("strided:4/[[0,1],2]", "has 4 lanes, but the tree across them has 3 leaves"),
        ("strided:4/[[0,1],[2]]", "group of one"),
    ],
)
def test_what_is_no_composed_order_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_order(text)


@pytest.mark.parametrize("text", ["strided:4/[[0,3],[1,2]]", "lanes:8/(strided:4/halves-of-pairwise)", "blocked:3-of-lanes:2"])
def test_composed_orders_are_for_any_number_of_terms(text):
    order = parse_order(text)
    assert order.any_number
    assert all(order.tree(terms).leaves == terms for terms in range(1, 40))
    assert str(parse_order("strided:4/[[0,3],[1,2]]").tree(3)) == "(0+(1+2))"  # the fourth lane is left out
    assert not parse_order("blocked:3/[[0,1],2]").any_number
    with pytest.raises(InputError, match="tree of 3 leaves"):
        parse_order("blocked:3/[[0,1],2]").tree(12)


def test_an_arithmetic_whose_order_places_a_bias_says_so():
    how = Arithmetic(FLOAT32, order=parse_order("blocked:4+bias:1"), bias_leaf=True)
    data = arithmetic_to_json(how)
    assert arithmetic_from_json(data) == how
    with pytest.raises(InputError, match="needs bias_leaf"):
        arithmetic_from_json({**data, "bias_leaf": False})
    with pytest.raises(InputError, match="the verified certifier knows no biases"):
        tie(order="sequential+bias:1", shape=(3, 2))


def test_without_a_bias_the_same_arithmetic_sums_the_products_alone():
    how = Arithmetic(FLOAT32, order=parse_order("blocked:2+bias:1"), bias_leaf=True)
    row, x = (1.0, 2.0**24, -(2.0**24), 3.0), (1.0,) * 4
    for bias, plain in ((None, "blocked:2"), ((5.0,), None)):
        network = dense_relu((Dense((row,), bias),))
        by_graph = network_logits(network, x, FLOAT32, Deployment(how))
        tree = plain or "[[[0,1],4],[2,3]]"
        other = Arithmetic(FLOAT32, order=parse_order(tree), bias_leaf=bias is not None)
        assert by_graph == network_logits(network, x, FLOAT32, Deployment(other))


def test_an_order_that_places_the_bias_computes_the_same_sums_without_one():
    assert Order("blocked", 4, bias=1).without_bias == Order("blocked", 4)
    assert equal(parse_order("blocked:4+bias:1").tree(9), parse_order("[[[[[0,1],2],3],8],[[[4,5],6],7]]").tree(9))
