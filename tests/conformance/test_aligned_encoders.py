"""Aligned sums in the floating-point theory: z3's evaluator and solvers say what the reference says, whatever the operands."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import SLOW, one_in, slow
from strategies import landmarks
from test_aligned_sums import alignments

from fpsynth import expressions as e
from fpsynth import rounding as r
from fpsynth.alignment import Alignment
from fpsynth.encoders import encode
from fpsynth.encoders.fpcore import to_fpcore
from fpsynth.encoders.ranges import analyse, variable_range
from fpsynth.encoders.z3_terms import evaluate_z3
from fpsynth.errors import InputError
from fpsynth.evaluators.exact import evaluate
from fpsynth.evaluators.recheck import failures
from fpsynth.expressions import Expression
from fpsynth.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, FLOAT32, TF32, Format, power_of_two
from fpsynth.problems import Assignment, Problem, Variable
from fpsynth.rounding import Rounding, Value, from_bits
from fpsynth.solvers.engines import ENGINES
from fpsynth.solvers.race import Task, race
from fpsynth.sums.arithmetic import Arithmetic

pytest.importorskip("z3", reason="z3 is not installed")

SMALL, MID = Format("small", 3, 4), Format("mid", 5, 6)
PAIRS = [
    (FLOAT16, FLOAT32),
    (FLOAT16, FLOAT16),
    (BFLOAT16, FLOAT32),
    (TF32, FLOAT32),
    (FLOAT32, FLOAT32),
    (FLOAT8_E5M2, FLOAT16),
    (FLOAT8_E4M3FN, FLOAT32),
    (SMALL, SMALL),
    (SMALL, MID),
    (MID, SMALL),
]
"""Formats of factors and of sums."""
CALLS = 2000 if SLOW else 10


def hostile(fmt: Format, rng: random.Random) -> Value:
    """Any datum; near a landmark: zero, subnormals, one, the largest, specials; or close to one, where sums cancel."""
    sign, kind = rng.randrange(2) << (fmt.bits - 1), rng.random()
    if kind < 0.3:
        return from_bits(rng.randrange(1 << fmt.bits), fmt)
    start = rng.choice(landmarks(fmt)) if kind < 0.6 else landmarks(fmt)[2]
    reach = 2 if kind < 0.6 else 3 << (fmt.precision - 1)
    return from_bits(min(max(start + rng.randrange(-reach, reach + 1), 0), (1 << (fmt.bits - 1)) - 1) | sign, fmt)


def aligned(sums: int, products: int, factors: Format, fmt: Format, how: Alignment, flush: bool = False) -> Expression:
    numbers = [e.variable(f"c{k}", fmt) for k in range(sums)]
    pairs = [(e.variable(f"a{k}", factors), e.variable(f"b{k}", factors)) for k in range(products)]
    return e.aligned(numbers, pairs, fmt, how, flush)


def assignment_of(root: Expression, rng: random.Random) -> dict[str, Value]:
    found = {}
    for leaf in root.args:
        assert leaf.format is not None
        found[leaf.name] = hostile(leaf.format, rng)
    if "a1" in found and rng.random() < 0.3:
        found |= {"a1": found["a0"], "b1": r.negate(found["b0"])}
    return found


@pytest.mark.parametrize(("factors", "fmt"), PAIRS, ids=lambda fmt: fmt.name)
@settings(max_examples=CALLS)
@given(how=alignments(), seed=st.integers(0, 10**6), sums=st.integers(0, 2), flush=st.sampled_from([False, False, True]))
def test_z3_evaluates_aligned_sums_as_the_reference_does(
    factors: Format, fmt: Format, how: Alignment, seed: int, sums: int, flush: bool
) -> None:
    rng = random.Random(seed)
    root = aligned(sums, rng.randrange(not sums, 4), factors, fmt, how, flush)
    assignment = assignment_of(root, rng)
    assert evaluate_z3([root], assignment) == evaluate([root], assignment), (str(how), assignment)


def test_a_least_exponent_of_zero_is_one() -> None:
    """0 was taken for none, so that the range of two products that cancel was zero alone; cut downward they make -2**-24."""
    root = aligned(0, 2, FLOAT16, FLOAT16, Alignment(24, Rounding.RNA, Rounding.RTN, 0), flush=True)
    a, b = r.from_fraction(Fraction(-599, 2048)), r.from_fraction(-1025 * power_of_two(-21))
    assignment = {"a0": a, "b0": b, "a1": a, "b1": r.negate(b)}
    assert evaluate_z3([root], assignment) == evaluate([root], assignment) == [r.MINUS_ZERO]


@pytest.mark.parametrize("flush", [False, True])
def test_numbers_and_specials_of_a_small_format(flush: bool) -> None:
    """A partial sum and a product, of all data of a format in turn, zeros and specials among them."""
    micro = Format("micro", 2, 3)
    data = {f"v{bits}": from_bits(bits, micro) for bits in range(1 << micro.bits)}
    leaves = [e.variable(name, micro) for name in data]
    triples = list(itertools.product(leaves, repeat=3))
    for k, (mode, cut) in enumerate(itertools.product(Rounding, Rounding)):
        how = Alignment(1 + k % 5, mode, cut, (None, 0, -3, 2)[k % 4])
        roots = [e.aligned([c], [(a, b)], micro, how, flush) for c, a, b in triples[k :: 1009 if SLOW else 2003]]
        assert evaluate_z3(roots, data) == evaluate(roots, data)


def everything(fmt: Format, low: Fraction, high: Fraction) -> list[Value]:
    first, last = r.index_range(low, high, fmt)
    return [r.from_index(k, fmt) for k in range(first, last + 1)]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=slow) for seed in (1, 3, 5)), 2, 4])
def test_ranges_hold_every_aligned_sum_and_solvers_find_no_other(seed: int) -> None:
    """With unknowns: all assignments of a box give the results that the encoding can have, and no result beside them."""
    import z3

    from fpsynth.encoders.z3_terms import z3_problem

    rng = random.Random(seed)
    least = rng.choice([None, None, -2, 0, 1])
    how = Alignment(rng.randrange(1, 6), rng.choice(list(Rounding)), rng.choice(list(Rounding)), least)
    root = aligned(1, 2, SMALL, SMALL, how, flush=seed % 3 == 0)
    domain = everything(SMALL, -SMALL.max_finite, SMALL.max_finite)
    variables, axes = [], []
    for leaf in root.args:
        low = rng.randrange(len(domain) - 3)
        axes.append(domain[low : low + rng.randrange(1, 4)])
        variables.append(Variable(leaf.name, SMALL, axes[-1][0].fraction(), axes[-1][-1].fraction()))
    names = [v.name for v in variables]
    known = analyse([root], {v.name: variable_range(v) for v in variables})[id(root)].value
    results = set()
    for row in itertools.product(*axes):
        (value,) = evaluate([root], dict(zip(names, row, strict=True)))
        assert isinstance(value, Value)
        results.add(value.fraction() if value.is_finite else None)
        if value.is_finite:
            assert known.lower <= value.fraction() <= known.upper
            assert (value.fraction() * power_of_two(-known.lsb)).denominator == 1
        else:
            assert known.special
    finite = sorted(result for result in results if result is not None)
    beside = [e.negation(e.eq(root, e.constant(result, SMALL))) for result in finite]
    finitely = [e.le(e.constant(-SMALL.max_finite, SMALL), root), e.le(root, e.constant(SMALL.max_finite, SMALL))]
    solver = z3.SolverFor("QF_FP")
    solver.add(*z3_problem(Problem("others", tuple(variables), (*beside, *finitely)))[0])
    assert solver.check() == z3.unsat
    for result in finite[:: max(1, len(finite) // 3)]:
        problem = Problem("one", tuple(variables), (e.eq(root, e.constant(result, SMALL)),))
        outcome = race([Task("z3", "fp", 0, problem)], seconds=30)
        assert outcome.assignment is not None
        assert failures(problem, outcome.assignment) == []


def differing(fmt: Format, terms: int) -> Problem:
    """A tensor core that keeps 13 bits and a chain of FMAs in float32 give sums of opposite signs."""
    from fpsynth.networks.lowering import lower
    from fpsynth.networks.template import template
    from fpsynth.orders import parse_order
    from fpsynth.sums.arithmetic import Deployment

    one_step = parse_order("[" + ",".join(map(str, range(terms))) + "]")
    chain = Arithmetic(fmt, FLOAT32, fused=True)
    core = Arithmetic(fmt, FLOAT32, fused=True, order=one_step, alignment=Alignment(13))
    w, x = ([e.variable(f"{letter}{k}", fmt) for k in range(terms)] for letter in "wx")
    (a,), (b,) = (lower(template([((tuple(w),), None)]), x, Deployment(how)) for how in (chain, core))
    zero, half, one = e.constant(0, fmt), Fraction(1, 2), Fraction(1)
    bounds = [(half, one) if k % 2 else (-one, -half) for k in range(terms)] + [(half, one)] * terms
    variables = tuple(Variable(v.name, fmt, *ends) for v, ends in zip([*w, *x], bounds, strict=True))
    return Problem("differing", variables, (e.lt(a, zero), e.lt(zero, b)))


@pytest.mark.parametrize(
    ("engine", "encoding", "fmt"),
    [pytest.param("z3", "fp", FLOAT16, marks=slow), ("bitwuzla", "fp", FLOAT16), ("sampling", "arrays", BFLOAT16)],
)
def test_engines_find_a_sign_that_a_tensor_core_turns_round(engine: str, encoding: str, fmt: Format) -> None:
    if ENGINES[engine].available() is None:
        pytest.skip(f"{engine} is not installed")
    problem = differing(fmt, 3)
    outcome = race([Task(engine, encoding, 0, problem)], seconds=60)
    assert outcome.assignment is not None, outcome.reason
    assert failures(problem, outcome.assignment) == []


def fixed(values: Sequence[Value], root: Expression, result: Value, *, differs: bool) -> Problem:
    """Every operand has one value; the sum is, or is not, ``result``."""
    variables = []
    for leaf, value in zip(root.args, values, strict=True):
        assert leaf.format is not None
        variables.append(Variable(leaf.name, leaf.format, value.fraction(), value.fraction()))
    claim = e.eq(root, e.constant(result.fraction(), root.format))
    return Problem("fixed", tuple(variables), (e.negation(claim) if differs else claim,))


CARRIED = [
    pytest.param("z3", "fp", SMALL, marks=slow),
    ("bitwuzla", "fp", FLOAT16),
    ("cvc5", "fp", FLOAT32),
    ("bitwuzla", "bitblast", SMALL),
]


@pytest.mark.parametrize(("engine", "encoding", "fmt"), one_in(2, CARRIED))
def test_solvers_read_the_text_as_the_reference_does(engine: str, encoding: str, fmt: Format) -> None:
    if ENGINES[engine].available() is None:
        pytest.skip(f"{engine} is not installed")
    rng = random.Random(5)
    asked = 0
    while asked < 1 + SLOW:
        how = Alignment(rng.choice([3, 13, 23, 25]), rng.choice(list(Rounding)), rng.choice(list(Rounding)))
        root = aligned(1, 2, fmt, FLOAT32 if fmt is FLOAT16 else fmt, how)
        assignment: Assignment = assignment_of(root, rng)
        (result,) = evaluate([root], assignment)
        assert isinstance(result, Value)
        values = [assignment[leaf.name] for leaf in root.args]
        if not result.is_finite or not all(value.is_finite for value in values):
            continue
        asked += 1
        for differs, status in ((False, "sat"), (True, "unsat")):
            problem = fixed(values, root, result, differs=differs)
            answer = ENGINES[engine].solve(problem, encoding, 0, 30, None)
            assert answer.status.value == status, (how, assignment)


def test_what_has_no_aligned_sums_says_so_in_one_line() -> None:
    problem = differing(FLOAT16, 2)
    with pytest.raises(InputError, match="no aligned sums"):
        encode(problem, "significands")
    with pytest.raises(InputError, match="no operation that aligns"):
        to_fpcore(problem, "differing")
    narrow = aligned(0, 1, FLOAT16, FLOAT8_E4M3FN, Alignment(9))
    variables = tuple(Variable(leaf.name, FLOAT16, Fraction(1), Fraction(2)) for leaf in narrow.args)
    with pytest.raises(InputError, match="no infinity"):
        encode(Problem("narrow", variables, (e.le(narrow, narrow),)), "fp")
