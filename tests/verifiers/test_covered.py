"""Claims of covered.py: the constants of lipschitz-sound bound the errors of every program that it says they do."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from programs import computed, programs
from strategies import values

from fpsynth.alignment import Alignment
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, TF32
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import Tree, parse_order
from fpsynth.rounding import Flush, Rounding
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.sums.building import program_of
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind
from fpsynth.verifiers.covered import covers, covers_all
from fpsynth.verifiers.layer_losses import losses


def test_the_constants_bound_the_errors_of_every_covered_program() -> None:
    covered = list[Program]()

    @settings(max_examples=examples(1200))
    @given(data=st.data())
    def held(data: st.DataObject) -> None:
        fmt, terms, biased = (
            data.draw(st.sampled_from([FLOAT16, BFLOAT16])),
            data.draw(st.integers(1, 4)),
            data.draw(st.booleans()),
        )
        formats = (fmt, FLOAT32, FLOAT64)
        program = data.draw(programs(fmt, terms, formats, bias=biased, aligned=False, coarse=0.05))
        if not covers(program, fmt):
            return
        covered.append(program)
        number = values(fmt, finite=True).map(float)
        weights, point = (data.draw(st.tuples(*[number] * terms)) for _ in range(2))
        bias = data.draw(number) if biased else None
        value = computed(program, weights, point, bias)
        if not value.is_finite:
            return  # the certifier rejects points where that may be
        layer = Dense((weights,), None if bias is None else (bias,))
        lost = losses(layer, fmt)
        assert lost is not None
        w, x = ([Fraction(number) for number in numbers] for numbers in (weights, point))
        exact = sum((a * b for a, b in zip(w, x, strict=True)), Fraction(bias or 0))
        allowed = lost.kappa * sum((abs(a * b) for a, b in zip(w, x, strict=True)), Fraction(0)) + lost.tau
        allowed += lost.bias * abs(Fraction(bias or 0)) + lost.flush * (sum(map(abs, w)) + sum(map(abs, x)))
        assert abs(value.fraction() - exact) <= allowed, program

    held()
    assert sum(len(program.steps) > 1 for program in covered) >= 10


def test_every_arithmetic_of_roundings_to_nearest_is_covered_and_no_other() -> None:
    for order in ("sequential", "pairwise", "strided:3"):
        for fused in (False, True):
            for wide in (None, FLOAT32):
                for bias in (False, True):
                    how = Arithmetic(FLOAT16, wide, fused=fused, order=parse_order(order))
                    assert covers(program_of(how, 8, bias), FLOAT16)
                    assert covers(program_of(replace(how, format=BFLOAT16, flush=Flush.UNBOUNDED), 8, bias), BFLOAT16)
                    assert not covers(program_of(replace(how, flush=True), 8, bias), FLOAT16)
    others = [
        Arithmetic(FLOAT32, rounding=Rounding.RTZ),
        Arithmetic(FLOAT32, FLOAT16),
        Arithmetic(FLOAT32, operands=TF32),
        Arithmetic(FLOAT32, fused=True, alignment=Alignment(24)),
        Arithmetic(FLOAT32, products=FLOAT16),
    ]
    network = dense_relu((Dense(((1.0, 2.0, 3.0, 4.0),)),))
    assert covers_all(network, Deployment(Arithmetic(FLOAT32)), FLOAT32)
    for how in others:
        assert not covers(program_of(how, 4), FLOAT32), how
        assert not covers_all(network, Deployment(Arithmetic(FLOAT32), (((0, 0), how),)), FLOAT32)


def test_partial_sums_in_a_narrower_format_or_rounded_once_more_each_are_not_covered() -> None:
    leaf = Leaf(LeafKind.PRODUCT, (), (Round(FLOAT32),))

    def program(*between: Round) -> Program:
        steps = Step(StepKind.ADD, (Round(FLOAT32), *between)), Step(StepKind.ADD, (Round(FLOAT64),))
        return Program(FLOAT32, Tree(3, ((0, 1), (3, 2))), (leaf,) * 3, steps, (Round(FLOAT32),))

    assert covers(program(), FLOAT32)  # a tail in float64
    assert covers(program(Round(FLOAT64), Round(FLOAT32)), FLOAT32)
    assert not covers(program(Round(FLOAT16)), FLOAT32)
    assert not covers(program(Round(TF32)), FLOAT32)
    doubled = replace(leaf, rounds=(Round(FLOAT64), Round(FLOAT32)))
    assert not covers(replace(program(), leaves=(doubled, doubled, doubled)), FLOAT32)
