"""What every rounding of a sum loses, step by step: no computed sum lies outside, whatever the program."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from programs import arithmetic, computed, programs
from strategies import values

from fpsynth.evaluators.step_losses import Reach, stepwise
from fpsynth.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, FLOAT32, Format
from fpsynth.networks.layers import AveragePooling, Dense
from fpsynth.orders import parse_order
from fpsynth.orders.tree import Tree
from fpsynth.rounding import Flush, Rounding, from_float, from_index, index_range, round_value
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.sums.building import program_of
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind

FORMATS = (FLOAT8_E5M2, FLOAT8_E4M3FN, FLOAT16, BFLOAT16)


def reach_of(program: Program, weights: list[float], ends: list[tuple[float, float]], bias: float | None) -> Reach | None:
    layer = Dense([weights], None if bias is None else [bias])
    found = stepwise(layer.structure((len(weights),)), Deployment(arithmetic(program)), 0, ends)
    assert found is not None
    return found[0]


def require(reach: Reach | None, program: Program, weights: list[float], point: list[float], bias: float | None) -> None:
    """Fail where the computed sum is not as the reach has it."""
    value = computed(program, weights, point, bias)
    if not value.is_finite:
        assert reach is None, (program, weights, point, bias)
        return
    if reach is None:
        return
    exact = sum((Fraction(w) * Fraction(x) for w, x in zip(weights, point, strict=True)), Fraction(bias or 0))
    assert reach.low <= value.fraction() <= reach.high, (program, weights, point, bias)
    assert abs(value.fraction() - exact) <= reach.lost, (program, weights, point, bias)
    assert value.fraction() % Fraction(2) ** max(reach.unit, -4000) == 0 if reach.unit < 4000 else not value.fraction()


def points_between(data: st.DataObject, ends: list[tuple[float, float]], fmt: Format) -> list[list[float]]:
    """The corners of a box, and numbers of the format between its ends."""
    points = [[low for low, _ in ends], [high for _, high in ends]]
    for _ in range(4):
        point = []
        for low, high in ends:
            first, last = index_range(Fraction(low), Fraction(high), fmt)
            point.append(float(from_index(data.draw(st.integers(first, last)), fmt)))
        points.append(point)
    return points


def test_no_sum_of_any_program_lies_outside_or_loses_more() -> None:
    known = list[bool]()

    @settings(max_examples=examples(600))
    @given(data=st.data())
    def held(data: st.DataObject) -> None:
        fmt = data.draw(st.sampled_from(FORMATS))
        terms, biased = data.draw(st.integers(1, 4)), data.draw(st.booleans())
        program = data.draw(programs(fmt, terms, (fmt, FLOAT16, FLOAT32), bias=biased, aligned=True, coarse=0.1))
        number = values(fmt, finite=True).map(float)
        weights = [data.draw(number) for _ in range(terms)]
        bias = data.draw(number) if biased else None
        pairs = [sorted((data.draw(number), data.draw(number))) for _ in range(terms)]
        ends = [(low, low if data.draw(st.booleans()) else high) for low, high in pairs]
        reach = reach_of(program, weights, ends, bias)
        known.append(reach is not None)
        for point in points_between(data, ends, fmt):
            require(reach, program, weights, point, bias)

    held()
    assert sum(known) >= len(known) / 20


def test_every_input_of_a_box_in_an_eight_bit_format() -> None:
    rng = np.random.default_rng(3)
    fmt, kinds = FLOAT8_E5M2, 0
    every = [float(from_index(k, fmt)) for k in range(-fmt.max_finite_bits, fmt.max_finite_bits + 1)]
    for _ in range(examples(12)):
        how = Arithmetic(
            fmt,
            rng.choice([None, FLOAT16]),
            rounding=rng.choice([Rounding.RNE, Rounding.RTZ, Rounding.RTP, Rounding.RNA]),
            fused=bool(rng.integers(2)),
            flush=rng.choice([Flush.NEVER, Flush.NEVER, *Flush]),
            order=parse_order(rng.choice(["sequential", "pairwise", "reverse"])),
            bias_first=bool(rng.integers(2)),
        )
        weights, bias = [float(w) for w in rng.choice(every[60:-60], 2)], float(rng.choice(every[60:-60]))
        low, high = sorted(rng.choice(len(every), 2).tolist())
        fixed = float(rng.choice(every))
        ends = [(every[low], every[high]), (fixed, fixed)]
        layer = Dense([weights], [bias])
        found = stepwise(layer.structure((2,)), Deployment(how), 0, ends)
        assert found is not None
        for x in every[low : high + 1]:
            require(found[0], program_of(how, 2, True), weights, [x, fixed], bias)
        kinds += found[0] is not None
    assert kinds


def test_a_sum_of_few_multiples_of_one_unit_loses_nothing() -> None:
    layer = Dense([[1.0, 2.0**26, -(2.0**26)]])
    how = Deployment(Arithmetic(FLOAT32))
    (whole,) = stepwise(layer.structure((3,)), how, 0, [(8.0, 8.0), (1.0, 1.0), (1.0, 1.0)]) or [None]
    assert whole is not None
    assert (whole.low, whole.high, whole.lost) == (8, 8, 0)
    (swallowed,) = stepwise(layer.structure((3,)), how, 0, [(1.0, 1.0), (1.0, 1.0), (1.0, 1.0)]) or [None]
    assert swallowed is not None
    assert (swallowed.low, swallowed.high) == (0, 0)
    assert swallowed.lost >= 1


def test_what_is_not_followed_is_not_known() -> None:
    pooling = AveragePooling((2, 2)).structure((1, 2, 2))
    assert stepwise(pooling, Deployment(Arithmetic(FLOAT32)), 0, [(0.0, 1.0)] * 4) is None
    large = Dense(np.ones((200, 100)))
    assert stepwise(large.structure((100,)), Deployment(Arithmetic(FLOAT32)), 0, [(0.0, 1.0)] * 100) is None
    assert stepwise(Dense([[3e38]]).structure((1,)), Deployment(Arithmetic(FLOAT32)), 0, [(0.0, 2.0)]) == [None]


@pytest.mark.parametrize("flush", [kind for kind in Flush if kind])
@pytest.mark.parametrize("fused", [False, True])
def test_operands_that_are_read_as_zeros_are_lost(flush: Flush, fused: bool) -> None:
    how = Arithmetic(FLOAT16, fused=fused, flush=flush)
    for weight, x, bias in ((1.0, 2.0**-14, 2.0**-24), (2.0**-24, 1024.0, 2.0**-13), (1024.0, 2.0**-24, 2.0**-13)):
        layer = Dense([[weight]], [bias])
        (reach,) = stepwise(layer.structure((1,)), Deployment(how), 0, [(x, x)]) or [None]
        assert reach is not None
        assert reach.lost >= min(Fraction(2) ** -24, Fraction(bias))
        require(reach, program_of(how, 1, True), [weight], [x], bias)


@settings(max_examples=examples(300))
@given(data=st.data())
def test_inputs_that_are_multiples_of_a_unit_keep_what_is_said(data: st.DataObject) -> None:
    fmt, terms = data.draw(st.sampled_from(FORMATS)), data.draw(st.integers(1, 3))
    program = data.draw(programs(fmt, terms, (fmt, FLOAT32), bias=False, aligned=False))
    number = values(fmt, finite=True).map(float)
    weights = [data.draw(number) for _ in range(terms)]
    unit = data.draw(st.integers(max(fmt.lsb_min, -8), 2))
    size = data.draw(st.integers(1, 2 ** min(fmt.precision, 4)))
    scale = 2.0**unit
    pairs = [sorted((data.draw(st.integers(-size, size)), data.draw(st.integers(-size, size)))) for _ in range(terms)]
    ends = [(low * scale - scale / 4, high * scale + scale / 4) for low, high in pairs]  # not on the grid themselves
    layer = Dense([weights])
    found = stepwise(layer.structure((terms,)), Deployment(arithmetic(program)), 0, ends, [unit] * terms)
    assert found is not None
    for _ in range(6):
        point = [data.draw(st.integers(low, high)) * scale for low, high in pairs]
        if all(Fraction(x) == Fraction(float(round_value(from_float(x), fmt))) for x in point):
            require(found[0], program, weights, point, None)


def test_units_of_inputs_tell_what_is_lost_by_no_rounding() -> None:
    layer = Dense([[65536.0, 65536.0]], [-1.5])
    ends, how = [(0.0, 2.0**-16)] * 2, Deployment(Arithmetic(FLOAT32))
    (known,) = stepwise(layer.structure((2,)), how, 0, ends, [-25, -25]) or [None]
    (unknown,) = stepwise(layer.structure((2,)), how, 0, ends) or [None]
    assert known is not None
    assert unknown is not None
    assert (known.lost, known.unit, known.high) == (0, -9, Fraction(1, 2))
    assert unknown.lost > 0


def test_an_operand_that_is_subnormal_in_its_own_format_is_read_as_zero_by_a_wider_step() -> None:
    """2**-16 is subnormal in e5m2 and a normal number of float32, whose units flush what they read as e5m2."""
    tiny = 2.0**-16
    for kind in (Flush.ROUNDED, Flush.UNBOUNDED):
        for order in ("sequential", "reverse"):
            how = Arithmetic(FLOAT8_E5M2, FLOAT32, flush=kind, order=parse_order(order))
            program = program_of(how, 2, True)
            layer = Dense([[tiny, 1.0]], [0.0])
            (reach,) = stepwise(layer.structure((2,)), Deployment(how), 0, [(0.0, 1.0), (0.0, 1.0)]) or [None]
            for point in ([1.0, 0.0], [1.0, 1.0], [0.0, tiny], [1.0, tiny]):
                require(reach, program, [tiny, 1.0], point, 0.0)


def test_a_flushing_unit_that_reads_a_narrow_subnormal_number() -> None:
    """As it was found: the product of a weight that is subnormal is 0, though the float32 unit that reads it holds it."""
    read = Round(FLOAT32, Rounding.RNE, Flush.ROUNDED)
    leaves = (Leaf(LeafKind.PRODUCT, (read,), ()), Leaf(LeafKind.BIAS, (), ()))
    steps = (Step(StepKind.EXACT, (Round(FLOAT16, Rounding.RNE, Flush.NEVER),), None),)
    program = Program(FLOAT8_E5M2, Tree(2, ((0, 1),)), leaves, steps, (Round(FLOAT8_E5M2, Rounding.RNE, Flush.NEVER),))
    reach = reach_of(program, [2.0**-16], [(0.0, 1.0)], 0.0)
    assert reach is not None
    require(reach, program, [2.0**-16], [1.0], 0.0)
