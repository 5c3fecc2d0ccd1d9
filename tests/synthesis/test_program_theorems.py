"""Theorems about two views, on programs of every kind: what they prove is held against the enumeration of small formats."""

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
from programs import FORMATS, LONG, MIDDLE, NARROW, SHORT, WIDE, arithmetic, computed, everything, numbers_in, programs
from sums import wide_trees

from fpsynth.alignment import Alignment
from fpsynth.errors import InputError
from fpsynth.evaluators.sums import sum_of_products
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64, TF32
from fpsynth.orders import Tree
from fpsynth.predicates import Predicate
from fpsynth.rounding import (
    Flush,
    Rounding,
    Value,
    exact_mul,
    flushed,
    from_float,
    from_fraction,
    round_value,
)
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.sums.building import program_of
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.exactness import Changes, ExactSum, exact_sum
from fpsynth.synthesis.flips import FlipQuestion
from fpsynth.synthesis.flips.arithmetics import same
from fpsynth.synthesis.flips.structure import impossible, nothing_rounds
from fpsynth.witness.data import View

PRODUCT = LeafKind.PRODUCT
SEQUENTIAL = Tree(3, ((0, 1), (3, 2)))
OTHER = Tree(3, ((1, 2), (0, 3)))
ALL = Interval(Fraction(-8), Fraction(8))


def asked(
    *hows: Arithmetic, terms: int, kind: str, weights: Interval, inputs: Interval, bound: Fraction = Fraction(0)
) -> FlipQuestion:
    names = [("a", "reference"), ("b", "deployed"), *[(f"silent{k}", "silent") for k in range(1, len(hows) - 1)]]
    views = tuple(View(n, n, role, Deployment(how)) for (n, role), how in zip(names, hows, strict=True))
    return FlipQuestion("order", NARROW, terms, Predicate(kind, bound=bound), views, weights, inputs)


def drawn(draw: random.Random, numbers: list[float], size: int) -> Interval:
    first = draw.randrange(len(numbers))
    last = min(first + draw.randint(0, size - 1), len(numbers) - 1)
    return Interval(Fraction(numbers[first]), Fraction(numbers[last]))


def evaluated(how: Arithmetic, weights: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    return (weights * inputs).sum(axis=1) if how.format is None else sum_of_products(how, weights, inputs)


def departs(predicate: Predicate, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    match predicate.kind:
        case "sign":
            return np.sign(a) != np.sign(b)
        case "relu":
            return (a < 0) & (b > 0)
        case _:
            with np.errstate(invalid="ignore"):
                return np.abs(a - b) >= float(predicate.bound)


@st.composite
def pairs(draw: st.DrawFn, terms: int) -> tuple[Program, Program]:
    """Two programs of one sum, of which most have leaves, a tree or even all steps in common."""
    fmt = draw(st.sampled_from([NARROW, MIDDLE, LONG]))
    coarse = draw(st.sampled_from([0.0, 0.1, 0.3]))
    a = draw(programs(fmt, terms, coarse=coarse))
    kept = draw(st.sampled_from(["leaves", "leaves", "both", "neither"]))
    leaves = a.leaves if kept != "neither" and terms > 1 else ()
    b = draw(programs(fmt, terms, leaves=leaves, tree=a.tree if kept == "both" else None, coarse=coarse))
    return (a, b) if draw(st.booleans()) else (b, a)


def test_no_proof_about_two_programs_is_refuted_by_enumeration() -> None:
    proved = Counter[object]()

    @settings(max_examples=examples(900))
    @given(st.data())
    def held(data: st.DataObject) -> None:
        terms = data.draw(st.sampled_from([1, 2, 2, 3, 3]))
        hows = [arithmetic(program) for program in data.draw(pairs(terms))]
        if data.draw(st.integers(0, 9)) == 0:
            hows[data.draw(st.integers(0, 1))] = REAL
        rng = random.Random(data.draw(st.integers(0, 10**6)))
        some = numbers_in(ALL)
        if data.draw(st.booleans()):  # of one sign
            some = [number for number in some if number > 0]
        size = {1: 20, 2: 7, 3: 3}[terms]
        kind = data.draw(st.sampled_from(["sign", "relu", "relu", "gap"]))
        ranges = drawn(rng, some, size), drawn(rng, some, size)
        question = asked(
            *hows,
            terms=terms,
            kind=kind,
            weights=ranges[0],
            inputs=ranges[1],
            bound=Fraction(rng.choice((1, 4)), 2) * (kind == "gap"),
        )
        for proof in (impossible(question), nothing_rounds(question)):
            if proof is None:
                continue
            proved[kind, proof.statement.split(":")[0].split(" of ")[0][:24]] += 1
            w, x = everything(terms, numbers_in(ranges[0]), numbers_in(ranges[1]))
            a, b = (evaluated(how, w, x) for how in hows)
            finite = np.isfinite(a) & np.isfinite(b)
            assert not (departs(question.predicate, a, b) & finite).any(), (proof, hows)

    held()
    assert {kind for kind, _ in proved} == {"sign", "relu", "gap"}
    assert len(proved) >= 9, proved


def test_an_exact_sum_is_what_it_says() -> None:
    """The changes that it lists, made to exact numbers, give what the program computes, whatever weights and inputs."""
    found = Counter[object]()

    def compare(program: Program, ranges: list[Interval], rng: random.Random) -> None:
        sums = exact_sum(arithmetic(program), program.terms, NARROW, *ranges)
        if sums is None:
            return
        found[bool(program.alignments), sums.plain, len(sums.result)] += 1
        for _ in range(12):
            w, x = ([rng.choice(numbers_in(some)) for _ in range(program.terms)] for some in ranges)
            value, wanted = computed(program, w, x), as_listed(sums, w, x)
            assert value == wanted or (value.is_zero and wanted.is_zero) or not value.is_finite, (program, w, x)

    @settings(max_examples=examples(1500))
    @given(st.data())
    def held(data: st.DataObject) -> None:
        terms, fmt = data.draw(st.integers(1, 4)), data.draw(st.sampled_from([NARROW, MIDDLE, LONG]))
        program = data.draw(programs(fmt, terms, coarse=data.draw(st.sampled_from([0.0, 0.2]))))
        rng = random.Random(data.draw(st.integers(0, 10**6)))
        some = numbers_in(ALL)
        compare(program, [drawn(rng, some, rng.choice((1, 2, 4, 9))) for _ in range(2)], rng)

    held()
    # of the rarest kind: factors are rounded before they are aligned
    step = Step(StepKind.ALIGNED, (Round(WIDE, Rounding.RTZ),), Alignment(24))
    rounded = Program(LONG, SEQUENTIAL, (Leaf(PRODUCT, (Round(SHORT),)),) * 3, (step, step), (Round(LONG),))
    compare(rounded, [Interval(Fraction(1), Fraction(3))] * 2, random.Random(1))
    assert {kind[:2] for kind in found} == {(True, True), (True, False), (False, True), (False, False)}, found
    assert {kind[2] for kind in found} >= {0, 1, 2}, found


def as_listed(sums: ExactSum, weights: list[float], inputs: list[float]) -> Value:
    def changed(value: Value, changes: Changes) -> Value:
        for change in changes:
            read = value if change.source is None else flushed(value, change.source)
            value = round_value(read, change.into.format, change.into.mode, change.into.flush)
        return value

    products = []
    for (of_weight, of_input, of_product), w, x in zip(sums.summands, weights, inputs, strict=True):
        factors = changed(from_float(w), of_weight), changed(from_float(x), of_input)
        products.append(changed(exact_mul(*factors), of_product))
    total = sum((product.fraction() for product in products), Fraction(0))
    assert abs(total) <= sums.most
    assert (total / Fraction(2) ** sums.last).denominator == 1
    return changed(from_fraction(total), sums.result)


def test_three_parts_are_never_of_opposite_signs() -> None:
    """All numbers of a format, three terms: programs that share their products and differ in what is done with these."""
    proved = Counter[object]()

    @settings(max_examples=examples(720))
    @given(st.data())
    def held(data: st.DataObject) -> None:
        fmt, terms = data.draw(st.sampled_from([NARROW, MIDDLE])), 3
        a = data.draw(programs(fmt, terms, flush=False, aligned=False, coarse=0.1))
        b = data.draw(programs(fmt, terms, leaves=a.leaves, flush=False, aligned=data.draw(st.booleans()), coarse=0.1))
        w = Interval(Fraction(-2), Fraction(2))
        question = asked(arithmetic(a), arithmetic(b), terms=terms, kind="relu", weights=w, inputs=w)
        proof = impossible(question)
        if proof is None or "three" not in proof.statement:
            return
        proved["three"] += 1
        some = random.Random(data.draw(st.integers(0, 10**6))).sample(numbers_in(ALL), 6)
        weights, inputs = everything(terms, some, some)
        first, second = (sum_of_products(arithmetic(program), weights, inputs) for program in (a, b))
        assert not ((first < 0) & (second > 0)).any(), (a, b)
        assert not ((second < 0) & (first > 0)).any(), (a, b)

    held()
    assert proved["three"] >= 20, proved


def three(*formats: object, tree: Tree = SEQUENTIAL, leaf: Leaf = Leaf(PRODUCT, (), (Round(LONG),))) -> Program:  # noqa: B008
    """Rounded products added in two steps, each rounded into the formats given, one after the other."""
    steps = tuple(Step(StepKind.ADD, tuple(map(Round, rounds))) for rounds in formats)
    return Program(LONG, tree, (leaf,) * 3, steps, (Round(LONG),))


def test_three_parts_need_formats_that_hold_the_third() -> None:
    fine = three([WIDE], [WIDE]), three([LONG], [LONG, MIDDLE], tree=OTHER)
    assert "three" in impossible(asked(*map(arithmetic, fine), terms=3, kind="relu", weights=ALL, inputs=ALL)).statement
    # the partial sum is rounded to 4 bits before the third is added: 1 + 2**-5 - 1 is lost, and 1 + 2**-4 - 1 doubled
    coarse = three([LONG, MIDDLE], [LONG]), three([LONG], [LONG], tree=OTHER)
    question = asked(*map(arithmetic, coarse), terms=3, kind="relu", weights=ALL, inputs=ALL)
    assert impossible(question) is None
    weights, inputs = np.array([[-1.0, -0.25, 5 / 4]]), np.array([[5 / 4, 1 / 8, 1.0]])
    got = [sum_of_products(arithmetic(program), weights, inputs)[0] for program in coarse]
    assert got[0] == 0.0 > got[1]  # to 4 bits -41/32 is -5/4


def test_flushed_partial_sums_are_no_exact_ones() -> None:
    """Multiples of the least subnormal number are numbers of the format, but none that a step which flushes leaves."""
    tiny, ones = Interval(Fraction(0), LONG.min_normal), Interval(Fraction(1), Fraction(1))
    leaf = Leaf(PRODUCT, (), (Round(LONG),))

    def found(flush: Flush) -> object:
        step = Step(StepKind.ADD, (Round(LONG, flush=flush),))
        return exact_sum(arithmetic(Program(LONG, Tree(2, ((0, 1),)), (leaf,) * 2, (step,))), 2, LONG, tiny, ones)

    assert found(Flush.NEVER) is not None
    assert found(Flush.ROUNDED) is None


def test_partial_sums_rounded_to_another_format_are_exact_only_where_that_holds_them() -> None:
    ones, halves = Interval(Fraction(1), Fraction(1)), Interval(Fraction(-3), Fraction(3))
    leaf = Leaf(PRODUCT, (), (Round(FLOAT32),))

    def sums(between: object) -> object:
        steps = Step(StepKind.ADD, (Round(FLOAT32), Round(between))), Step(StepKind.ADD, (Round(FLOAT64), Round(FLOAT32)))
        return exact_sum(arithmetic(Program(FLOAT32, SEQUENTIAL, (leaf,) * 3, steps)), 3, NARROW, halves, ones)

    assert sums(FLOAT16) == sums(FLOAT32) == exact_sum(Arithmetic(FLOAT32), 3, NARROW, halves, ones)
    assert sums(SHORT) is None  # two bits do not hold 3 + 3 in units of a sixteenth


def test_the_sum_rounded_before_the_result_is_a_change_like_the_last_one() -> None:
    wide = Interval(Fraction(-14), Fraction(14))
    leaf = Leaf(PRODUCT, (), (Round(WIDE),))
    step = Step(StepKind.ADD, (Round(WIDE),))

    def program(*result: Round) -> Arithmetic:
        return arithmetic(Program(NARROW, SEQUENTIAL, (leaf,) * 3, (step, replace(step, rounds=step.rounds)), result))

    once, twice = program(Round(NARROW)), program(Round(MIDDLE), Round(NARROW))
    found = [exact_sum(how, 3, NARROW, wide, wide) for how in (once, twice)]
    assert [len(sums.result) for sums in found] == [1, 2]
    assert nothing_rounds(asked(once, once, terms=3, kind="gap", weights=wide, inputs=wide, bound=Fraction(1)))
    assert nothing_rounds(asked(once, twice, terms=3, kind="gap", weights=wide, inputs=wide, bound=Fraction(1))) is None


def test_one_sign_needs_a_sum_that_neither_overflows_nor_underflows_in_any_format_on_the_way() -> None:
    leaf = Leaf(PRODUCT, (), (Round(WIDE),))

    def program(between: object) -> Arithmetic:
        steps = Step(StepKind.ADD, (Round(WIDE), Round(between))), Step(StepKind.ADD, (Round(WIDE),))
        return arithmetic(Program(LONG, SEQUENTIAL, (leaf,) * 3, steps, (Round(LONG),)))

    def proved(between: object, low: str, high: str) -> bool:
        some = Interval(Fraction(low), Fraction(high))
        return (
            impossible(asked(program(between), arithmetic(other), terms=3, kind="sign", weights=some, inputs=some)) is not None
        )

    other = Program(LONG, OTHER, (leaf,) * 3, (Step(StepKind.EXACT, (Round(WIDE),)),) * 2, (Round(LONG),))
    assert proved(LONG, "1/4", "14")
    assert proved(MIDDLE, "1/4", "7")
    assert not proved(NARROW, "1", "7")  # 49 + 49 is beyond it
    assert not proved(MIDDLE, "-1", "7")


def test_sums_with_a_bias_of_their_own_are_asked_without_it_and_other_addends_are_not_proved() -> None:
    leaves = (*(Leaf(PRODUCT, (), (Round(LONG),)),) * 2, Leaf(LeafKind.BIAS))
    add = Step(StepKind.ADD, (Round(LONG),))
    biased = Program(LONG, SEQUENTIAL, leaves, (add, add))
    how = arithmetic(biased)
    assert same(how, Arithmetic(LONG), 2)  # what is left of it without a bias
    assert (
        "same expression" in impossible(asked(how, Arithmetic(LONG), terms=2, kind="sign", weights=ALL, inputs=ALL)).statement
    )
    addend = arithmetic(replace(biased, leaves=(*leaves[:2], Leaf(LeafKind.ADDEND))))
    assert exact_sum(addend, 2, NARROW, ALL, ALL) is None
    with pytest.raises(InputError, match="2 terms, not of 3"):
        asked(how, Arithmetic(LONG), terms=3, kind="sign", weights=ALL, inputs=ALL)


def test_a_step_that_drops_all_of_its_small_products_keeps_no_sign() -> None:
    """Multiples of a quarter are all that is left below the least exponent 0."""
    step = Step(StepKind.ALIGNED, (Round(WIDE, Rounding.RTZ),), Alignment(2, least_exponent=0))
    how = arithmetic(Program(LONG, Tree(2, ((0, 1),)), (Leaf(PRODUCT),) * 2, (step,), (Round(LONG),)))

    def proof(low: str) -> object:
        some = Interval(Fraction(low), Fraction(1))
        return impossible(asked(Arithmetic(LONG), how, terms=2, kind="sign", weights=some, inputs=some))

    assert proof("1/2") is not None
    assert proof("1/4") is None
    quarter = np.array([[0.25, 0.25]])
    assert sum_of_products(how, quarter, quarter)[0] == 0 < sum_of_products(Arithmetic(LONG), quarter, quarter)[0]


def test_the_flags_of_a_given_arithmetic_mean_nothing() -> None:
    """Every theorem gives the answer for the rule also for the program that the rule is, whatever else the fields say."""
    rules = [
        Arithmetic(FLOAT16, FLOAT32, fused=True, alignment=Alignment(24)),
        Arithmetic(FLOAT16, FLOAT32, products=FLOAT16),
        Arithmetic(FLOAT32, operands=TF32),
        Arithmetic(FLOAT32, flush=Flush.UNBOUNDED),
        Arithmetic(FLOAT32, fused=True, rounded=(1,)),
        Arithmetic(FLOAT32, rounding=Rounding.RTZ),
        REAL,
    ]
    ranges = [ALL, Interval(Fraction(1), Fraction(2)), Interval(Fraction(0), Fraction(0))]
    for a in rules:
        for b in rules:
            for some in ranges:
                for kind, bound in (("sign", 0), ("relu", 0), ("gap", 1), ("gap", 40)):
                    proofs = [
                        impossible(asked(x, y, terms=4, kind=kind, weights=some, inputs=some, bound=Fraction(bound)))
                        for x, y in ((a, b), (meant(a), meant(b)))
                    ]
                    assert (proofs[0] is None) == (proofs[1] is None), (a, b, some, kind, proofs)


def meant(how: Arithmetic) -> Arithmetic:
    return how if how.format is None else arithmetic(program_of(how, 4))


@settings(max_examples=examples(100))
@given(st.data())
def test_random_programs_are_programs(data: st.DataObject) -> None:
    program = data.draw(
        programs(NARROW, data.draw(st.integers(1, 6)), (*FORMATS[:3], SHORT, WIDE), bias=data.draw(st.booleans()))
    )
    assert program.result_format == NARROW
    assert data.draw(wide_trees(3)).leaves == 3
