import time
from fractions import Fraction

import pytest
from questions import absorption, factoring

from fpsynth import expressions as ex
from fpsynth.evaluators.recheck import failures
from fpsynth.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT16, FLOAT32, FLOAT64, TF32, Format
from fpsynth.problems import Problem, Variable
from fpsynth.solvers.base import EngineAnswer, Status
from fpsynth.solvers.sampling import Sampling

FORMATS = [FLOAT8_E4M3FN, BFLOAT16, FLOAT16, TF32, FLOAT32, FLOAT64]


def sample(problem: Problem, seed: int = 0, seconds: float = 10) -> EngineAnswer:
    return Sampling().solve(problem, "arrays", seed, seconds, None)


def tie(fmt: Format, near: bool = True) -> Problem:
    """w1 * a and w2 * a round to the same number, w1 * b and w2 * b do not, and w1 < w2."""
    w1, w2, a, b = (ex.variable(name, fmt) for name in ("w1", "w2", "a", "b"))
    bounds = Fraction(1, 10), Fraction(1)
    return Problem(
        "tie",
        tuple(Variable(name, fmt, *bounds) for name in ("w1", "w2", "a", "b")),
        (ex.conjunction([ex.lt(w1, w2), ex.eq(ex.mul(w1, a), ex.mul(w2, a))]), ex.lt(ex.mul(w1, b), ex.mul(w2, b))),
        (("w1", "w2"), ("a", "b")) if near else (),
    )


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
def test_ties_are_found_in_every_format(fmt: Format):
    answer = sample(tie(fmt))
    assert answer.status is Status.SAT
    assert answer.assignment is not None
    assert failures(tie(fmt), answer.assignment) == []


def test_without_the_hint_ties_are_found_by_improving_near_misses():
    assert sample(tie(FLOAT32, near=False), seconds=20).status is Status.SAT


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
def test_absorption_is_found_in_every_format(fmt: Format):
    assert sample(absorption(fmt)).status is Status.SAT


def test_the_seed_determines_the_solution():
    first, again, other = sample(tie(FLOAT32), 5), sample(tie(FLOAT32), 5), sample(tie(FLOAT32), 6)
    assert first.assignment == again.assignment
    assert first.assignment != other.assignment


def test_no_solution_is_an_unknown_within_the_time_limit_and_never_an_unsat():
    for problem in (absorption(FLOAT16, solvable=False), factoring()):
        before = time.monotonic()
        answer = sample(problem, seconds=0.5)
        assert time.monotonic() - before < 20
        assert answer.status is Status.UNKNOWN
        assert "no solution among" in answer.reason


def test_bounds_between_two_neighbours_are_said_to_hold_no_number():
    third = Fraction(1, 3)
    problem = Problem("gap", (Variable("x", FLOAT16, third, third),), ())
    assert "x has no float16 within its bounds" in sample(problem).reason


def test_every_draw_stays_within_the_bounds_even_at_the_ends_of_the_format():
    x, y = ex.variable("x", FLOAT64), ex.variable("y", FLOAT64)
    ends = -FLOAT64.max_finite, FLOAT64.max_finite
    problem = Problem(
        "ends",
        (Variable("x", FLOAT64, *ends), Variable("y", FLOAT64, ends[1] - 2**971, ends[1])),
        (ex.lt(x, ex.constant(0, FLOAT64)), ex.eq(y, ex.constant(ends[1], FLOAT64))),
        (("x", "y"),),
    )
    answer = sample(problem)
    assert answer.status is Status.SAT
    assert answer.assignment is not None
    assert failures(problem, answer.assignment) == []


def test_a_problem_without_assertions_or_without_variables_has_a_solution():
    assert sample(Problem("free", (Variable("x", FLOAT16, Fraction(1), Fraction(2)),), ())).status is Status.SAT
    assert sample(Problem("empty", (), ())).status is Status.SAT


def test_what_only_real_arithmetic_can_tell_apart_is_left_to_the_exact_recheck():
    """x + 2**-60 > x in the reals, though the filter, in float64, cannot see it: no false solution may come of that."""
    x = ex.variable("x", FLOAT32)
    tiny = ex.constant(Fraction(1, 2**60), None)
    problem = Problem(
        "filter", (Variable("x", FLOAT32, Fraction(1), Fraction(2)),), (ex.le(ex.add(ex.real(x), tiny), ex.real(x)),)
    )
    assert sample(problem, seconds=0.3).status is Status.UNKNOWN
