"""The search: what is fixed at random stays in the domain and follows from the seed; objectives are bounded soundly."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tie_questions import E4P4, E4P5, question

from fpsynth import rounding as r
from fpsynth.evaluators.recheck import failures
from fpsynth.formats import BFLOAT16, FLOAT8_E5M2, FLOAT16, FLOAT32, FLOAT64
from fpsynth.solvers.engines import ENGINES
from fpsynth.synthesis.settings import Settings
from fpsynth.synthesis.ties.exhaustive import enumerate_ties
from fpsynth.synthesis.ties.question import OBJECTIVES, Bound, build, points, symbolic_network
from fpsynth.synthesis.ties.search import NARROWED, WINDOW, find, glance, narrow, objective_bounds, refute, root_bounds, tasks

DOMAINS = [
    (FLOAT32, "0.1:1", "0.1:1"),
    (FLOAT64, "-3:1e300", "-1e-320:1e-320"),
    (FLOAT16, "-2:-1", "-7:-6.99"),
    (BFLOAT16, "0:0", "0:1"),
    (FLOAT8_E5M2, "-57344:57344", "0.25:0.3125"),
    (E4P4, "1:1", "2:2"),
]


@pytest.mark.parametrize(("fmt", "weights", "inputs"), DOMAINS)
@pytest.mark.parametrize("shape", [(1, 2), (3, 2), (2, 3, 2)])
def test_what_is_fixed_lies_in_the_domain_and_names_every_unknown(fmt, weights, inputs, shape):
    asked = question(fmt, weights, inputs, shape=shape)
    for seed in range(20):
        chosen = narrow(asked, seed)
        assert set(chosen) == {v.name for v in build(asked).variables}
        for weight in symbolic_network(asked).entries():
            assert asked.weights.lower <= chosen[weight.name].lower == chosen[weight.name].upper <= asked.weights.upper
        for point in itertools.chain(*points(asked)):
            window = chosen[point.name]
            assert asked.inputs.lower <= window.lower <= window.upper <= asked.inputs.upper
            low, high = r.index_range(window.lower, window.upper, fmt)
            assert 0 <= high - low <= WINDOW
        assert narrow(asked, seed) == chosen


def test_other_seeds_fix_other_numbers():
    asked = question(FLOAT32, shape=(2, 3, 2))
    assert len({str(narrow(asked, seed)) for seed in range(10)}) == 10


def test_only_tasks_about_the_whole_question_may_refute_it():
    asked = question(FLOAT32)
    offered = list(itertools.islice(tasks(asked, [], tuple(ENGINES.values()), seed=3), 100))
    whole = {(v.name, v.lower, v.upper) for v in build(asked).variables}
    for task in offered:
        same = {(v.name, v.lower, v.upper) for v in task.problem.variables} == whole
        assert same == (task.problem.name != NARROWED)
        assert same or not task.complete
        assert not (task.engine == "sampling" and task.complete)
    assert {task.engine for task in offered if task.complete} == {"bitwuzla", "cvc5", "z3"}
    again = itertools.islice(tasks(asked, [], tuple(ENGINES.values()), seed=3), 100)
    assert [str(task) for task in again] == [str(task) for task in offered]


def test_one_engine_alone_is_asked_for_both_kinds_of_problems():
    offered = list(itertools.islice(tasks(question(FLOAT32), [], (ENGINES["z3"],), seed=0), 20))
    assert {task.engine for task in offered} == {"z3"}
    assert {task.complete for task in offered} == {True, False}
    only_samples = list(itertools.islice(tasks(question(FLOAT32), [], (ENGINES["sampling"],), seed=0), 5))
    assert {task.engine for task in only_samples} == {"sampling"}


@given(n=st.integers(1, 10**40), d=st.integers(1, 10**40))
def test_roots_are_enclosed_by_short_neighbours(n, d):
    square = Fraction(n, d)
    below, above = root_bounds(square)
    assert below**2 <= square <= above**2
    assert (above - below) * 2**38 <= below
    assert all(r.from_fraction(end).significand.bit_length() <= 41 for end in (below, above))


@pytest.mark.parametrize("root", [Fraction(2**24), Fraction(3, 2**600), Fraction(12345 * 2**900), Fraction(1)])
def test_short_roots_are_exact(root):
    # float() of such squares overflows, or is zero
    assert root_bounds(root**2) == (root, root)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_objective_of_a_solution_is_what_the_query_measures(objective):
    asked = question(E4P5, "0.5:0.9", "1:2", objective=objective)
    outcome = enumerate_ties(asked)
    below, above = objective_bounds(asked, outcome.best, objective)
    assert below <= outcome.value <= above
    assert above - below <= below / 2**38
    assert failures(build(asked, [Bound(objective, below)]), outcome.best) == []
    assert failures(build(asked, [Bound(objective, above, strict=True)]), outcome.best) != []


@pytest.mark.parametrize("shape", [(2, 2), (2, 2, 2), (1, 3)])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_with_more_inputs_and_hidden_layers_too(shape, objective):
    asked = question(FLOAT16, shape=shape, robust=True)
    settings = Settings((ENGINES["sampling"],), jobs=1)
    solution = find(asked, [], settings, 20.0).assignment
    below, above = objective_bounds(asked, solution, objective)
    assert failures(build(asked, [Bound(objective, below)]), solution) == []
    assert failures(build(asked, [Bound(objective, above, strict=True)]), solution) != []


def test_the_range_of_float64_does_not_limit_objectives():
    # squares of such margins overflow a float
    asked = question(FLOAT64, "1e200:2e200", "1:2")
    solution = find(asked, [], Settings((ENGINES["sampling"],), jobs=1), 20.0).assignment
    below, above = objective_bounds(asked, solution, "margin")
    assert 10**150 < below <= above


def test_refutation_asks_every_solver_about_the_whole_problem():
    pytest.importorskip("bitwuzla")
    pytest.importorskip("cvc5")
    asked = question(E4P4, "1.25:1.5", "1.5:1.75", min_ratio=17)
    outcome = refute(build(asked), Settings(tuple(ENGINES.values()), jobs=2), 30.0)
    assert outcome.status == "unsat"
    assert len({attempt.engine for attempt in outcome.refutations}) == 2


def test_a_glance_finds_the_largest_ratio_of_float32_without_a_process_and_follows_from_the_seed():
    asked = question(FLOAT32)
    problem = build(asked, [Bound("ratio", Fraction(2**24))])
    settings = Settings((ENGINES["sampling"],), seed=3)
    first, second = glance(problem, settings), glance(problem, settings)
    assert first is not None
    assert failures(problem, first.assignment) == []
    assert first.winner.engine == "sampling"
    assert first.assignment == second.assignment


def test_a_glance_leaves_what_it_does_not_find_to_the_race():
    impossible = build(question(FLOAT32), [Bound("ratio", Fraction(2**24 + 1))])
    assert glance(impossible, Settings((ENGINES["sampling"],))) is None
    assert glance(build(question(FLOAT32)), Settings((ENGINES["z3"],))) is None
