"""Claims of evaluators/schedules.py: which programs have a schedule, why others have none, and how deep its stack is."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sums import wide_trees

from fpsynth.alignment import Alignment
from fpsynth.evaluators.schedules import Code, schedule_of, why_not
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64, TF32
from fpsynth.orders import fixed_order, parse_order
from fpsynth.orders.tree import Tree
from fpsynth.rounding import Flush, Rounding
from fpsynth.sums.arithmetic import REAL, Arithmetic
from fpsynth.sums.building import program_of
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind

FUSED = Arithmetic(FLOAT32, fused=True)
ONE = Round(FLOAT32)


def two_products(first: Leaf, second: Leaf, step: Step) -> Program:
    return Program(FLOAT32, Tree(2, ((0, 1),)), (first, second), (step,))


ROUNDED = Leaf(LeafKind.PRODUCT, (), (ONE,))
ADD = Step(StepKind.ADD, (ONE,))
UNFIT = {
    "real": (program_of(REAL, 3), "real numbers"),
    "aligned": (program_of(replace(FUSED, alignment=Alignment(25)), 3), "steps that are aligned"),
    "three at once": (program_of(replace(FUSED, order=fixed_order(Tree(3, ((0, 1, 2),)))), 3), "steps that are exact"),
    "float16": (program_of(Arithmetic(FLOAT16), 3), "not all in one of float32 and float64"),
    "two formats": (
        two_products(ROUNDED, ROUNDED, Step(StepKind.ADD, (Round(FLOAT64), ONE))),
        "rounds more than once",
    ),
    "to zero": (program_of(Arithmetic(FLOAT32, rounding=Rounding.RTZ), 3), "not to nearest even"),
    "read in two ways": (
        two_products(ROUNDED, replace(ROUNDED, reads=(Round(TF32), ONE)), ADD),
        "read their factors in different ways",
    ),
    "half flushed": (
        two_products(ROUNDED, ROUNDED, Step(StepKind.ADD, (Round(FLOAT32, flush=Flush.ROUNDED),))),
        "only some of its operations flush",
    ),
    "flushed in two ways": (
        two_products(
            Leaf(LeafKind.PRODUCT, (), (Round(FLOAT32, flush=Flush.UNBOUNDED),)),
            Leaf(LeafKind.PRODUCT, (), (Round(FLOAT32, flush=Flush.ROUNDED),)),
            Step(StepKind.ADD, (Round(FLOAT32, flush=Flush.ROUNDED),)),
        ),
        "only some of its operations flush",
    ),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_has_no_schedule(name: str) -> None:
    program, why = UNFIT[name]
    assert why in why_not(program)


def test_a_chain_needs_one_sum() -> None:
    schedule = schedule_of(program_of(FUSED, 4, True), (7, 5, 3, 1))
    assert schedule.depth == 2  # the bias waits beside it
    assert schedule.operations.tolist() == [
        [Code.PRODUCT, 7],
        [Code.FMA, 5],
        [Code.FMA, 3],
        [Code.FMA, 1],
        [Code.NUMBER, 0],
        [Code.ADD, 0],
    ]


def test_a_bias_that_comes_first_is_where_the_chain_begins() -> None:
    schedule = schedule_of(program_of(replace(FUSED, bias_first=True), 2, True))
    assert schedule.operations.tolist() == [[Code.NUMBER, 0], [Code.FMA, 0], [Code.FMA, 1]]
    assert schedule.depth == 1


@given(st.integers(1, 40).flatmap(lambda terms: wide_trees(terms, 2)), st.booleans())
def test_sums_that_wait_are_few_and_every_tap_is_taken_once(tree: Tree, fused: bool) -> None:
    schedule = schedule_of(program_of(Arithmetic(FLOAT32, fused=fused, order=fixed_order(tree)), tree.leaves))
    assert schedule.depth <= math.log2(tree.leaves) + 1
    products = (Code.PRODUCT, Code.FMA, Code.MULTIPLY_ADD)
    assert sorted(which for code, which in schedule.operations.tolist() if code in products) == list(range(tree.leaves))
    high, most = 0, 0
    for code, _ in schedule.operations.tolist():
        high += (code in (Code.PRODUCT, Code.NUMBER)) - (code == Code.ADD)
        most = max(most, high)
    assert (high, most) == (1, schedule.depth)


@pytest.mark.parametrize("order", ["sequential", "pairwise", "lanes:16", "strided:4", "blocked:384"])
def test_long_sums(order: str) -> None:
    program = program_of(replace(FUSED, order=parse_order(order)), 1568, True)
    assert why_not(program) == ""
    assert schedule_of(program).depth <= math.log2(1568) + 1
