"""Arithmetics that are given as programs no flags can say, asked of every room: partial sums in another format, wide tails."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from detectors import bounded, dependent
from profiles import every_second
from programs import computed
from test_triggers import BOX, UNIT
from tie_questions import E4P4
from tie_questions import numbers as every_number
from tie_questions import question as tie_question

from fpsynth.alignment import Alignment
from fpsynth.errors import InputError
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.evaluators.networks import graph_logits
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64, TF32, Format
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import Tree, parse_order
from fpsynth.predicates import Predicate
from fpsynth.rounding import Flush, Rounding
from fpsynth.solvers.engines import engines_named
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.sums.building import program_of
from fpsynth.sums.program import Leaf, LeafKind, Program, Round, Step, StepKind
from fpsynth.synthesis.checking.findings import narrow_accumulators
from fpsynth.synthesis.detecting.stacking import any_width
from fpsynth.synthesis.detecting.swallowing import swallowing
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.flips import FlipQuestion, find_flip
from fpsynth.synthesis.flips.active import precisions
from fpsynth.synthesis.intervals.answer import find_outside
from fpsynth.synthesis.intervals.question import IntervalQuestion
from fpsynth.synthesis.settings import Settings
from fpsynth.synthesis.ties import ratio_bound
from fpsynth.synthesis.ties.exhaustive import enumerate_ties, feasible
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness.data import View

PRODUCT = LeafKind.PRODUCT
SAMPLING = Settings(engines_named("sampling"), seconds=20.0, jobs=1)
ONE = Interval(Fraction(-1), Fraction(1))


def given(terms: int, *, between: Format | None = None, tail: Format | None = None, bias: bool = False) -> Arithmetic:
    """float32 from left to right; all partial sums but the last also rounded to ``between``; the second half in ``tail``."""
    leaves = [Leaf(PRODUCT, (), (Round(FLOAT32),))] * terms + [Leaf(LeafKind.BIAS)] * bias
    total = len(leaves)
    tree = Tree(total, tuple((0 if k == 1 else total + k - 2, k) for k in range(1, total)))
    steps = []
    for k in range(1, total):
        own = tail if tail is not None and 2 * k >= total else FLOAT32
        more = () if between is None or k == total - 1 else (Round(between), Round(own))
        steps.append(Step(StepKind.ADD, (Round(own), *more)))
    result = () if tail is None else (Round(FLOAT32),)
    return Arithmetic(FLOAT32, given=Program(FLOAT32, tree, tuple(leaves), tuple(steps), result))


def views(a: Arithmetic, b: Arithmetic) -> tuple[View, View]:
    return View("a", "a", "reference", Deployment(a)), View("b", "b", "deployed", Deployment(b))


PAIRS = [
    (Arithmetic(FLOAT32), given(8, between=FLOAT16)),
    (given(8, tail=FLOAT64), Arithmetic(FLOAT32)),
    (given(8, tail=FLOAT64), given(8, between=TF32)),
    (given(8, bias=True), given(8, between=TF32)),
]


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=["half", "tail", "both", "bias"])
def test_a_flip_is_found_between_programs(a: Arithmetic, b: Arithmetic) -> None:
    asked = FlipQuestion("order", FLOAT32, 8, Predicate("sign"), views(a, b), ONE, ONE)
    assert find_flip(asked, SAMPLING).verdict is Verdict.FOUND
    apart = FlipQuestion("order", FLOAT32, 8, Predicate("gap", bound=Fraction(1, 1 << 30)), views(a, b), ONE, ONE)
    assert find_flip(apart, SAMPLING).verdict is Verdict.FOUND


def test_a_gap_beyond_the_errors_of_a_program_is_impossible_and_that_of_its_flags_is_not() -> None:
    a, b = views(Arithmetic(FLOAT32), given(8, between=FLOAT16))
    apart = FlipQuestion("order", FLOAT32, 8, Predicate("gap", bound=Fraction(1, 8)), (a, b), ONE, ONE)
    assert find_flip(apart, SAMPLING).verdict is Verdict.IMPOSSIBLE
    near = replace(apart, predicate=Predicate("gap", bound=Fraction(1, 1 << 12)))  # float32's own errors are far below
    assert find_flip(near, SAMPLING).verdict is Verdict.FOUND


def test_where_programs_round_is_where_candidates_are_sought() -> None:
    asked = FlipQuestion("order", FLOAT32, 8, Predicate("sign"), views(*PAIRS[2]), ONE, ONE)
    assert precisions(asked) == [11, 24, 53]


@pytest.mark.parametrize(("a", "b"), PAIRS[:2], ids=["half", "tail"])
def test_a_value_outside_an_interval_is_found_between_programs(a: Arithmetic, b: Arithmetic) -> None:
    """Sums that are rounded more coarsely than the interval's, or in which only the interval is fine."""
    asked = IntervalQuestion(FLOAT32, 8, *views(a, b), ONE, ONE)
    assert find_outside(asked, SAMPLING).verdict is Verdict.FOUND
    assert asked.reach is not None
    assert find_outside(replace(asked, a=replace(asked.b, role="reference"), b=replace(asked.a, role="deployed")),
                        SAMPLING).verdict is not Verdict.FOUND  # fmt: skip


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=["half", "tail", "both", "bias"])
def test_summands_that_tell_programs_apart_are_found_and_amplified(a: Arithmetic, b: Arithmetic) -> None:
    found = swallowing(a, b, 8, Fraction(1))
    assert found.omega in [2 ** (p + more) for p in (11, 24, 53) for more in (0, 1)]
    flip = bounded(*views(a, b), format=FLOAT32, terms=8, max_weight=Fraction(8))
    assert flip.measure >= 1
    box = dependent(*views(a, b), format=FLOAT32, terms=8, box=BOX, inputs=UNIT, samples=200)
    assert box.sampled is not None
    assert box.sampled.inside_fires == box.sampled.inside


def test_a_detector_is_refused_where_a_program_rounds_its_operands() -> None:
    rounded = Arithmetic(FLOAT32, given=program_of(Arithmetic(FLOAT32, operands=TF32), 8))
    with pytest.raises(InputError, match="rounds its operands"):
        dependent(*views(Arithmetic(FLOAT32), rounded), format=FLOAT32, terms=8, box=BOX, inputs=UNIT, samples=200)


def test_the_other_layers_of_a_program_are_summed_in_its_formats() -> None:
    assert any_width(given(8, tail=FLOAT64)) == Arithmetic(FLOAT32, FLOAT64)
    assert any_width(given(8, between=FLOAT16)) == Arithmetic(FLOAT32)
    cut = Arithmetic(FLOAT16, FLOAT32, Rounding.RTZ, flush=Flush.ROUNDED, order=parse_order("pairwise"))
    assert any_width(Arithmetic(FLOAT16, given=program_of(cut, 8))) == replace(cut, order=parse_order("sequential"))


def test_relu_after_a_given_program_flushes_as_that_does() -> None:
    """Its own field says that nothing is flushed; a subnormal sum that no operation flushes shows it."""
    leaf = Leaf(PRODUCT, (), (Round(FLOAT32),))
    program = Program(FLOAT32, Tree(2, ((0, 1),)), (leaf, leaf), (Step(StepKind.ADD, (Round(FLOAT32, flush=Flush.ROUNDED),)),))
    network = dense_relu((Dense(((1.0, 1.0),)), Dense(((1.0,),))))
    tiny = 2.0**-140
    last = Arithmetic(FLOAT32)
    for point in ((tiny, 0.0), (1.0, tiny)):
        deployment = Deployment(last, (((0, 0), Arithmetic(FLOAT32, given=program)),))
        (got,) = graph_logits(network, point, FLOAT32, deployment)
        assert [got] == network_outputs(network, np.array(point), deployment).tolist()
    single = Program(FLOAT32, Tree(1, ()), (Leaf(PRODUCT, (Round(FLOAT32, flush=Flush.ROUNDED),), (Round(FLOAT32),)),), ())
    network = dense_relu((Dense(((2.0**-40,),)), Dense(((1.0,),))))
    deployment = Deployment(last, (((0, 0), Arithmetic(FLOAT32, given=single)),))
    assert graph_logits(network, (2.0**-100,), FLOAT32, deployment) == (0.0,)  # 2**-140, which ReLU flushes


@pytest.mark.parametrize(
    ("how", "covered"),
    [
        (Arithmetic(FLOAT16), True),
        (Arithmetic(FLOAT16, fused=True, flush=Flush.UNBOUNDED), True),
        (Arithmetic(FLOAT16, operands=Format("coarse", 5, 4)), False),  # once taken for plain float16
        (Arithmetic(FLOAT16, products=Format("coarse", 5, 4)), False),
        (Arithmetic(FLOAT16, FLOAT32), False),
    ],
    ids=str,
)
def test_the_bound_of_ratios_speaks_of_one_rounding_alone(how: Arithmetic, covered: bool) -> None:
    asked = tie_question(FLOAT16, "1:2", "1:2")
    for meant in (how, Arithmetic(FLOAT16, given=program_of(how, 1))):
        stated = ratio_bound.bound(replace(asked, deployments=(Deployment(meant),)))
        assert stated == (1 << 11 if covered else None)
    twice = Program(
        FLOAT16, Tree(1, ()), (Leaf(PRODUCT, (), (Round(FLOAT16), Round(FLOAT32), Round(FLOAT16, Rounding.RTP))),), ()
    )
    assert ratio_bound.bound(replace(asked, deployments=(Deployment(Arithmetic(FLOAT16, given=twice)),))) == 1 << 11
    first = Program(FLOAT16, Tree(1, ()), (Leaf(PRODUCT, (), (Round(FLOAT32), Round(FLOAT16))),), ())
    assert ratio_bound.bound(replace(asked, deployments=(Deployment(Arithmetic(FLOAT16, given=first)),))) is None


COARSE, FINE = Format("coarse", 4, 2), Format("fine", 6, 9)
LEAVES = [
    Leaf(PRODUCT, (), (Round(FINE, Rounding.RTP), Round(E4P4))),
    Leaf(PRODUCT, (Round(COARSE, Rounding.RTZ), Round(E4P4)), (Round(E4P4),)),
    Leaf(PRODUCT, (), (Round(E4P4, flush=Flush.UNBOUNDED), Round(COARSE), Round(E4P4))),
]


RANGES = [("0.5:1.2", "0.5:1.5"), ("0.01:0.05", "-0.3:-0.05"), ("-0.02:0.02", "0.5:1")]


@pytest.mark.parametrize(("leaf", "ranges"), every_second(itertools.product(LEAVES, RANGES)))
def test_ties_of_a_program_are_enumerated_as_by_looking_at_everything(leaf: Leaf, ranges: tuple[str, str]) -> None:
    weights, inputs = ranges
    program = Program(E4P4, Tree(1, ()), (leaf,), ())
    asked = replace(tie_question(E4P4, weights, inputs), deployments=(Deployment(Arithmetic(E4P4, given=program)),))
    assert feasible(asked)
    ws, xs = (every_number(interval, E4P4) for interval in (asked.weights, asked.inputs))
    table = {(w, x): computed(program, [float(w)], [float(x)]).fraction() for w in ws for x in xs}
    ratios = [Fraction(0)]
    for u, v in itertools.permutations(ws, 2):
        tied = [x for x in xs if table[u, x] == table[v, x]]
        ratios += [
            (table[v, x] - table[u, x]) / (abs(v - u) * abs(a - x)) for a in tied for x in xs if table[v, x] > table[u, x]
        ]
    found = enumerate_ties(asked).value
    assert found == (max(ratios) if max(ratios) > 1 else None)
    assert ratio_bound.bound(asked) is None


def test_an_enumeration_is_of_numbers_of_the_question_alone() -> None:
    """Float32 products of float16 numbers would be taken for numbers of float16."""
    asked = tie_question(FLOAT16, "1:1.1", "1:1.1")
    assert feasible(asked)
    assert not feasible(replace(asked, deployments=(Deployment(Arithmetic(FLOAT32)),)))


def test_narrow_accumulators_of_programs_are_told() -> None:
    rule = Arithmetic(FLOAT32, FLOAT16)
    (told,) = narrow_accumulators([rule])
    assert [told] == list(narrow_accumulators([Arithmetic(FLOAT32, given=program_of(rule, 3))]))
    plain = [given(4, between=FLOAT16), given(4, tail=FLOAT64), Arithmetic(FLOAT32, given=program_of(TENSOR_CORE, 4))]
    assert not list(narrow_accumulators(plain))


TENSOR_CORE = Arithmetic(FLOAT32, fused=True, operands=TF32, alignment=Alignment(24), order=parse_order("groups:4"))
