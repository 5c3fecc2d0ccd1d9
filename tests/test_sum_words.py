"""Sum programs in words: what no rule says reads well, rules read as they do as programs, and numbers in words are true."""

from __future__ import annotations

import pytest
from given_programs import (
    BY_HAND,
    add,
    arithmetic,
    parts,
    product,
    programs,
    rounded_before_bias,
    tail,
    with_addends,
)
from hypothesis import given, settings
from profiles import examples

from fpsynth.alignment import Alignment
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, TF32
from fpsynth.orders import Tree, parse_order
from fpsynth.rounding import Flush, Rounding
from fpsynth.sums import facts
from fpsynth.sums.arithmetic import REAL, Arithmetic
from fpsynth.sums.building import program_of, program_told
from fpsynth.sums.program import Program, Round
from fpsynth.sums.words import order_in_words, program_in_words

PARTS = "4 parts of 4 products, each rounded to float16 before they are added in float32"
REST = "the rest of the sum"
WORDS = {
    "tail": f"float32: blocked:5, the last 3 products added in float64, {REST} to them at the end",
    "tail in sequence": f"float32: sequential, the last 3 products added in float64 to {REST}",
    "parts": f"float16 accumulated in float32: blocked:4, fused, {PARTS}",
    "parts and a bias": f"float16 accumulated in float32: blocked:4, fused, {PARTS}",
    "rounded before the bias": "bfloat16 accumulated in float32: sequential, fused, "
    "the sum rounded to bfloat16 before the bias is added",
    "rounded before the bias, added in float32": "bfloat16 accumulated in float32: sequential, fused, "
    "the sum rounded to bfloat16 before the bias is added in float32",
    "rounded twice": "bfloat16 accumulated in float32: sequential, "
    "products rounded to float32, then to bfloat16, each sum then rounded to bfloat16",
    "bias between": "float32: sequential, the bias rounded to bfloat16 added to the sum of 3 products",
    "exact steps": "float32: [[[0,1,2,3],4,5],6], fused",
}


@pytest.mark.parametrize("name", BY_HAND)
def test_programs_that_no_rule_says_read_well(name: str) -> None:
    assert program_in_words(BY_HAND[name]) == WORDS[name]
    assert str(arithmetic(BY_HAND[name])) == WORDS[name]


def test_addends_are_told() -> None:
    assert program_in_words(with_addends()) == (
        "bfloat16 accumulated in float32: sequential, fused, "
        "the sum rounded to bfloat16 before the bias and an addend are added in float32, "
        "that sum rounded to bfloat16 before an addend is added"
    )


def test_large_programs_are_told_as_shortly() -> None:
    assert "the last 4 products added in float64" in program_in_words(tail(784, 4))
    assert "4 parts of 1024 products, each rounded to float16" in program_in_words(parts(4, 1024))


def sums(tree: Tree, rounded: set[int], result: tuple[Round, ...] = (Round(FLOAT32),)) -> Program:
    """Sums in float32 of rounded products; the sums of the steps with these numbers are rounded to bfloat16."""
    kinds = tuple(add(FLOAT32, BFLOAT16) if step in rounded else add(FLOAT32) for step in range(len(tree.steps)))
    return Program(FLOAT32, tree, (product(FLOAT32),) * tree.leaves, kinds, result)


def test_the_rest_of_a_sum_may_be_rounded_and_lanes_are_parts() -> None:
    rest = sums(Tree(7, ((0, 1), (2, 3), (7, 8), (9, 4), (10, 5), (11, 6))), {2})
    assert program_in_words(rest).endswith("the last 3 products added to the rest of the sum (rounded to bfloat16)")
    lanes = sums(parse_order("strided:4").tree(16), {2, 5, 8, 11})
    assert program_in_words(lanes) == (
        "float32: strided:4, 4 parts of 4 products, each rounded to bfloat16 before they are added in float32"
    )


def test_each_sum_is_rounded_only_where_all_are() -> None:
    chain = parse_order("sequential").tree(4)
    but_the_last = "float32: sequential, each sum but the last then rounded to bfloat16"
    assert program_in_words(sums(chain, {0, 1})) == but_the_last
    assert program_in_words(sums(chain, {0, 1, 2})) == "float32: sequential, each sum then rounded to bfloat16"
    two = "float32: pairwise, 2 parts of 2 products, each rounded to bfloat16 before they are added in float32"
    assert program_in_words(sums(parse_order("pairwise").tree(4), {0, 1})) == two
    assert program_in_words(rounded_before_bias(2, wide=True)).endswith(
        "sequential, fused, the sum rounded to bfloat16 before the bias is added in float32"
    )


def test_the_last_sum_may_be_rounded_on_its_way_to_the_result() -> None:
    program = sums(parse_order("sequential").tree(3), {1}, (Round(FLOAT16), Round(FLOAT32)))
    assert program_in_words(program) == "float32: sequential, the result rounded to bfloat16, then to float16"


def test_a_bias_in_a_step_with_others_is_told_with_what_it_is_added() -> None:
    core = Arithmetic(FLOAT16, FLOAT32, fused=True, order=parse_order("groups:4"), alignment=Alignment(25), bias_leaf=True)
    program = program_of(core, 7, True)
    assert program.tree.steps == ((0, 1, 2, 3), (8, 4, 5, 6, 7))
    assert program_in_words(program).endswith("the bias added in one step with 3 products, 1 sum")


def test_parts_of_an_order_without_a_name_are_told_beside_the_tree() -> None:
    tree = parse_order("random:4").tree(12)
    pairs = [step for step, nodes in enumerate(tree.steps) if max(nodes) < 12]
    assert program_in_words(sums(tree, set(pairs))) == (
        "float32: [[[[[[0,1],10],[6,8]],11],2],[[[[3,9],5],7],4]], "
        "6 products and 3 parts added in float32, 3 of the parts rounded to bfloat16"
    )
    nested = program_in_words(sums(tree, {pairs[0], pairs[0] + 1}))
    assert nested.endswith("the rest of the sum (rounded to bfloat16) among them, which has 1 part of its own")


@pytest.mark.parametrize(
    ("rule", "terms", "words"),
    [
        (Arithmetic(FLOAT32), 8, "float32: sequential"),
        (Arithmetic(FLOAT32), 1, "float32: 1 product"),
        (
            Arithmetic(FLOAT32, fused=True, order=parse_order("pairwise"), rounded=(1,)),
            8,
            "float32: pairwise, fused but for product 1",
        ),
        (Arithmetic(FLOAT32, fused=True, order=parse_order("pairwise"), rounded=(0,)), 8, "float32: pairwise, fused"),
        (
            Arithmetic(FLOAT16, FLOAT32, fused=True, order=parse_order("groups:4"), alignment=Alignment(25)),
            8,
            "float16 accumulated in float32: groups:4, fused (aligned to 25 bits, rounded RTZ)",
        ),
        (
            Arithmetic(FLOAT32, fused=True, bias_first=True, flush=Flush.UNBOUNDED),
            8,
            "float32: sequential, fused, the bias added first, flushed (unbounded exponent)",
        ),
        (Arithmetic(FLOAT32, rounding=Rounding.RTZ, flush=True), 8, "float32: sequential, RTZ, flushed"),
        (
            Arithmetic(FLOAT32, operands=TF32, operand_rounding=Rounding.RNA),
            8,
            "float32: sequential, operands rounded to tf32 RNA",
        ),
        (
            Arithmetic(BFLOAT16, FLOAT32, products=BFLOAT16),
            8,
            "bfloat16 accumulated in float32: sequential, products rounded to float32, then to bfloat16",
        ),
        (
            Arithmetic(FLOAT16, FLOAT32, fused=True, order=parse_order("strided:4+bias:2"), bias_leaf=True),
            8,
            "float16 accumulated in float32: strided:4, fused, the bias added to the sum of 4 products",
        ),
        (REAL, 8, "real"),
    ],
)
def test_rules_as_programs(rule: Arithmetic, terms: int, words: str) -> None:
    assert program_in_words(program_told(rule, terms)) == words


@settings(max_examples=examples(150))
@given(programs())
def test_any_program_has_words_and_parts_that_hold_each_product_once(program: Program) -> None:
    words = program_in_words(program)
    assert words.startswith("float16")
    assert "()" not in words
    assert ", ," not in words
    assert order_in_words(program)
    whole = facts.whole(program)
    if whole is not None:
        assert whole.below == tuple(range(program.terms))
    exact = facts.exact_products(program)
    assert sum(products for _, products, _ in facts.exact_operands(program)) == len(exact)
    assert not exact & set(facts.rounded_alone(program))


def test_a_rule_says_which_products_it_rounds_and_a_program_those_that_it_need_not() -> None:
    rule = Arithmetic(FLOAT32, fused=True, order=parse_order("pairwise"), rounded=(0, 3, 4, 5))
    assert facts.rounded_alone(program_of(rule, 8)) == (3, 4, 5)  # of 0 and 1 one is rounded, of 4 and 5 neither is fused
    assert facts.pairs_reversed(program_of(rule, 8)) == [(2, 3)]


def test_the_last_rounding_is_that_of_the_result() -> None:
    assert facts.last_mode(program_of(Arithmetic(FLOAT32, rounding=Rounding.RTZ), 4)) is Rounding.RTZ
    core = Arithmetic(FLOAT16, FLOAT32, fused=True, order=parse_order("groups:4"), alignment=Alignment(25))
    assert facts.last_mode(program_of(core, 8)) is Rounding.RNE  # into float16
    assert facts.last_mode(program_of(Arithmetic(FLOAT32, fused=True, alignment=Alignment(25)), 8)) is Rounding.RTZ
    assert facts.last_mode(program_of(REAL, 4)) is Rounding.RNE
    assert facts.last_mode(rounded_before_bias()) is Rounding.RNE
