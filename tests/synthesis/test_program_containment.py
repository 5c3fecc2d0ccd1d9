"""Programs that are the same, and those that interval arithmetic contains, held against the enumeration of small formats."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import examples
from programs import FORMATS, LONG, MIDDLE, NARROW, WIDE, arithmetic, everything, numbers_in, programs

from fpsynth import expressions as e
from fpsynth.alignment import Alignment
from fpsynth.errors import InputError
from fpsynth.evaluators.arrays import evaluate_arrays
from fpsynth.evaluators.bit_patterns import from_index
from fpsynth.evaluators.sums import sum_of_products
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.networks.lowering import lower
from fpsynth.networks.template import template
from fpsynth.orders import Tree
from fpsynth.rounding import (
    Rounding,
)
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.sums.building import program_of
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.flips.arithmetics import same
from fpsynth.synthesis.intervals.containment import containment
from fpsynth.synthesis.intervals.question import IntervalQuestion
from fpsynth.verifiers.interval_expressions import lower_interval
from fpsynth.witness.data import View

PRODUCT = LeafKind.PRODUCT
SEQUENTIAL = Tree(3, ((0, 1), (3, 2)))
OTHER = Tree(3, ((1, 2), (0, 3)))
ALL = Interval(Fraction(-8), Fraction(8))


def test_what_is_the_same_gives_the_same_numbers() -> None:
    proved = Counter[object]()

    @settings(max_examples=examples(450))
    @given(st.data())
    def held(data: st.DataObject) -> None:
        terms = data.draw(st.integers(1, 4))
        formats = data.draw(st.sampled_from([FORMATS, (WIDE,)]))  # the widest alone holds every product
        way = {"formats": formats, "flush": formats == FORMATS, "aligned": formats == FORMATS, "coarse": 0.05}
        a = data.draw(programs(MIDDLE, terms, **way))
        leaves = a.leaves
        if terms > 1:
            ways = [(leaf, Leaf(PRODUCT, leaf.reads), Leaf(PRODUCT, leaf.reads, (Round(WIDE),))) for leaf in leaves]
            leaves = tuple(data.draw(st.sampled_from(way)) for way in ways)
        b = data.draw(programs(MIDDLE, terms, leaves=leaves, tree=a.tree, **way))
        if not same(arithmetic(a), arithmetic(b), terms):
            return
        proved[a == b] += 1
        rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
        indices = rng.integers(-MIDDLE.max_finite_bits, MIDDLE.max_finite_bits + 1, (2, 2000, terms))
        w, x = from_index(indices, MIDDLE)
        np.testing.assert_array_equal(*(sum_of_products(arithmetic(program), w, x) for program in (a, b)))

    held()
    assert min(proved[True], proved[False]) >= 2, proved


def test_products_that_no_rounding_changes_are_the_same_fused_or_not_in_a_mixed_program() -> None:
    """A float16 product is exact in float32: fused into a float32 step or rounded there; not so into bfloat16's eight bits."""
    first, rounded = Leaf(PRODUCT, (), (Round(FLOAT32),)), Leaf(PRODUCT, (), (Round(FLOAT32, Rounding.RTZ),))
    tail = Step(StepKind.ADD, (Round(FLOAT64), Round(FLOAT32)))

    def of(second: Leaf, kind: StepKind) -> Arithmetic:
        step = Step(kind, (Round(FLOAT32),))
        return arithmetic(Program(FLOAT16, SEQUENTIAL, (first, second, first), (step, tail), (Round(FLOAT16),)))

    fused, plain = of(Leaf(PRODUCT), StepKind.FMA), of(rounded, StepKind.ADD)
    assert same(fused, plain, 3)
    wide = [replace(how, format=FLOAT32, given=replace(how.given, format=FLOAT32, result=())) for how in (fused, plain)]
    assert not same(wide[0], wide[1], 3)  # products of float32 numbers are not


@pytest.mark.parametrize(("precision", "alike"), [(22, True), (21, False)])
def test_a_format_of_twice_the_bits_and_no_less_holds_every_product(precision: int, alike: bool) -> None:
    wide = Format("double", 8, precision)
    plain = Program(
        LONG,
        Tree(2, ((0, 1),)),
        (Leaf(PRODUCT, (), (Round(wide),)),) * 2,
        (Step(StepKind.ADD, (Round(wide),)),),
        (Round(LONG),),
    )
    fused = replace(plain, leaves=(plain.leaves[0], Leaf(PRODUCT)), steps=(Step(StepKind.FMA, (Round(wide),)),))
    assert same(arithmetic(plain), arithmetic(fused), 2) is alike


def test_the_interval_of_a_program_contains_what_the_theorem_says() -> None:
    proved = Counter[object]()

    @settings(max_examples=examples(450))
    @given(st.data())
    def held(data: st.DataObject) -> None:
        terms = data.draw(st.sampled_from([1, 2, 2, 3]))
        fmt, coarse = data.draw(st.sampled_from([NARROW, MIDDLE])), data.draw(st.sampled_from([0.0, 0.1, 0.3]))
        a = data.draw(programs(fmt, terms, aligned=False, coarse=coarse))
        way = data.draw(st.sampled_from(["finer", "modes", "nudged", "nudged", "any"]))
        if way == "nudged":
            b = nudged(a, random.Random(data.draw(st.integers(0, 10**6))))
        elif way == "modes":
            b = other_modes(a, random.Random(data.draw(st.integers(0, 10**6))))
        else:
            formats = FORMATS[1:] if way == "finer" else FORMATS
            b = data.draw(programs(data.draw(st.sampled_from([MIDDLE, LONG])), terms, formats, tree=a.tree, coarse=coarse / 3))
        one = Interval(Fraction(-1), Fraction(1))
        sides = [View(n, n, role, Deployment(arithmetic(p))) for n, role, p in (("a", "reference", a), ("b", "deployed", b))]
        proof = containment(IntervalQuestion(NARROW, terms, *sides, one, one))
        if proof is None:
            return
        proved[proof.details["because"][:12]] += 1
        row = tuple(e.variable(f"w{k}", NARROW) for k in range(terms))
        point = [e.variable(f"x{k}", NARROW) for k in range(terms)]

        def cast(nodes: tuple[e.Expression, ...] | list[e.Expression], program: Program) -> tuple[e.Expression, ...]:
            return tuple(e.cast(node, program.format) for node in nodes)

        box = [(x, x) for x in cast(point, a)]
        ((low, high),) = lower_interval(template([((cast(row, a),), None)]), box, sides[0].deployment)
        (value,) = lower(template([((cast(row, b),), None)]), cast(point, b), sides[1].deployment)
        some = random.Random(data.draw(st.integers(0, 10**6))).sample(numbers_in(one), {1: 20, 2: 9, 3: 4}[terms])
        w, x = everything(terms, some, some)
        columns = {f"w{k}": w[:, k] for k in range(terms)} | {f"x{k}": x[:, k] for k in range(terms)}
        lows, highs, values = evaluate_arrays([low, high, value], columns)
        assert not (np.isfinite(values) & ((values < lows) | (values > highs))).any(), (a, b)

    held()
    assert len(proved) >= 2, proved
    assert proved.total() >= examples(450) // 4, proved


def nudged(program: Program, draw: random.Random) -> Program:
    """A program like it, but for the format of one rounding, or one product fused in; itself where that is none."""
    places = [(k, what) for k in range(program.terms) for what in ("reads", "rounds")]
    k, what = draw.choice([*places, *((k, "step") for k in range(len(program.steps))), (0, "result")])
    fmt, leaves, steps = draw.choice(FORMATS), list(program.leaves), list(program.steps)
    try:
        if what == "result":
            return replace(program, result=(Round(fmt), *program.result[-1:]))
        if what == "step":
            steps[k] = replace(steps[k], rounds=(*steps[k].rounds[:1], Round(fmt), *steps[k].rounds[1:]))
        else:
            leaves[k] = replace(leaves[k], **{what: (*getattr(leaves[k], what), Round(fmt))})
        return replace(program, leaves=tuple(leaves), steps=tuple(steps))
    except InputError:
        return program


def other_modes(program: Program, draw: random.Random) -> Program:
    def changed(rounds: tuple[Round, ...]) -> tuple[Round, ...]:
        return tuple(replace(one, mode=draw.choice(list(Rounding))) for one in rounds)

    leaves = tuple(replace(leaf, reads=changed(leaf.reads), rounds=changed(leaf.rounds)) for leaf in program.leaves)
    steps = tuple(replace(step, rounds=changed(step.rounds)) for step in program.steps)
    return replace(program, leaves=leaves, steps=steps, result=changed(program.result))


def test_one_rounding_more_or_coarser_at_any_place_is_not_contained() -> None:
    """Formats that hold what the interval's number is one of change nothing; narrower ones do, and two in a row as well."""
    leaf, add = Leaf(PRODUCT, (), (Round(LONG),)), Step(StepKind.ADD, (Round(LONG),))
    plain = Program(LONG, SEQUENTIAL, (leaf,) * 3, (add, add))
    one = Interval(Fraction(-1), Fraction(1))

    def contained(a: Program, b: Program) -> bool:
        sides = [View(n, n, role, Deployment(arithmetic(p))) for n, role, p in (("a", "reference", a), ("b", "deployed", b))]
        return containment(IntervalQuestion(LONG, 3, *sides, one, one)) is not None

    def variants(*more: Round) -> list[Program]:
        back = (*more, Round(LONG))
        return [
            replace(plain, leaves=(leaf, replace(leaf, reads=back), leaf)),
            replace(plain, leaves=(leaf, replace(leaf, rounds=(*leaf.rounds, *back)), leaf)),
            replace(plain, steps=(replace(add, rounds=(*add.rounds, *back)), add)),
            replace(plain, result=back),
        ]

    for fine, coarse in zip(variants(Round(WIDE, Rounding.RTP)), variants(Round(WIDE), Round(MIDDLE)), strict=True):
        assert contained(plain, fine)
        assert contained(coarse, plain)
        assert contained(coarse, coarse)
        assert not contained(plain, coarse)


def test_an_interval_of_a_given_program_that_aligns_is_refused() -> None:
    how = Arithmetic(FLOAT16, FLOAT32, fused=True, alignment=Alignment(24))
    given_ = arithmetic(program_of(how, 3))
    one = Interval(Fraction(-1), Fraction(1))
    sides = [View(n, n, role, Deployment(h)) for n, role, h in (("a", "reference", given_), ("b", "deployed", REAL))]
    with pytest.raises(InputError, match="aligned"):
        IntervalQuestion(FLOAT16, 3, *sides, one, one)
    plain = replace(sides[0], deployment=Deployment(Arithmetic(FLOAT16)))
    assert containment(IntervalQuestion(FLOAT16, 3, plain, replace(sides[0], role="deployed"), one, one)) is None
