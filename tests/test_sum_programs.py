"""Claims of sum programs: what is no program, what is left of one, programs of numbers in place of products."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from programs import FORMATS, MIDDLE, NARROW, WIDE, computed, programs

from fpsynth.alignment import Alignment
from fpsynth.errors import InputError
from fpsynth.evaluators.exact import evaluate
from fpsynth.expressions import constant
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64, TF32
from fpsynth.orders import Tree
from fpsynth.rounding import Rounding, from_index
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_of
from fpsynth.sums.graph import sum_graph
from fpsynth.sums.numbers import of_numbers, widest
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind, held_format, inexact
from fpsynth.sums.restriction import restrict_program

EXACT = Leaf(LeafKind.PRODUCT)
ROUNDED = Leaf(LeafKind.PRODUCT, (), (Round(FLOAT32),))
TWO = Tree(2, ((0, 1),))


def test_steps_that_cannot_read_their_factors_are_refused() -> None:
    with pytest.raises(InputError, match="does not hold its factors"):
        Program(FLOAT32, TWO, (EXACT, Leaf(LeafKind.BIAS, (Round(FLOAT16),))), (Step(StepKind.FMA, (Round(FLOAT16),)),))
    read = Leaf(LeafKind.PRODUCT, (Round(TF32),))
    align = Step(StepKind.ALIGNED, (Round(FLOAT32, Rounding.RTZ),), Alignment(24))
    with pytest.raises(InputError, match="factors are of several formats"):
        Program(FLOAT32, TWO, (EXACT, read), (align,))


def test_what_is_left_of_an_exact_sum_in_a_narrower_format_is_an_exact_sum() -> None:
    """An FMA in float16 would round the float32 factors first: the step stays what it is."""
    leaves = (EXACT, ROUNDED, Leaf(LeafKind.PRODUCT, (Round(FLOAT16),), (Round(FLOAT16),)))
    whole = Program(
        FLOAT32,
        Tree(3, ((0, 2), (3, 1))),
        leaves,
        (Step(StepKind.EXACT, (Round(FLOAT16),)), Step(StepKind.ADD, (Round(FLOAT32),))),
    )
    left = restrict_program(whole, (0, 2))
    assert left.steps[0].kind is StepKind.EXACT
    w, x = 1 + 2.0**-20, 1 + 2.0**-11
    assert computed(left, (w, 0.0), (x, 1.0)) == computed(whole, (w, 0.0, 0.0), (x, 1.0, 1.0))
    assert computed(left, (w, 0.0), (x, 1.0)).fraction() == 1 + Fraction(1, 1024)  # the tie is broken by 2**-20


@settings(max_examples=examples(300))
@given(st.data())
def test_a_program_of_numbers_gives_what_products_with_1_give(data: st.DataObject) -> None:
    terms = data.draw(st.integers(1, 5))
    program = data.draw(programs(MIDDLE, terms, FORMATS[1:], aligned=False, flush=False))
    plain = replace(program, leaves=tuple(replace(leaf, reads=()) for leaf in program.leaves))
    position = st.integers(-MIDDLE.max_finite_bits, MIDDLE.max_finite_bits)
    numbers = [float(from_index(data.draw(position), MIDDLE)) for _ in range(terms)]
    (got,) = evaluate([sum_graph(of_numbers(plain, MIDDLE), (), addends=[constant(Fraction(n), MIDDLE) for n in numbers])], {})
    wanted = computed(plain, numbers, [1.0] * terms)
    assert got == wanted or (got.is_zero and wanted.is_zero)  # -0 * 1 is exact, and -0 a number that is told apart


def test_numbers_of_a_wider_format_come_out_in_that() -> None:
    how = Arithmetic(FLOAT16, FLOAT32, fused=True)
    program = of_numbers(program_of(how, 3), FLOAT32)
    assert program.format == program.result_format == FLOAT32
    assert [step.kind for step in program.steps] == [StepKind.ADD] * 2
    assert widest(program_of(how, 3)) == FLOAT32
    tail = Program(
        NARROW, TWO, (Leaf(LeafKind.PRODUCT, (), (Round(NARROW),)),) * 2, (Step(StepKind.ADD, (Round(WIDE), Round(NARROW))),)
    )
    assert widest(tail) == WIDE


def test_widening_changes_nothing() -> None:
    back = (Round(FLOAT64), Round(FLOAT32), Round(FLOAT16), Round(FLOAT32))
    assert inexact(FLOAT32, back) == [Round(FLOAT16)]
    assert inexact(None, back) == [Round(FLOAT64), Round(FLOAT32), Round(FLOAT16)]
    assert held_format(FLOAT32, back) == FLOAT16
    assert held_format(FLOAT16, (Round(FLOAT32),)) == FLOAT16


def test_formats_that_operands_are_rounded_into() -> None:
    assert program_of(Arithmetic(FLOAT32, operands=TF32), 3).narrowed == {(TF32, FLOAT32)}
    assert program_of(Arithmetic(FLOAT32, FLOAT16), 3).narrowed == {(FLOAT16, FLOAT16)}
    assert not program_of(Arithmetic(FLOAT16, FLOAT32), 3).narrowed
    aligned = Arithmetic(FLOAT32, fused=True, operands=TF32, alignment=Alignment(24))
    assert program_of(aligned, 3).narrowed == {(TF32, FLOAT32)}
    assert program_of(Arithmetic(FLOAT16, FLOAT32, products=FLOAT16), 3).sum_formats == {FLOAT16, FLOAT32}
    assert FORMATS[-1] == WIDE
