"""Claims of interval_ball.py: one interval that contains the value of every order."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from programs import arithmetic, computed, programs
from strategies import arithmetics, trees, values

from fpsynth.alignment import Alignment
from fpsynth.errors import InputError
from fpsynth.evaluators.networks import network_logits
from fpsynth.formats import BFLOAT16, FLOAT8_E5M2, FLOAT16, FLOAT32, FLOAT64, TF32
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import Tree, fixed_order, parse_order
from fpsynth.rounding import Rounding, from_float, round_value
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind
from fpsynth.verifiers.interval_ball import order_agnostic_interval

PRODUCT = Leaf(LeafKind.PRODUCT, (), (Round(FLOAT32),))


@pytest.mark.parametrize(("fmt", "omega"), [(FLOAT32, 2.0**24), (FLOAT64, 2.0**53)])
def test_it_contains_the_bad_value_of_each_published_detector(fmt: object, omega: float) -> None:
    """Order1 gives 15 in other orders than its own, Order2 and Order3 give 0."""
    for weights, bad in (
        (15 * ([omega / 4] * 4 + [1.0] + [-omega / 4] * 4), 15),
        ([2 / 512] * 512 + [omega, -omega], 0),
        ([1.0] * 512 + [omega, -omega], 0),
    ):
        low, high = order_agnostic_interval(weights, [1.0] * len(weights), Arithmetic(fmt))  # type: ignore[arg-type]
        assert low <= bad <= high


@settings(max_examples=examples(200))
@given(data=st.data())
def test_it_contains_the_value_of_every_tree_mode_and_fusing(data: st.DataObject) -> None:
    fmt = data.draw(st.sampled_from([FLOAT16, BFLOAT16, FLOAT32]))
    terms = data.draw(st.integers(1, 6))
    number = values(fmt, finite=True).map(float)
    weights = data.draw(st.tuples(*[number] * terms))
    point = data.draw(st.tuples(*[number] * terms))
    bias = data.draw(st.one_of(st.none(), number))
    operands = data.draw(st.sampled_from([None, FLOAT8_E5M2]))
    how = replace(data.draw(arithmetics(fmt)), flush=False, order=fixed_order(data.draw(trees(terms))), operands=operands)
    try:
        low, high = order_agnostic_interval(weights, point, how, bias)
    except InputError:  # a sum, or an operand on the way to float8, may overflow
        return
    network = dense_relu((Dense((weights,), None if bias is None else (bias,)),))
    (value,) = network_logits(network, point, fmt, Deployment(how))
    assert low <= Fraction(value) <= high


@settings(max_examples=examples(300))
@given(data=st.data())
def test_it_contains_the_value_of_every_tree_whose_steps_align(data: st.DataObject) -> None:
    fmt = data.draw(st.sampled_from([FLOAT16, BFLOAT16, FLOAT32]))
    terms, bits = data.draw(st.integers(1, 7)), data.draw(st.sampled_from([6, 8, 10, 23, 25]))
    number = values(fmt, finite=True).map(float)
    numbers = st.tuples(*[st.one_of(number, st.floats(-2, 2).map(lambda x: float(round_value(from_float(x), fmt))))] * terms)
    weights, point = data.draw(numbers), data.draw(numbers)
    bias = data.draw(st.one_of(st.none(), number))
    mode, cut = data.draw(st.sampled_from(Rounding)), data.draw(st.sampled_from(Rounding))
    how = replace(
        data.draw(arithmetics(fmt)),
        fused=True,
        flush=False,
        order=fixed_order(data.draw(trees(terms, 5))),
        operands=data.draw(st.sampled_from([None, FLOAT8_E5M2, TF32])),
        operand_rounding=data.draw(st.sampled_from(Rounding)),
        alignment=Alignment(bits, mode, cut, data.draw(st.sampled_from([None, -20, 0]))),
    )
    try:
        low, high = order_agnostic_interval(weights, point, how, bias)
    except InputError:
        return
    network = dense_relu((Dense((weights,), None if bias is None else (bias,)),))
    (value,) = network_logits(network, point, fmt, Deployment(how))
    assert low <= Fraction(value) <= high


def test_aligned_sums_lose_more_than_rounding_does_and_the_bound_knows() -> None:
    """Beside 1 everything below 1/16 is cut off, 63 times nearly 1/32: the bound for rounding alone does not hold that."""
    weights, ones = [1.0, *[2.0**-5 - 2.0**-10] * 63], [1.0] * 64
    how = Arithmetic(
        FLOAT16, FLOAT32, fused=True, alignment=Alignment(4), order=parse_order("[" + ",".join(map(str, range(64))) + "]")
    )
    (value,) = network_logits(dense_relu((Dense((tuple(weights),)),)), ones, FLOAT16, Deployment(how))
    assert value == 1
    plain = order_agnostic_interval(weights, ones, replace(how, alignment=None))
    assert not plain[0] <= value <= plain[1]
    with pytest.raises(InputError, match="too many"):
        order_agnostic_interval(weights, ones, how)
    kept = replace(how, alignment=Alignment(9))
    low, high = order_agnostic_interval(weights, ones, kept)
    assert low <= Fraction(network_logits(dense_relu((Dense((tuple(weights),)),)), ones, FLOAT16, Deployment(kept))[0]) <= high


def test_what_it_cannot_bound_is_refused() -> None:
    ones = [1.0] * 3
    with pytest.raises(InputError, match="real arithmetic"):
        order_agnostic_interval(ones, ones, REAL)
    with pytest.raises(InputError, match="flushed"):
        order_agnostic_interval(ones, ones, Arithmetic(FLOAT32, flush=True))
    addend = Program(FLOAT32, Tree(2, ((0, 1),)), (PRODUCT, Leaf(LeafKind.ADDEND)), (Step(StepKind.ADD, (Round(FLOAT32),)),))
    with pytest.raises(InputError, match="other addends"):
        order_agnostic_interval([1.0], [1.0], arithmetic(addend))
    with pytest.raises(InputError, match="do not fit"):
        order_agnostic_interval(ones, [1.0], Arithmetic(FLOAT32))
    with pytest.raises(InputError, match="too many"):
        order_agnostic_interval([1.0] * 256, [1.0] * 256, Arithmetic(BFLOAT16))
    with pytest.raises(InputError, match="overflow"):
        order_agnostic_interval([60000.0] * 2, [1.0] * 2, Arithmetic(FLOAT16))


def test_it_contains_the_value_of_every_program() -> None:
    """Mixed formats, several roundings in a row, operands and partial sums rounded, steps that align, a bias anywhere."""
    bounded = list[Program]()

    @settings(max_examples=examples(600))
    @given(data=st.data())
    def held(data: st.DataObject) -> None:
        fmt, terms, biased = (
            data.draw(st.sampled_from([FLOAT16, FLOAT8_E5M2])),
            data.draw(st.integers(1, 5)),
            data.draw(st.booleans()),
        )
        formats = (FLOAT8_E5M2, FLOAT16, TF32, FLOAT32)
        program = data.draw(programs(fmt, terms, formats, flush=False, bias=biased))
        number = values(fmt, finite=True).map(float)
        weights, point = (data.draw(st.tuples(*[number] * terms)) for _ in range(2))
        bias = data.draw(number) if biased else None
        try:
            low, high = order_agnostic_interval(weights, point, arithmetic(program), bias)
        except InputError:  # a sum, or an operand, may overflow; or the terms are too many for eight bits
            return
        assert low <= computed(program, weights, point, bias).fraction() <= high
        bounded.append(program)

    held()
    assert sum(len(program.formats) > 1 for program in bounded) >= 30


def test_what_is_rounded_twice_counts_twice_and_what_is_widened_does_not() -> None:
    leaf, ones = Leaf(LeafKind.PRODUCT, (), (Round(FLOAT32),)), [1.0] * 4
    tree = Tree(4, ((0, 1), (4, 2), (5, 3)))

    def width(*between: Round) -> Fraction:
        step = Step(StepKind.ADD, (Round(FLOAT32), *between))
        program = Program(FLOAT32, tree, (leaf,) * 4, (step, step, Step(StepKind.ADD, (Round(FLOAT32),))))
        low, high = order_agnostic_interval(ones, ones, arithmetic(program))
        return high - low

    plain = order_agnostic_interval(ones, ones, Arithmetic(FLOAT32))
    assert width() == width(Round(FLOAT32)) == width(Round(FLOAT64), Round(FLOAT32))
    assert width() == plain[1] - plain[0]
    assert width() < width(Round(TF32), Round(FLOAT32)) < width(Round(TF32), Round(FLOAT16), Round(FLOAT32))


def test_products_and_operands_that_are_rounded_are_covered() -> None:
    """Once refused: the interval is around the sum of the factors as they are read."""
    for how in (Arithmetic(FLOAT16, FLOAT32, products=FLOAT16), Arithmetic(FLOAT32, FLOAT16)):
        weights, point = [1 / 3, 0.7, -0.9], [0.1, 3.3, 0.7]
        weights, point = ([float(round_value(from_float(x), how.format)) for x in row] for row in (weights, point))
        low, high = order_agnostic_interval(weights, point, how)
        (value,) = network_logits(dense_relu((Dense((tuple(weights),)),)), point, how.format, Deployment(how))
        assert low <= Fraction(value) <= high
        assert high - low < Fraction(1, 50)


def test_the_unit_roundoff_is_that_of_the_accumulator() -> None:
    weights, point = [1.0] * 64, [1.0] * 64
    narrow = order_agnostic_interval(weights, point, Arithmetic(FLOAT16))
    wide = order_agnostic_interval(weights, point, Arithmetic(FLOAT16, accumulator=FLOAT32))
    assert wide[1] - wide[0] < (narrow[1] - narrow[0]) / 30
